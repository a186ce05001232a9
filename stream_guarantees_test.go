package quic

import (
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
)

// normalEnd is what a subscriber of a bidirectional stream sees that ends without a reset.
var normalEnd = []StreamState{
	SendStateReady, SendStateSend, SendStateFinQueued, SendStateDataSent, SendStateDataRecvd,
	ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd, ReceiveStateDataRead,
	StreamStateRetired,
}

// endNormally ends both directions of a stream whose ends are a and b.
func endNormally(t *testing.T, l *testLink, a, b *Stream) {
	t.Helper()
	for _, s := range []*Stream{a, b} {
		mustWrite(t, s, []byte("bye"))
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	l.run()
	for _, s := range []*Stream{a, b} {
		if data, err := io.ReadAll(s); string(data) != "bye" || err != nil {
			t.Fatalf("ReadAll = %q, %v", data, err)
		}
	}
	l.run()
}

// Guarantee 1: every state entered is reported once to every subscriber.
func TestGuarantee01Complete(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	logs := []*stateLog{observe(a), observe(b), observe(a)}
	endNormally(t, l, a, b)
	for _, log := range logs {
		log.expect(t, "normal end", normalEnd...)
	}
	// Two transitions between two deliveries are not merged.
	c, d := l.pair(t)
	log := observe(c)
	c.Close()
	c.CancelWrite(1)
	d.CancelWrite(2)
	l.run()
	log.expect(t, "Close and CancelWrite at once",
		SendStateReady, SendStateSend, SendStateFinQueued, SendStateResetQueued, SendStateResetSent, SendStateResetRecvd,
		ReceiveStateRecv, ReceiveStateResetRecvd, ReceiveStateResetRead, StreamStateRetired)
}

// Guarantee 2: the states of a half are reported in the order of the table, which is the numerical one.
func TestGuarantee02Ordered(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	var live []StreamState
	log := observe(a)
	// The subscriber looks at the state itself, too: what it is told is never ahead of that.
	a.OnStateTransition(func(st StreamState) {
		live = append(live, st)
		if now, _ := a.SendState(); st <= SendStateAbandoned && now < st {
			t.Errorf("told of %s in state %s", stateName(st), stateName(now))
		}
	})
	endNormally(t, l, a, b)
	isSend := func(s StreamState) bool { return s <= SendStateAbandoned }
	isReceive := func(s StreamState) bool { return !isSend(s) }
	for _, states := range [][]StreamState{live, log.states} {
		if got := filterStates(states, isSend); !slices.IsSorted(got) || len(got) != 5 {
			t.Errorf("send states %s", stateNames(got))
		}
		if got := filterStates(states, isReceive); !slices.IsSorted(got) || len(got) != 5 {
			t.Errorf("receive states %s", stateNames(got))
		}
		if states[len(states)-1] != StreamStateRetired {
			t.Errorf("the last state is %s", stateName(states[len(states)-1]))
		}
	}
}

// Guarantee 3: while the connection is alive its callbacks never run concurrently. (With -race, writing
// to running without a lock is a second test.)
func TestGuarantee03Serial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{maxStreams: 100})
		stop := l.serve()
		running, calls := 0, 0
		done := make(chan struct{})
		const n = 50
		for range n {
			go func() {
				s, err := l.client.m.openStreamSync(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				retired := make(chan struct{})
				s.OnStateTransition(func(st StreamState) {
					if running++; running != 1 {
						t.Error("two callbacks at once")
					}
					calls++
					runtime.Gosched() // give another one a chance
					running--
					if st == StreamStateRetired {
						close(retired)
					}
				})
				s.Write([]byte("hello"))
				s.CancelWrite(1)
				s.CancelRead(2)
				<-retired
				done <- struct{}{}
			}()
		}
		for range n {
			<-done
		}
		stop()
		if calls < 6*n {
			t.Errorf("%d calls for %d streams", calls, n)
		}
	})
}

