package quic_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
)

// Guarantee 1: every state entered is reported once to every subscriber.
func TestGuarantee01CompleteEndToEnd(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, pairOptions{seed: seed, net: lossy()})
			for range 20 {
				a, b := openBoth(t, p.client, p.server)
				histories := []*history{watch(a), watch(b), watch(a), watch(b)}
				endNormally(t, a, b)
				for _, h := range histories {
					h.waitRetired(t)
					h.expect(t, "normal end", normalEnd...)
				}
			}
		})
	}
}

// Guarantee 1: two transitions between two deliveries are not merged.
func TestGuarantee01NoCoalescingEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		a, b := openBoth(t, p.client, p.server)
		h := watch(a)
		trigger := watchOnce(a, quic.ReceiveStateResetRecvd, func() { // on the loop: nothing is packed in between
			a.Close()
			a.CancelWrite(1)
		})
		b.CancelWrite(2)
		h.waitRetired(t)
		h.expect(t, "Close and CancelWrite at once",
			quic.SendStateReady, quic.SendStateSend, quic.SendStateFinQueued, quic.SendStateResetQueued,
			quic.SendStateResetSent, quic.SendStateResetRecvd,
			quic.ReceiveStateRecv, quic.ReceiveStateResetRecvd, quic.ReceiveStateResetRead, quic.StreamStateRetired)
		if !trigger.Load() {
			t.Error("the trigger was not told of the reset")
		}
	})
}

// watchOnce calls fn when s enters a state.
func watchOnce(s observable, state quic.StreamState, fn func()) *atomic.Bool {
	var called atomic.Bool
	s.OnStateTransition(func(st quic.StreamState) {
		if st == state && called.CompareAndSwap(false, true) {
			fn()
		}
	})
	return &called
}

// Guarantee 2: the states of a half are reported in the order of the table, and are never ahead of what SendState and
// ReceiveState say.
func TestGuarantee02OrderedEndToEnd(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, pairOptions{seed: seed, net: lossy()})
			var histories []*history
			for i := range 50 {
				a, b := openBoth(t, p.client, p.server)
				histories = append(histories, watch(a), watch(b))
				for _, s := range []*quic.Stream{a, b} {
					s.OnStateTransition(func(st quic.StreamState) {
						send, _ := s.SendState()
						receive, _ := s.ReceiveState()
						if isSendState(st) && send < st || isReceiveState(st) && receive < st {
							t.Errorf("told of %s in states %s", names([]quic.StreamState{st}), names([]quic.StreamState{send, receive}))
						}
					})
				}
				endSomehow(i, a, b)
			}
			for _, h := range histories {
				h.waitRetired(t)
				h.expectOrder(t, "stream")
			}
			expectNoStreams(t, p.client, p.server)
		})
	}
}

// endSomehow ends a stream in one of 16 ways.
func endSomehow(way int, a, b *quic.Stream) {
	for i, s := range []*quic.Stream{a, b} {
		if way>>(2*i)&1 == 0 {
			s.Close()
		} else {
			s.CancelWrite(7)
		}
		if way>>(2*i)&2 == 0 {
			go io.Copy(io.Discard, s)
		} else {
			s.CancelRead(8)
		}
	}
}

// Guarantee 3: while the connection is alive its callbacks never run concurrently. (With -race, writing to running without
// a lock is a second test.)
func TestGuarantee03SerialEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		running, calls, retired := 0, 0, 0
		const n = 60
		done := make(chan struct{})
		count := func(st quic.StreamState) {
			if running++; running != 1 {
				t.Error("two callbacks at once")
			}
			calls++
			if st == quic.StreamStateRetired {
				if retired++; retired == n {
					close(done)
				}
			}
			running--
		}
		for range n {
			go func() {
				s, err := p.client.OpenStreamSync(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				s.OnStateTransition(count)
				s.Write([]byte("data"))
				s.Close()
				io.Copy(io.Discard, s)
			}()
			go func() {
				s, err := p.server.AcceptStream(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(s, s)
				s.Close()
			}()
		}
		<-done
		synctest.Wait()
		if calls < 8*n {
			t.Errorf("%d calls for %d streams", calls, n)
		}
	})
}

