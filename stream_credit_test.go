package quic

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/wire"
)

// churn lets the client use up its limit several times. use gets both ends of a stream; the test fails
// if the client cannot open another stream.
func churn(t *testing.T, l *testLink, n int, use func(a, b *Stream)) {
	t.Helper()
	for i := range n {
		a, err := l.client.m.openStream()
		for range 100 { // the garbage collector may have to find what the server has dropped
			if err == nil {
				break
			}
			runtime.GC()
			l.run()
			a, err = l.client.m.openStream()
		}
		if err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
		mustWrite(t, a, []byte("x"))
		l.run()
		use(a, l.accept(t))
		l.run()
	}
	l.client.m.deliver()
	l.server.m.deliver()
	if c, s := l.client.size(), l.server.size(); c+s != 0 {
		t.Errorf("%d streams are left at the client, %d at the server", c, s)
	}
}

// F1: a RESET_STREAM that the application never reads leaks neither the stream nor its credit.
func TestUnreadResetDoesNotLeak(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 10})
	churn(t, l, 50, func(a, b *Stream) {
		a.CancelWrite(1)
		b.Close()
		l.run()
		a.CancelRead(1)
	})
}

// F1, F2: an application that walks away from a stream that the peer has reset and stopped. Nothing was
// called on it; the garbage collector finds it.
func TestAbandonedStreamDoesNotLeak(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 10})
	churn(t, l, 50, func(a, _ *Stream) {
		a.CancelWrite(1)
		a.CancelRead(1)
	})
}

// F2: a STOP_SENDING is not noticed because the application never writes.
func TestUnwrittenStopDoesNotLeak(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 10})
	churn(t, l, 50, func(a, b *Stream) {
		a.CancelRead(1)
		a.Close()
		l.run()
		io.ReadAll(b)
	})
}

// F3: all bytes are read with io.ReadFull and io.EOF is never observed, whether the FIN comes with the
// last byte or after it was read.
func TestUnobservedEOFDoesNotLeak(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("FIN after the read: %t", late), func(t *testing.T) {
			l := newTestLink(t, testParams{maxStreams: 10})
			churn(t, l, 50, func(a, b *Stream) {
				a.CancelRead(1)
				if !late {
					a.Close()
					l.run()
				}
				if _, err := io.ReadFull(b, make([]byte, 1)); err != nil {
					t.Error(err)
				}
				a.Close()
			})
		})
	}
}

// F10: no RESET_STREAM is sent once everything is acknowledged.
func TestNoResetFromDataRecvd(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	a.Close()
	l.run()
	if st, _ := a.SendState(); st != SendStateDataRecvd {
		t.Fatalf("state %s, want data_received", st)
	}
	a.CancelWrite(1)
	b.CancelRead(2)
	l.run()
	if n := l.client.count(wire.FrameTypeResetStream); n != 0 {
		t.Errorf("%d RESET_STREAM, want 0", n)
	}
}

// F12: a second final-size callback does not replace the first. Late ones are called, too.
func TestFinalSizeCallbacks(t *testing.T) {
	tests := []struct {
		name string
		end  func(a, b *Stream)
		want []int64
	}{
		{"FIN", func(a, b *Stream) { a.Close() }, []int64{9}},
		{"FIN, nobody reads", func(a, b *Stream) { a.Close(); b.CancelRead(1) }, []int64{9}},
		{"RESET_STREAM", func(a, b *Stream) { a.CancelWrite(1) }, []int64{9}},
		{"RESET_STREAM after STOP_SENDING", func(a, b *Stream) { b.CancelRead(1) }, []int64{9}},
		{"RESET_STREAM_AT", func(a, b *Stream) { a.SetReliableBoundary(); a.CancelWrite(1) }, []int64{9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLink(t, testParams{})
			a, b := l.pair(t)
			mustWrite(t, a, make([]byte, 8))
			l.run()
			var got [3][]int64
			for i := range 2 {
				b.SetReceiveFinalSizeCallback(func(n int64) { got[i] = append(got[i], n) })
			}
			tt.end(a, b)
			l.run()
			b.SetReceiveFinalSizeCallback(func(n int64) { got[2] = append(got[2], n) })
			b.CancelWrite(1)
			b.CancelRead(1)
			l.run()
			for i, sizes := range got {
				if len(sizes) != 1 || sizes[0] != tt.want[0] {
					t.Errorf("callback %d got %v, want %v", i, sizes, tt.want)
				}
			}
		})
	}
	l := newTestLink(t, testParams{})
	_, b := l.pair(t)
	b.SetReceiveFinalSizeCallback(func(n int64) { t.Errorf("size %d of a stream that has no end", n) })
	l.server.m.close(errTest)
	l.server.m.deliver()
	if b.receive.rec.observers.first != nil {
		t.Error("the callback is left in the list")
	}
}

