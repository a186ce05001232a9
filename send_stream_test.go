package quic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

func TestWriteAndClose(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	if n, err := a.Write(nil); n != 0 || err != nil {
		t.Errorf("Write(nil) = %d, %v", n, err)
	}
	mustWrite(t, a, []byte("hello "))
	mustWrite(t, a, []byte("world"))
	for range 2 {
		if err := a.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if n, err := a.Write([]byte("x")); n != 0 || !errors.Is(err, ErrStreamClosed) {
		t.Errorf("Write after Close = %d, %v", n, err)
	}
	if err := a.TryWriteAll([]byte("x")); !errors.Is(err, ErrStreamClosed) {
		t.Errorf("TryWriteAll after Close = %v", err)
	}
	l.run()
	if data, err := io.ReadAll(b); string(data) != "hello world" || err != nil {
		t.Errorf("ReadAll = %q, %v", data, err)
	}
	for _, p := range [][]byte{make([]byte, 1), nil} {
		if n, err := b.Read(p); n != 0 || err != io.EOF {
			t.Errorf("Read(%d bytes) at the end = %d, %v", len(p), n, err)
		}
	}
	b.CancelRead(1) // no-op
	if st, err := b.ReceiveState(); st != ReceiveStateDataRead || err != nil {
		t.Errorf("ReceiveState = %s, %v", st, err)
	}
}

// What both ends say after a cancellation by either.
func TestCancel(t *testing.T) {
	tests := []struct {
		name   string
		cancel func(a, b *Stream)
		remote bool // as seen by a's send half
	}{
		{"CancelWrite", func(a, b *Stream) { a.CancelWrite(5) }, false},
		{"CancelRead of the peer", func(a, b *Stream) { b.CancelRead(5) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLink(t, testParams{})
			a, b := l.pair(t)
			ctx := a.Context()
			mustWrite(t, a, []byte("lost"))
			tt.cancel(a, b)
			l.run()
			sendErr := &StreamError{StreamID: a.StreamID(), ErrorCode: 5, Remote: tt.remote}
			receiveErr := &StreamError{StreamID: a.StreamID(), ErrorCode: 5, Remote: !tt.remote}
			a.CancelWrite(6) // the first one counts
			b.CancelRead(6)
			for name, got := range map[string]error{
				"Write": second(a.Write([]byte("x"))), "TryWriteAll": a.TryWriteAll(nil),
				"SendState": second(a.SendState()), "Cause": context.Cause(ctx), "closedReason": a.send.closedReason(),
			} {
				if !errors.Is(got, sendErr) {
					t.Errorf("%s = %v, want %v", name, got, sendErr)
				}
			}
			for name, got := range map[string]error{
				"Read": second(b.Read(make([]byte, 1))), "Read(nil)": second(b.Read(nil)), "Peek": second(b.Peek(make([]byte, 1))),
				"ReceiveState": second(b.ReceiveState()),
			} {
				if !errors.Is(got, receiveErr) {
					t.Errorf("%s = %v, want %v", name, got, receiveErr)
				}
			}
			if got, want := a.Close(), fmt.Sprintf("close called for canceled stream %d", a.StreamID()); got == nil || got.Error() != want {
				t.Errorf("Close = %v, want %s", got, want)
			}
			l.run()
			if n := l.client.count(wire.FrameTypeResetStream); n != 1 {
				t.Errorf("%d RESET_STREAM, want 1", n)
			}
			if n := l.server.count(wire.FrameTypeStopSending); (n == 1) != tt.remote {
				t.Errorf("%d STOP_SENDING", n)
			}
		})
	}
}

// T-142, T-143: STOP_SENDING is answered with one RESET_STREAM of the same code.
func TestStopSendingIsIdempotent(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, _ := l.pair(t)
	for range 1000 {
		l.client.mustHandle(stopFrame(a.StreamID(), 77))
	}
	l.run()
	if n, f := l.client.count(wire.FrameTypeResetStream), l.client.last(wire.FrameTypeResetStream); n != 1 || f.ErrorCode != 77 || f.FinalSize != 1 {
		t.Errorf("%d RESET_STREAM, %+v", n, f)
	}
}

func TestSendStreamContext(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, _ := l.pair(t)
	ctx := a.Context()
	if a.Context() != ctx || ctx.Err() != nil {
		t.Error("the context is made twice or has ended")
	}
	a.Close()
	if err := context.Cause(ctx); !errors.Is(err, ErrStreamClosed) || ctx.Err() != context.Canceled {
		t.Errorf("after Close: cause %v, error %v", err, ctx.Err())
	}
	late, _ := l.pair(t)
	late.CancelWrite(1)
	if err := context.Cause(late.Context()); !errors.Is(err, &StreamError{StreamID: late.StreamID(), ErrorCode: 1}) {
		t.Errorf("first asked after CancelWrite: cause %v", err)
	}
	c, _ := l.pair(t)
	ctx = c.Context()
	l.client.m.close(errTest)
	if err := context.Cause(ctx); !errors.Is(err, errTest) {
		t.Errorf("after the end of the connection: cause %v", err)
	}
}

func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{window: 2000})
		s := l.open(t)
		s.SetWriteDeadline(time.Now().Add(-time.Second))
		if n, err := s.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || err.Error() != "deadline exceeded" {
			t.Errorf("Write = %d, %v", n, err)
		}
		if err := s.TryWriteAll([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("TryWriteAll = %v", err)
		}
		start := time.Now()
		s.SetWriteDeadline(start.Add(3 * time.Second))
		n, err := s.Write(make([]byte, 5000))
		if took := time.Since(start); n != 2000 || !errors.Is(err, os.ErrDeadlineExceeded) || took != 3*time.Second {
			t.Errorf("Write = %d, %v after %v", n, err, took)
		}
		// A deadline that is set while Write waits counts; clearing it makes the stream usable again.
		s.SetDeadline(time.Time{})
		go func() {
			time.Sleep(time.Second)
			s.SetDeadline(time.Now().Add(time.Second))
		}()
		start = time.Now()
		n, err = s.Write(make([]byte, 5000))
		if took := time.Since(start); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != 2*time.Second {
			t.Errorf("Write = %d, %v after %v", n, err, took)
		}
		s.SetWriteDeadline(time.Time{})
		l.client.mustHandle(&wire.Decoded{Type: wire.FrameTypeMaxStreamData, Limit: 10_000})
		mustWrite(t, s, make([]byte, 3000))
		l.client.packAll()
		if used := s.send.window.Used(); used != 5000 {
			t.Errorf("%d bytes were sent, want 5000", used)
		}
	})
}