// Guarantee 4: no lock is held while a callback runs.
func TestGuarantee04NoLockHeld(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	sizes := 0
	check := func(side *testSide, s *Stream) func(StreamState) {
		return func(st StreamState) {
			m := side.m
			locks := map[string]interface{ TryLock() bool }{
				"streams map": &m.mu, "send half": &s.send.mu, "receive half": &s.receive.mu,
				"scheduler": &m.sched.mu, "pending": &m.pending.mu, "control": &m.control.mu,
				"observers": &s.send.rec.observers.mu,
			}
			for name, lock := range locks {
				if !lock.TryLock() {
					t.Errorf("%s: the lock of the %s is held", stateName(st), name)
					continue
				}
				lock.(interface{ Unlock() }).Unlock()
			}
		}
	}
	a.OnStateTransition(check(l.client, a))
	b.OnStateTransition(check(l.server, b))
	b.SetReceiveFinalSizeCallback(func(int64) {
		sizes++
		check(l.server, b)(ReceiveStateSizeKnown)
	})
	c, d := l.pair(t)
	c.OnStateTransition(check(l.client, c))
	d.OnStateTransition(check(l.server, d))
	endNormally(t, l, a, b)
	c.CancelWrite(1)
	l.run()
	l.server.m.close(errTest)
	l.server.m.deliver()
	d.OnStateTransition(check(l.server, d)) // in the call of the subscriber
	if sizes != 1 {
		t.Errorf("the final size was reported %d times", sizes)
	}
}

var errTest = errors.New("end of the test connection")

// Guarantee 5: when a callback runs, the state is the new one or a later one, the error is set, the frame is
// queued and blocked calls have been woken.
func TestGuarantee05AfterTheFact(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	want := &StreamError{StreamID: a.StreamID(), ErrorCode: 7, Remote: true}
	calls := 0
	a.OnStateTransition(func(st StreamState) {
		switch st {
		case SendStateResetQueued:
			calls++
			if now, err := a.SendState(); now < st || !errors.Is(err, want) {
				t.Errorf("SendState = %s, %v, want reset_queued or later, %v", now, err, want)
			}
			if !l.client.m.hasFramesToSend() {
				t.Error("no RESET_STREAM is queued")
			}
			if _, err := a.Write([]byte("x")); !errors.Is(err, want) {
				t.Errorf("Write = %v, want %v", err, want)
			}
			if err := a.Context().Err(); err == nil {
				t.Error("the context is not cancelled")
			}
		case ReceiveStateResetRecvd:
			calls++
			if now, err := a.ReceiveState(); now < st || !errors.Is(err, want) {
				t.Errorf("ReceiveState = %s, %v, want reset_received or later, %v", now, err, want)
			}
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, want) {
				t.Errorf("Read = %v, want %v", err, want)
			}
		}
	})
	l.run()
	b.CancelWrite(7)
	b.CancelRead(7)
	for _, p := range l.server.packAll() {
		l.client.receive(p)
	}
	l.client.m.deliver()
	if calls != 2 {
		t.Errorf("%d of 2 states were reported", calls)
	}
}

// Guarantee 5, blocked calls: Read and Write that waited are on their way when the callback runs.
func TestGuarantee05WakesBlockedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{window: 10})
		a, b := l.pair(t)
		readErr, writeErr := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			readErr <- err
		}()
		go func() {
			_, err := a.Write(make([]byte, 10_000))
			writeErr <- err
		}()
		synctest.Wait()
		l.run()
		synctest.Wait()
		woken := 0
		a.OnStateTransition(func(st StreamState) {
			// No other goroutine has to do anything for these two to return.
			switch st {
			case SendStateResetQueued:
				<-writeErr
				woken++
			case ReceiveStateResetRecvd:
				<-readErr
				woken++
			}
		})
		b.CancelWrite(1)
		b.CancelRead(1)
		for _, p := range l.server.packAll() {
			l.client.receive(p)
		}
		l.client.m.deliver()
		if woken != 2 {
			t.Errorf("%d of 2 calls were woken", woken)
		}
	})
}

// Guarantee 6: the stream leaves the streams map only after the terminal states and StreamStateRetired were
// delivered to every subscriber.
func TestGuarantee06BeforeCollection(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	told := 0
	for range 3 {
		a.OnStateTransition(func(st StreamState) {
			if l.client.m.lookup(a.StreamID()) == nil {
				t.Errorf("%s is reported after the stream has left the map", stateName(st))
			}
			if st == StreamStateRetired {
				told++
			}
		})
	}
	endNormally(t, l, a, b)
	if told != 3 {
		t.Errorf("%d of 3 subscribers were told of the end", told)
	}
	if n := l.client.size() + l.server.size(); n != 0 {
		t.Errorf("%d streams are left in the maps", n)
	}
}

