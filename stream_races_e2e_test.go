package quic_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
)

// raceRounds is how often a race is run; -race sees each of them as well.
const raceRounds = 40

// race runs calls at the same time, each after a pause of its own that depends on r, and waits for them.
func race(r *rand.Rand, calls ...func()) {
	var wg sync.WaitGroup
	for _, call := range calls {
		pause := time.Duration(r.IntN(4)) * 5 * time.Millisecond
		wg.Go(func() {
			time.Sleep(pause)
			call()
		})
	}
	wg.Wait()
}

// raceOver runs fn for many streams of one connection.
func raceOver(t *testing.T, o netsim.Options, fn func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: o, client: resetAtConfig(), server: resetAtConfig()})
		r := rand.New(rand.NewPCG(1, 1))
		for range raceRounds {
			a, b := openBoth(t, p.client, p.server)
			h := []*history{watch(a), watch(b), watch(a), watch(b)}
			fn(t, p, r, a, b)
			// Whatever is left open is given up now.
			for _, s := range []*quic.Stream{a, b} {
				s.CancelRead(99)
				s.CancelWrite(99)
			}
			expectRetiredOnce(t, h...)
			for i := range 2 {
				if !slices.Equal(filter(h[i].get(), isSendState), filter(h[i+2].get(), isSendState)) {
					t.Errorf("two subscribers were told %s and %s", names(h[i].get()), names(h[i+2].get()))
				}
			}
		}
		settle()
		expectNoStreams(t, p.client, p.server)
	})
}

func resetAtConfig() *quic.Config { return &quic.Config{EnableStreamResetPartialDelivery: true} }

// sendErrors returns what each observer of a send half says about its end.
func sendErrors(s *quic.Stream) []error {
	_, stateErr := s.SendState()
	_, writeErr := s.Write([]byte("x"))
	return []error{stateErr, writeErr, context.Cause(s.Context())}
}

// expectOneStreamError fails the test unless all observers agree on one of two errors.
func expectOneStreamError(t *testing.T, got []error, codes ...quic.StreamErrorCode) {
	t.Helper()
	first, ok := errors.AsType[*quic.StreamError](got[0])
	if !ok || !slices.Contains(codes, first.ErrorCode) {
		t.Errorf("errors %v, want a stream error of %v", got, codes)
		return
	}
	for _, err := range got {
		if e, ok := errors.AsType[*quic.StreamError](err); !ok || *e != *first {
			t.Errorf("the observers disagree: %v", got)
		}
	}
}

// writeAndClose may be too late for either.
func writeAndClose(s *quic.Stream, data string) {
	s.Write([]byte(data))
	s.Close()
}

func TestCloseAgainstStopSending(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		mustWrite(t, a, "data")
		race(r, func() { a.Close() }, func() { b.CancelRead(2) })
		settle()
		st, err := a.SendState()
		switch st {
		case quic.SendStateDataRecvd:
			if err != nil {
				t.Errorf("SendState = %s, %v", st, err)
			}
		case quic.SendStateResetRecvd:
			if want := (&quic.StreamError{StreamID: a.StreamID(), ErrorCode: 2, Remote: true}); !errors.Is(err, want) {
				t.Errorf("SendState = %s, %v, want %v", st, err, want)
			}
		default:
			t.Errorf("SendState = %s, %v", st, err)
		}
	})
}

// One error wins, and all observers agree on it.
func TestCancelWriteAgainstStopSending(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		race(r, func() { a.CancelWrite(1) }, func() { b.CancelRead(2) })
		settle()
		expectOneStreamError(t, sendErrors(a), 1, 2)
		if st, _ := a.SendState(); st != quic.SendStateResetRecvd {
			t.Errorf("SendState = %s", st)
		}
		st, err := b.ReceiveState()
		if st != quic.ReceiveStateDiscarded && st != quic.ReceiveStateResetRecvd && st != quic.ReceiveStateResetRead {
			t.Errorf("ReceiveState = %s", st)
		}
		expectOneStreamError(t, []error{err}, 1, 2)
	})
}

// CancelWrite between the FIN and its acknowledgement, and at the same time as the latter.
func TestCancelWriteAgainstAcknowledgement(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		mustWrite(t, a, "data")
		a.Close()
		time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
		st, _ := a.SendState()
		a.CancelWrite(3)
		settle()
		got, err := a.SendState()
		if st == quic.SendStateDataRecvd && (got != st || err != nil) || st == quic.SendStateDataSent && got != quic.SendStateResetRecvd {
			t.Errorf("CancelWrite in state %s leads to %s, %v", st, got, err)
		}
		// The peer reads either all of the data or the error.
		data, err := io.ReadAll(b)
		want := &quic.StreamError{StreamID: a.StreamID(), ErrorCode: 3, Remote: true}
		if (string(data) != "data" || err != nil) && !errors.Is(err, want) {
			t.Errorf("ReadAll = %q, %v", data, err)
		}
	})
}

