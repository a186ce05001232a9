package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// eventHandlers returns what is done with each event. Names are those of draft-ietf-quic-qlog-quic-events, of its older
// versions, and of this module; schemas are not looked at.
func (b *builder) eventHandlers() map[string]func(json.RawMessage) error {
	return map[string]func(json.RawMessage) error{
		"packet_sent":              b.packetSent,
		"packet_received":          b.packetReceived,
		"packet_dropped":           b.packetDropped,
		"packet_lost":              b.packetLost,
		"packets_acked":            b.packetsAcked,
		"metrics_updated":          b.metricsUpdated,
		"recovery_metrics_updated": b.metricsUpdated,
		"congestion_state_updated": b.congestionStateUpdated,
		"stream_state_updated":     b.streamStateUpdated,
		"connection_state_updated": b.connectionStateUpdated,
		"connection_started":       b.noted("started", "connection started"),
		"connection_closed":        b.connectionClosed,
		"datagram_created":         b.httpDatagram,
		"datagram_parsed":          b.httpDatagramParsed,
		"datagram_dropped":         b.datagramDropped,
		"udp_datagram_dropped":     b.datagramDropped,
		"stream_type_set":          b.streamTypeSet,
		"frame_created":            b.httpFrame,
		"frame_parsed":             b.httpFrame,
		"key_updated":              b.keyUpdated,
		"mtu_updated":              b.noted("mtu", "MTU"),
		"ecn_state_updated":        b.noted("ecn", "ECN"),
		"tuple_assigned":           b.noted("path", "new path"),
		"migration_state_updated":  b.noted("path", "migration"),
		"alpn_information":         b.alpnInformation,
	}
}

// A packetEvent is one of the four events of packets.
type packetEvent struct {
	Header struct {
		Type   text    `json:"packet_type"`
		Number *number `json:"packet_number"`
	} `json:"header"`
	Type    text    `json:"packet_type"` // of older drafts
	Raw     rawInfo `json:"raw"`
	Frames  []frame `json:"frames"`
	Trigger text    `json:"trigger"`
	Details struct {
		Reason text `json:"reason"`
	} `json:"details"`
}

func parsePacket(data json.RawMessage) (*packetEvent, error) {
	var e packetEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, err
	}
	if e.Header.Type == "" {
		e.Header.Type = e.Type
	}
	return &e, nil
}

// space is the packet number space (RFC 9000, Section 12.3).
func (e *packetEvent) space() string { return spaceOf(string(e.Header.Type)) }

func spaceOf(name string) string {
	switch name {
	case "initial", "handshake":
		return name
	}
	return "application_data"
}

// name is the type and number of the packet.
func (e *packetEvent) name() string {
	if e.Header.Number == nil {
		return string(e.Header.Type)
	}
	return fmt.Sprintf("%s %d", e.Header.Type, e.Header.Number.or(-1))
}

func (e *packetEvent) size() int64 { return e.Raw.Length.or(e.Raw.PayloadLength.or(0)) }

// reason is the trigger, and what explains it.
func (e *packetEvent) reason() string {
	if e.Details.Reason != "" {
		return fmt.Sprintf("%s (%s)", e.Trigger, e.Details.Reason)
	}
	return string(e.Trigger)
}

func (b *builder) packet(e *packetEvent, info string) packet {
	return packet{T: b.now, Size: e.size(), Name: e.name(), Info: info}
}

func (b *builder) packetSent(data json.RawMessage) error {
	e, err := parsePacket(data)
	if err != nil {
		return err
	}
	b.sent.add(float64(b.now), b.packet(e, describeFrames(e.Frames)))
	b.out.Totals.Sent++
	b.out.Totals.BytesSent += e.size()
	b.framesSent(e.space(), e.Header.Number.or(-1), e.Frames)
	b.countDatagrams(&b.datagramsSent, e.Frames)
	return nil
}

func (b *builder) packetReceived(data json.RawMessage) error {
	e, err := parsePacket(data)
	if err != nil {
		return err
	}
	b.received.add(float64(b.now), b.packet(e, describeFrames(e.Frames)))
	b.out.Totals.Received++
	b.out.Totals.BytesReceived += e.size()
	b.framesReceived(e.space(), e.Frames)
	b.countDatagrams(&b.datagramsReceived, e.Frames)
	return nil
}

func (b *builder) countDatagrams(s *sampler[tick], frames []frame) {
	for i := range frames {
		if frames[i].Type == "datagram" {
			s.add(float64(b.now), tick{T: b.now, Size: frames[i].size()})
		}
	}
}

func (b *builder) packetDropped(data json.RawMessage) error {
	e, err := parsePacket(data)
	if err != nil {
		return err
	}
	b.dropped.add(float64(b.now), b.packet(e, e.reason()))
	b.out.Totals.Dropped++
	return nil
}

func (b *builder) packetLost(data json.RawMessage) error {
	e, err := parsePacket(data)
	if err != nil {
		return err
	}
	b.lost.add(float64(b.now), b.packet(e, e.reason()))
	b.out.Totals.Lost++
	pn := e.Header.Number.or(-1)
	b.acks.take(e.space(), ackRange{pn, pn})
	if len(b.lostNames) < maxTrackedPN {
		b.lostNames[e.name()] = true
	}
	return nil
}

