package main

import (
	"encoding/json"
	"fmt"
)

func (b *builder) streamStateUpdated(data json.RawMessage) error {
	var e struct {
		ID      *number `json:"stream_id"`
		New     text    `json:"new"`
		Side    text    `json:"stream_side"`
		Trigger text    `json:"trigger"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	b.streams.anyEvents = true
	if s := b.streams.get(e.ID.or(-1)); s != nil {
		s.enterEvent(string(e.Side), span{b.now, string(e.New), string(e.Trigger)})
	}
	return nil
}

// httpDatagram is the event datagram_created of HTTP/3.
func (b *builder) httpDatagram(data json.RawMessage) error {
	return b.datagramOf(data, func(s *streamBuilder) *halfBuilder { return &s.send })
}

func (b *builder) httpDatagramParsed(data json.RawMessage) error {
	return b.datagramOf(data, func(s *streamBuilder) *halfBuilder { return &s.recv })
}

func (b *builder) datagramOf(data json.RawMessage, side func(*streamBuilder) *halfBuilder) error {
	var e struct {
		Quarter *number `json:"quarter_stream_id"`
		Raw     rawInfo `json:"raw"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	// RFC 9297, Section 2.1: the ID of the request stream divided by four.
	quarter := e.Quarter.or(-1)
	if quarter < 0 || quarter >= 1<<60 {
		return nil
	}
	if s := b.streams.get(4 * quarter); s != nil {
		side(s).datagrams.add(float64(b.now), tick{T: b.now, Size: e.Raw.PayloadLength.or(e.Raw.Length.or(0))})
	}
	return nil
}

func (b *builder) datagramDropped(data json.RawMessage) error {
	var e struct {
		Direction text    `json:"direction"`
		Raw       rawInfo `json:"raw"`
		Trigger   text    `json:"trigger"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	if len(b.out.Frames.Dropped) < maxMarks {
		size := e.Raw.PayloadLength.or(e.Raw.Length.or(0))
		b.out.Frames.Dropped = append(b.out.Frames.Dropped, mark{b.now, "dropped", fmt.Sprintf("datagram dropped, %s %d B %s", e.Direction, size, e.Trigger)})
	}
	return nil
}

func (b *builder) streamTypeSet(data json.RawMessage) error {
	var e struct {
		ID   *number `json:"stream_id"`
		Type text    `json:"stream_type"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	if s := b.streams.get(e.ID.or(-1)); s != nil && s.title == "" {
		s.title = string(e.Type)
	}
	return nil
}

// httpFrame takes the title of a request stream from its first HEADERS frame.
func (b *builder) httpFrame(data json.RawMessage) error {
	var e struct {
		ID    *number `json:"stream_id"`
		Frame struct {
			Headers []struct {
				Name  text `json:"name"`
				Value text `json:"value"`
			} `json:"headers"`
		} `json:"frame"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	var method, path text
	for _, h := range e.Frame.Headers {
		switch h.Name {
		case ":method":
			method = h.Value
		case ":path":
			path = h.Value
		}
	}
	if method == "" {
		return nil
	}
	if s := b.streams.get(e.ID.or(-1)); s != nil && (s.title == "" || s.title == "request") {
		s.title = cut(fmt.Sprintf("%s %s", method, path), maxText)
	}
	return nil
}
