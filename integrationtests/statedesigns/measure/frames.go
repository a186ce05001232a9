package measure

import (
	"context"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A frameLog is a qlog trace that keeps only the frames that matter to the states of streams.
type frameLog struct{ log *log }

// tracer returns a quic.Config.Tracer that logs to l.
func tracer(l *log) func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace {
	return func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return frameLog{l} }
}

// AddProducer implements qlogwriter.Trace.
func (f frameLog) AddProducer() qlogwriter.Recorder { return f }

// Close implements qlogwriter.Recorder.
func (f frameLog) Close() error { return nil }

// RecordEvent implements qlogwriter.Recorder.
func (f frameLog) RecordEvent(e qlogwriter.Event) {
	switch e := e.(type) {
	case qlog.PacketSent:
		f.sent(&e)
	case *qlog.PacketSent:
		f.sent(e)
	case qlog.PacketReceived:
		f.received(&e)
	case *qlog.PacketReceived:
		f.received(e)
	case qlog.ConnectionClosed, *qlog.ConnectionClosed:
		f.log.add(event{kind: over}) // the CONNECTION_CLOSE may have been lost
	}
}

func (f frameLog) sent(p *qlog.PacketSent) {
	pn := int64(p.Header.PacketNumber)
	for _, frame := range p.Frames {
		switch frame := frame.Frame.(type) {
		case *qlog.StreamFrame:
			f.log.add(event{
				kind: sentStream, key: key{id: frame.StreamID}, pn: pn,
				offset: frame.Offset, n: frame.Length, fin: frame.Fin,
			})
		case *qlog.ResetStreamFrame:
			f.log.add(event{kind: sentReset, key: key{id: frame.StreamID}, pn: pn})
		case *qlog.DatagramFrame:
			f.log.add(event{kind: sentDatagram, n: frame.Length, pn: pn})
		}
	}
}

func (f frameLog) received(p *qlog.PacketReceived) {
	inApplicationSpace := p.Header.PacketType == qlog.PacketType1RTT || p.Header.PacketType == qlog.PacketType0RTT
	for _, frame := range p.Frames {
		if inApplicationSpace {
			f.receivedFrame(frame.Frame)
			continue
		}
		// The rejection is in the EncryptedExtensions, the first handshake message at this level.
		crypto, ok := frame.Frame.(*qlog.CryptoFrame)
		if ok && f.log.watchRejection && p.Header.PacketType == qlog.PacketTypeHandshake && crypto.Offset == 0 && f.log.currentEpoch() == 0 {
			f.log.add(event{kind: rejected})
		}
	}
}

func (f frameLog) receivedFrame(frame any) {
	switch frame := frame.(type) {
	case *qlog.StreamFrame:
		f.log.add(event{
			kind: receivedStream, key: key{id: frame.StreamID}, offset: frame.Offset, n: frame.Length, fin: frame.Fin,
		})
	case *qlog.ResetStreamFrame:
		f.log.add(event{kind: receivedReset, key: key{id: frame.StreamID}})
	case *qlog.StopSendingFrame:
		f.log.add(event{kind: receivedStop, key: key{id: frame.StreamID}})
	case *qlog.DatagramFrame:
		f.log.add(event{kind: receivedDatagram, n: frame.Length})
	case *qlog.ConnectionCloseFrame:
		f.log.add(event{kind: over})
	case *qlog.AckFrame:
		for _, r := range frame.AckRanges {
			f.log.add(event{kind: receivedAck, pn: int64(r.Smallest), largest: int64(r.Largest)})
		}
	}
}
