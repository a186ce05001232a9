package quic

import (
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// receiver returns a unidirectional stream of the client at the server, on which tests put frames.
func receiver(t *testing.T, o testParams) (*testLink, *ReceiveStream) {
	t.Helper()
	l := newTestLink(t, o)
	l.server.mustHandle(streamFrame(2, 0, "", false))
	s, err := l.server.m.acceptUniStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l, s
}

func TestReadReordered(t *testing.T) {
	l, s := receiver(t, testParams{})
	l.server.mustHandle(
		streamFrame(2, 3, "lo", false), streamFrame(2, 5, " world", true), streamFrame(2, 0, "he", false),
		streamFrame(2, 1, "el", false), streamFrame(2, 1, "el", false))
	if data, err := io.ReadAll(s); string(data) != "hello world" || err != nil {
		t.Errorf("ReadAll = %q, %v", data, err)
	}
}

func TestPeek(t *testing.T) {
	l, s := receiver(t, testParams{})
	l.server.mustHandle(streamFrame(2, 0, "hello", false))
	p := make([]byte, 10)
	for _, n := range []int{0, 3, 5} {
		if got, err := s.Peek(p[:n]); got != n || err != nil || string(p[:n]) != "hello"[:n] {
			t.Errorf("Peek(%d bytes) = %d, %v, %q", n, got, err, p[:n])
		}
	}
	l.server.mustHandle(streamFrame(2, 5, "", true))
	for range 2 {
		if n, err := s.Peek(p); n != 5 || err != io.EOF || string(p[:n]) != "hello" {
			t.Errorf("Peek beyond the end = %d, %v, %q", n, err, p[:n])
		}
	}
	if n, err := s.Read(p); n != 5 || err != nil && err != io.EOF {
		t.Errorf("Read = %d, %v", n, err)
	}
	if n, err := s.Peek(p); n != 0 || err != io.EOF {
		t.Errorf("Peek at the end = %d, %v", n, err)
	}
}

func TestPeekWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := receiver(t, testParams{})
		done := make(chan int, 1)
		go func() {
			n, err := s.Peek(make([]byte, 5))
			if err != nil {
				t.Error(err)
			}
			done <- n
		}()
		l.server.mustHandle(streamFrame(2, 0, "four", false))
		synctest.Wait()
		if len(done) != 0 {
			t.Error("Peek returned too early")
		}
		l.server.mustHandle(streamFrame(2, 4, "5", false))
		if n := <-done; n != 5 {
			t.Errorf("Peek = %d, want 5", n)
		}
	})
}

func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := receiver(t, testParams{})
		l.server.mustHandle(streamFrame(2, 0, "hello", false))
		s.SetReadDeadline(time.Now().Add(-time.Second))
		for name, read := range map[string]func([]byte) (int, error){"Read": s.Read, "Peek": s.Peek} {
			if n, err := read(make([]byte, 5)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s = %d, %v", name, n, err)
			}
		}
		s.SetReadDeadline(time.Time{})
		if n, err := s.Read(make([]byte, 5)); n != 5 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
		start := time.Now()
		s.SetReadDeadline(start.Add(time.Second))
		errs := make(chan error, 3) // all who wait hear of it
		for range 3 {
			go func() { errs <- second(s.Read(make([]byte, 1))) }()
		}
		for range 3 {
			if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("Read = %v after %v", err, time.Since(start))
			}
		}
	})
}

func TestConcurrentReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := receiver(t, testParams{})
		errs := make(chan error, 4)
		for range 4 {
			go func() { errs <- second(s.Read(make([]byte, 1))) }()
		}
		synctest.Wait()
		l.server.mustHandle(streamFrame(2, 0, "ab", false))
		for range 2 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		s.CancelRead(9)
		for range 2 {
			if err := <-errs; !errors.Is(err, &StreamError{StreamID: 2, ErrorCode: 9}) {
				t.Error(err)
			}
		}
	})
}

