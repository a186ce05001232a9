package connid

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// counting generates the connection IDs 1, 2, 3 and so on, which equal the sequence numbers.
func counting() IssuedParams {
	n := uint64(0)
	return IssuedParams{
		Generate: func() (protocol.ConnectionID, error) { n++; return cid(n), nil },
		ResetToken: func(c protocol.ConnectionID) protocol.StatelessResetToken {
			return token(uint64(c.Bytes()[7]) | uint64(c.Bytes()[6])<<8)
		},
	}
}

// send sends all frames and returns their sequence numbers.
func (s *Issued) send(t *testing.T) (seqs []uint64) {
	t.Helper()
	for s.HasFrames() {
		f, ok := s.NextFrame()
		if want := (wire.NewConnectionIDFrame{SequenceNumber: f.SequenceNumber, ConnectionID: cid(f.SequenceNumber), StatelessResetToken: token(f.SequenceNumber)}); !ok || f != want {
			t.Fatalf("NextFrame() = %v, %t, want %v, true", f, ok, want)
		}
		if again, _ := s.NextFrame(); again != f {
			t.Fatalf("NextFrame() = %v before FrameSent, want %v", again, f)
		}
		s.FrameSent()
		seqs = append(seqs, f.SequenceNumber)
	}
	if f, ok := s.NextFrame(); ok {
		t.Fatalf("NextFrame() = %v without frames", f)
	}
	return seqs
}

// issued returns connection IDs of which the peer has those up to the limit.
func issued(t *testing.T, limit uint64) *Issued {
	t.Helper()
	s := NewIssued(counting(), cid(0), nil)
	if _, err := s.SetPeerLimit(limit); err != nil {
		t.Fatal(err)
	}
	s.send(t)
	return s
}

func TestIssueUpToLimit(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit uint64
		want  int
	}{
		{"none", 0, 0},
		{"the peer takes one", 1, 0},
		{"the peer takes two", 2, 1},
		{"as many as we give", 6, 5},
		{"more than we give", 1 << 60, protocol.MaxIssuedConnectionIDs - 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewIssued(counting(), cid(0), nil)
			added, err := s.SetPeerLimit(test.limit)
			if err != nil || len(added) != test.want {
				t.Fatalf("SetPeerLimit(%d) = %v, %v, want %d", test.limit, added, err, test.want)
			}
			checkEqual(t, "All()", s.All(), append([]protocol.ConnectionID{cid(0)}, added...)...)
			if seqs := s.send(t); len(seqs) != test.want {
				t.Errorf("%d frames, want %d", len(seqs), test.want)
			}
			if added, err := s.SetPeerLimit(test.limit); added != nil || err != nil {
				t.Errorf("SetPeerLimit again = %v, %v, want nothing", added, err)
			}
		})
	}
}

func TestRetireErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		setUp func(*testing.T) *Issued
		seq   uint64
		used  protocol.ConnectionID
	}{
		{"the sequence number was never used", func(t *testing.T) *Issued { return issued(t, 4) }, 4, cid(0)},
		{"the largest sequence number", func(t *testing.T) *Issued { return issued(t, 4) }, 1<<62 - 1, cid(0)},
		{"the frame was not sent yet", func(t *testing.T) *Issued {
			s := NewIssued(counting(), cid(0), nil)
			s.SetPeerLimit(4)
			s.FrameSent()
			return s
		}, 2, cid(0)},
		{"the packet was sent to it", func(t *testing.T) *Issued { return issued(t, 4) }, 2, cid(2)},
		{"the packet was sent to the initial one", func(t *testing.T) *Issued { return issued(t, 4) }, 0, cid(0)},
		{"the connection ID is empty", func(*testing.T) *Issued { return NewIssued(counting(), empty, nil) }, 0, empty},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.setUp(t)
			before := s.All()
			added, err := s.HandleRetire(start, test.seq, test.used, keep)
			checkError(t, err, qerr.ProtocolViolation, wire.FrameTypeRetireConnectionID)
			checkEqual(t, "added", added)
			checkEqual(t, "All()", s.All(), before...)
		})
	}
}