// Writers are served one after the other, and all of them hear of the end.
func TestConcurrentWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{window: 1000})
		a, b := l.pair(t)
		stop := l.serve()
		done := make(chan error, 4)
		for i := range 4 {
			go func() { done <- second(a.Write(bytes.Repeat([]byte{byte('0' + i)}, 5000))) }()
		}
		got := make([]byte, 20_000)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Error(err)
		}
		changes := 0
		for i := 1; i < len(got); i++ {
			if got[i] != got[i-1] {
				changes++
			}
		}
		if changes != 3 {
			t.Errorf("the writer changed %d times, want 3", changes)
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for range 4 {
			go func() { done <- second(a.Write(make([]byte, 50_000))) }()
		}
		synctest.Wait()
		b.CancelRead(3)
		for range 4 {
			if err := <-done; !errors.Is(err, &StreamError{StreamID: a.StreamID(), ErrorCode: 3, Remote: true}) {
				t.Error(err)
			}
		}
		stop()
	})
}

func TestWriteWithLimit(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	asked := 0
	n, err := a.WriteWithLimit([]byte("hello world"), func(n int) int { asked = n; return 5 })
	if n != 5 || err != ErrWriteLimitReached || asked != 11 {
		t.Errorf("WriteWithLimit = %d, %v, asked for %d", n, err, asked)
	}
	if n, err := a.WriteWithLimit([]byte(" world"), func(n int) int { return n + 100 }); n != 6 || err != nil {
		t.Errorf("WriteWithLimit = %d, %v", n, err)
	}
	if n, err := a.WriteWithLimit([]byte("x"), func(int) int { return -1 }); n != 0 || err != ErrWriteLimitReached {
		t.Errorf("WriteWithLimit = %d, %v", n, err)
	}
	if !didPanic(func() { a.WriteWithLimit([]byte("x"), func(int) int { panic("limit") }) }) {
		t.Error("the panic is swallowed")
	}
	// The limiter runs without a lock: it may even end the stream.
	if n, err := a.WriteWithLimit([]byte("x"), func(n int) int { a.Close(); return n }); n != 0 || !errors.Is(err, ErrStreamClosed) {
		t.Errorf("WriteWithLimit = %d, %v", n, err)
	}
	l.run()
	if data, err := io.ReadAll(b); string(data) != "hello world" || err != nil {
		t.Errorf("ReadAll = %q, %v", data, err)
	}
}