// Guarantee 5: when a callback runs, the states and errors show the transition and blocked calls have been woken.
func TestGuarantee05AfterTheFactEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed(), server: &quic.Config{InitialStreamReceiveWindow: 1000, MaxStreamReceiveWindow: 1000}})
		a, b := openBoth(t, p.client, p.server)
		readErr, writeErr := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			readErr <- err
		}()
		go func() {
			_, err := a.Write(make([]byte, 100_000))
			writeErr <- err
		}()
		settle()
		want := &quic.StreamError{StreamID: a.StreamID(), ErrorCode: 5, Remote: true}
		var told atomic.Int32
		check := func(what string, st, now quic.StreamState, err, blocked error) {
			told.Add(1)
			if now < st || !errors.Is(err, want) || !errors.Is(blocked, want) {
				t.Errorf("%s: state %s, error %v, blocked call %v, want %v", what, now, err, blocked, want)
			}
		}
		a.OnStateTransition(func(st quic.StreamState) {
			// No other goroutine has to do anything for the blocked calls to return.
			switch st {
			case quic.SendStateResetQueued:
				now, err := a.SendState()
				check("send half", st, now, err, <-writeErr)
				if cause := context.Cause(a.Context()); !errors.Is(cause, want) {
					t.Errorf("cause of the context: %v", cause)
				}
			case quic.ReceiveStateResetRecvd:
				now, err := a.ReceiveState()
				check("receive half", st, now, err, <-readErr)
			}
		})
		h := watch(b)
		b.CancelWrite(5)
		b.CancelRead(5)
		settle()
		if told.Load() != 2 {
			t.Errorf("told of %d of 2 transitions", told.Load())
		}
		// The frame that STOP_SENDING calls for has been sent.
		if st, _ := b.ReceiveState(); st != quic.ReceiveStateDiscarded {
			t.Errorf("the peer is in state %s, want %s", st, quic.ReceiveStateDiscarded)
		}
		h.waitRetired(t)
	})
}

// Guarantee 6: the stream leaves the streams map only after StreamStateRetired was delivered to every subscriber.
func TestGuarantee06BeforeCollectionEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		for way := range 16 {
			a, b := openBoth(t, p.client, p.server)
			told := 0
			for range 3 {
				a.OnStateTransition(func(st quic.StreamState) {
					if !quic.HoldsStream(p.client, a.StreamID()) {
						t.Errorf("way %d: %s is reported after the stream has left the map", way, st)
					}
					if st == quic.StreamStateRetired {
						told++
					}
				})
			}
			endSomehow(way, a, b)
			settle()
			if told != 3 {
				t.Errorf("way %d: %d of 3 subscribers were told of the end", way, told)
			}
		}
		expectNoStreams(t, p.client, p.server)
	})
}

// Guarantee 8: a late subscriber gets the whole history in order, then what happens from then on, also after the end of the
// stream and of the connection.
func TestGuarantee08LateSubscriptionEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		a, b := openBoth(t, p.client, p.server)
		mustWrite(t, a, "bye")
		a.Close()
		settle()
		middle := watch(a)
		synctest.Wait()
		middle.expect(t, "in the middle", quic.SendStateReady, quic.SendStateSend, quic.SendStateFinQueued,
			quic.SendStateDataSent, quic.ReceiveStateRecv, quic.SendStateDataRecvd)
		mustReadAll(t, b, "bye")
		mustWrite(t, b, "bye")
		b.Close()
		mustReadAll(t, a, "bye")
		middle.waitRetired(t)
		middle.expect(t, "from the middle on", normalEnd...)
		late := watch(a)
		synctest.Wait()
		late.expect(t, "after the end of the stream", normalEnd...)
		p.client.CloseWithError(0, "")
		last := watch(a) // nobody else is there who could call it
		last.expect(t, "after the end of the connection", normalEnd...)
		if !slices.Equal(last.get(), late.get()) || last.retired() != 1 || last.stop() {
			t.Errorf("history %s, earlier %s", names(last.get()), names(late.get()))
		}
	})
}

