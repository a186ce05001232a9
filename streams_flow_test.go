package quic

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// What a peer may not do with the data of a stream: the frames come one after the other, the last one is answered with
// code. The stream window is 100, that of the connection 150.
func TestReceiveErrors(t *testing.T) {
	x := func(n int) string { return string(bytes.Repeat([]byte{'x'}, n)) }
	tests := []struct {
		name   string
		frames []*wire.Decoded
		code   qerr.TransportErrorCode
	}{
		{"T-134 RESET_STREAM below received data",
			[]*wire.Decoded{streamFrame(1, 0, x(10), false), resetFrame(1, 9, 0)}, FinalSizeError},
		{"T-135 RESET_STREAM changes the size of a FIN",
			[]*wire.Decoded{streamFrame(1, 0, x(10), true), resetFrame(1, 11, 0)}, FinalSizeError},
		{"T-135 RESET_STREAM changes the size of a RESET_STREAM",
			[]*wire.Decoded{resetFrame(1, 10, 0), resetFrame(1, 11, 0)}, FinalSizeError},
		{"T-136 RESET_STREAM above the stream limit", []*wire.Decoded{resetFrame(1, 101, 0)}, FlowControlError},
		{"T-137 RESET_STREAM above the connection limit",
			[]*wire.Decoded{streamFrame(1, 0, x(100), false), resetFrame(5, 51, 0)}, FlowControlError},
		{"T-157 data beyond the final size",
			[]*wire.Decoded{streamFrame(1, 5, x(5), true), streamFrame(1, 0, x(11), false)}, FinalSizeError},
		{"T-158 second FIN at another offset",
			[]*wire.Decoded{streamFrame(1, 5, x(5), true), streamFrame(1, 0, x(5), true)}, FinalSizeError},
		{"T-159 FIN below received data",
			[]*wire.Decoded{streamFrame(1, 5, x(5), false), streamFrame(1, 0, x(5), true)}, FinalSizeError},
		{"data beyond the size of a RESET_STREAM",
			[]*wire.Decoded{resetFrame(1, 5, 0), streamFrame(1, 0, x(6), false)}, FinalSizeError},
		{"FIN beyond the size of a RESET_STREAM",
			[]*wire.Decoded{resetFrame(1, 5, 0), streamFrame(1, 0, x(4), true)}, FinalSizeError},
		{"T-161 sum above the connection limit",
			[]*wire.Decoded{streamFrame(1, 0, x(100), false), streamFrame(5, 0, x(51), false)}, FlowControlError},
		{"T-161 gaps count", []*wire.Decoded{streamFrame(1, 99, x(1), false), streamFrame(5, 50, x(1), false)}, FlowControlError},
		{"T-162 data above the stream limit", []*wire.Decoded{streamFrame(1, 100, x(1), false)}, FlowControlError},
		{"T-357 RESET_STREAM_AT above the stream limit", []*wire.Decoded{resetAtFrame(1, 101, 1, 0)}, FlowControlError},
		{"T-357 RESET_STREAM_AT above the connection limit",
			[]*wire.Decoded{streamFrame(1, 0, x(100), false), resetAtFrame(5, 51, 1, 0)}, FlowControlError},
		{"T-359 RESET_STREAM_AT changes the error code",
			[]*wire.Decoded{resetAtFrame(1, 10, 5, 1), resetAtFrame(1, 10, 4, 2)}, StreamStateError},
		{"T-359 RESET_STREAM after RESET_STREAM_AT changes the error code",
			[]*wire.Decoded{resetAtFrame(1, 10, 5, 1), resetFrame(1, 10, 2)}, StreamStateError},
		{"RESET_STREAM_AT changes the final size",
			[]*wire.Decoded{resetAtFrame(1, 10, 5, 1), resetAtFrame(1, 11, 5, 1)}, FinalSizeError},
		{"FIN after RESET_STREAM_AT changes the final size",
			[]*wire.Decoded{resetAtFrame(1, 10, 5, 1), streamFrame(1, 0, x(9), true)}, FinalSizeError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLink(t, testParams{window: 100, connWindow: 150})
			l.client.t = t
			last := len(tt.frames) - 1
			for _, f := range tt.frames[:last] {
				l.client.mustHandleQuietly(f)
			}
			l.client.mustFail(tt.frames[last], tt.code)
		})
	}
}

