package quic

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// actions are what an application, of either side, may do to a stream at any time.
var raceActions = map[string]func(s *Stream){
	"Write":           func(s *Stream) { s.Write(make([]byte, 3000)) },
	"Read":            func(s *Stream) { s.Read(make([]byte, 10)) },
	"Close":           func(s *Stream) { s.Close() },
	"CancelWrite":     func(s *Stream) { s.CancelWrite(1) },
	"reliable reset":  func(s *Stream) { s.SetReliableBoundary(); s.CancelWrite(1) },
	"CancelRead":      func(s *Stream) { s.CancelRead(2) },
	"ReadAll":         func(s *Stream) { io.ReadAll(s) },
	"Context":         func(s *Stream) { <-s.Context().Done() },
	"subscribe":       func(s *Stream) { observe(s) },
	"subscribe, stop": func(s *Stream) { observe(s).stop() },
	"SendState":       func(s *Stream) { s.SendState() },
	"ReceiveState":    func(s *Stream) { s.ReceiveState() },
	"final size":      func(s *Stream) { s.SetReceiveFinalSizeCallback(func(int64) {}) },
	"credit":          func(s *Stream) { s.ReleaseStreamCredit() },
	"datagrams":       func(s *Stream) { s.send.datagramsAllowed() },
	"priority":        func(s *Stream) { s.SetPriority(1, false) },
	"deadline":        func(s *Stream) { s.SetDeadline(time.Now().Add(time.Millisecond)) },
}

// Every pair of actions at once, on the same side and on both sides, against the loops. Whatever the order,
// each subscriber gets one consistent history, all agree, and nothing is left behind.
func TestRacesOfActions(t *testing.T) {
	var names []string
	for name := range raceActions {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, first := range names {
		for _, second := range names {
			for _, sameSide := range []bool{true, false} {
				synctest.Test(t, func(t *testing.T) { raceOf(t, first, second, sameSide) })
				if t.Failed() {
					t.Fatalf("%s against %s, same side: %t", first, second, sameSide)
				}
			}
		}
	}
}

func raceOf(t *testing.T, first, second string, sameSide bool) {
	l := newTestLink(t, testParams{window: 2000})
	a, b := l.pair(t)
	logs := []*stateLog{observe(a), observe(a), observe(b), observe(b)}
	stop := l.serve()
	other := b
	if sameSide {
		other = a
	}
	var wg sync.WaitGroup
	wg.Go(func() { raceActions[first](a) })
	wg.Go(func() { raceActions[second](other) })
	wg.Go(func() { a.Close(); b.CancelRead(3) })
	time.Sleep(time.Second)
	for _, s := range []*Stream{a, b} {
		s.CancelRead(4)
		s.CancelWrite(4)
	}
	wg.Wait()
	synctest.Wait()
	stop()
	for i, log := range logs {
		checkHistory(t, fmt.Sprintf("subscriber %d", i), log.states, true)
	}
	if !slices.Equal(logs[0].states, logs[1].states) && len(logs[0].states) != len(logs[1].states) {
		t.Errorf("two subscribers got %s and %s", stateNames(logs[0].states), stateNames(logs[1].states))
	}
	if n := l.client.size() + l.server.size(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
	if n := l.client.m.gaps.Load() + l.server.m.gaps.Load(); n != 0 {
		t.Errorf("%d gaps are left", n)
	}
}

// checkHistory fails the test unless the states of each half are a path through the tables, from the first state to a
// terminal one, and the stream has retired once, at the end.
func checkHistory(t *testing.T, what string, states []StreamState, bidi bool) {
	t.Helper()
	var halves [2][]StreamState
	for i, s := range states {
		switch {
		case s == StreamStateRetired:
			if i != len(states)-1 {
				t.Errorf("%s: states after the last one: %s", what, stateNames(states))
			}
		case s <= SendStateAbandoned:
			halves[0] = append(halves[0], s)
		default:
			halves[1] = append(halves[1], s)
		}
	}
	if len(states) == 0 || states[len(states)-1] != StreamStateRetired {
		t.Errorf("%s: %s does not end with retired", what, stateNames(states))
	}
	for i, half := range halves {
		if !bidi && len(half) == 0 {
			continue
		}
		if len(half) == 0 || half[0] != []StreamState{SendStateReady, ReceiveStateRecv}[i] || !half[len(half)-1].Terminal() {
			t.Errorf("%s: states %s", what, stateNames(half))
			continue
		}
		for j := 1; j < len(half); j++ {
			if !successors[half[j-1]].has(half[j]) {
				t.Errorf("%s: %s is followed by %s", what, stateName(half[j-1]), stateName(half[j]))
			}
		}
	}
}

// The end of the connection, or the rejection of 0-RTT, against each action, also from inside a callback.
func TestRacesWithTheEnd(t *testing.T) {
	for name, action := range raceActions {
		for _, reject := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l := newTestLink(t, testParams{window: 2000})
				a, _ := l.pair(t)
				log := observe(a)
				inside := make(chan struct{})
				a.OnStateTransition(func(st StreamState) {
					if st == SendStateAbandoned {
						close(inside)
						a.Close()
						a.CancelRead(1)
						a.CancelWrite(1)
						a.OnStateTransition(func(StreamState) {})
					}
				})
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(func() { action(a) })
				}
				if reject {
					l.client.m.rejectEarlyData()
				} else {
					l.client.m.close(errTest)
				}
				l.client.m.deliver()
				wg.Wait()
				l.client.m.deliver()
				checkHistory(t, name, log.states, true)
				late := observe(a)
				l.client.m.deliver()
				checkHistory(t, name+", late", late.states, true)
				if n := l.client.size(); n != 0 {
					t.Errorf("%s: %d streams are left", name, n)
				}
			})
		}
	}
}