func TestTryWriteAll(t *testing.T) {
	l := newTestLink(t, testParams{window: 1000})
	s := l.open(t)
	if err := s.TryWriteAll(make([]byte, 1001)); err != ErrWouldBlock {
		t.Errorf("TryWriteAll beyond the window = %v", err)
	}
	for _, n := range []int{600, 0, 400} {
		if err := s.TryWriteAll(make([]byte, n)); err != nil {
			t.Errorf("TryWriteAll(%d bytes) = %v", n, err)
		}
	}
	if err := s.TryWriteAll(make([]byte, 1)); err != ErrWouldBlock {
		t.Errorf("TryWriteAll without credit = %v", err)
	}
	if err := s.TryWriteAll(nil); err != nil {
		t.Errorf("TryWriteAll(nil) = %v", err)
	}
	if end := s.send.buf.End(); end != 1000 {
		t.Errorf("%d bytes were taken, want 1000", end)
	}
}

// Write takes a bounded number of bytes ahead of the loop.
func TestWriteAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{window: 10 << 20})
		s := l.open(t)
		go s.Write(make([]byte, 1<<20))
		synctest.Wait()
		if n := s.send.buf.Unsent(); n != maxWriteAhead {
			t.Errorf("%d bytes were taken, want %d", n, maxWriteAhead)
		}
		for s.send.buf.End() < 1<<20 {
			if l.client.pack() == nil {
				t.Fatal("nothing to send")
			}
			synctest.Wait()
		}
	})
}

// The prefix that SetReliableBoundary marks arrives, then the error; lost packets do not change that.
func TestReliableReset(t *testing.T) {
	for _, lose := range []bool{false, true} {
		l := newTestLink(t, testParams{})
		a, b := l.pair(t)
		log := observe(a)
		mustWrite(t, a, make([]byte, 2999))
		a.SetReliableBoundary()
		mustWrite(t, a, make([]byte, 3000))
		a.CancelWrite(8)
		if _, err := a.Write([]byte("x")); !errors.Is(err, &StreamError{StreamID: a.StreamID(), ErrorCode: 8}) {
			t.Errorf("Write = %v", err)
		}
		if lose {
			for _, p := range l.client.packAll() {
				l.client.lost(p)
			}
		}
		l.run()
		want := &StreamError{StreamID: a.StreamID(), ErrorCode: 8, Remote: true}
		if data, err := io.ReadAll(b); len(data) != 2999 || !errors.Is(err, want) {
			t.Errorf("ReadAll = %d bytes, %v, want 2999, %v", len(data), err, want)
		}
		l.client.m.deliver()
		log.expect(t, "sender", SendStateReady, SendStateSend, SendStateDataSent, SendStateDataRecvd, ReceiveStateRecv)
		f := l.client.last(wire.FrameTypeResetStreamAt)
		if f.ReliableSize != 3000 || f.FinalSize != 3000 || f.ErrorCode != 8 {
			t.Errorf("RESET_STREAM_AT %+v", f)
		}
		if l.client.count(wire.FrameTypeResetStream) != 0 {
			t.Error("RESET_STREAM was sent")
		}
	}
	// What is beyond the boundary and was sent is not sent again.
	l := newTestLink(t, testParams{})
	a, _ := l.pair(t)
	a.SetReliableBoundary()
	mustWrite(t, a, make([]byte, 500))
	p := l.client.pack()
	a.CancelWrite(1)
	l.client.lost(p)
	before := l.client.count(wire.FrameTypeStream)
	l.client.packAll()
	if n := l.client.count(wire.FrameTypeStream) - before; n != 0 {
		t.Errorf("%d STREAM frames, want 0", n)
	}
	if f := l.client.last(wire.FrameTypeResetStreamAt); f.ReliableSize != 1 || f.FinalSize != 501 {
		t.Errorf("RESET_STREAM_AT %+v", f)
	}
}

// RESET_STREAM_AT needs both sides; otherwise CancelWrite sends RESET_STREAM.
func TestReliableResetNeedsBothSides(t *testing.T) {
	l := newTestLink(t, testParams{edit: func(p *streamsParams) { p.resetStreamAt = p.perspective == protocol.PerspectiveClient }})
	a, _ := l.pair(t)
	a.SetReliableBoundary()
	a.CancelWrite(1)
	l.run()
	if l.client.count(wire.FrameTypeResetStreamAt) != 0 || l.client.count(wire.FrameTypeResetStream) != 1 {
		t.Error("RESET_STREAM_AT was sent, or no RESET_STREAM")
	}
}

// RESET_STREAM_AT followed by STOP_SENDING becomes RESET_STREAM with the first code.
func TestReliableResetThenStopSending(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, _ := l.pair(t)
	log := observe(a)
	a.SetReliableBoundary()
	a.CancelWrite(1)
	l.client.packAll()
	l.client.mustHandle(stopFrame(a.StreamID(), 2))
	for _, p := range l.client.packAll() {
		l.server.receive(p)
		l.client.acked(p)
	}
	l.client.m.deliver()
	log.expect(t, "sender", SendStateReady, SendStateSend, SendStateDataSent, SendStateResetQueued, SendStateResetSent,
		SendStateResetRecvd, ReceiveStateRecv)
	if f := l.client.last(wire.FrameTypeResetStream); f.ErrorCode != 1 || f.FinalSize != 1 {
		t.Errorf("RESET_STREAM %+v", f)
	}
}