// What a receive half goes through, by the frames and calls of each test, and what Read says at the end.
func TestReceiveStateSequences(t *testing.T) {
	remote := &StreamError{StreamID: 2, ErrorCode: 7, Remote: true}
	local := &StreamError{StreamID: 2, ErrorCode: 9}
	handle := func(f *wire.Decoded) func(*testing.T, *testSide, *ReceiveStream) {
		return func(_ *testing.T, side *testSide, _ *ReceiveStream) { side.mustHandle(f) }
	}
	read := func(want string, wantErr error) func(*testing.T, *testSide, *ReceiveStream) {
		return func(t *testing.T, side *testSide, s *ReceiveStream) {
			t.Helper()
			p := make([]byte, 10)
			if n, err := s.Read(p); string(p[:n]) != want || !errors.Is(err, wantErr) {
				t.Errorf("Read = %q, %v, want %q, %v", p[:n], err, want, wantErr)
			}
			side.m.deliver()
		}
	}
	cancel := func(_ *testing.T, side *testSide, s *ReceiveStream) {
		s.CancelRead(9)
		side.m.deliver()
	}
	const (
		recv, sizeKnown, dataRecvd = ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd
		dataRead, resetRecvd       = ReceiveStateDataRead, ReceiveStateResetRecvd
		resetRead, retired         = ReceiveStateResetRead, StreamStateRetired
		stopped, discarded         = ReceiveStateStopped, ReceiveStateDiscarded
	)
	type steps []func(*testing.T, *testSide, *ReceiveStream)
	tests := []struct {
		name string
		do   steps
		want []StreamState
	}{
		{"FIN in an empty frame after the last byte was read",
			steps{handle(streamFrame(2, 0, "abc", false)), read("abc", nil), handle(streamFrame(2, 3, "", true)), read("", io.EOF)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"empty stream", steps{handle(streamFrame(2, 0, "", true)), read("", io.EOF)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"FIN first", steps{handle(streamFrame(2, 2, "c", true)), handle(streamFrame(2, 0, "ab", false)), read("abc", io.EOF)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"unread data holds the stream", steps{handle(streamFrame(2, 0, "abc", true))}, []StreamState{recv, sizeKnown, dataRecvd}},
		{"RESET_STREAM", steps{handle(streamFrame(2, 0, "abc", false)), handle(resetFrame(2, 5, 7)), read("", remote), read("", remote)},
			[]StreamState{recv, resetRecvd, resetRead, retired}},
		{"RESET_STREAM after a FIN, bytes missing",
			steps{handle(streamFrame(2, 2, "c", true)), handle(resetFrame(2, 3, 7)), read("", remote)},
			[]StreamState{recv, sizeKnown, resetRecvd, resetRead, retired}},
		{"RESET_STREAM after all data, unread", steps{handle(streamFrame(2, 0, "abc", true)), handle(resetFrame(2, 3, 7)), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, resetRecvd, resetRead, retired}},
		{"RESET_STREAM after all data, read",
			steps{handle(streamFrame(2, 0, "abc", true)), read("abc", io.EOF), handle(resetFrame(2, 3, 7)), read("", io.EOF)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"FIN after RESET_STREAM", steps{handle(resetFrame(2, 3, 7)), handle(streamFrame(2, 0, "abc", true)), read("", remote)},
			[]StreamState{recv, resetRecvd, resetRead, retired}},
		{"CancelRead, then FIN", steps{cancel, handle(streamFrame(2, 0, "abc", false)), handle(streamFrame(2, 3, "", true)), read("", local)},
			[]StreamState{recv, stopped, discarded, retired}},
		{"CancelRead, then RESET_STREAM", steps{cancel, handle(resetFrame(2, 5, 7)), read("", local)},
			[]StreamState{recv, stopped, discarded, retired}},
		{"CancelRead, then RESET_STREAM_AT", steps{cancel, handle(resetAtFrame(2, 5, 3, 7)), read("", local)},
			[]StreamState{recv, stopped, discarded, retired}},
		{"CancelRead with bytes missing", steps{handle(streamFrame(2, 2, "c", true)), cancel, read("", local)},
			[]StreamState{recv, sizeKnown, discarded, retired}},
		{"CancelRead with unread data", steps{handle(streamFrame(2, 0, "abc", true)), cancel, read("", local)},
			[]StreamState{recv, sizeKnown, dataRecvd, discarded, retired}},
		{"CancelRead after RESET_STREAM keeps the remote error", steps{handle(resetFrame(2, 5, 7)), cancel, read("", remote)},
			[]StreamState{recv, resetRecvd, resetRead, retired}},
		{"RESET_STREAM_AT with an incomplete prefix",
			steps{handle(resetAtFrame(2, 9, 3, 7)), handle(streamFrame(2, 0, "abcdef", false)), read("abc", nil), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"RESET_STREAM_AT with a complete prefix",
			steps{handle(streamFrame(2, 0, "abcdef", false)), handle(resetAtFrame(2, 9, 3, 7)), read("abc", nil), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"RESET_STREAM_AT below what was read",
			steps{handle(streamFrame(2, 0, "abc", false)), read("abc", nil), handle(resetAtFrame(2, 9, 2, 7)), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"second RESET_STREAM_AT, smaller",
			steps{handle(resetAtFrame(2, 9, 5, 7)), handle(streamFrame(2, 0, "ab", false)), handle(resetAtFrame(2, 9, 2, 7)), read("ab", nil), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"T-358 second RESET_STREAM_AT, larger, is ignored",
			steps{handle(resetAtFrame(2, 9, 2, 7)), handle(resetAtFrame(2, 9, 5, 7)), handle(streamFrame(2, 0, "abcde", false)), read("ab", nil), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"RESET_STREAM_AT, then RESET_STREAM", steps{handle(resetAtFrame(2, 9, 5, 7)), handle(resetFrame(2, 9, 7)), read("", remote)},
			[]StreamState{recv, sizeKnown, resetRecvd, resetRead, retired}},
		{"RESET_STREAM, then RESET_STREAM_AT", steps{handle(resetFrame(2, 9, 7)), handle(resetAtFrame(2, 9, 5, 7)), read("", remote)},
			[]StreamState{recv, resetRecvd, resetRead, retired}},
		{"RESET_STREAM_AT, then FIN",
			steps{handle(resetAtFrame(2, 3, 1, 7)), handle(streamFrame(2, 0, "abc", true)), read("a", nil), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"FIN, then RESET_STREAM_AT",
			steps{handle(streamFrame(2, 2, "c", true)), handle(resetAtFrame(2, 3, 1, 7)), handle(streamFrame(2, 0, "a", false)), read("a", nil), read("", remote)},
			[]StreamState{recv, sizeKnown, dataRecvd, dataRead, retired}},
		{"RESET_STREAM_AT, then CancelRead", steps{handle(resetAtFrame(2, 9, 5, 7)), cancel, read("", remote)},
			[]StreamState{recv, sizeKnown, discarded, retired}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, s := receiver(t, testParams{})
			log := observe(s)
			for _, do := range tt.do {
				do(t, l.server, s)
			}
			l.server.m.deliver()
			log.expect(t, tt.name, tt.want...)
			if tt.want[len(tt.want)-1] != retired {
				return
			}
			// Whatever the end, the connection has all its credit back.
			if l.server.m.credit.maxDataDue(); l.server.m.credit.sinceUpdate != s.received {
				t.Errorf("%d of %d bytes of credit came back", l.server.m.credit.sinceUpdate, s.received)
			}
		})
	}
}

// STOP_SENDING is sent while there is something to stop, and repeated if it is lost.
func TestStopSending(t *testing.T) {
	l, s := receiver(t, testParams{})
	s.CancelRead(9)
	p := l.server.pack()
	l.server.lost(p)
	l.server.lost(l.server.pack())
	if n, f := l.server.count(wire.FrameTypeStopSending), l.server.last(wire.FrameTypeStopSending); n != 2 || f.ErrorCode != 9 || f.StreamID != 2 {
		t.Errorf("%d STOP_SENDING, %+v", n, f)
	}
	l.server.mustHandle(resetFrame(2, 0, 9)) // stopped
	l.server.lost(p)
	if l.server.pack() != nil {
		t.Error("STOP_SENDING is sent after the reset")
	}
	l, s = receiver(t, testParams{})
	l.server.mustHandle(streamFrame(2, 5, "", true))
	s.CancelRead(1) // bytes are missing: RFC 9000, Section 3.5
	l.server.m.deliver()
	if l.server.pack(); l.server.count(wire.FrameTypeStopSending) != 1 {
		t.Error("no STOP_SENDING in Size Known")
	}
	l, s = receiver(t, testParams{})
	l.server.mustHandle(streamFrame(2, 0, "all", true))
	s.CancelRead(1)
	if l.server.pack() != nil {
		t.Error("STOP_SENDING for data that is here")
	}
}

// A reader that consumes enough makes the loop send a new limit, and not more often.
func TestMaxStreamDataWhenRead(t *testing.T) {
	l, s := receiver(t, testParams{window: 1000, connWindow: 1 << 20})
	l.server.mustHandle(streamFrame(2, 0, string(make([]byte, 1000)), false))
	l.server.wakes.Store(0)
	if s.Read(make([]byte, 249)); l.server.m.hasFramesToSend() || l.server.wakes.Load() != 0 {
		t.Error("a new limit is due too early")
	}
	if s.Read(make([]byte, 1)); !l.server.m.hasFramesToSend() || l.server.wakes.Load() == 0 {
		t.Error("no new limit is due")
	}
	l.server.pack()
	if f := l.server.last(wire.FrameTypeMaxStreamData); f.Limit != 1250 {
		t.Errorf("MAX_STREAM_DATA %d, want 1250", f.Limit)
	}
	// None is sent when the size is known.
	l.server.mustHandle(streamFrame(2, 1000, "", true))
	s.Read(make([]byte, 750))
	if l.server.pack() != nil || l.server.count(wire.FrameTypeMaxStreamData) != 1 {
		t.Error("a new limit is sent after the end")
	}
}

// Bytes that are read on many streams add up for the connection.
func TestMaxDataWhenRead(t *testing.T) {
	l := newTestLink(t, testParams{window: 10_000, connWindow: 8000})
	for i := range StreamID(4) {
		l.server.mustHandle(streamFrame(2+4*i, 0, string(make([]byte, 1000)), false))
	}
	l.server.wakes.Store(0)
	for i := range 2 {
		s, err := l.server.m.acceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Read(make([]byte, 999+i))
		woken := l.server.wakes.Load() != 0
		if due := l.server.m.hasFramesToSend(); due || woken {
			t.Errorf("after %d streams: MAX_DATA due %t, woken %t", i+1, due, woken)
		}
	}
	s, _ := l.server.m.acceptUniStream(t.Context())
	s.Read(make([]byte, 1))
	if l.server.wakes.Load() == 0 || !l.server.m.hasFramesToSend() {
		t.Error("no MAX_DATA is due")
	}
	l.server.pack()
	if f := l.server.last(wire.FrameTypeMaxData); f.Limit != uint64(8000+2000) {
		t.Errorf("MAX_DATA %d, want 10000", f.Limit)
	}
	s.CancelRead(1) // what is dropped counts as well
	s, _ = l.server.m.acceptUniStream(t.Context())
	s.CancelRead(1)
	l.server.pack()
	if f := l.server.last(wire.FrameTypeMaxData); f.Limit != uint64(10_000) {
		t.Errorf("MAX_DATA %d, want 10000 still", f.Limit)
	}
	l.server.mustHandle(resetFrame(6, 1500, 1))
	l.server.pack()
	if f := l.server.last(wire.FrameTypeMaxData); f.Limit != uint64(8000+3999+500) {
		t.Errorf("MAX_DATA %d, want 12499", f.Limit)
	}
	if l.server.m.credit.receive(protocol.ByteCount(12_499-4500)) == false || l.server.m.credit.receive(1) {
		t.Error("the limit is not what was sent")
	}
}
