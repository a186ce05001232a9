package http3

import (
	"context"
	"unicode/utf8"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/quicvarint"
)

// An eventLog records the events of an HTTP/3 connection in the trace of its QUIC connection. Its methods may be called
// on nil, the log of a connection without a trace, and from any goroutine.
type eventLog struct{ rec qlogwriter.Recorder }

// newEventLog returns nil if there is no trace, or if it is over.
func newEventLog(qc *quic.Conn) *eventLog {
	trace := qc.QlogTrace()
	if trace == nil {
		return nil
	}
	rec := trace.AddProducer()
	if rec == nil {
		return nil
	}
	context.AfterFunc(qc.Context(), func() { _ = rec.Close() })
	return &eventLog{rec}
}

// streamType records the type of a unidirectional stream.
func (l *eventLog) streamType(by qlog.Initiator, id quic.StreamID, t StreamType) {
	if l == nil {
		return
	}
	e := qlog.StreamTypeSet{Initiator: by, StreamID: id, StreamType: qlog.StreamTypeUnknown, StreamTypeBytes: uint64(t)}
	switch t {
	case streamControl:
		e.StreamType = qlog.StreamTypeControl
	case streamPush:
		e.StreamType = qlog.StreamTypePush
	case streamQPACKEncoder:
		e.StreamType = qlog.StreamTypeQPACKEncode
	case streamQPACKDecoder:
		e.StreamType = qlog.StreamTypeQPACKDecode
	}
	l.rec.RecordEvent(e)
}

// created records the frames that b consists of, which are about to be written.
func (l *eventLog) created(id quic.StreamID, b []byte) {
	if l == nil {
		return
	}
	for len(b) > 0 {
		t, n, err := quicvarint.Parse(b)
		if err != nil {
			return
		}
		length, m, err := quicvarint.Parse(b[n:])
		if err != nil {
			return
		}
		payload := b[n+m:]
		payload = payload[:min(length, uint64(len(payload)))]
		b = b[n+m+len(payload):]
		l.rec.RecordEvent(qlog.FrameCreated{
			StreamID: id,
			Raw:      qlog.RawInfo{Length: n + m + int(length), PayloadLength: int(length)},
			Frame:    qlog.Frame{Frame: logFrame(FrameType(t), payload)},
		})
	}
}

// parsed records a frame that was read. The payload may be missing if it is of no interest.
func (l *eventLog) parsed(id quic.StreamID, t FrameType, length uint64, payload []byte) {
	if l == nil {
		return
	}
	header := quicvarint.Len(uint64(t)) + quicvarint.Len(length)
	l.rec.RecordEvent(qlog.FrameParsed{
		StreamID: id,
		Raw:      qlog.RawInfo{Length: header + int(length), PayloadLength: int(length)},
		Frame:    qlog.Frame{Frame: logFrame(t, payload)},
	})
}

// logFrame returns a frame of package qlog. Of a payload that is not valid it shows what it can.
func logFrame(t FrameType, payload []byte) any {
	switch t {
	case frameData:
		return qlog.DataFrame{}
	case frameHeaders:
		return logHeaders(payload)
	case frameSettings:
		return logSettings(payload)
	case frameGoAway:
		id, _, _ := quicvarint.Parse(payload)
		return qlog.GoAwayFrame{StreamID: quic.StreamID(id)}
	case framePushPromise:
		return qlog.PushPromiseFrame{}
	case frameCancelPush:
		return qlog.CancelPushFrame{}
	case frameMaxPushID:
		return qlog.MaxPushIDFrame{}
	case framePriorityUpdateRequest, framePriorityUpdatePush:
		id, n, _ := quicvarint.Parse(payload)
		return qlog.PriorityUpdateFrame{StreamID: quic.StreamID(id), PriorityFieldValue: string(payload[n:])}
	}
	// "Frame types of the format 0x1f * N + 0x21 for non-negative integer values of N are reserved to exercise the
	// requirement that unknown types be ignored" (RFC 9114, Section 7.2.8).
	if t >= 0x21 && (t-0x21)%0x1f == 0 {
		return qlog.ReservedFrame{Type: uint64(t)}
	}
	return qlog.UnknownFrame{Type: uint64(t)}
}

// maxLoggedFields is the size of field sections whose fields are logged.
const maxLoggedFields = 1 << 20

func logHeaders(block []byte) qlog.HeadersFrame {
	fields, err := decodeFields(block, maxLoggedFields)
	if err != nil {
		return qlog.HeadersFrame{}
	}
	f := qlog.HeadersFrame{HeaderFields: make([]qlog.HeaderField, len(fields))}
	for i, field := range fields {
		f.HeaderFields[i] = qlog.HeaderField{
			Name: field.Name, Value: field.Value,
			InvalidName: !utf8.ValidString(field.Name), InvalidValue: !utf8.ValidString(field.Value),
		}
	}
	return f
}

func logSettings(payload []byte) qlog.SettingsFrame {
	f := qlog.SettingsFrame{MaxFieldSectionSize: -1, Datagram: -1, ExtendedConnect: -1}
	for len(payload) > 0 && len(f.Other) < maxOtherSettings {
		id, n, err := quicvarint.Parse(payload)
		if err != nil {
			return f
		}
		value, m, err := quicvarint.Parse(payload[n:])
		if err != nil {
			return f
		}
		payload = payload[n+m:]
		switch id {
		case settingMaxFieldSectionSize:
			f.MaxFieldSectionSize = int64(value)
		case settingDatagram:
			f.Datagram = int64(value)
		case settingExtendedConnect:
			f.ExtendedConnect = int64(value)
		default:
			if f.Other == nil {
				f.Other = make(map[uint64]uint64)
			}
			f.Other[id] = value
		}
	}
	return f
}

// datagramCreated records an HTTP Datagram that was queued to be sent. length is that of all of it.
func (l *eventLog) datagramCreated(id quic.StreamID, length, payloadLength int) {
	if l != nil {
		raw := qlog.RawInfo{Length: length, PayloadLength: payloadLength}
		l.rec.RecordEvent(qlog.DatagramCreated{QuarterStreamID: uint64(id / 4), Raw: raw})
	}
}

// datagramParsed records an HTTP Datagram that was received.
func (l *eventLog) datagramParsed(id quic.StreamID, length, payloadLength int) {
	if l != nil {
		raw := qlog.RawInfo{Length: length, PayloadLength: payloadLength}
		l.rec.RecordEvent(qlog.DatagramParsed{QuarterStreamID: uint64(id / 4), Raw: raw})
	}
}