// F13: the end of the connection is an event of the receive half.
func TestReceiveHalfHearsOfTheEnd(t *testing.T) {
	l := newTestLink(t, testParams{})
	s, err := l.client.m.openUniStream()
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, []byte("x"))
	l.run()
	r, err := l.server.m.acceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	log := observe(r)
	l.server.m.close(errTest)
	l.server.m.deliver()
	log.expect(t, "connection over", ReceiveStateRecv, ReceiveStateAbandoned, StreamStateRetired)
	if _, err := r.ReceiveState(); !errors.Is(err, errTest) {
		t.Errorf("ReceiveState = %v, want %v", err, errTest)
	}
}

// Credit waits for the application, by whatever it lets go, and does not come back twice.
func TestCreditWaitsForTheApplication(t *testing.T) {
	tests := []struct {
		name  string
		letGo func(b *Stream)
	}{
		{"Read sees the reset", func(b *Stream) { b.Read(make([]byte, 1)) }},
		{"Peek sees the reset", func(b *Stream) { b.Peek(make([]byte, 1)) }},
		{"Write sees the reset", func(b *Stream) { b.Write(make([]byte, 1)) }},
		{"TryWriteAll sees the reset", func(b *Stream) { b.TryWriteAll(make([]byte, 1)) }},
		{"Close", func(b *Stream) { b.Close() }},
		{"CancelRead", func(b *Stream) { b.CancelRead(1) }},
		{"CancelWrite", func(b *Stream) { b.CancelWrite(1) }},
		{"ReleaseStreamCredit", func(b *Stream) { b.ReleaseStreamCredit() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLink(t, testParams{maxStreams: 1})
			a, b := l.pair(t)
			a.CancelRead(1)
			a.CancelWrite(1)
			l.run()
			if n := l.server.size(); n != 0 {
				t.Fatalf("%d streams are left", n)
			}
			if _, err := l.client.m.openStream(); err == nil {
				t.Fatal("the credit came back while the application holds the stream")
			}
			l.server.wakes.Store(0)
			tt.letGo(b)
			if l.server.wakes.Load() == 0 {
				t.Error("the loop was not woken")
			}
			l.run()
			mustWrite(t, l.open(t), []byte("x"))
			tt.letGo(b)
			b.ReleaseStreamCredit()
			l.run()
			if _, err := l.client.m.openStream(); err == nil {
				t.Error("the credit came back twice")
			}
			runtime.KeepAlive(b)
		})
	}
}

// A stream that the application has let go and then dropped counts once.
func TestCreditOfDroppedStreamComesBackOnce(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 1})
	churn(t, l, 5, func(a, b *Stream) {
		a.CancelRead(1)
		a.CancelWrite(1)
		l.run()
		b.Close()
	})
	for range 10 {
		runtime.GC()
		l.run()
	}
	mustWrite(t, l.open(t), []byte("x"))
	l.run()
	if _, err := l.client.m.openStream(); err == nil {
		t.Error("the credit came back twice")
	}
}

