package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

const (
	maxFrames = 10 // of a packet that its tooltip lists
	maxRanges = 4  // of an ACK frame that its tooltip lists
)

// A frame is what is looked at of a frame of QUIC (draft-ietf-quic-qlog-quic-events, Section 8.13).
type frame struct {
	Type         text       `json:"frame_type"`
	StreamID     *number    `json:"stream_id"`
	Offset       *number    `json:"offset"`
	Length       *number    `json:"length"`
	Raw          rawInfo    `json:"raw"`
	Fin          bool       `json:"fin"`
	FinalSize    *number    `json:"final_size"`
	ReliableSize *number    `json:"reliable_size"`
	ErrorCode    *text      `json:"error_code"`
	Error        *text      `json:"error"`
	Maximum      *number    `json:"maximum"`
	Reason       text       `json:"reason"`
	AckedRanges  []ackRange `json:"acked_ranges"`
}

type rawInfo struct {
	Length        *number `json:"length"`
	PayloadLength *number `json:"payload_length"`
}

// size returns the number of bytes of a STREAM, CRYPTO or DATAGRAM frame.
func (f *frame) size() int64 { return f.Length.or(f.Raw.PayloadLength.or(f.Raw.Length.or(0))) }

// An ackRange is a range of packet numbers. Empty ones have first > last.
type ackRange struct{ first, last int64 }

// UnmarshalJSON implements json.Unmarshaler.
func (r *ackRange) UnmarshalJSON(b []byte) error {
	var v []number
	*r = ackRange{0, -1}
	if json.Unmarshal(b, &v) == nil && len(v) > 0 {
		*r = ackRange{int64(v[0]), int64(v[len(v)-1])}
	}
	return nil
}

// describeFrames returns one line for a tooltip.
func describeFrames(frames []frame) string {
	var list []string
	for i := range frames {
		if i == maxFrames {
			list = append(list, fmt.Sprintf("and %d more", len(frames)-i))
			break
		}
		list = append(list, frames[i].String())
	}
	return cut(strings.Join(list, " · "), 2*maxText)
}

// String describes the frame in a few words.
func (f *frame) String() string {
	name := strings.ToUpper(cut(string(f.Type), 40))
	if f.StreamID != nil {
		name = fmt.Sprintf("%s %d", name, f.StreamID.or(-1))
	}
	switch f.Type {
	case "stream", "crypto":
		name += fmt.Sprintf(" [%d, +%d]", f.Offset.or(0), f.size())
	case "datagram":
		name += fmt.Sprintf(" %d B", f.size())
	case "ack":
		return name + f.ranges()
	}
	if f.Fin {
		name += " FIN"
	}
	if f.Maximum != nil {
		name += fmt.Sprintf(" %d", f.Maximum.or(0))
	}
	if f.ErrorCode != nil {
		name += " code " + cut(string(*f.ErrorCode), 40)
	} else if f.Error != nil {
		name += " " + cut(string(*f.Error), 40)
	}
	if f.Reason != "" {
		name += fmt.Sprintf(" %q", cut(string(f.Reason), 60))
	}
	return name
}

func (f *frame) ranges() string {
	var b strings.Builder
	for i, r := range f.AckedRanges {
		if i == maxRanges {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, " %d", r.first)
		if r.last > r.first {
			fmt.Fprintf(&b, "–%d", r.last)
		}
	}
	return b.String()
}
