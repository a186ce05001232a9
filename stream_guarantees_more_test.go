package quic

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// Guarantee 9: layers do not displace each other; stop is idempotent, tells whether it came before the last
// call, and may be called in the callback.
func TestGuarantee09SeveralSubscribers(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	first, second, third := observe(a), observe(a), &stateLog{}
	third.stop = a.OnStateTransition(func(st StreamState) {
		third.states = append(third.states, st)
		if st == SendStateFinQueued && !third.stop() {
			t.Error("stop in the callback = false")
		}
	})
	last := observe(a)
	l.client.m.deliver()
	if !second.stop() {
		t.Error("the first stop = false")
	}
	if second.stop() {
		t.Error("the second stop = true")
	}
	endNormally(t, l, a, b)
	first.expect(t, "the subscriber that stays", normalEnd...)
	last.expect(t, "the one behind those that stop", normalEnd...)
	second.expect(t, "the one that was stopped", SendStateReady, SendStateSend, ReceiveStateRecv)
	third.expect(t, "the one that stopped itself", SendStateReady, SendStateSend, SendStateFinQueued, ReceiveStateRecv)
	if first.stop() {
		t.Error("stop after the last call = true")
	}
	if a.send.rec.observers.first != nil {
		t.Error("a subscriber is left in the list")
	}
}

// Guarantee 9: stop does not wait for a callback that runs.
func TestGuarantee09StopDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{})
		s := l.open(t)
		entered, leave := make(chan struct{}), make(chan struct{})
		calls := 0
		stop := s.OnStateTransition(func(StreamState) {
			calls++
			entered <- struct{}{}
			<-leave // forbidden for real callbacks
		})
		delivered := make(chan struct{})
		go func() {
			l.client.m.deliver()
			close(delivered)
		}()
		<-entered
		if !stop() {
			t.Error("stop = false")
		}
		close(leave)
		<-delivered
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
	})
}

// Guarantee 10: from a callback one may call what does not block. Transitions caused there are delivered
// later, never recursively.
func TestGuarantee10Reentrancy(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	depth := 0
	var inner *stateLog
	done := map[StreamState]bool{}
	stopInner := func() bool { return false }
	a.OnStateTransition(func(st StreamState) {
		if depth++; depth != 1 {
			t.Errorf("%s was delivered recursively", stateName(st))
		}
		defer func() { depth-- }()
		done[st] = true
		switch st {
		case SendStateSend:
			a.SetPriority(1, false)
			a.SetDeadline(time.Now().Add(time.Hour))
			if err := a.TryWriteAll([]byte("more")); err != nil {
				t.Errorf("TryWriteAll = %v", err)
			}
			stopInner = a.OnStateTransition(func(StreamState) { t.Error("a stopped subscriber was called") })
			inner = observe(a)
		case ReceiveStateRecv:
			if err := a.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		case SendStateFinQueued:
			a.CancelWrite(1)
			a.CancelRead(2)
		case ReceiveStateStopped:
			if !stopInner() {
				t.Error("stop = false")
			}
			if st, err := a.SendState(); st < SendStateResetQueued || err == nil {
				t.Errorf("SendState = %s, %v", st, err)
			}
			if st, err := a.ReceiveState(); st < ReceiveStateStopped || err == nil {
				t.Errorf("ReceiveState = %s, %v", st, err)
			}
		}
	})
	l.run()
	if n := l.client.size() + l.server.size(); n != 0 {
		t.Fatalf("%d streams are left", n)
	}
	if _, err := b.ReceiveState(); err == nil {
		t.Error("the peer has not seen the reset")
	}
	if !done[StreamStateRetired] || !done[SendStateResetRecvd] || !done[ReceiveStateDiscarded] {
		t.Errorf("states %v", done)
	}
	inner.expect(t, "the subscriber made in a callback", SendStateReady, SendStateSend, SendStateFinQueued, SendStateResetQueued,
		SendStateResetSent, SendStateResetRecvd, ReceiveStateRecv, ReceiveStateStopped, ReceiveStateDiscarded, StreamStateRetired)
}

// Guarantee 10: a transition that is caused in a callback, and that nothing follows, is reported to the earlier subscribers as well.
func TestGuarantee10OthersAreTold(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	first := observe(a)
	a.OnStateTransition(func(st StreamState) {
		if st == ReceiveStateDataRecvd {
			a.CancelRead(1)
		}
	})
	mustWrite(t, b, []byte("bye"))
	b.Close()
	l.run()
	first.expect(t, "the earlier subscriber", SendStateReady, SendStateSend,
		ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd, ReceiveStateDiscarded)
}

