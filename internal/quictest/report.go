package quictest

import (
	"fmt"
	"strings"
	"time"

	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// maxReported bounds the received packets in the report.
const maxReported = 60

// report says what was sent and received, for a test that has failed.
func (p *Peer) report() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var s strings.Builder
	fmt.Fprintf(&s, "%s of quictest: complete %t, confirmed %t, TLS error: %v\n", p.pers, p.tls.complete, p.tls.confirmed, p.tls.err)
	received := p.log[max(0, len(p.log)-maxReported):]
	for i := range p.sent {
		for len(received) > 0 && received[0].Time.Before(p.sent[i].time) {
			fmt.Fprintf(&s, "%s < %s\n", stamp(received[0].Time), received[0])
			received = received[1:]
		}
		p.reportSent(&s, &p.sent[i])
	}
	for _, r := range received {
		fmt.Fprintf(&s, "%s < %s\n", stamp(r.Time), r)
	}
	return s.String()
}

func stamp(t time.Time) string { return t.Format("05.000000") }

func (p *Peer) reportSent(s *strings.Builder, d *sentDatagram) {
	fmt.Fprintf(s, "%s > datagram of %d bytes\n", stamp(d.time), len(d.data))
	for i := range d.pkts {
		pkt := &d.pkts[i]
		r := Received{Level: pkt.Level, Payload: pkt.Payload}
		r.parse(&p.parser)
		fmt.Fprintf(s, "            %s %d phase %d:%s\n", pkt.Level, pkt.PN, pkt.KeyPhase, r.frames())
	}
}

// String describes the packet on one line.
func (r *Received) String() string {
	s := fmt.Sprintf("%s %d, %d bytes", r.Type, r.PN, r.Size)
	if r.First {
		s += fmt.Sprintf(" of a datagram of %d", len(r.Datagram))
	}
	if r.Err != nil {
		s += fmt.Sprintf(" (%v)", r.Err)
	}
	return s + ":" + r.frames()
}

func (r *Received) frames() string {
	var s strings.Builder
	for _, f := range r.Frames {
		s.WriteString(" " + describe(f))
	}
	if r.Padding > 0 {
		fmt.Fprintf(&s, " %d PADDING", r.Padding)
	}
	if r.Err != nil {
		fmt.Fprintf(&s, " (%v) % x", r.Err, r.Payload[:min(len(r.Payload), 40)])
	}
	return s.String()
}

// describe returns a frame in readable form, without its data.
func describe(f wire.Frame) string {
	switch f := f.(type) {
	case *wire.CryptoFrame:
		return fmt.Sprintf("CRYPTO{%d, %d bytes}", f.Offset, len(f.Data))
	case *wire.StreamFrame:
		return fmt.Sprintf("STREAM{%d at %d, %d bytes, fin %t}", f.StreamID, f.Offset, len(f.Data), f.Fin)
	case *wire.DatagramFrame:
		return fmt.Sprintf("DATAGRAM{%d bytes}", len(f.Data))
	case *wire.AckFrame:
		return fmt.Sprintf("ACK%d", f.AckRanges)
	case *wire.ConnectionCloseFrame:
		if f == nil {
			return "nothing"
		}
		if f.IsApplicationError {
			return fmt.Sprintf("CONNECTION_CLOSE{application %#x %q}", f.ErrorCode, f.ReasonPhrase)
		}
		code := qerr.TransportErrorCode(f.ErrorCode)
		return fmt.Sprintf("CONNECTION_CLOSE{%s, frame type %#x, %q}", code, f.FrameType, f.ReasonPhrase)
	case *wire.NewConnectionIDFrame:
		return fmt.Sprintf("NEW_CONNECTION_ID{%d, retire %d, %s}", f.SequenceNumber, f.RetirePriorTo, f.ConnectionID)
	}
	name := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", f), "*wire."), "Frame")
	return name + strings.TrimPrefix(fmt.Sprintf("%+v", f), "&")
}