func TestRetire(t *testing.T) {
	s := issued(t, 3)
	added, err := s.HandleRetire(start, 1, cid(0), keep)
	if err != nil {
		t.Fatal(err)
	}
	checkEqual(t, "added", added, cid(3))
	checkEqual(t, "All()", s.All(), cid(0), cid(2), cid(3), cid(1))
	checkEqual(t, "frames", s.send(t), 3)
	// The peer may repeat itself.
	added, err = s.HandleRetire(start.Add(time.Second), 1, cid(0), keep)
	if added != nil || err != nil {
		t.Fatalf("HandleRetire again = %v, %v, want nothing", added, err)
	}
	if _, err := s.HandleRetire(start.Add(time.Second), 0, cid(2), keep); err != nil {
		t.Fatal(err)
	}
	if got := s.Deadline(); got != start.Add(keep) {
		t.Errorf("Deadline() = %v, want %v", got, start.Add(keep))
	}
	checkEqual(t, "Expired too early", s.Expired(start.Add(keep-1)))
	checkEqual(t, "Expired", s.Expired(start.Add(keep)), cid(1))
	checkEqual(t, "All()", s.All(), cid(2), cid(3), cid(4), cid(0))
	checkEqual(t, "Expired", s.Expired(start.Add(time.Hour)), cid(0))
	if got := s.Deadline(); got != 0 {
		t.Errorf("Deadline() = %v, want none", got)
	}
}

func TestEmptyConnectionIDIsTheOnlyOne(t *testing.T) {
	s := NewIssued(counting(), empty, nil)
	if added, err := s.SetPeerLimit(4); added != nil || err != nil {
		t.Errorf("SetPeerLimit() = %v, %v, want nothing", added, err)
	}
	checkEqual(t, "All()", s.All(), empty)
	if s.HasFrames() {
		t.Error("there are frames")
	}
}

func TestOrigDst(t *testing.T) {
	orig := cid(1000)
	s := NewIssued(counting(), cid(0), &orig)
	checkEqual(t, "All()", s.All(), cid(0), orig)
	if got := s.Deadline(); got != 0 {
		t.Errorf("Deadline() = %v, want none", got)
	}
	s.RetireOrigDst(start.Add(time.Second))
	s.RetireOrigDst(start.Add(time.Hour)) // once is enough
	checkEqual(t, "All()", s.All(), cid(0), orig)
	if got := s.Deadline(); got != start.Add(time.Second) {
		t.Errorf("Deadline() = %v, want %v", got, start.Add(time.Second))
	}
	checkEqual(t, "Expired", s.Expired(start.Add(time.Second)), orig)
	checkEqual(t, "All()", s.All(), cid(0))
	NewIssued(counting(), cid(0), nil).RetireOrigDst(start) // on a client
}

func TestLostFrames(t *testing.T) {
	s := issued(t, 5)
	s.OnLost(2)
	s.OnLost(2) // two packets carried it
	s.OnLost(1)
	s.OnAcked(4)
	s.OnLost(4) // the loss was spurious
	s.OnLost(9) // never issued
	checkEqual(t, "frames", s.send(t), 2, 1)
	s.OnLost(3)
	s.OnLost(1)
	s.OnAcked(3)
	checkEqual(t, "frames", s.send(t), 1)
	s.OnLost(1)
	if _, err := s.HandleRetire(start, 1, cid(0), keep); err != nil {
		t.Fatal(err)
	}
	s.OnLost(1)
	s.OnAcked(1)
	checkEqual(t, "frames", s.send(t), 5)
}

func TestGenerate(t *testing.T) {
	failure := errors.New("failure")
	for _, test := range []struct {
		name  string
		cids  []protocol.ConnectionID // what is generated, then failure
		added []protocol.ConnectionID
		fails bool
	}{
		{"a known one is generated again", []protocol.ConnectionID{cid(0), cid(7), cid(7), cid(1000), cid(8)}, []protocol.ConnectionID{cid(7), cid(8)}, false},
		{"an error after the first", []protocol.ConnectionID{cid(7)}, []protocol.ConnectionID{cid(7)}, true},
		{"an empty one", []protocol.ConnectionID{empty}, nil, true},
		{"none at all", []protocol.ConnectionID{{}}, nil, true},
		{"the same for ever", slices.Repeat([]protocol.ConnectionID{cid(0)}, maxGenerateAttempts), nil, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			next := 0
			p := counting()
			p.Generate = func() (protocol.ConnectionID, error) {
				if next == len(test.cids) {
					return protocol.ConnectionID{}, failure
				}
				next++
				return test.cids[next-1], nil
			}
			orig := cid(1000)
			s := NewIssued(p, cid(0), &orig)
			added, err := s.SetPeerLimit(3)
			if (err != nil) != test.fails {
				t.Errorf("SetPeerLimit() fails with %v", err)
			}
			checkEqual(t, "added", added, test.added...)
			if next != len(test.cids) {
				t.Errorf("%d connection IDs generated, want %d", next, len(test.cids))
			}
		})
	}
}

