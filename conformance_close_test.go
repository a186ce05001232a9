package quic_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// closeCases are the rows about the end of connections.
var closeCases = map[string]conformanceCase{
	"T-199": draining,
	"T-200": closingFlood,
	"T-201": closingFromElsewhere,
	"T-202": strangeReasons,
	"T-203": idleTimeoutOfPeer(varints(0)),
	"T-204": idleTimeoutOfPeer(varints(maxVarint)),
	"T-205": idleTimeoutBelowPTO,
	"T-206": idleExpiry,
}

func draining(t *testing.T, s *scene) {
	s.connect()
	s.peer.Send(oneRTT, &wire.ConnectionCloseFrame{ErrorCode: uint64(qerr.FlowControlError), FrameType: 8, ReasonPhrase: "why"})
	want := &quic.TransportError{Remote: true, ErrorCode: quic.FlowControlError, FrameType: 8}
	if err := s.cause(); !errors.Is(err, want) || !strings.Contains(err.Error(), "why") {
		t.Errorf("connection is over because of %v, want %v", err, want)
	}
	for range 100 {
		s.peer.Send(oneRTT, &wire.PingFrame{})
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second)
	packets := s.peer.Packets()
	if closes := len(quictest.Frames[*wire.ConnectionCloseFrame](s.peer)); closes > 1 || len(packets) != closes {
		t.Errorf("%d packets while draining, want at most one CONNECTION_CLOSE: %s", len(packets), packets)
	}
}

func closingFlood(t *testing.T, s *scene) {
	const n, maxReplies = 10_000, 15
	s.connect()
	if err := s.conn.CloseWithError(7, "bye"); err != nil {
		t.Error(err)
	}
	s.peer.ExpectApplicationClose(7)
	s.peer.Forget()
	for i := range n {
		s.peer.Send(oneRTT, &wire.PingFrame{})
		if i%200 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(time.Second)
	packets := s.peer.Packets()
	if len(packets) == 0 || len(packets) > maxReplies {
		t.Errorf("%d replies to %d packets, want 1 to %d", len(packets), n, maxReplies)
	}
	if closes := len(quictest.Frames[*wire.ConnectionCloseFrame](s.peer)); closes != len(packets) {
		t.Errorf("%d of %d replies have CONNECTION_CLOSE", closes, len(packets))
	}
}

func closingFromElsewhere(t *testing.T, s *scene) {
	s.connect()
	if err := s.conn.CloseWithError(7, strings.Repeat("bye", 100)); err != nil {
		t.Error(err)
	}
	s.peer.ExpectApplicationClose(7)
	s.peer.Forget()
	elsewhere := s.net.Listen(&net.UDPAddr{IP: net.IPv4(203, 0, 113, 99), Port: 9})
	s.peer.Use(elsewhere)
	if !s.isServer() {
		s.t.Cleanup(func() { elsewhere.Close() })
	}
	sent, received := 0, 0
	for range 100 {
		b := s.peer.Seal(s.peer.Packet(oneRTT, &wire.PingFrame{}))
		sent += len(b)
		s.peer.SendRaw(b)
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second)
	for _, r := range s.peer.Packets() {
		received += r.Size
	}
	if received > 3*sent {
		t.Errorf("%d bytes to an address that has sent %d", received, sent)
	}
}

func strangeReasons(t *testing.T, s *scene) {
	reason := []string{"\xff\xfe\x00\n\x1b[31m", strings.Repeat("x", 1024), ""}[s.pick(3)]
	s.connect()
	s.peer.Send(oneRTT, &wire.ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 3, ReasonPhrase: reason})
	err := s.cause()
	app, ok := errors.AsType[*quic.ApplicationError](err)
	if !ok || !app.Remote || app.ErrorCode != 3 || app.ErrorMessage != reason {
		t.Errorf("connection is over because of %v", err)
	}
}

// idleTimeoutOfPeer is a case in which max_idle_timeout of the peer means that ours counts.
func idleTimeoutOfPeer(value quictest.Raw) conformanceCase {
	return func(t *testing.T, s *scene) {
		const ours = 20 * time.Second
		s.config.MaxIdleTimeout = ours
		s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MaxIdleTimeout = 0 }
		s.peerOptions.EncodeParameters = func(b []byte) []byte { return append(b, parameter(0x01, value)...) }
		s.connect()
		s.alive()
		s.expectIdleTimeout(ours)
	}
}

// expectIdleTimeout checks that the connection ends after d without a word.
func (s *scene) expectIdleTimeout(d time.Duration) {
	s.t.Helper()
	time.Sleep(d - time.Second)
	if err := context.Cause(s.conn.Context()); err != nil {
		s.t.Fatalf("connection is over too early: %v", err)
	}
	s.peer.Forget()
	time.Sleep(2 * time.Second)
	err := context.Cause(s.conn.Context())
	timeout, ok := errors.AsType[net.Error](err)
	if !errors.Is(err, &quic.IdleTimeoutError{}) || !ok || !timeout.Timeout() {
		s.t.Errorf("connection is over because of %v, want an idle timeout", err)
	}
	s.peer.ExpectSilence(time.Second)
	if packets := s.peer.Packets(); len(packets) > 0 {
		s.t.Errorf("packets at the end: %s", packets)
	}
}

// idleTimeoutBelowPTO: with such a max_ack_delay, a PTO is more than 16 seconds.
func idleTimeoutBelowPTO(_ *testing.T, s *scene) {
	const delay = 16 * time.Second
	s.config.MaxIdleTimeout = 6 * time.Second
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MaxAckDelay = delay }
	s.connect()
	s.alive()
	s.expectIdleTimeout(3 * delay)
}

func idleExpiry(t *testing.T, s *scene) {
	s.transport.StatelessResetKey = &quic.StatelessResetKey{1}
	s.config.MaxIdleTimeout = 10 * time.Second
	s.connect()
	s.alive()
	s.expectIdleTimeout(10 * time.Second)
	// Nothing is left that would know the keys.
	s.peer.Forget()
	s.peer.Send(oneRTT, &wire.PingFrame{}, quictest.Padding(100))
	if r := s.peer.ExpectPacket(func(*quictest.Received) bool { return true }); r.Err == nil {
		t.Errorf("answered by %s, want a stateless reset", r)
	}
}