// Guarantee 10: what a callback may do. The transitions that it causes are delivered later, not recursively.
func TestGuarantee10ReentrancyEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		for way := range 16 {
			a, b := openBoth(t, p.client, p.server)
			depth := 0
			var inner *history
			var stop func() bool
			stop = a.OnStateTransition(func(st quic.StreamState) {
				if depth++; depth != 1 {
					t.Error("a callback is called in itself")
				}
				defer func() { depth-- }()
				a.SendState()
				a.ReceiveState()
				a.SetPriority(1, false)
				a.TryWriteAll([]byte("more"))
				a.SetReadDeadline(time.Now().Add(time.Hour))
				a.SetWriteDeadline(time.Now().Add(time.Hour))
				a.SetDeadline(time.Now().Add(time.Hour))
				a.SetReceiveFinalSizeCallback(func(int64) {})
				a.SetReliableBoundary()
				a.Context()
				a.StreamID()
				a.ReleaseStreamCredit()
				switch way % 4 {
				case 0:
					a.Close()
				case 1:
					a.CancelWrite(1)
				case 2:
					a.CancelRead(1)
				case 3:
					a.Close()
					a.CancelWrite(1)
					a.CancelRead(1)
				}
				if inner == nil {
					inner = watch(a)
				}
				if st == quic.SendStateFinQueued && way >= 8 {
					stop()
				}
			})
			outer := watch(a)
			endSomehow(way, a, b)
			outer.waitRetired(t)
			inner.waitRetired(t)
			outer.expectOrder(t, "outer subscriber")
			inner.expectOrder(t, "subscriber in the callback")
			if stop() && way < 8 {
				t.Error("stop reports that it was before the last call")
			}
		}
		expectNoStreams(t, p.client, p.server)
	})
}

// Guarantee 13: a callback that ends its goroutine, which was the loop of the connection, does no harm to the connection.
func TestGuarantee13GoexitEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		for _, at := range normalEnd {
			a, b := openBoth(t, p.client, p.server)
			before := watch(a)
			watchOnce(a, at, runtime.Goexit)
			after := watch(a)
			endNormally(t, a, b)
			before.waitRetired(t)
			before.expect(t, "the earlier subscriber", normalEnd...)
			settle()
			// A stream that is over is forgotten even if that is before the other subscribers have heard of it.
			after.expect(t, "the later subscriber", normalEnd...)
		}
		expectNoStreams(t, p.client, p.server)
		a, _ := openBoth(t, p.client, p.server)
		watchOnce(a, quic.SendStateAbandoned, runtime.Goexit)
		h := watch(a)
		p.client.CloseWithError(0, "")
		if h.retired() != 1 || p.client.Context().Err() == nil {
			t.Errorf("states %s after the end of the connection", names(h.get()))
		}
	})
}

// Guarantee 13: a panic in a callback is not swallowed. It ends the process, which has to be another one.
func TestGuarantee13PanicEndToEnd(t *testing.T) {
	const name = "QUIC_TEST_PANIC_IN_CALLBACK"
	if os.Getenv(name) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGuarantee13PanicEndToEnd$")
		cmd.Env = append(os.Environ(), name+"=1")
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "panic: panic of the callback") {
			t.Errorf("the process ends with %v:\n%s", err, out)
		}
		return
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		a, _ := openBoth(t, p.client, p.server)
		watchOnce(a, quic.SendStateFinQueued, func() { panic("panic of the callback") })
		a.Close()
		time.Sleep(time.Second)
	})
}

// Guarantee 14: when the connection closes, every half that is not terminal is Abandoned with the connection's error, then the
// stream is Retired; all of that before Conn.Context() is done.
func TestGuarantee14ConnectionCloseEndToEnd(t *testing.T) {
	for _, end := range connectionEnds {
		t.Run(end.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: delayed(), client: end.config, server: end.config})
				var watched []*watchedStream
				for way := range 64 {
					a, b := openBoth(t, p.client, p.server)
					for _, w := range []*watchedStream{{Stream: a, conn: p.client}, {Stream: b, conn: p.server}} {
						w.watch(t)
						watched = append(watched, w)
					}
					if way < 16 {
						endSomehow(way, a, b) // some of it is under way when the connection ends
					}
				}
				end.end(p)
				for _, w := range watched {
					<-w.conn.Context().Done()
					w.expectOver(t, context.Cause(w.conn.Context()))
				}
				expectNoStreams(t, p.client, p.server)
			})
		})
	}
}

