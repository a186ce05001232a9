package quic_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	quic "github.com/quic-go/quic-go"
)

// Guarantee 4: neither the connection nor its Transport holds a lock while a callback runs, also not one of the final size.
func TestGuarantee04NoLockHeldEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &quic.Config{EnableDatagrams: true}
		p := newPair(t, pairOptions{net: delayed(), client: cfg, server: cfg})
		var calls atomic.Int32
		check := func(c *quic.Conn, s *quic.Stream, what string) {
			if calls.Add(1); t.Failed() {
				return // one lock is enough, it takes a while to find it
			}
			for _, name := range quic.HeldLocks(c, s) {
				t.Errorf("%s: the lock of the %s is held", what, name)
			}
		}
		for way := range 17 {
			a, b := openBoth(t, p.client, p.server)
			for c, s := range map[*quic.Conn]*quic.Stream{p.client: a, p.server: b} {
				s.OnStateTransition(func(st quic.StreamState) { check(c, s, names([]quic.StreamState{st})[0]) })
				s.SetReceiveFinalSizeCallback(func(int64) { check(c, s, "final size") })
				if err := s.SendDatagram([]byte("x")); err != nil { // so that the queue of datagrams watches the stream
					t.Fatal(err)
				}
			}
			if way < 16 {
				endSomehow(way, a, b)
			}
			settle()
		}
		p.client.CloseWithError(0, "")
		<-p.server.Context().Done()
		if n := calls.Load(); n < 17*2*6 {
			t.Errorf("%d calls", n)
		}
	})
}

// Guarantee 11: no goroutine is created. All callbacks of a connection run on one goroutine, that of its loop; after the end of the
// connection on that of the subscriber. Nor does the end of a connection with many open streams need one.
func TestGuarantee11NoGoroutineEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed(), server: &quic.Config{MaxIncomingStreams: 300}})
		var most atomic.Int64     // goroutines during a callback
		var client, server string // the loops
		watchLoop := func(loop *string, s *quic.Stream) {
			check := func() {
				if id := quic.GoroutineID(); *loop == "" {
					*loop = id
				} else if id != *loop {
					t.Errorf("a callback runs on %s, an earlier one on %s", id, *loop)
				}
				most.Store(max(most.Load(), int64(runtime.NumGoroutine())))
			}
			s.OnStateTransition(func(quic.StreamState) { check() })
			s.SetReceiveFinalSizeCallback(func(int64) { check() })
		}
		var streams []*quic.Stream
		for range 200 {
			a, b := openBoth(t, p.client, p.server)
			watchLoop(&client, a)
			watchLoop(&server, b)
			streams = append(streams, a)
		}
		settle()
		base := int64(runtime.NumGoroutine())
		most.Store(0)
		for way, s := range streams[:16] {
			if way%2 == 0 {
				s.CancelRead(1)
			}
			s.CancelWrite(1)
		}
		settle()
		p.client.CloseWithError(0, "")
		<-p.server.Context().Done()
		if n := most.Load(); n == 0 || n > base+50 {
			t.Errorf("%d goroutines during the callbacks, %d before", n, base)
		}
		self, late := quic.GoroutineID(), 0
		streams[0].OnStateTransition(func(quic.StreamState) {
			if late++; quic.GoroutineID() != self {
				t.Error("a late callback runs on another goroutine than the subscriber's")
			}
		})
		if late == 0 || client == self || server == self || client == server {
			t.Errorf("%d late calls; loops are %s and %s, this is %s", late, client, server, self)
		}
	})
}