// A peer that retires in a loop gets one for one, and what is routed for it stays bounded.
func TestRetireInALoop(t *testing.T) {
	s := issued(t, 1000)
	now, routed := start, len(s.All())
	for seq := range uint64(10_000) {
		now = now.Add(time.Millisecond)
		added, err := s.HandleRetire(now, seq, cid(seq+1), time.Hour)
		if err != nil || len(added) != 1 {
			t.Fatalf("HandleRetire(%d) = %v, %v, want one", seq, added, err)
		}
		checkEqual(t, "frames", s.send(t), seq+protocol.MaxIssuedConnectionIDs)
		routed += len(added) - len(s.Expired(now))
		if routed != len(s.All()) || routed > protocol.MaxIssuedConnectionIDs+maxRetired {
			t.Fatalf("%d connection IDs are routed, All has %d, at most %d are allowed", routed, len(s.All()), protocol.MaxIssuedConnectionIDs+maxRetired)
		}
	}
}

// What is added and not expired is what All returns; each sequence number is offered until it is
// acknowledged or retired.
func TestIssuedRandomWalk(t *testing.T) {
	for seed := range uint64(50) {
		walkIssued(t, seed)
	}
}

// archtest: long function because the walk and its model share their state.
func walkIssued(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 4))
	limit := uint64(2 + rng.IntN(6))
	s := NewIssued(counting(), cid(0), nil)
	routed := map[protocol.ConnectionID]bool{cid(0): true}
	add := func(cids []protocol.ConnectionID, err error) {
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for _, c := range cids {
			routed[c] = true
		}
	}
	add(s.SetPeerLimit(limit))
	now := start
	var inFlight []uint64
	peer := map[uint64]bool{0: true} // what it has and has not retired
	gone := map[uint64]bool{}
	for range 1000 {
		now = now.Add(time.Duration(rng.Int64N(int64(time.Second))))
		switch rng.IntN(4) {
		case 0:
			inFlight = append(inFlight, s.send(t)...)
		case 1, 2:
			if len(inFlight) == 0 {
				continue
			}
			i := rng.IntN(len(inFlight))
			seq := inFlight[i]
			inFlight = slices.Delete(inFlight, i, i+1)
			if rng.IntN(3) == 0 {
				s.OnLost(seq)
				continue
			}
			peer[seq] = !gone[seq]
			s.OnAcked(seq)
		case 3:
			var have []uint64
			for seq := range peer {
				if peer[seq] {
					have = append(have, seq)
				}
			}
			if uint64(len(have)) > min(limit, protocol.MaxIssuedConnectionIDs) {
				t.Fatalf("seed %d: the peer has %v, limit %d", seed, have, limit)
			}
			if len(have) < 2 {
				continue
			}
			slices.Sort(have)
			seq := have[rng.IntN(len(have)-1)]
			peer[seq], gone[seq] = false, true
			add(s.HandleRetire(now, seq, cid(have[len(have)-1]), keep))
		}
		for _, c := range s.Expired(now) {
			delete(routed, c)
		}
		all := s.All()
		for _, c := range all {
			if !routed[c] {
				t.Fatalf("seed %d: %v is in All and not routed", seed, c)
			}
		}
		if len(all) != len(routed) || len(all) > len(s.active)+maxRetired {
			t.Fatalf("seed %d: %d connection IDs, %d routed", seed, len(all), len(routed))
		}
		if d := s.Deadline(); d != 0 && (!d.After(now) || d.After(now.Add(keep))) {
			t.Fatalf("seed %d: Deadline() = %v at %v", seed, d, now)
		}
	}
	// In the end, without loss, the peer has as many as it wants.
	for _, seq := range append(inFlight, s.send(t)...) {
		peer[seq] = !gone[seq]
	}
	n := 0
	for _, has := range peer {
		if has {
			n++
		}
	}
	if want := int(min(limit, protocol.MaxIssuedConnectionIDs)); n != want {
		t.Fatalf("seed %d: the peer has %d connection IDs, want %d", seed, n, want)
	}
}

func BenchmarkRetire(b *testing.B) {
	s := NewIssued(counting(), cid(0), nil)
	if _, err := s.SetPeerLimit(6); err != nil {
		b.Fatal(err)
	}
	now, seq := monotime.Time(1), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		for s.HasFrames() {
			s.NextFrame()
			s.FrameSent()
		}
		now = now.Add(keep)
		if _, err := s.HandleRetire(now, seq, cid(seq+1), keep); err != nil {
			b.Fatal(err)
		}
		s.Expired(now)
		seq++
	}
}
