//go:build !race

package quic_test

import (
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/benchtest"
)

// Budgets of what is measured in the whole process: both ends of the connection and the simulated network are in it. The race
// detector allocates too, and makes sync.Pool drop memory at random, so this file is not built with it.
const (
	handshakeAllocations = 1700
	exchangeAllocations  = 17 // a bidirectional stream with a request and a response
	idleStreamBytes      = 2300
	unreadStreamBytes    = 2400 // with a byte at each end that nobody reads
)

// wantAllocations calls f a few times, and then n times in which it may allocate limit objects each.
func wantAllocations(t *testing.T, what string, n, limit int64, f func()) {
	t.Helper()
	for range max(n/4, 3) {
		f()
	}
	synctest.Wait()
	before := benchtest.Allocations()
	for range n {
		f()
	}
	got := float64(benchtest.Allocations()-before) / float64(n)
	t.Logf("%s: %.1f allocations", what, got)
	if got > float64(limit) {
		t.Errorf("%s: %.1f allocations, want %d at most", what, got, limit)
	}
}

func TestHandshakeStaysInBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newUnconnectedPair(t, pairOptions{})
		wantAllocations(t, "handshake", 20, handshakeAllocations, func() {
			p.connect(t, nil)
			p.client.CloseWithError(0, "")
			<-p.server.Context().Done()
			time.Sleep(time.Minute) // until both Transports have forgotten the connection
		})
	})
}

func TestExchangeStaysInBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{})
		go respond(t.Context(), p.server)
		buf := make([]byte, exchangeSize+1)
		wantAllocations(t, "exchange", 1000, exchangeAllocations, func() {
			if err := exchange(t.Context(), p.client, buf); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestIdleStreamsStayInBudget(t *testing.T) {
	for _, test := range []struct {
		name  string
		read  bool
		limit int64
	}{
		{"nothing unread", true, idleStreamBytes},
		{"one byte unread", false, unreadStreamBytes},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const streams = 1000
				conf := &quic.Config{MaxIncomingStreams: 2 * streams, KeepAlivePeriod: 10 * time.Second}
				p := newPair(t, pairOptions{client: conf, server: conf})
				open := make([]*quic.Stream, 0, 2*streams)
				measure := func() int64 {
					time.Sleep(5 * time.Minute)
					return benchtest.Memory()
				}
				openPair(t, p.client, p.server, open, true) // grows what is shared
				before := measure()
				for range streams {
					open = openPair(t, p.client, p.server, open, test.read)
				}
				got := (measure() - before) / streams
				t.Logf("%d bytes for both ends of a stream", got)
				if got > test.limit {
					t.Errorf("%d bytes for both ends of a stream, want %d at most", got, test.limit)
				}
			})
		})
	}
}