// Guarantee 11: no goroutine is created; callbacks run on the goroutine of the loop, after the end of
// the connection on that of the subscriber.
func TestGuarantee11NoGoroutine(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 500})
	before := runtime.NumGoroutine()
	self := goroutineID()
	var streams []*Stream
	for range 500 {
		s := l.open(t)
		streams = append(streams, s)
		s.OnStateTransition(func(StreamState) {
			if goroutineID() != self {
				t.Error("a callback runs on another goroutine")
			}
		})
		s.SetReceiveFinalSizeCallback(func(int64) {})
		s.Close()
	}
	l.run()
	l.client.m.close(errTest)
	l.client.m.deliver()
	streams[0].OnStateTransition(func(StreamState) {
		if goroutineID() != self {
			t.Error("a late callback runs on another goroutine")
		}
	})
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

// goroutineID returns the first line of the stack, "goroutine N [...".
func goroutineID() string {
	b := make([]byte, 32)
	b = b[:runtime.Stack(b, false)]
	for i, c := range b {
		if c == '[' {
			return string(b[:i])
		}
	}
	return string(b)
}

// costRuns is how often the cost is measured.
const costRuns = 500

// openMany opens as many streams of the client as the cost is measured with.
func openMany(t *testing.T, l *testLink, subscribe bool) []*Stream {
	t.Helper()
	streams := make([]*Stream, costRuns+1)
	for i := range streams {
		streams[i] = l.open(t)
		if subscribe {
			streams[i].OnStateTransition(func(StreamState) {})
		}
	}
	l.client.m.deliver()
	return streams
}

// Guarantee 12: 0 allocations per transition, at most 2 per subscription.
func TestGuarantee12Cost(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 4000})
	for _, observed := range []bool{false, true} {
		streams, i := openMany(t, l, observed), 0
		buf, recs := make([]byte, 0, testPacketSize), make([]recovery.Record, 0, 16)
		n := testing.AllocsPerRun(costRuns, func() {
			s := streams[i].send
			i++
			s.Close() // Ready, FinQueued
			b, r := l.client.m.appendStreamFrames(buf, testPacketSize, recs[:0])
			if len(b) == 0 || len(r) != 1 {
				t.Fatal("no FIN")
			}
			l.client.m.onAcked(&r[0]) // DataSent, DataRecvd
			if s.states.current() != SendStateDataRecvd {
				t.Fatal("not acknowledged")
			}
			l.client.m.deliver()
		})
		if n != 0 {
			t.Errorf("observed %t: %v allocations for three transitions", observed, n)
		}
	}
	streams, i := openMany(t, l, false), 0
	fn := func(StreamState) {}
	n := testing.AllocsPerRun(costRuns, func() {
		streams[i].OnStateTransition(fn)
		i++
	})
	if n > 2 {
		t.Errorf("%v allocations per subscription, want at most 2", n)
	}
	// Nobody watches this stream: it is not even looked at.
	s := l.open(t)
	l.client.m.deliver()
	s.Close()
	if !l.client.m.pending.empty() {
		t.Error("an unobserved stream is on the pending list")
	}
}

// Guarantee 12, the receive half.
func TestGuarantee12CostOfReceiving(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 4000})
	for _, observed := range []bool{false, true} {
		streams, i := openMany(t, l, observed), 0
		fin := streamFrame(0, 0, "", true)
		n := testing.AllocsPerRun(costRuns, func() {
			s := streams[i]
			i++
			fin.StreamID = s.StreamID()
			l.client.m.handleStreamFrame(1, fin) // SizeKnown, DataRecvd, DataRead
			if s.receive.states.current() != ReceiveStateDataRead {
				t.Fatal("the FIN was not handled")
			}
			l.client.m.deliver()
		})
		if n != 0 {
			t.Errorf("observed %t: %v allocations for three transitions", observed, n)
		}
	}
}