// Subscribing, stopping and late subscribing concurrently with each transition and with retirement: nobody misses a state
// or gets one twice.
func TestRacesOfSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			l := newTestLink(t, testParams{})
			a, b := l.pair(t)
			stop := l.serve()
			var wg sync.WaitGroup
			logs := make([]*stateLog, 20)
			for i := range logs {
				wg.Go(func() {
					if i > 3 {
						runtime.Gosched()
					}
					logs[i] = observe(a)
					if i%4 == 0 {
						logs[i].stop()
					}
				})
			}
			wg.Go(func() {
				mustWrite(t, a, []byte("hello"))
				a.Close()
				io.ReadAll(a)
			})
			wg.Go(func() {
				io.ReadAll(b)
				b.Close()
			})
			wg.Wait()
			synctest.Wait()
			stop()
			for i, log := range logs {
				if i%4 != 0 {
					checkHistory(t, fmt.Sprintf("subscriber %d", i), log.states, true)
				}
			}
			if a.send.rec.observers.first != nil {
				t.Error("subscribers are left in the list")
			}
		}
	})
}

// A subscription that races with the end of the connection gets the whole history, on the one goroutine or on the other.
func TestRacesOfLateSubscribers(t *testing.T) {
	for range 200 {
		l := newTestLink(t, testParams{})
		a, _ := l.pair(t)
		var wg sync.WaitGroup
		var logs [4]stateLog
		var mu sync.Mutex
		for i := range logs {
			wg.Go(func() {
				a.OnStateTransition(func(st StreamState) {
					mu.Lock()
					defer mu.Unlock()
					logs[i].states = append(logs[i].states, st)
				})
			})
		}
		l.client.m.close(errTest)
		l.client.m.deliver()
		wg.Wait()
		for i := range logs {
			mu.Lock()
			checkHistory(t, fmt.Sprintf("subscriber %d", i), logs[i].states, true)
			mu.Unlock()
		}
	}
}

// One error wins, and everybody agrees on it.
func TestRaceOfCancelWriteAndStopSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			l := newTestLink(t, testParams{})
			a, b := l.pair(t)
			ctx := a.Context()
			stop := l.serve()
			var wg sync.WaitGroup
			wg.Go(func() { a.CancelWrite(1) })
			wg.Go(func() { b.CancelRead(2) })
			wg.Go(func() { a.Close() })
			wg.Wait()
			synctest.Wait()
			stop()
			_, stateErr := a.SendState()
			_, writeErr := a.Write([]byte("x"))
			if stateErr == nil { // Close and the last ACK came first
				if st, _ := a.SendState(); st != SendStateDataRecvd || !errors.Is(writeErr, ErrStreamClosed) {
					t.Errorf("state %s without an error, Write = %v", st, writeErr)
				}
				continue
			}
			if !errors.Is(stateErr, writeErr) || ctx.Err() == nil {
				t.Errorf("SendState %v, Write %v", stateErr, writeErr)
			}
		}
	})
}

// The last credit comes back while OpenStreamSync waits.
func TestRaceOfCreditAndOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{maxStreams: 2})
		stop := l.serve()
		go func() {
			for {
				s, err := l.server.m.acceptStream(t.Context())
				if err != nil {
					return
				}
				go func() {
					io.ReadAll(s)
					s.Close()
				}()
			}
		}()
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				s, err := l.client.m.openStreamSync(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				s.Close()
				io.ReadAll(s)
			})
		}
		wg.Wait()
		synctest.Wait()
		stop()
		if n := l.client.size() + l.server.size(); n != 0 {
			t.Errorf("%d streams are left", n)
		}
		l.server.m.close(errTest)
	})
}

// Random calls on many streams over a link that loses packets: the loops come to rest, all histories are consistent.
func TestRandomCalls(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) { randomCalls(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomCalls(t *testing.T, seed uint64) {
	l := newTestLink(t, testParams{maxStreams: 5, window: 3000, connWindow: 5000})
	stop := l.serve()
	var mu sync.Mutex
	var logs []*stateLog
	use := func(s *Stream, rng *rand.Rand) {
		log := observe(s)
		mu.Lock()
		logs = append(logs, log)
		mu.Unlock()
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range raceActions {
				if name != "Context" && !yield(name) {
					return
				}
			}
		})
		s.SetDeadline(time.Now().Add(time.Second))
		for range rng.IntN(10) {
			raceActions[names[rng.IntN(len(names))]](s)
		}
		s.CancelRead(1)
		s.CancelWrite(1)
	}
	var wg sync.WaitGroup
	go func() {
		for i := uint64(0); ; i++ {
			s, err := l.server.m.acceptStream(t.Context())
			if err != nil {
				return
			}
			wg.Go(func() { use(s, rand.New(rand.NewPCG(seed, 1000+i))) })
		}
	}()
	for i := range uint64(50) {
		wg.Go(func() {
			s, err := l.client.m.openStreamSync(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			use(s, rand.New(rand.NewPCG(seed, i)))
		})
	}
	time.Sleep(time.Hour)
	wg.Wait()
	synctest.Wait()
	stop()
	l.server.m.close(errTest)
	l.server.m.deliver()
	for i, log := range logs {
		checkHistory(t, fmt.Sprintf("stream %d", i), log.states, true)
	}
	if n := l.client.size() + l.server.size(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}