// Guarantee 7: StreamStateRetired is reported exactly once on every path.
func TestGuarantee07RetiredOnce(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, l *testLink, a, b *Stream)
	}{
		{"normal end", endNormally},
		{"reset by both sides", func(t *testing.T, l *testLink, a, b *Stream) {
			a.CancelWrite(1)
			b.CancelWrite(1)
			l.run()
		}},
		{"stopped by one side", func(t *testing.T, l *testLink, a, b *Stream) {
			a.CancelRead(1)
			a.CancelWrite(1)
			l.run()
		}},
		{"connection over", func(t *testing.T, l *testLink, a, b *Stream) {
			l.client.m.close(errTest)
			l.server.m.close(errTest)
			l.client.m.deliver()
			l.server.m.deliver()
		}},
		{"connection over after one half", func(t *testing.T, l *testLink, a, b *Stream) {
			a.CancelWrite(1)
			l.run()
			l.client.m.close(errTest)
			l.server.m.close(errTest)
			l.client.m.deliver()
			l.server.m.deliver()
		}},
		{"0-RTT rejected", func(t *testing.T, l *testLink, a, b *Stream) {
			l.client.m.rejectEarlyData()
			l.server.m.rejectEarlyData()
			l.client.m.deliver()
			l.server.m.deliver()
		}},
		{"connection over after the end", func(t *testing.T, l *testLink, a, b *Stream) {
			endNormally(t, l, a, b)
			l.client.m.close(errTest)
			l.server.m.close(errTest)
			l.client.m.deliver()
			l.server.m.deliver()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var reported [2]int // to streamsParams.onStreamState of both sides
			side := 0
			l := newTestLink(t, testParams{edit: func(p *streamsParams) {
				i := side
				side++
				p.onStreamState = func(_ StreamID, st StreamState) {
					if st == StreamStateRetired {
						reported[i]++
					}
				}
			}})
			a, b := l.pair(t)
			logs := []*stateLog{observe(a), observe(b)}
			tt.end(t, l, a, b)
			for range 3 {
				l.client.m.deliver()
				l.server.m.deliver()
			}
			for i, log := range logs {
				n := len(filterStates(log.states, func(s StreamState) bool { return s == StreamStateRetired }))
				if n != 1 || reported[i] != 1 {
					t.Errorf("retired was reported %d times to the subscriber, %d times to the connection", n, reported[i])
				}
			}
			if n := l.client.size() + l.server.size(); n != 0 {
				t.Errorf("%d streams are left in the maps", n)
			}
		})
	}
}

// Guarantee 7, never accepted: the streams that the application has not asked for retire, too.
func TestGuarantee07RetiredNeverAccepted(t *testing.T) {
	retired := map[StreamID]int{}
	l := newTestLink(t, testParams{edit: func(p *streamsParams) {
		p.onStreamState = func(id StreamID, st StreamState) {
			if st == StreamStateRetired {
				retired[id]++
			}
		}
	}})
	// Stream 8 opens 0 and 4 implicitly. 4 was reset before.
	l.server.mustHandle(resetFrame(4, 0, 1), streamFrame(8, 0, "data", false), stopFrame(4, 1))
	for _, p := range l.server.packAll() {
		l.server.acked(p)
	}
	l.server.m.deliver()
	if n := retired[4]; n != 1 {
		t.Errorf("stream 4, reset both ways, retired %d times", n)
	}
	l.server.m.close(errTest)
	l.server.m.deliver()
	if retired[4] != 1 || retired[8] != 1 || len(retired) != 2 {
		t.Errorf("retired %v, want 4 and 8 once", retired)
	}
}

// Guarantee 8: a late subscriber gets the whole history in order, then what happens from then on, also
// after the end of the stream or of the connection.
func TestGuarantee08LateSubscription(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, b := l.pair(t)
	a.Close()
	l.run()
	middle := observe(a)
	if len(middle.states) != 0 {
		t.Error("the history was delivered on the goroutine of the subscriber")
	}
	l.client.m.deliver()
	middle.expect(t, "in the middle", SendStateReady, SendStateSend, SendStateFinQueued, SendStateDataSent,
		SendStateDataRecvd, ReceiveStateRecv)
	mustWrite(t, b, []byte("bye"))
	b.Close()
	l.run()
	middle.expect(t, "in the middle, live", SendStateReady, SendStateSend, SendStateFinQueued, SendStateDataSent,
		SendStateDataRecvd, ReceiveStateRecv, ReceiveStateSizeKnown, ReceiveStateDataRecvd)
	io.ReadAll(a)
	l.run()
	want := normalEnd
	middle.expect(t, "in the middle, at the end", want...)

	late := observe(a)
	l.client.m.deliver()
	late.expect(t, "after the end of the stream", want...)

	l.client.m.close(errTest)
	l.client.m.deliver()
	last := observe(a) // now there is no loop any more
	last.expect(t, "after the end of the connection", want...)
	if !slices.Equal(last.states, late.states) || last.stop() {
		t.Errorf("history %s, earlier %s", stateNames(last.states), stateNames(late.states))
	}
}