// Guarantee 13: a panic in a callback is not swallowed and does not leave a stream in the map or a lock held.
// Goexit counts as well.
func TestGuarantee13Panic(t *testing.T) {
	for _, at := range []StreamState{SendStateReady, SendStateResetRecvd, ReceiveStateDiscarded, StreamStateRetired} {
		t.Run(stateName(at), func(t *testing.T) {
			l := newTestLink(t, testParams{})
			a, b := l.pair(t)
			before := observe(a)
			panicked := false
			a.OnStateTransition(func(st StreamState) {
				if panicked {
					t.Errorf("the subscriber is told %s after its panic", stateName(st))
				}
				if panicked = st == at; panicked {
					panic("boom")
				}
			})
			after := observe(a)
			a.CancelWrite(1)
			a.CancelRead(1)
			b.CancelWrite(1)
			panics := 0
			for range 3 {
				if didPanic(l.run) {
					panics++
				}
			}
			if panics != 1 {
				t.Errorf("%d panics came through, want 1", panics)
			}
			if n := l.client.size(); n != 0 {
				t.Errorf("%d streams are left", n)
			}
			want := []StreamState{
				SendStateReady, SendStateSend, SendStateResetQueued, SendStateResetSent, SendStateResetRecvd,
				ReceiveStateRecv, ReceiveStateStopped, ReceiveStateDiscarded, StreamStateRetired,
			}
			before.expect(t, "the subscriber before", want...)
			after.expect(t, "the subscriber behind", want...)
			endAnother(t, l)
		})
	}
}