// Just at the limits nothing is wrong.
func TestReceiveLimitsAreReached(t *testing.T) {
	l := newTestLink(t, testParams{window: 100, connWindow: 150})
	l.client.mustHandle(
		streamFrame(1, 99, "x", true), streamFrame(1, 99, "x", true), // T-156: repeated
		resetFrame(5, 50, 0), resetFrame(5, 50, 0), resetAtFrame(1, 100, 50, 1), resetAtFrame(1, 100, 60, 1),
		streamFrame(9, 0, "", false), // T-155
	)
}

// The gaps that a peer can make are bounded per stream and per connection. Those of a stream that was
// cancelled do not count any more.
func TestGapLimits(t *testing.T) {
	gaps := func(l *testLink, id StreamID, n int) error {
		for i := range n {
			if err := l.client.handle(streamFrame(id, protocol.ByteCount(2*i+1), "x", false)); err != nil {
				return err
			}
		}
		return nil
	}
	l := newTestLink(t, testParams{})
	for round := range StreamID(2) {
		for i := range StreamID(4) {
			if err := gaps(l, 1+4*i+16*round, protocol.MaxStreamGaps); err != nil {
				t.Fatalf("gaps on stream %d of round %d: %v", i, round, err)
			}
			s, err := l.client.m.acceptStream(deadContext())
			if err != nil {
				t.Fatal(err)
			}
			defer s.CancelRead(1)
			if round == 0 {
				s.CancelRead(1)
			}
		}
	}
	if n := l.client.m.gaps.Load(); n != protocol.MaxConnGaps {
		t.Errorf("%d gaps, want those of the second round, %d", n, protocol.MaxConnGaps)
	}
	want := &TransportError{ErrorCode: ProtocolViolation, FrameType: uint64(wire.FrameTypeStream)}
	if err := gaps(l, 33, 1); !errors.Is(err, want) {
		t.Errorf("a gap too many on the connection: %v, want %v", err, want)
	}
	if err := gaps(newTestLink(t, testParams{}), 1, protocol.MaxStreamGaps+1); !errors.Is(err, want) {
		t.Errorf("a gap too many on a stream: %v, want %v", err, want)
	}
}

// Data of any size passes through small windows of stream and connection, over many streams at once.
func TestFlowControlProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{window: 1000, connWindow: 1500})
		stop := l.serve()
		defer stop()
		const streams, size = 8, 20_000
		rng := rand.New(rand.NewPCG(1, 2))
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		results := make(chan []byte, streams)
		for range streams {
			s := l.open(t)
			go func() {
				if n, err := s.Write(data); n != size || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
				s.Close()
			}()
			go func() {
				r, err := l.server.m.acceptStream(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				if err != nil {
					t.Error(err)
				}
				r.Close()
				results <- got
			}()
		}
		for range streams {
			if got := <-results; !bytes.Equal(got, data) {
				t.Errorf("%d bytes arrived, %d sent, or they differ", len(got), size)
			}
		}
		synctest.Wait()
		if n := l.client.size() + l.server.size(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
		if used, limit := l.client.m.credit.send.Used(), l.client.m.credit.send.Limit(); used != streams*size || used > limit {
			t.Errorf("credit used %d, limit %d", used, limit)
		}
	})
}

