package quic_test

import (
	"context"
	"errors"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// datagramCases are the rows about DATAGRAM frames (RFC 9221) and RESET_STREAM_AT frames.
var datagramCases = map[string]conformanceCase{
	"T-348": datagramNotNegotiated,
	"T-349": datagramTooLarge,
	"T-350": datagramsNotWanted,
	"T-351": emptyDatagramFrames,
	"T-352": datagramSizes,
	"T-353": datagramsWithoutWindow,
	"T-354": datagramsNotRead,

	"T-355": resetAt(wire.FrameTypeResetStreamAt, qerr.FrameEncodingError, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{&wire.ResetStreamFrame{StreamID: id, FinalSize: 5, ReliableSize: 6}}
	}),
	"T-356": closes(wire.FrameTypeResetStreamAt, qerr.FrameEncodingError, &wire.ResetStreamFrame{FinalSize: 5, ReliableSize: 5}),
	"T-357": resetAtBeyondLimit,
	"T-358": largerReliableSize,
	"T-359": resetAt(wire.FrameTypeResetStreamAt, qerr.StreamStateError, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{
			&wire.ResetStreamFrame{StreamID: id, ErrorCode: 1, FinalSize: 10, ReliableSize: 5},
			&wire.ResetStreamFrame{StreamID: id, ErrorCode: 2, FinalSize: 10, ReliableSize: 5},
		}
	}),
	"T-360": resetAt(wire.FrameTypeResetStreamAt, qerr.FinalSizeError, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{
			&wire.ResetStreamFrame{StreamID: id, FinalSize: 10, ReliableSize: 5},
			&wire.ResetStreamFrame{StreamID: id, FinalSize: 11, ReliableSize: 5},
		}
	}),
}

func datagramNotNegotiated(_ *testing.T, s *scene) {
	raw := []quictest.Raw{varints(0x30), varints(0x31, 0)}[s.pick(2)]
	s.connect()
	s.peer.Send(oneRTT, raw)
	s.expectClose(wire.FrameType(raw[0]), qerr.ProtocolViolation)
}

func datagramTooLarge(_ *testing.T, s *scene) {
	s.config.EnableDatagrams = true
	s.connect()
	n := int(s.peer.Parameters().MaxDatagramFrameSize)
	s.peer.Send(oneRTT, &wire.DatagramFrame{Data: make([]byte, n-1)})
	s.alive()
	s.peer.Send(oneRTT, &wire.DatagramFrame{Data: make([]byte, n)})
	s.expectCode(qerr.ProtocolViolation)
}

func datagramsNotWanted(t *testing.T, s *scene) {
	s.config.EnableDatagrams = true
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MaxDatagramFrameSize = 0 }
	if s.pick(2) == 1 {
		s.peerOptions.EncodeParameters = func(b []byte) []byte { return append(b, parameter(0x20, varints(0))...) }
	}
	s.connect()
	if err := s.conn.SendDatagram([]byte("data")); err == nil {
		t.Error("SendDatagram works")
	}
	if s.conn.ConnectionState().SupportsDatagrams.Remote {
		t.Error("ConnectionState says that the peer supports datagrams")
	}
	quictest.ExpectNone[*wire.DatagramFrame](s.peer, time.Second, nil)
}

func (s *scene) receiveDatagram() ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return s.conn.ReceiveDatagram(ctx)
}

func emptyDatagramFrames(t *testing.T, s *scene) {
	raw := []quictest.Raw{varints(0x30), varints(0x31, 0)}[s.pick(2)]
	s.config.EnableDatagrams = true
	s.connect()
	s.peer.Send(oneRTT, raw)
	if b, err := s.receiveDatagram(); err != nil || len(b) != 0 {
		t.Errorf("ReceiveDatagram = %d bytes, %v", len(b), err)
	}
	if err := s.conn.SendDatagram(nil); err != nil {
		t.Error(err)
	}
	quictest.Expect(s.peer, func(f *wire.DatagramFrame) bool { return len(f.Data) == 0 })
}

func datagramSizes(t *testing.T, s *scene) {
	limit := []protocol.ByteCount{500, 16383}[s.pick(2)] // the peer's, or that of the path
	s.config.EnableDatagrams = true
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MaxDatagramFrameSize = limit }
	s.connect()
	err := s.conn.SendDatagram(make([]byte, 2000))
	tooLarge, ok := errors.AsType[*quic.DatagramTooLargeError](err)
	if !ok {
		t.Fatalf("SendDatagram of 2000 bytes: %v", err)
	}
	largest := int(tooLarge.MaxDatagramPayloadSize)
	if err := s.conn.SendDatagram(make([]byte, largest+1)); err == nil {
		t.Errorf("SendDatagram of one byte more than %d works", largest)
	}
	for n := largest - 3; n <= largest; n++ {
		if err := s.conn.SendDatagram(make([]byte, n)); err != nil {
			t.Errorf("SendDatagram of %d bytes: %v", n, err)
		}
		f := quictest.Expect[*wire.DatagramFrame](s.peer, nil)
		if len(f.Data) != n || n+1 > int(limit) {
			t.Errorf("got %d bytes, want %d, of at most %d", len(f.Data), n, limit)
		}
	}
}