func TestCancelReadAgainstResetAndBlockedRead(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		result := make(chan error, 1)
		go func() {
			_, err := io.ReadAll(b)
			result <- err
		}()
		race(r, func() { a.CancelWrite(1) }, func() { b.CancelRead(2) })
		_, err := b.ReceiveState()
		expectOneStreamError(t, []error{<-result, err}, 1, 2)
	})
}

func TestCancelReadAgainstFinAndBlockedRead(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		result := make(chan error, 1)
		go func() {
			data, err := io.ReadAll(b)
			if err == nil && string(data) != "data" {
				t.Errorf("ReadAll = %q, %v", data, err)
			}
			result <- err
		}()
		race(r, func() { writeAndClose(a, "data") }, func() { b.CancelRead(2) })
		if err := <-result; err != nil {
			_, stateErr := b.ReceiveState()
			expectOneStreamError(t, []error{err, stateErr}, 2)
		}
	})
}

func TestCancelReadAgainstFinAndReset(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		race(r,
			func() { writeAndClose(a, "data") },
			func() { a.CancelWrite(1) },
			func() { b.CancelRead(2) },
			func() { io.ReadAll(b) })
	})
}

// With RESET_STREAM_AT the prefix is delivered before the error.
func TestReliableResetAgainstStopSending(t *testing.T) {
	raceOver(t, delayed(), func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		mustWrite(t, a, "prefix")
		a.SetReliableBoundary()
		mustWrite(t, a, "rest")
		stop := r.IntN(2) == 0
		calls := []func(){func() { a.CancelWrite(1) }}
		if stop {
			calls = append(calls, func() { b.CancelRead(2) })
		}
		race(r, calls...)
		settle()
		expectOneStreamError(t, sendErrors(a), 1, 2)
		data, err := io.ReadAll(b)
		want := &quic.StreamError{StreamID: a.StreamID(), ErrorCode: 1, Remote: true}
		if !stop && ((string(data) != "prefix" && string(data) != "prefixrest") || !errors.Is(err, want)) {
			t.Errorf("ReadAll = %q, %v, want the prefix and %v", data, err, want)
		}
	})
}

// Close may find the FIN sent, acknowledged and the stream removed before it returns.
func TestCloseAgainstRemoval(t *testing.T) {
	raceOver(t, netsim.Options{}, func(t *testing.T, p *pair, r *rand.Rand, a, b *quic.Stream) {
		b.Close()
		mustReadAll(t, a, "")
		go io.Copy(io.Discard, b)
		h := watch(a)
		race(r, func() { a.Close() }, func() { a.SetPriority(1, true) }, func() { a.SendState() })
		expectRetiredOnce(t, h)
		if err := a.Close(); err != nil {
			t.Errorf("Close again: %v", err)
		}
	})
}

// A reset that comes before anything else of the stream, or before AcceptStream.
func TestResetBeforeAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		for _, data := range []string{"", "data"} {
			a, err := p.client.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			h := watch(a)
			if data != "" {
				mustWrite(t, a, data)
				settle()
			}
			a.CancelWrite(4)
			settle()
			b, err := p.server.AcceptStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			hb := watch(b)
			want := &quic.StreamError{StreamID: a.StreamID(), ErrorCode: 4, Remote: true}
			if n, err := b.Read(make([]byte, 10)); n != 0 || !errors.Is(err, want) {
				t.Errorf("Read = %d, %v, want 0, %v", n, err, want)
			}
			b.Close()
			mustReadAll(t, a, "")
			expectRetiredOnce(t, h, hb)
			hb.expect(t, "reset stream",
				quic.ReceiveStateRecv, quic.ReceiveStateResetRecvd, quic.ReceiveStateResetRead, quic.SendStateReady,
				quic.SendStateFinQueued, quic.SendStateDataSent, quic.SendStateDataRecvd, quic.StreamStateRetired)
		}
	})
}

