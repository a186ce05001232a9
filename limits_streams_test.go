package quic_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// The tests of limits_*_test.go play a hostile peer that fills whatever it can fill, and look at how much an endpoint holds.
// docs/limits.md lists the limits and their tests.

// hostile runs a test for both roles of the endpoint under test, whose application reads nothing.
func hostile(t *testing.T, f func(t *testing.T, s *scene)) {
	t.Helper()
	for _, role := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		t.Run(role.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, role)
				s.noEcho = true
				f(t, s)
			})
		})
	}
}

// held waits until the endpoint under test has handled everything, and returns what it holds.
func (s *scene) held() quic.Held {
	s.pause()
	return quic.HeldBy(s.conn)
}

// scatter sends n bytes of a stream, each behind a gap of one byte, in as few packets as possible.
func (s *scene) scatter(id protocol.StreamID, from protocol.ByteCount, n int) {
	s.t.Helper()
	const perPacket = 100
	var frames []wire.Frame
	for i := range n {
		off := from + 2*protocol.ByteCount(i) + 1
		frames = append(frames, &wire.StreamFrame{StreamID: id, Offset: off, Data: []byte{1}, DataLenPresent: true})
		if len(frames) == perPacket || i == n-1 {
			s.peer.Send(oneRTT, frames...)
			frames = nil
		}
	}
}

func TestGapsOfStreamAreBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		id := s.theirs(bidi, 1)
		s.scatter(id, 0, protocol.MaxStreamGaps)
		if h := s.held(); h.StreamGaps != protocol.MaxStreamGaps || h.StreamMemory > 8<<10 {
			t.Errorf("%d gaps, %d bytes of memory for them", h.StreamGaps, h.StreamMemory)
		}
		s.alive()
		s.scatter(id, 2*protocol.MaxStreamGaps, 1)
		s.expectCode(qerr.ProtocolViolation)
	})
}

func TestGapsOfConnectionAreBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		const streams = 5
		for i := range protocol.StreamNum(streams) {
			s.scatter(s.theirs(bidi, i+1), 0, protocol.MaxConnGaps/streams)
		}
		if h := s.held(); h.StreamGaps != protocol.MaxConnGaps {
			t.Errorf("%d gaps, want %d", h.StreamGaps, protocol.MaxConnGaps)
		}
		s.alive()
		s.scatter(s.theirs(bidi, streams+1), 0, 1)
		s.expectCode(qerr.ProtocolViolation)
	})
}

// Gaps count no more when they are filled, or their stream is reset.
func TestGapsAreGivenBack(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		for i := range protocol.StreamNum(10) {
			id := s.theirs(uni, i+1)
			s.scatter(id, 0, protocol.MaxStreamGaps)
			if i%2 == 0 {
				s.peer.Send(oneRTT, &wire.ResetStreamFrame{StreamID: id, FinalSize: 2 * protocol.MaxStreamGaps})
			} else {
				s.sendStream(id, make([]byte, 2*protocol.MaxStreamGaps))
			}
			if h := s.held(); h.StreamGaps != 0 {
				t.Fatalf("%d gaps are left", h.StreamGaps)
			}
		}
	})
}

// one byte in each block of memory makes all of the window be held, not more.
func TestMemoryOfStreamsIsBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		const block, streams = 4 << 10, 50
		window := protocol.DefaultInitialConnectionReceiveWindow
		perStream := window / streams / block * block
		for i := range protocol.StreamNum(streams) {
			for off := protocol.ByteCount(1); off < perStream; off += block {
				s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: s.theirs(bidi, i+1), Offset: off, Data: []byte{1}, DataLenPresent: true})
			}
		}
		h := s.held()
		if h.Streams != streams || h.StreamMemory < int(perStream)*streams || h.StreamMemory > int(window)+block*streams {
			t.Errorf("%d bytes of memory for %d streams and a window of %d", h.StreamMemory, h.Streams, window)
		}
		s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: s.theirs(uni, 1), Offset: window - perStream, Data: make([]byte, 1000), DataLenPresent: true})
		s.expectCode(qerr.FlowControlError)
	})
}