func TestGuarantee13Goexit(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	a.OnStateTransition(func(st StreamState) {
		if st == SendStateResetRecvd {
			runtime.Goexit()
		}
	})
	a.CancelWrite(1)
	a.CancelRead(1)
	b.CancelWrite(1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.run()
	}()
	<-ended
	l.run()
	if n := l.client.size(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
	endAnother(t, l)
}

func didPanic(fn func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	fn()
	return false
}

// endAnother shows that no lock is held: a stream can be opened, used and ended.
func endAnother(t *testing.T, l *testLink) {
	t.Helper()
	c, d := l.pair(t)
	endNormally(t, l, c, d)
	if n := l.client.size() + l.server.size(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// Guarantee 14: every half that is not terminal is abandoned with the connection's error, then the stream
// retires, all of it by the deliver that follows close.
func TestGuarantee14ConnectionClose(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	c, d := l.pair(t)
	d.CancelWrite(3) // the receive half of c is reset, nobody has read it
	c.CancelWrite(4)
	e, _ := l.pair(t)
	e.Close()
	l.run()
	logA, logC, logE := observe(a), observe(c), observe(e)
	l.client.m.close(errTest)
	l.client.m.deliver()
	logA.expect(t, "open stream", SendStateReady, SendStateSend, SendStateAbandoned,
		ReceiveStateRecv, ReceiveStateAbandoned, StreamStateRetired)
	logC.expect(t, "stream that was over", SendStateReady, SendStateSend, SendStateResetQueued, SendStateResetSent,
		SendStateResetRecvd, ReceiveStateRecv, ReceiveStateResetRecvd, ReceiveStateResetRead, StreamStateRetired)
	logE.expect(t, "half closed stream", SendStateReady, SendStateSend, SendStateFinQueued, SendStateDataSent,
		SendStateDataRecvd, ReceiveStateRecv, ReceiveStateAbandoned, StreamStateRetired)
	for name, err := range map[string]error{
		"SendState":    second(a.SendState()),
		"ReceiveState": second(a.ReceiveState()),
		"Read":         second(a.Read(make([]byte, 1))),
		"Write":        second(a.Write(make([]byte, 1))),
		"OpenStream":   second(l.client.m.openStream()),
		"AcceptStream": second(l.client.m.acceptStream(t.Context())),
	} {
		if !errors.Is(err, errTest) {
			t.Errorf("%s = %v, want %v", name, err, errTest)
		}
	}
	if err := a.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	if n := l.client.size(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
	_ = b
}

func second[T any](_ T, err error) error { return err }

// unfinished leads a new stream of the client to each state that is not terminal.
var unfinished = map[StreamState]func(l *testLink, s *Stream){
	SendStateReady:       func(*testLink, *Stream) {},
	SendStateSend:        func(l *testLink, s *Stream) { s.Write([]byte("x")); l.client.packAll() },
	SendStateFinQueued:   func(_ *testLink, s *Stream) { s.Close() },
	SendStateDataSent:    func(l *testLink, s *Stream) { s.Close(); l.client.packAll() },
	SendStateResetQueued: func(_ *testLink, s *Stream) { s.CancelWrite(1) },
	SendStateResetSent:   func(l *testLink, s *Stream) { s.CancelWrite(1); l.client.packAll() },

	ReceiveStateRecv:       func(*testLink, *Stream) {},
	ReceiveStateSizeKnown:  func(l *testLink, s *Stream) { l.client.handle(streamFrame(s.StreamID(), 1, "y", true)) },
	ReceiveStateDataRecvd:  func(l *testLink, s *Stream) { l.client.handle(streamFrame(s.StreamID(), 0, "y", true)) },
	ReceiveStateResetRecvd: func(l *testLink, s *Stream) { l.client.handle(resetFrame(s.StreamID(), 0, 1)) },
	ReceiveStateStopped:    func(_ *testLink, s *Stream) { s.CancelRead(1) },
}

// testAbandoned abandons a half in each of these states, in which end has to leave it the error want.
func testAbandoned(t *testing.T, want error, end func(m *streamsMap)) {
	for state, lead := range unfinished {
		t.Run(stateName(state), func(t *testing.T) {
			l := newTestLink(t, testParams{})
			s := l.open(t)
			log := observe(s)
			lead(l, s)
			l.client.m.deliver()
			current, abandoned := s.ReceiveState, ReceiveStateAbandoned
			if state <= SendStateAbandoned {
				current, abandoned = s.SendState, SendStateAbandoned
			}
			if st, _ := current(); st != state {
				t.Fatalf("the half is in %s", stateName(st))
			}
			end(l.client.m)
			l.client.m.deliver()
			if st, err := current(); st != abandoned || err != want {
				t.Errorf("the half is in %s, error %v, want %s, %v", stateName(st), err, stateName(abandoned), want)
			}
			n := len(log.states)
			if n < 3 || !slices.Contains(log.states, abandoned) || log.states[n-1] != StreamStateRetired {
				t.Errorf("states %s", stateNames(log.states))
			}
		})
	}
}

// Guarantee 14, for each state.
func TestGuarantee14EveryState(t *testing.T) {
	testAbandoned(t, errTest, func(m *streamsMap) { m.close(errTest) })
}

// Guarantee 15, for each state.
func TestGuarantee15EveryState(t *testing.T) {
	testAbandoned(t, Err0RTTRejected, (*streamsMap).rejectEarlyData)
}

// Guarantee 15: after the rejection of 0-RTT streams are abandoned with Err0RTTRejected and retire. Stream IDs
// start again.
func TestGuarantee15EarlyDataRejected(t *testing.T) {
	l := newTestLink(t, testParams{})
	m := l.client.m
	a, c, d := l.open(t), l.open(t), l.open(t)
	mustWrite(t, a, []byte("early"))
	c.Close()
	d.CancelWrite(1)
	logs := []*stateLog{observe(a), observe(c), observe(d)}
	l.client.packAll()
	m.rejectEarlyData()
	if _, err := m.openStream(); !errors.Is(err, Err0RTTRejected) {
		t.Errorf("openStream = %v, want %v", err, Err0RTTRejected)
	}
	if _, err := m.acceptStream(t.Context()); !errors.Is(err, Err0RTTRejected) {
		t.Errorf("acceptStream = %v, want %v", err, Err0RTTRejected)
	}
	m.setPeerParameters(&wire.TransportParameters{InitialMaxData: 10, MaxBidiStreamNum: 1, InitialMaxStreamDataBidiRemote: 5})
	m.useAfterReject()
	again := l.open(t) // before the old streams are gone
	if again.StreamID() != a.StreamID() {
		t.Errorf("new stream %d, want %d", again.StreamID(), a.StreamID())
	}
	m.deliver()
	logs[0].expect(t, "open stream", SendStateReady, SendStateSend, SendStateAbandoned,
		ReceiveStateRecv, ReceiveStateAbandoned, StreamStateRetired)
	logs[1].expect(t, "closed stream", SendStateReady, SendStateFinQueued, SendStateDataSent, SendStateAbandoned,
		ReceiveStateRecv, ReceiveStateAbandoned, StreamStateRetired)
	logs[2].expect(t, "reset stream", SendStateReady, SendStateResetQueued, SendStateResetSent, SendStateAbandoned,
		ReceiveStateRecv, ReceiveStateAbandoned, StreamStateRetired)
	for name, err := range map[string]error{
		"SendState": second(a.SendState()), "ReceiveState": second(a.ReceiveState()),
		"Read": second(a.Read(make([]byte, 1))), "Write": second(a.Write(make([]byte, 1))),
	} {
		if !errors.Is(err, Err0RTTRejected) {
			t.Errorf("%s = %v, want %v", name, err, Err0RTTRejected)
		}
	}
	if m.lookup(again.StreamID()) != again.send.rec {
		t.Error("the new stream is not in the map")
	}
	if _, err := m.openStream(); err == nil {
		t.Error("the limit of the remembered parameters still holds")
	}
	if got := m.credit.writable(); got != 10 {
		t.Errorf("credit %d, want 10", got)
	}
}

// Guarantee 16: frames for a terminal half are ignored, and so is CancelWrite in Data Recvd.
func TestGuarantee16TerminalHalf(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	log := observe(a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	l.run()
	want := []StreamState{SendStateReady, SendStateSend, SendStateFinQueued, SendStateDataSent, SendStateDataRecvd, ReceiveStateRecv}
	log.expect(t, "before", want...)
	for range 3 {
		a.CancelWrite(1)
		a.SetReliableBoundary()
		l.client.mustHandle(stopFrame(a.StreamID(), 9))
	}
	if p := l.client.pack(); p != nil {
		t.Errorf("packed %d frames", len(l.client.parse(p)))
	}
	l.client.m.deliver()
	log.expect(t, "after", want...)
	if st, err := a.SendState(); st != SendStateDataRecvd || err != nil {
		t.Errorf("SendState = %s, %v, want data_received, nil", st, err)
	}
	// The receive half, after its end: late and repeated frames.
	b.CancelWrite(2)
	l.run()
	a.Read(make([]byte, 1))
	want = append(want, ReceiveStateResetRecvd, ReceiveStateResetRead, StreamStateRetired)
	for range 2 {
		l.client.mustHandle(streamFrame(a.StreamID(), 0, "y", false), resetFrame(a.StreamID(), 1, 2))
	}
	log.expect(t, "receive half", want...)
}

// Guarantee 16: the same in Reset Recvd.
func TestGuarantee16AfterTheReset(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, _ := l.pair(t)
	log := observe(a)
	a.CancelWrite(1)
	l.run()
	want := []StreamState{SendStateReady, SendStateSend, SendStateResetQueued, SendStateResetSent, SendStateResetRecvd, ReceiveStateRecv}
	log.expect(t, "before", want...)
	l.client.mustHandle(stopFrame(a.StreamID(), 9))
	a.CancelWrite(2)
	a.Close()
	if p := l.client.pack(); p != nil {
		t.Errorf("packed %d frames", len(l.client.parse(p)))
	}
	l.client.m.deliver()
	log.expect(t, "after", want...)
	if _, err := a.SendState(); !errors.Is(err, &StreamError{StreamID: a.StreamID(), ErrorCode: 1}) {
		t.Errorf("error %v, want that of the first CancelWrite", err)
	}
}

// Guarantee 16: what comes for a receive half that is over changes neither its state nor its error, and is not answered.
func TestGuarantee16TerminalReceiveHalf(t *testing.T) {
	for state, end := range map[StreamState]func(s *Stream){
		ReceiveStateDataRead:  func(s *Stream) { io.ReadAll(s) },
		ReceiveStateDiscarded: func(s *Stream) { s.CancelRead(1) },
	} {
		l := newTestLink(t, testParams{})
		a, b := l.pair(t)
		mustWrite(t, b, []byte("bye"))
		b.Close()
		l.run()
		end(a)
		l.run()
		log := observe(a)
		l.client.m.deliver()
		states, want := len(log.states), second(a.ReceiveState())
		l.client.mustHandle(streamFrame(a.StreamID(), 1, "bye", true), resetFrame(a.StreamID(), 4, 2), streamFrame(a.StreamID(), 0, "y", false))
		a.CancelRead(3)
		l.client.m.deliver()
		if st, err := a.ReceiveState(); st != state || err != want || len(log.states) != states {
			t.Errorf("%s: state %s, error %v, before %v, states %s", stateName(state), stateName(st), err, want, stateNames(log.states))
		}
		if p := l.client.pack(); p != nil {
			t.Errorf("%s: packed %d frames", stateName(state), len(l.client.parse(p)))
		}
	}
}