// RESET_STREAM overtakes the data and the FIN, or comes after them, read and unread.
func TestResetAndFinInAnyOrder(t *testing.T) {
	tests := []struct {
		name   string
		hold   bool // the FIN is held back until after the reset
		read   bool // all data is read before the reset
		states []quic.StreamState
	}{
		{"reset first", true, false, []quic.StreamState{quic.ReceiveStateRecv, quic.ReceiveStateResetRecvd, quic.ReceiveStateResetRead}},
		{"FIN first, unread", false, false, []quic.StreamState{
			quic.ReceiveStateRecv, quic.ReceiveStateSizeKnown, quic.ReceiveStateDataRecvd, quic.ReceiveStateResetRecvd, quic.ReceiveStateResetRead,
		}},
		{"FIN first, read", false, true, []quic.StreamState{
			quic.ReceiveStateRecv, quic.ReceiveStateSizeKnown, quic.ReceiveStateDataRecvd, quic.ReceiveStateDataRead,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: delayed()})
				a, b := openBoth(t, p.client, p.server)
				h := watch(b)
				settle()
				if tt.hold {
					p.net.SetUp(netsim.Direction{Reorder: 1, ReorderBy: time.Second})
				}
				mustWrite(t, a, "data")
				a.Close()
				synctest.Wait()
				p.net.SetUp(netsim.Direction{Delay: 10 * time.Millisecond})
				if tt.read {
					mustReadAll(t, b, "data")
				} else {
					time.Sleep(11 * time.Millisecond) // the FIN is there, its acknowledgement is not back
				}
				a.CancelWrite(1)
				settle()
				time.Sleep(2 * time.Second)
				io.ReadAll(b)
				synctest.Wait()
				if got := filter(h.get(), isReceiveState); !slices.Equal(got, tt.states) {
					t.Errorf("states %s, want %s", names(got), names(tt.states))
				}
			})
		})
	}
}

// The FIN comes in a frame of its own after the last byte was read.
func TestFinAfterLastByteWasRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{net: delayed()})
		a, b := openBoth(t, p.client, p.server)
		h := watch(b)
		mustWrite(t, a, "data")
		if _, err := io.ReadFull(b, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		result := make(chan error, 1)
		go func() {
			_, err := b.Read(make([]byte, 1))
			result <- err
		}()
		settle()
		a.Close()
		if err := <-result; err != io.EOF {
			t.Errorf("Read: %v, want EOF", err)
		}
		b.Close()
		mustReadAll(t, a, "")
		expectRetiredOnce(t, h)
		if !h.has(quic.ReceiveStateDataRead) {
			t.Errorf("states %s", names(h.get()))
		}
	})
}

// The packets with FIN, RESET_STREAM and STOP_SENDING, or the acknowledgements of them, are lost.
func TestLostEndsOfStreams(t *testing.T) {
	ends := map[string]func(a, b *quic.Stream){
		"FIN":          func(a, b *quic.Stream) { a.Close() },
		"RESET_STREAM": func(a, b *quic.Stream) { a.CancelWrite(1) },
		"STOP_SENDING": func(a, b *quic.Stream) { b.CancelRead(1) },
	}
	for name, end := range ends {
		for lost := range 16 {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{net: delayed()})
				a, b := openBoth(t, p.client, p.server)
				settle()
				h := []*history{watch(a), watch(b)}
				drop := func(sent int, bits int) netsim.Direction {
					d := netsim.Direction{Delay: 10 * time.Millisecond}
					for i := range 2 {
						if bits>>i&1 != 0 {
							d.DropNth = append(d.DropNth, sent+i+1)
						}
					}
					return d
				}
				p.net.SetUp(drop(p.net.UpStats().Sent, lost))
				p.net.SetDown(drop(p.net.DownStats().Sent, lost>>2))
				end(a, b)
				go io.Copy(io.Discard, b)
				time.Sleep(5 * time.Second)
				b.Close()
				mustReadAll(t, a, "")
				for _, h := range h {
					h.waitRetired(t)
					h.expectOrder(t, name)
				}
				settle()
				expectNoStreams(t, p.client, p.server)
			})
		}
	}
}

// A FIN or RESET_STREAM that is only late counts as lost first; the states do not go backwards.
func TestSpuriouslyLostEndsOfStreams(t *testing.T) {
	for name, end := range map[string]func(s *quic.Stream){
		"FIN":          func(s *quic.Stream) { s.Close() },
		"RESET_STREAM": func(s *quic.Stream) { s.CancelWrite(1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, pairOptions{net: delayed()})
			a, b := openBoth(t, p.client, p.server)
			settle()
			h := []*history{watch(a), watch(b)}
			p.net.SetUp(netsim.Direction{Reorder: 1, ReorderBy: 500 * time.Millisecond})
			end(a)
			synctest.Wait()
			p.net.SetUp(netsim.Direction{Delay: 10 * time.Millisecond})
			go io.Copy(io.Discard, b)
			time.Sleep(3 * time.Second)
			b.Close()
			mustReadAll(t, a, "")
			for _, h := range h {
				h.waitRetired(t)
				h.expectOrder(t, name)
			}
			testTransfer(t, p.client, p.server, randomBytes(1, 100_000))
		})
	}
}
