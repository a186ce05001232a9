package quic_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
)

// delayed is a network without faults and a round-trip time of 20 ms.
func delayed() netsim.Options {
	d := netsim.Direction{Delay: 10 * time.Millisecond}
	return netsim.Options{Up: d, Down: d}
}

// An observable is a stream of any kind.
type observable interface {
	StreamID() quic.StreamID
	OnStateTransition(func(quic.StreamState)) func() bool
}

// A history is what one subscriber was told.
type history struct {
	mu     sync.Mutex
	states []quic.StreamState
	ended  chan struct{} // closed by the first StreamStateRetired
	stop   func() bool
}

// watch subscribes to the states of s.
func watch(s observable) *history {
	h := &history{ended: make(chan struct{})}
	h.stop = s.OnStateTransition(h.note)
	return h
}

func (h *history) note(st quic.StreamState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if st == quic.StreamStateRetired && !slices.Contains(h.states, st) {
		close(h.ended)
	}
	h.states = append(h.states, st)
}

func (h *history) get() []quic.StreamState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.states)
}

func (h *history) has(st quic.StreamState) bool { return slices.Contains(h.get(), st) }

// retired returns how often the end of the stream was reported.
func (h *history) retired() (n int) {
	for _, st := range h.get() {
		if st == quic.StreamStateRetired {
			n++
		}
	}
	return n
}

// waitRetired waits for the end of the stream.
func (h *history) waitRetired(t *testing.T) {
	t.Helper()
	select {
	case <-h.ended:
	case <-time.After(time.Minute):
		t.Fatalf("the stream does not retire, states %s", names(h.get()))
	}
}

// expect fails the test unless exactly these states were reported, those of each half in this order.
func (h *history) expect(t *testing.T, what string, want ...quic.StreamState) {
	t.Helper()
	states := h.get()
	for _, half := range []func(quic.StreamState) bool{isSendState, isReceiveState} {
		g, w := filter(states, half), filter(want, half)
		if !slices.Equal(g, w) {
			t.Errorf("%s: states %s, want %s", what, names(g), names(w))
		}
	}
	h.expectEnd(t, what)
}

// expectOrder fails the test unless each half has gone through its states in order, each once, and StreamStateRetired came
// last and once.
func (h *history) expectOrder(t *testing.T, what string) {
	t.Helper()
	states := h.get()
	for _, half := range []func(quic.StreamState) bool{isSendState, isReceiveState} {
		g := filter(states, half)
		if !slices.IsSorted(g) || len(slices.Compact(slices.Clone(g))) != len(g) {
			t.Errorf("%s: states %s", what, names(g))
		}
		if n := len(filter(g, quic.StreamState.Terminal)); n > 1 || h.retired() > 0 && len(g) > 0 && n != 1 {
			t.Errorf("%s: %d terminal states in %s", what, n, names(g))
		}
	}
	h.expectEnd(t, what)
}

func (h *history) expectEnd(t *testing.T, what string) {
	t.Helper()
	states := h.get()
	if i := slices.Index(states, quic.StreamStateRetired); i >= 0 && i != len(states)-1 {
		t.Errorf("%s: %s after the end", what, names(states[i+1:]))
	}
}

func isSendState(s quic.StreamState) bool { return s <= quic.SendStateAbandoned }

func isReceiveState(s quic.StreamState) bool {
	return s > quic.SendStateAbandoned && s != quic.StreamStateRetired
}

func filter(states []quic.StreamState, keep func(quic.StreamState) bool) (out []quic.StreamState) {
	for _, s := range states {
		if keep(s) {
			out = append(out, s)
		}
	}
	return out
}

// names tells the halves apart, unlike StreamState.String.
func names(states []quic.StreamState) (out []string) {
	for _, s := range states {
		switch {
		case s == quic.StreamStateRetired:
			out = append(out, "retired")
		case isSendState(s):
			out = append(out, "send:"+s.String())
		default:
			out = append(out, "receive:"+s.String())
		}
	}
	return out
}

// normalEnd is what a subscriber of a bidirectional stream sees that ends without a reset.
var normalEnd = []quic.StreamState{
	quic.SendStateReady, quic.SendStateSend, quic.SendStateFinQueued, quic.SendStateDataSent, quic.SendStateDataRecvd,
	quic.ReceiveStateRecv, quic.ReceiveStateSizeKnown, quic.ReceiveStateDataRecvd, quic.ReceiveStateDataRead,
	quic.StreamStateRetired,
}

// openBoth opens a stream of from, moves a byte both ways and returns its two ends.
func openBoth(t *testing.T, from, to *quic.Conn) (a, b *quic.Stream) {
	t.Helper()
	a, err := from.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatalf("OpenStreamSync: %v", err)
	}
	mustWrite(t, a, "x")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if b, err = to.AcceptStream(ctx); err != nil {
		t.Fatalf("AcceptStream: %v", err)
	}
	if a.StreamID() != b.StreamID() {
		t.Fatalf("opened stream %d, accepted stream %d", a.StreamID(), b.StreamID())
	}
	mustWrite(t, b, "y")
	for _, s := range []*quic.Stream{a, b} {
		if n, err := io.ReadFull(s, make([]byte, 1)); err != nil {
			t.Fatalf("Read of the first byte = %d, %v", n, err)
		}
	}
	return a, b
}

func mustWrite(t *testing.T, s io.Writer, data string) {
	t.Helper()
	if n, err := s.Write([]byte(data)); n != len(data) || err != nil {
		t.Fatalf("Write(%d bytes) = %d, %v", len(data), n, err)
	}
}

// mustReadAll reads s to its end.
func mustReadAll(t *testing.T, s io.Reader, want string) {
	t.Helper()
	if got, err := io.ReadAll(s); string(got) != want || err != nil {
		t.Fatalf("ReadAll = %d bytes %.50q, %v, want %d bytes %.50q", len(got), got, err, len(want), want)
	}
}

// endNormally closes both ends of a stream and reads them to the end.
func endNormally(t *testing.T, a, b *quic.Stream) {
	t.Helper()
	for _, s := range []*quic.Stream{a, b} {
		mustWrite(t, s, "bye")
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	mustReadAll(t, a, "bye")
	mustReadAll(t, b, "bye")
}

// settle lets the network come to rest: longer than a delayed ACK and a round trip.
func settle() {
	time.Sleep(200 * time.Millisecond)
	synctest.Wait()
}

// expectNoStreams fails the test if a connection still holds streams once the network has come to rest.
func expectNoStreams(t *testing.T, conns ...*quic.Conn) {
	t.Helper()
	settle()
	for _, c := range conns {
		if n := quic.StreamCount(c); n != 0 {
			t.Errorf("%d streams are left in the map", n)
		}
	}
}