// A datagram may be queued while the half is open, and packed until the FIN or the reset is.
func TestDatagramsAllowed(t *testing.T) {
	var closed []*SendStream
	l := newTestLink(t, testParams{edit: func(p *streamsParams) {
		p.streamClosedForDatagrams = func(s *SendStream) { closed = append(closed, s) }
	}})
	check := func(s *Stream, what string, queueing, packing bool) {
		t.Helper()
		if q, p := s.send.datagramsAllowed(); q != queueing || p != packing {
			t.Errorf("%s: queueing %t, packing %t, want %t, %t", what, q, p, queueing, packing)
		}
		if err := s.send.closedReason(); (err == nil) != queueing {
			t.Errorf("%s: closedReason = %v", what, err)
		}
	}
	a, _ := l.pair(t)
	check(a, "open", true, true)
	a.Close()
	check(a, "FIN queued", false, true)
	l.client.pack()
	check(a, "FIN packed", false, false)
	b, _ := l.pair(t)
	check(b, "open", true, true)
	b.CancelWrite(1)
	check(b, "reset queued", false, false)
	c, _ := l.pair(t)
	check(c, "open", true, true)
	c.SetReliableBoundary()
	c.CancelWrite(1)
	check(c, "RESET_STREAM_AT queued", false, true)
	l.client.m.deliver()
	if len(closed) != 3 {
		t.Errorf("%d streams were reported as closed, want 3", len(closed))
	}
	l.client.packAll()
	check(c, "RESET_STREAM_AT packed", false, false)
	d, _ := l.pair(t) // never asked about datagrams
	d.Close()
	l.client.m.close(errTest)
	l.client.m.deliver()
	if len(closed) != 3 {
		t.Errorf("%d streams were reported as closed, want 3", len(closed))
	}
}

// Data arrives whatever is lost, spuriously lost, repeated or reordered.
func TestTransferOverLossyLink(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 0))
		l := newTestLink(t, testParams{window: 1 << 20})
		s, err := l.client.m.openUniStream()
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 20_000+rng.IntN(50_000))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		mustWrite(t, s, data)
		s.Close()
		var flying []*testPacket
		for s.states.current() != SendStateDataRecvd {
			if p := l.client.pack(); p != nil {
				flying = append(flying, p)
			}
			if len(flying) == 0 {
				t.Fatalf("seed %d: nothing is sent in state %s", seed, s.states.current())
			}
			i := rng.IntN(len(flying))
			p := flying[i]
			switch rng.IntN(6) {
			case 0: // lost
				l.client.lost(p)
			case 1: // late: declared lost, and arrives
				l.client.lost(p)
				l.server.receive(p)
			case 2: // probed
				for i := range p.recs {
					l.client.m.requeue(&p.recs[i])
				}
				continue
			default:
				l.server.receive(p)
				l.client.acked(p)
			}
			flying = append(flying[:i], flying[i+1:]...)
		}
		r, err := l.server.m.acceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); !bytes.Equal(got, data) || err != nil {
			t.Errorf("seed %d: %d bytes, %v, want %d", seed, len(got), err, len(data))
		}
	}
}

// Every space that is left in a packet is either filled, or not big enough for a sensible frame.
func TestStreamFrameFits(t *testing.T) {
	for space := range 200 {
		for _, n := range []int{0, 1, 10, 63, 64, 65, 100, 300} {
			l := newTestLink(t, testParams{})
			s := l.open(t)
			mustWrite(t, s, make([]byte, n))
			s.Close()
			b, recs := l.client.m.appendStreamFrames(make([]byte, 3), 3+space, nil)
			if len(b) > 3+space || (len(recs) == 0) != (len(b) == 3) {
				t.Fatalf("space %d, data %d: %d bytes, %d records", space, n, len(b)-3, len(recs))
			}
			if need := wire.StreamFrameOverhead(0, 0, n, true) + n; space >= need && len(b) != 3+need {
				if len(b) != 3+space { // without the length
					t.Errorf("space %d, data %d: %d bytes, want %d", space, n, len(b)-3, need)
				}
			}
			if space >= 24 && n >= space && len(b) != 3+space {
				t.Errorf("space %d, data %d: %d bytes, want all", space, n, len(b)-3)
			}
			frames := l.client.parse(&testPacket{data: b[3:]})
			if len(frames) == 1 && frames[0].Fin != (len(frames[0].Data) == n) {
				t.Errorf("space %d, data %d: FIN %t on %d bytes", space, n, frames[0].Fin, len(frames[0].Data))
			}
		}
	}
}