// With Config.RequireStreamCreditRelease nothing but ReleaseStreamCredit hands credit back, and it does so
// before the end of the stream, too.
func TestRequireStreamCreditRelease(t *testing.T) {
	for _, early := range []bool{false, true} {
		l := newTestLink(t, testParams{maxStreams: 1, edit: func(p *streamsParams) { p.requireCreditRelease = true }})
		a, b := l.pair(t)
		if early {
			b.ReleaseStreamCredit()
			l.run()
			if _, err := l.client.m.openStream(); err == nil {
				t.Error("the credit came back before the end of the stream")
			}
		}
		endNormally(t, l, a, b)
		b.CancelRead(1)
		l.run()
		if !early {
			if _, err := l.client.m.openStream(); err == nil {
				t.Error("the credit came back without ReleaseStreamCredit")
			}
			b.ReleaseStreamCredit()
			b.ReleaseStreamCredit()
			l.run()
		}
		mustWrite(t, l.open(t), []byte("x"))
		l.run()
		if _, err := l.client.m.openStream(); err == nil {
			t.Error("the credit came back twice")
		}
	}
}

// A peer that opens and resets streams does not start more handlers than the limit: as long as the
// application holds the streams it gets no credit.
func TestOpenAndResetFlood(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 10})
	var handlers []*Stream
	opened := 0
	for range 100 {
		a, err := l.client.m.openStream()
		if err != nil {
			continue
		}
		opened++
		mustWrite(t, a, []byte("x"))
		a.CancelRead(1)
		l.run()
		a.CancelWrite(1)
		l.run()
		for {
			b, err := l.server.m.acceptStream(deadContext())
			if err != nil {
				break
			}
			handlers = append(handlers, b)
		}
	}
	if opened != 10 || len(handlers) != 10 {
		t.Errorf("%d streams, %d handlers, want 10", opened, len(handlers))
	}
	if n := l.server.size(); n != 0 {
		t.Errorf("%d streams that are over are left in the map", n)
	}
	// A handler that returns makes room for one.
	handlers[0].CancelWrite(0)
	l.run()
	l.open(t)
	if _, err := l.client.m.openStream(); err == nil {
		t.Error("more than one stream was allowed")
	}
	runtime.KeepAlive(handlers)
}

// The garbage collector cannot wake the loop, so the loop looks itself while the peer may wait for credit.
func TestCreditDeadline(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 2})
	if d := l.server.m.creditDeadline(5); d != 0 {
		t.Errorf("deadline %d without a stream", d)
	}
	a, b := l.pair(t)
	a.CancelRead(1)
	a.CancelWrite(1)
	l.run()
	if d := l.server.m.creditDeadline(5); d.Sub(5) != time.Second {
		t.Errorf("deadline %d, want a second", d)
	}
	b.CancelRead(1)
	l.run()
	if d := l.server.m.creditDeadline(5); d != 0 {
		t.Errorf("deadline %d after the stream was let go", d)
	}
}

// 100,000 short streams: the maps are empty afterwards and the heap is as before.
func TestStreamChurn(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	l := newTestLink(t, testParams{maxStreams: 100})
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	p := make([]byte, 10)
	round := func() {
		a := l.open(t)
		mustWrite(t, a, p)
		switch a.StreamID() % 3 {
		case 0:
			a.Close()
		case 1:
			a.CancelWrite(1)
		case 2:
			a.CancelRead(1)
			a.Close()
		}
		l.run()
		b := l.accept(t)
		b.Write(p) // fails if it was stopped
		b.Close()
		l.run()
		io.ReadAll(a)
		io.ReadAll(b)
		l.run()
		l.client.sent, l.server.sent = l.client.sent[:0], l.server.sent[:0]
	}
	for range 1000 {
		round()
	}
	before := heap()
	for range n {
		round()
	}
	after := heap()
	if c, s := l.client.size(), l.server.size(); c+s != 0 {
		t.Errorf("%d streams are left at the client, %d at the server", c, s)
	}
	if after > before+256<<10 {
		t.Errorf("heap %d, before %d", after, before)
	}
}