func (b *builder) packetsAcked(data json.RawMessage) error {
	var e struct {
		Space   string   `json:"packet_number_space"`
		Numbers []number `json:"packet_numbers"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	for _, n := range e.Numbers {
		b.framesAcked(spaceOf(e.Space), ackRange{int64(n), int64(n)})
	}
	return nil
}

func (b *builder) metricsUpdated(data json.RawMessage) error {
	var e struct {
		MinRTT           *float64 `json:"min_rtt"`
		SmoothedRTT      *float64 `json:"smoothed_rtt"`
		LatestRTT        *float64 `json:"latest_rtt"`
		CongestionWindow *float64 `json:"congestion_window"`
		BytesInFlight    *float64 `json:"bytes_in_flight"`
		SSThresh         *float64 `json:"ssthresh"`
		PTOCount         *number  `json:"pto_count"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	b.line("min_rtt", e.MinRTT)
	b.line("smoothed_rtt", e.SmoothedRTT)
	b.line("latest_rtt", e.LatestRTT)
	b.line("congestion_window", e.CongestionWindow)
	b.line("bytes_in_flight", e.BytesInFlight)
	if e.SSThresh != nil && *e.SSThresh < 1<<40 { // larger ones mean that there is none
		b.line("ssthresh", e.SSThresh)
	}
	if n := e.PTOCount.or(0); n > 0 {
		b.mark("pto", "PTO count %d", n)
	}
	return nil
}

func (b *builder) congestionStateUpdated(data json.RawMessage) error {
	e, err := parseUpdate(data)
	if err == nil {
		b.out.Congestion = appendSpan(b.out.Congestion, span{b.now, string(e.New), string(e.Trigger)})
	}
	return err
}

// An update is an event that says what is new.
type update struct {
	New     text `json:"new"`
	Trigger text `json:"trigger"`
	TupleID text `json:"tuple_id"`
}

func parseUpdate(data json.RawMessage) (e update, err error) {
	err = json.Unmarshal(data, &e)
	return e, err
}

// noted returns a handler that marks the event.
func (b *builder) noted(kind, what string) func(json.RawMessage) error {
	return func(data json.RawMessage) error {
		e, err := parseUpdate(data)
		if err == nil {
			b.mark(kind, "%s", strings.TrimSpace(strings.Join([]string{what, string(e.New), string(e.TupleID)}, " ")))
		}
		return err
	}
}

func (b *builder) keyUpdated(data json.RawMessage) error {
	var e struct {
		Trigger text `json:"trigger"`
		KeyType text `json:"key_type"`
	}
	err := json.Unmarshal(data, &e)
	if err == nil && e.Trigger != "tls" {
		b.mark("key", "key update: %s, %s", e.KeyType, e.Trigger)
	}
	return err
}

func (b *builder) alpnInformation(data json.RawMessage) error {
	var e struct {
		Chosen struct {
			Value text `json:"string_value"`
		} `json:"chosen_alpn"`
	}
	err := json.Unmarshal(data, &e)
	if err == nil && e.Chosen.Value != "" {
		b.mark("alpn", "ALPN %s", e.Chosen.Value)
	}
	return err
}

func (b *builder) connectionStateUpdated(data json.RawMessage) error {
	e, err := parseUpdate(data)
	if err == nil {
		b.out.Connection = appendSpan(b.out.Connection, span{b.now, string(e.New), string(e.Trigger)})
	}
	return err
}

func (b *builder) connectionClosed(data json.RawMessage) error {
	var e struct {
		Initiator        text  `json:"initiator"`
		Owner            text  `json:"owner"` // of older drafts
		ConnectionError  *text `json:"connection_error"`
		ApplicationError *text `json:"application_error"`
		ErrorCode        *text `json:"error_code"`
		Reason           text  `json:"reason"`
		Trigger          text  `json:"trigger"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	words := []string{"connection closed"}
	if by := e.Initiator + e.Owner; by != "" {
		words = append(words, "by "+string(by))
	}
	if e.ConnectionError != nil {
		words = append(words, "error "+errorName(*e.ConnectionError, e.ErrorCode))
	}
	if e.ApplicationError != nil {
		words = append(words, "application error "+errorName(*e.ApplicationError, e.ErrorCode))
	}
	if e.Reason != "" {
		words = append(words, fmt.Sprintf("%q", e.Reason))
	}
	if e.Trigger != "" {
		words = append(words, strings.ReplaceAll(string(e.Trigger), "_", " "))
	}
	b.mark("closed", "%s", strings.Join(words, ", "))
	b.out.Connection = appendSpan(b.out.Connection, span{b.now, "closed", string(e.Trigger)})
	return nil
}

// errorName returns the code of an error without a name.
func errorName(name text, code *text) string {
	if name == "unknown" && code != nil {
		return string(*code)
	}
	return string(name)
}