// firstFrames are the frames by which a peer can open a bidirectional stream.
func firstFrames(id protocol.StreamID) []wire.Frame {
	return []wire.Frame{
		&wire.StreamFrame{StreamID: id, Data: []byte{1}, DataLenPresent: true},
		&wire.MaxStreamDataFrame{StreamID: id, MaximumStreamData: 1 << 40},
		&wire.StopSendingFrame{StreamID: id, ErrorCode: 1},
		&wire.StreamDataBlockedFrame{StreamID: id},
		&wire.ResetStreamFrame{StreamID: id},
	}
}

// the highest permitted stream costs as much as any other, and no frame opens one more.
func TestOpenStreamsAreBounded(t *testing.T) {
	for i := range firstFrames(0) {
		hostile(t, func(t *testing.T, s *scene) {
			s.connect()
			const limit = protocol.DefaultMaxIncomingStreams
			s.peer.Send(oneRTT, firstFrames(s.theirs(bidi, limit))[i])
			if h := s.held(); h.Streams != 1 {
				t.Errorf("%d streams after the highest one, want 1", h.Streams)
			}
			for range 3 {
				for n := range protocol.StreamNum(limit) {
					s.peer.Send(oneRTT, firstFrames(s.theirs(bidi, n+1))[i])
					s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: s.theirs(uni, n+1), Fin: true, DataLenPresent: true})
				}
			}
			if h := s.held(); h.Streams+h.EarlyStreams != 2*limit {
				t.Errorf("%d streams, %d that are over, want %d in all", h.Streams, h.EarlyStreams, 2*limit)
			}
			s.alive()
			s.peer.Send(oneRTT, firstFrames(s.theirs(bidi, limit+1))[i])
			s.expectCode(qerr.StreamLimitError)
		})
	}
}

// A peer that resets its streams gets no others before the application has seen them.
func TestResetStreamsKeepTheirCredit(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		const limit = protocol.DefaultMaxIncomingUniStreams
		for n := range protocol.StreamNum(limit) {
			id := s.theirs(uni, n+1)
			s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: id, Data: make([]byte, 100), DataLenPresent: true})
			s.peer.Send(oneRTT, &wire.ResetStreamFrame{StreamID: id, FinalSize: 100})
		}
		if h := s.held(); h.Streams+h.EarlyStreams != limit || h.StreamMemory != 0 {
			t.Errorf("%d streams, %d that are over, %d bytes", h.Streams, h.EarlyStreams, h.StreamMemory)
		}
		quictest.ExpectNone[*wire.MaxStreamsFrame](s.peer, time.Second, nil)
		for range limit {
			str, err := s.conn.AcceptUniStream(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := str.Read(make([]byte, 1)); err == nil {
				t.Error("Read of a stream that was reset succeeds")
			}
		}
		quictest.Expect[*wire.MaxStreamsFrame](s.peer, nil)
		if h := s.held(); h.Streams+h.EarlyStreams != 0 {
			t.Errorf("%d streams, %d that are over, want none", h.Streams, h.EarlyStreams)
		}
	})
}

// however often a stream is stopped and its limit raised, there is one RESET_STREAM.
func TestStreamControlFramesAreNotRepeated(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		for range 50 {
			if _, err := s.conn.OpenStream(); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			for n := range protocol.StreamNum(50) {
				id := s.ours(bidi, n+1)
				s.peer.Send(oneRTT, &wire.MaxStreamDataFrame{StreamID: id, MaximumStreamData: protocol.ByteCount(1<<20 + i)},
					&wire.StopSendingFrame{StreamID: id, ErrorCode: 1})
			}
		}
		if h := s.held(); h.Tracked > 64 {
			t.Errorf("%d packets are tracked", h.Tracked)
		}
		if n := len(quictest.Frames[*wire.ResetStreamFrame](s.peer)); n != 50 {
			t.Errorf("%d RESET_STREAM frames for 50 streams", n)
		}
	})
}