// connectionEnds are ways in which a connection ends for both sides.
var connectionEnds = []struct {
	name   string
	config *quic.Config
	end    func(p *pair)
}{
	{name: "close by the client", end: func(p *pair) { p.client.CloseWithError(1, "bye") }},
	{name: "close by the server", end: func(p *pair) { p.server.CloseWithError(1, "bye") }},
	{name: "close by both", end: func(p *pair) {
		go p.server.CloseWithError(2, "bye")
		p.client.CloseWithError(1, "bye")
	}},
	{name: "idle timeout", config: &quic.Config{MaxIdleTimeout: 6 * time.Second}, end: func(p *pair) {
		p.net.SetUp(netsim.Direction{Loss: 1})
		p.net.SetDown(netsim.Direction{Loss: 1})
	}},
	{name: "end of the transports", end: func(p *pair) {
		p.clientTr.Close()
		p.serverTr.Close()
	}},
}

// A watchedStream is one end of a stream whose connection is about to end.
type watchedStream struct {
	*quic.Stream
	conn *quic.Conn
	h    *history
	late atomic.Int32 // calls after the end of the connection
}

func (w *watchedStream) watch(t *testing.T) {
	t.Helper()
	w.OnStateTransition(func(quic.StreamState) {
		if w.conn.Context().Err() != nil {
			w.late.Add(1)
		}
	})
	w.h = watch(w)
}

// expectOver fails the test unless the stream is over as guarantee 14 promises.
func (w *watchedStream) expectOver(t *testing.T, cause error) {
	t.Helper()
	w.h.expectOrder(t, "stream of a closed connection")
	if n := w.h.retired(); n != 1 || w.late.Load() != 0 {
		t.Errorf("%d times retired, %d calls after the end of the connection", n, w.late.Load())
	}
	if st, err := w.SendState(); !st.Terminal() || (st == quic.SendStateAbandoned) != (err == cause) {
		t.Errorf("SendState = %s, %v, the connection ended with %v", st, err, cause)
	}
	if st, err := w.ReceiveState(); !st.Terminal() || (st == quic.ReceiveStateAbandoned) != (err == cause) {
		t.Errorf("ReceiveState = %s, %v, the connection ended with %v", st, err, cause)
	}
	select {
	case <-w.Context().Done():
	default:
		t.Error("the context of the stream is not done")
	}
}

// Guarantee 16: CancelWrite in Data Recvd sends nothing and reports nothing (RFC 9000, Section 3.3). In quic-go v0.65.0
// RESET_STREAM was sent (failure F10).
func TestGuarantee16CancelWriteInDataRecvdEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		a, b := openBoth(t, p.client, p.server)
		h := watch(a)
		a.Close()
		mustReadAll(t, b, "")
		settle()
		states, sent := h.get(), p.net.UpStats().Sent
		if !h.has(quic.SendStateDataRecvd) || h.retired() != 0 {
			t.Fatalf("states %s", names(states))
		}
		a.CancelWrite(1)
		settle()
		if n := p.net.UpStats().Sent - sent; n != 0 || !slices.Equal(h.get(), states) {
			t.Errorf("%d datagrams were sent, states %s, before %s", n, names(h.get()), names(states))
		}
		if st, err := a.SendState(); st != quic.SendStateDataRecvd || err != nil {
			t.Errorf("SendState = %s, %v", st, err)
		}
	})
}

// Guarantee 16: STOP_SENDING that arrives in Data Recvd is ignored.
func TestGuarantee16StopSendingInDataRecvdEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		a, b := openBoth(t, p.client, p.server)
		settle()
		h := watch(a)
		// The packet with STOP_SENDING is held back until the FIN is acknowledged.
		p.net.SetDown(netsim.Direction{Reorder: 1, ReorderBy: time.Second})
		b.CancelRead(1)
		synctest.Wait()
		p.net.SetDown(netsim.Direction{})
		a.Close()
		time.Sleep(500 * time.Millisecond)
		states := h.get()
		if !h.has(quic.SendStateDataRecvd) {
			t.Fatalf("states %s", names(states))
		}
		down := p.net.DownStats()
		time.Sleep(time.Second)
		if d := p.net.DownStats(); d.Delivered == down.Delivered {
			t.Fatal("STOP_SENDING has not arrived")
		} else if d.Sent != down.Sent {
			t.Error("the server has acknowledged something that the client has sent in return")
		}
		if st, err := a.SendState(); st != quic.SendStateDataRecvd || err != nil || !slices.Equal(h.get(), states) {
			t.Errorf("SendState = %s, %v, states %s", st, err, names(h.get()))
		}
	})
}
