package quic

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func allStates(yield func(StreamState) bool) {
	for s := SendStateReady; s < numStreamStates; s++ {
		if !yield(s) {
			return
		}
	}
}

func TestStreamStateNames(t *testing.T) {
	for s := range allStates {
		if name := s.String(); name == "" || strings.ToLower(name) != name || strings.Contains(name, " ") {
			t.Errorf("state %d is named %q", s, name)
		}
	}
	for _, s := range []StreamState{-1, 0, numStreamStates, 1 << 30} {
		if got, want := s.String(), "unknown stream state"; got != want {
			t.Errorf("StreamState(%d).String() = %q, want %q", s, got, want)
		}
		if s.Closed() || s.Terminal() {
			t.Errorf("StreamState(%d) is closed or terminal", s)
		}
	}
}

// The columns Closed and Terminal, by hand, and what follows from the tables.
func TestStreamStateClosedAndTerminal(t *testing.T) {
	closed := maskOf(SendStateFinQueued, SendStateDataSent, SendStateResetQueued, SendStateResetSent,
		SendStateDataRecvd, SendStateResetRecvd, SendStateAbandoned,
		ReceiveStateDataRecvd, ReceiveStateResetRecvd, ReceiveStateStopped,
		ReceiveStateDataRead, ReceiveStateResetRead, ReceiveStateDiscarded, ReceiveStateAbandoned, StreamStateRetired)
	for s := range allStates {
		if s.Closed() != closed.has(s) {
			t.Errorf("%s: Closed = %t", stateName(s), s.Closed())
		}
		if want := successors[s] == 0; s.Terminal() != want {
			t.Errorf("%s: Terminal = %t, but it has successors: %t", stateName(s), s.Terminal(), !want)
		}
		for next := range allStates {
			if successors[s].has(next) && next <= s {
				t.Errorf("%s is followed by %s, which comes earlier in the order", stateName(s), stateName(next))
			}
			if successors[s].has(next) && s.Closed() && !next.Closed() {
				t.Errorf("%s is closed, but is followed by %s", stateName(s), stateName(next))
			}
		}
	}
}

// The tables as a golden file and as a graph for Graphviz.
func TestStreamStateGolden(t *testing.T) {
	golden(t, "stream_states.txt", func(b *bytes.Buffer) {
		for _, table := range [][]transition{sendTransitions, receiveTransitions} {
			for _, tr := range table {
				fmt.Fprintf(b, "%-4s %-60s -> %s\n     %s\n", tr.name, maskNames(tr.from), tr.to, tr.trigger)
			}
			fmt.Fprintln(b)
		}
		for s := range allStates {
			fmt.Fprintf(b, "%-24s closed %-5t terminal %-5t next %s\n", stateName(s), s.Closed(), s.Terminal(), maskNames(successors[s]))
		}
	})
	golden(t, "stream_states.dot", func(b *bytes.Buffer) {
		b.WriteString("digraph stream_states {\n\trankdir=LR\n")
		for s := range allStates {
			shape := "box"
			if s.Terminal() {
				shape = "doublecircle"
			}
			fmt.Fprintf(b, "\t%q [shape=%s]\n", stateName(s), shape)
		}
		for _, table := range [][]transition{sendTransitions, receiveTransitions} {
			for _, tr := range table {
				for s := range allStates {
					if tr.from.has(s) {
						fmt.Fprintf(b, "\t%q -> %q [label=%q]\n", stateName(s), stateName(tr.to), tr.name)
					}
				}
			}
		}
		b.WriteString("}\n")
	})
}

func maskNames(m stateMask) string {
	var names []string
	for s := range allStates {
		if m.has(s) {
			names = append(names, s.String())
		}
	}
	return strings.Join(names, ", ")
}

func golden(t *testing.T, name string, write func(*bytes.Buffer)) {
	t.Helper()
	var b bytes.Buffer
	write(&b)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs from the tables; after a review run the test with -update:\n%s", path, b.Bytes())
	}
}

// What the tables do not allow is a programming error.
func TestStreamStateEnterPanics(t *testing.T) {
	for s := range allStates {
		for next := range allStates {
			h := halfState{entered: maskOf(s)}
			if got, want := didPanic(func() { h.enter(next) }), !successors[s].has(next); got != want {
				t.Errorf("%s to %s: panic %t, want %t", stateName(s), stateName(next), got, want)
			}
		}
	}
}

func TestStreamSizes(t *testing.T) {
	bidi := unsafe.Sizeof(struct {
		record  streamRecord
		public  Stream
		send    SendStream
		receive ReceiveStream
	}{})
	t.Logf("record %d, send %d, receive %d, bidirectional stream %d bytes", unsafe.Sizeof(streamRecord{}),
		unsafe.Sizeof(SendStream{}), unsafe.Sizeof(ReceiveStream{}), bidi)
	if bidi > 768 { // a size class of the allocator
		t.Errorf("a bidirectional stream has %d bytes", bidi)
	}
}