// datagramsWithoutWindow sends until SendDatagram waits for acknowledgements.
func datagramsWithoutWindow(t *testing.T, s *scene) {
	s.config.EnableDatagrams = true
	s.connect()
	s.peer.HoldAcks()
	window := int(s.conn.ConnectionStats().CongestionWindow)
	accepted := make(chan int, 1000)
	go func() {
		for i := range 1000 {
			if s.conn.SendDatagram(make([]byte, 1000)) != nil {
				return
			}
			accepted <- i
		}
	}()
	time.Sleep(15 * time.Millisecond)
	sent := 0
	for _, r := range s.peer.Packets() {
		sent += r.Size
	}
	if sent > window {
		t.Errorf("%d bytes in flight, congestion window %d", sent, window)
	}
	if queued := len(accepted) - sent/1100; queued > 2*protocol.MaxSendDatagrams {
		t.Errorf("%d datagrams are queued, want about %d at most", queued, protocol.MaxSendDatagrams)
	}
	s.peer.ReleaseAcks()
	time.Sleep(5 * time.Second)
	if len(accepted) != 1000 {
		t.Errorf("%d of 1000 datagrams were accepted", len(accepted))
	}
}

func datagramsNotRead(t *testing.T, s *scene) {
	const n = 2000
	s.config.EnableDatagrams = true
	s.connect()
	for i := range n {
		s.peer.Send(oneRTT, &wire.DatagramFrame{Data: make([]byte, 100)})
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.works()
	got := 0
	for ; got < n; got++ {
		if _, err := s.receiveDatagram(); err != nil {
			break
		}
	}
	if got == 0 || got > protocol.MaxReceiveDatagrams {
		t.Errorf("%d of %d datagrams were kept, want %d at most", got, n, protocol.MaxReceiveDatagrams)
	}
	s.peer.Send(oneRTT, &wire.DatagramFrame{Data: []byte("new")})
	if b, err := s.receiveDatagram(); err != nil || string(b) != "new" {
		t.Errorf("ReceiveDatagram = %q, %v", b, err)
	}
}

func resetAt(frameType wire.FrameType, code qerr.TransportErrorCode, frames func(protocol.StreamID) []wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.noEcho = true
		s.config.EnableStreamResetPartialDelivery = true
		s.connect()
		s.peer.Send(oneRTT, frames(s.theirs(bidi, 1))...)
		s.expectClose(frameType, code)
	}
}

func resetAtBeyondLimit(t *testing.T, s *scene) {
	variant := s.pick(2)
	s.smallWindows()
	resetAt(wire.FrameTypeResetStreamAt, qerr.FlowControlError, func(id protocol.StreamID) []wire.Frame {
		if variant == 0 {
			return []wire.Frame{&wire.ResetStreamFrame{StreamID: id, FinalSize: smallStreamWindow + 1, ReliableSize: 1}}
		}
		return []wire.Frame{
			&wire.ResetStreamFrame{StreamID: id, FinalSize: smallStreamWindow, ReliableSize: 1},
			&wire.ResetStreamFrame{StreamID: id + 4, FinalSize: smallConnWindow - smallStreamWindow + 1, ReliableSize: 1},
		}
	})(t, s)
}

// largerReliableSize: only the first five bytes are promised, whatever comes later.
func largerReliableSize(t *testing.T, s *scene) {
	s.noEcho = true
	s.config.EnableStreamResetPartialDelivery = true
	s.connect()
	id := s.theirs(bidi, 1)
	s.peer.Send(oneRTT, &wire.ResetStreamFrame{StreamID: id, ErrorCode: 9, FinalSize: 10, ReliableSize: 5})
	s.peer.Send(oneRTT, &wire.ResetStreamFrame{StreamID: id, ErrorCode: 9, FinalSize: 10, ReliableSize: 8})
	s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: id, Data: []byte("0123456789"), DataLenPresent: true})
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	str, err := s.conn.AcceptStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 3)
	for {
		n, err := str.Read(buf)
		got = append(got, buf[:n]...)
		if err == nil {
			continue
		}
		want := &quic.StreamError{StreamID: id, ErrorCode: 9, Remote: true}
		if !errors.Is(err, want) || string(got) != "01234" {
			t.Errorf("Read %q, then %v, want 01234 and %v", got, err, want)
		}
		return
	}
}
