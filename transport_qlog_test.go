package quic

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/testutils/events"
)

// inShort says what an event of a Transport is about.
func inShort(e any) string {
	switch e := e.(type) {
	case qlog.PacketDropped:
		return fmt.Sprintf("dropped %s %d: %s", e.Header.PacketType, e.Raw.Length, e.Trigger)
	case qlog.PacketSent:
		s := fmt.Sprintf("sent %s to %s", e.Header.PacketType, e.Header.DestConnectionID)
		for _, f := range e.Frames {
			s += fmt.Sprintf(" with %T", f.Frame)
		}
		return s
	case qlog.VersionNegotiationSent:
		return fmt.Sprintf("sent version_negotiation to %s", e.Header.DestConnectionID)
	}
	return fmt.Sprintf("%T", e)
}

func TestTracerOfATransport(t *testing.T) {
	withVersion := func(v protocol.Version, size int) []byte {
		b := defaultInitial().packet()
		b[1], b[2], b[3], b[4] = byte(v>>24), byte(v>>16), byte(v>>8), byte(v)
		return b[:size]
	}
	handshake, _ := wire.AppendLongHeader(nil, protocol.PacketTypeHandshake, protocol.Version1, cid("unknown"), cid("client"), nil, 0, 2)
	shortID := initial{version: protocol.Version1, dst: cid("short"), src: cid("client"), size: 1200}
	small := defaultInitial()
	small.size = 1199
	tests := []struct {
		name     string
		datagram []byte
		want     string
	}{
		{"an unknown version is negotiated", withVersion(0x1a2a3a4a, 1200), "sent version_negotiation to 636c69656e74"},
		{"a small datagram of an unknown version", withVersion(0x1a2a3a4a, 1199), "dropped unknown 1199: unsupported_version"},
		{"a Version Negotiation packet", withVersion(0, 1200), "dropped unknown 1200: unexpected_packet"},
		{"a small Initial", small.packet(), "dropped initial 1199: unexpected_packet"},
		{"an Initial with a short connection ID", shortID.packet(), "dropped initial 1200: protocol_violation"},
		{"an Initial is answered with a Retry", defaultInitial().packet(), "sent retry to 636c69656e74"},
		{"a Handshake packet of no connection", append(handshake, make([]byte, 50)...), "dropped handshake 74: unknown_connection_id"},
		{"a truncated header", defaultInitial().packet()[:30], "dropped unknown 30: header_parse_error"},
		{"a connection ID beyond the end", append([]byte{0xc0, 0, 0, 0, 1, 200}, make([]byte, 50)...), "dropped unknown 56: header_parse_error"},
		{"a 1-RTT packet of no connection draws a reset", shortPacket(cid("none"), 100), "sent stateless_reset to (invalid)"},
		{"a 1-RTT packet that is too short for that", shortPacket(cid("none"), 20), "dropped 1RTT 20: unknown_connection_id"},
	}
	for _, test := range tests {
		var log events.Recorder
		tr := &Transport{
			Tracer: &log, StatelessResetKey: &StatelessResetKey{1}, VerifySourceAddress: func(net.Addr) bool { return true },
		}
		inBubble(t, tr, func(t *testing.T, n *rawNet) {
			n.listen(t, nil)
			n.send(t, test.datagram)
			var got []string
			for _, e := range log.Events() {
				got = append(got, inShort(e))
			}
			if !slices.Equal(got, []string{test.want}) {
				t.Errorf("%s: recorded %q, want %q", test.name, got, test.want)
			}
			if answer := n.receive(t); answer != nil {
				e, _ := log.Events()[0].(qlog.PacketSent)
				if e.Raw.Length != len(answer) && !bytes.Contains(answer, []byte("client")) {
					t.Errorf("%s: the answer of %d bytes is recorded as %+v", test.name, len(answer), e)
				}
			}
		})
	}
}

func TestTracerOfATransportThatRefuses(t *testing.T) {
	tests := []struct {
		name     string
		datagram func() []byte
		want     string
	}{
		{"an Initial that is not authentic", func() []byte {
			b := defaultInitial().packet()
			b[len(b)-1]++
			return b
		}, "dropped initial 1200: payload_decrypt_error"},
		{"a connection that is not wanted", defaultInitial().packet, "sent initial to 636c69656e74 with *wire.ConnectionCloseFrame"},
	}
	for _, test := range tests {
		var log events.Recorder
		inBubble(t, &Transport{Tracer: &log}, func(t *testing.T, n *rawNet) {
			n.listen(t, &Config{GetConfigForClient: func(*ClientInfo) (*Config, error) { return nil, errNoConnContext }})
			n.send(t, test.datagram())
			if got := log.Events(); len(got) != 1 || inShort(got[0]) != test.want {
				t.Errorf("%s: recorded %v, want %q", test.name, got, test.want)
			}
		})
	}
}

func TestTracerOfATransportTellsOfFullQueues(t *testing.T) {
	var log events.Recorder
	c := &Conn{transport: &Transport{Tracer: &log}, wakeup: make(chan struct{}, 1)}
	for range protocol.MaxReceiveQueuePackets + 1 {
		c.handlePacket(received(shortPacket(cid(""), 50)))
	}
	if got := log.Events(); len(got) != 1 || inShort(got[0]) != "dropped 1RTT 50: dos_prevention" {
		t.Errorf("recorded %v, want one datagram dropped", got)
	}
	c.packets.close()
}