// A writer that gives up its turn does not take the credit of the connection with it.
func TestConnectionCreditIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{window: 4000, connWindow: 4000})
		a, b := l.open(t), l.open(t)
		mustWrite(t, a, make([]byte, 4000))
		l.run() // no credit is left
		for _, s := range []*Stream{a, b} {
			s.send.window.Raise(100_000)
		}
		done := make(chan *Stream, 2)
		for _, s := range []*Stream{a, b} {
			go func() {
				s.Write(make([]byte, 3000))
				done <- s
			}()
			synctest.Wait()
		}
		if f := l.client; f.pack() == nil || f.count(wire.FrameTypeDataBlocked) != 1 || f.last(wire.FrameTypeDataBlocked).Limit != 4000 {
			t.Error("no DATA_BLOCKED 4000 is sent")
		}
		// A call that gives up makes the loop look who is next.
		c := l.open(t)
		c.SetWriteDeadline(time.Now().Add(time.Second))
		l.client.wakes.Store(0)
		gaveUp := make(chan error)
		go func() { gaveUp <- second(c.Write(make([]byte, 3000))) }()
		synctest.Wait()
		l.client.wakes.Store(0)
		if err := <-gaveUp; !errors.Is(err, os.ErrDeadlineExceeded) || l.client.wakes.Load() == 0 {
			t.Errorf("Write = %v, the loop was woken %d times", err, l.client.wakes.Load())
		}
		// a is first in line, but is cancelled together with the arrival of the credit.
		l.client.mustHandleQuietly(&wire.Decoded{Type: wire.FrameTypeMaxData, Limit: 7000})
		a.CancelWrite(1)
		synctest.Wait()
		<-done
		l.client.m.deliver()
		synctest.Wait()
		select {
		case s := <-done:
			if s != b {
				t.Error("the wrong stream was served")
			}
		default:
			t.Error("the second writer still waits")
		}
		l.client.m.close(errTest)
	})
}

// STREAM_DATA_BLOCKED is sent once per limit and makes a stream leave Ready.
func TestStreamDataBlocked(t *testing.T) {
	l := newTestLink(t, testParams{window: 10})
	l.client.m.setPeerParameters(&wire.TransportParameters{})
	s := l.open(t)
	s.send.window = l.open(t).send.window
	s.send.window.Take(10)
	mustWrite(t, s, []byte("x"))
	l.client.packAll()
	l.client.packAll()
	if n := l.client.count(wire.FrameTypeStreamDataBlocked); n != 1 {
		t.Errorf("%d STREAM_DATA_BLOCKED, want 1", n)
	}
	if st, _ := s.SendState(); st != SendStateSend {
		t.Errorf("state %s, want send", st)
	}
	l.client.mustHandle(&wire.Decoded{Type: wire.FrameTypeMaxStreamData, StreamID: s.StreamID(), Limit: 9}) // T-168
	if l.client.pack() != nil {
		t.Error("a smaller limit counts")
	}
	l.client.mustHandle(&wire.Decoded{Type: wire.FrameTypeMaxStreamData, StreamID: s.StreamID(), Limit: 11})
	l.client.packAll()
	if f := l.client.last(wire.FrameTypeStream); f.StreamID != s.StreamID() {
		t.Errorf("%+v", f)
	}
}

// The window of a stream grows when the application reads fast, and that of the connection follows, if
// the application allows it. No lock is held when it is asked.
func TestWindowGrowth(t *testing.T) {
	for _, allow := range []bool{true, false} {
		asked := 0
		var server *streamsMap
		l := newTestLink(t, testParams{window: 1000, connWindow: 1500, maxWindow: 100_000, edit: func(p *streamsParams) {
			p.allowConnGrowth = func(delta protocol.ByteCount) bool {
				asked++
				if !server.mu.TryLock() {
					t.Error("the lock of the streams map is held")
					return allow
				}
				server.mu.Unlock()
				return allow
			}
		}})
		server = l.server.m
		a, b := l.pair(t)
		for now := range 50 {
			mustWrite(t, a, make([]byte, 500))
			l.transfer(l.client, l.server)
			b.Read(make([]byte, 500))
			var k []byte
			k, _ = server.appendControlFrames(k, testPacketSize, nil, 100+10, 1000) // all within one RTT
			l.client.receive(&testPacket{data: k})
			_ = now
		}
		if size := b.receive.window.Size(); size < 2000 {
			t.Errorf("allowed %t: stream window %d, want more", allow, size)
		}
		if size := server.credit.recv.Size(); (size > 1500) != allow || asked == 0 {
			t.Errorf("allowed %t: connection window %d, asked %d times", allow, size, asked)
		}
	}
}
