package connid

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// send sends all frames and returns their sequence numbers.
func (r *Received) send(t *testing.T) (seqs []uint64) {
	t.Helper()
	for r.HasFrames() {
		seq, ok := r.NextFrame()
		if again, _ := r.NextFrame(); !ok || again != seq {
			t.Fatalf("NextFrame() = %d, %t and then %d", seq, ok, again)
		}
		r.FrameSent()
		seqs = append(seqs, seq)
	}
	if seq, ok := r.NextFrame(); ok {
		t.Fatalf("NextFrame() = %d without frames", seq)
	}
	return seqs
}

func handle(t *testing.T, r *Received, f *wire.Decoded) TokenChange {
	t.Helper()
	change, err := r.HandleNew(f)
	if err != nil {
		t.Fatalf("HandleNew(seq %d, retire prior to %d): %v", f.Sequence, f.RetirePriorTo, err)
	}
	return change
}

// received returns connection IDs with the given sequence numbers, all except 0 unused.
func received(t *testing.T, seqs ...uint64) *Received {
	t.Helper()
	r := NewReceived(cid(0))
	for _, seq := range seqs {
		if change := handle(t, r, frame(seq, 0)); change.Added != nil || change.Removed != nil {
			t.Fatalf("a connection ID that is not used changes the tokens: %v", change)
		}
	}
	return r
}

func checkChange(t *testing.T, got TokenChange, added, removed []uint64) {
	t.Helper()
	var want TokenChange
	for _, n := range added {
		want.Added = append(want.Added, token(n))
	}
	for _, n := range removed {
		want.Removed = append(want.Removed, token(n))
	}
	checkEqual(t, "added tokens", got.Added, want.Added...)
	checkEqual(t, "removed tokens", got.Removed, want.Removed...)
}

func checkCurrent(t *testing.T, r *Received, want protocol.ConnectionID) {
	t.Helper()
	if got := r.Current(); got != want {
		t.Fatalf("Current() = %v, want %v", got, want)
	}
}

func TestSetInitial(t *testing.T) {
	r := NewReceived(cid(1000))
	r.SetInitial(cid(2000)) // Retry
	checkCurrent(t, r, cid(2000))
	r.SetInitial(cid(0)) // first packet
	checkCurrent(t, r, cid(0))
	checkChange(t, r.SetResetToken(token(0)), []uint64{0}, nil)
	checkChange(t, handle(t, r, frame(1, 1)), []uint64{1}, []uint64{0})
	checkCurrent(t, r, cid(1))
	checkChange(t, r.SetResetToken(token(0)), nil, nil) // it is retired
	defer func() {
		if recover() == nil {
			t.Error("SetInitial after retirement: no panic")
		}
	}()
	r.SetInitial(cid(5))
}

func TestHandleNewErrors(t *testing.T) {
	with := func(f *wire.Decoded, cidOf, tokenOf uint64) *wire.Decoded {
		f.ConnectionID, f.ResetToken = cid(cidOf), token(tokenOf)
		return f
	}
	for _, test := range []struct {
		name string
		r    *Received
		f    *wire.Decoded
		code qerr.TransportErrorCode
	}{
		{"we send with an empty connection ID", NewReceived(empty), frame(1, 0), qerr.ProtocolViolation},
		{"same sequence number, other connection ID", received(t, 1, 2), with(frame(1, 0), 9, 1), qerr.ProtocolViolation},
		{"same sequence number, other token", received(t, 1, 2), with(frame(1, 0), 1, 9), qerr.ProtocolViolation},
		{"same connection ID, other sequence number", received(t, 1, 2), with(frame(3, 0), 1, 1), qerr.ProtocolViolation},
		{"same connection ID as the initial one", received(t, 1, 2), with(frame(3, 0), 0, 3), qerr.ProtocolViolation},
		{"same token for two connection IDs", received(t, 1, 2), with(frame(3, 0), 3, 1), qerr.ProtocolViolation},
		{"another initial connection ID", received(t, 1), with(frame(0, 0), 9, 0), qerr.ProtocolViolation},
		{"too many", received(t, 1, 2, 3), frame(4, 0), qerr.ConnectionIDLimitError},
		{"none is left", func() *Received {
			r := received(t, 2)
			r.Rotate()
			handle(t, r, frame(1, 0))
			r.Rotate()
			return r // uses 1, has retired 0 and 2
		}(), frame(2, 2), qerr.ProtocolViolation},
	} {
		t.Run(test.name, func(t *testing.T) {
			current, frames := test.r.Current(), len(test.r.owed)
			active := slices.Clone(test.r.active)
			change, err := test.r.HandleNew(test.f)
			checkError(t, err, test.code, wire.FrameTypeNewConnectionID)
			checkChange(t, change, nil, nil)
			checkCurrent(t, test.r, current)
			checkEqual(t, "active", test.r.active, active...)
			if len(test.r.owed) != frames {
				t.Error("an erroneous frame retires connection IDs")
			}
		})
	}
}

func TestDuplicatesAreIgnored(t *testing.T) {
	r := received(t, 1, 2)
	handle(t, r, frame(1, 0))
	handle(t, r, frame(2, 0))
	r.Rotate()
	handle(t, r, frame(1, 0))
	r.Rotate()
	handle(t, r, frame(1, 0)) // it is retired
	if len(r.active) != 1 {
		t.Errorf("%d connection IDs, want 1", len(r.active))
	}
	checkEqual(t, "frames", r.send(t), 0, 1)
	handle(t, r, frame(0, 0)) // nobody should send it
	checkEqual(t, "frames", r.send(t))
}

func TestInitialMayBeRepeatedWithAToken(t *testing.T) {
	r := NewReceived(cid(0))
	handle(t, r, frame(0, 0))
	if r.IsResetToken(token(0)) {
		t.Error("a token was added")
	}
}

func TestRetirePriorTo(t *testing.T) {
	r := received(t, 1, 2)
	checkChange(t, handle(t, r, frame(3, 2)), []uint64{2}, nil)
	checkCurrent(t, r, cid(2))
	checkEqual(t, "frames", r.send(t), 0, 1)
	// It never falls.
	checkChange(t, handle(t, r, frame(4, 1)), nil, nil)
	checkEqual(t, "frames", r.send(t))
	// The new one may be the only one that stays.
	checkChange(t, handle(t, r, frame(9, 9)), []uint64{9}, []uint64{2})
	checkCurrent(t, r, cid(9))
	checkEqual(t, "frames", r.send(t), 2, 3, 4)
	// Late frames are answered with a retirement, once.
	for range 2 {
		checkChange(t, handle(t, r, frame(7, 0)), nil, nil)
	}
	checkEqual(t, "frames", r.send(t), 7)
	// A repeated frame may carry a higher value.
	handle(t, r, frame(11, 0))
	checkChange(t, handle(t, r, frame(11, 10)), []uint64{11}, []uint64{9})
	checkEqual(t, "frames", r.send(t), 9)
}

func TestRetirementIsLimited(t *testing.T) {
	r := NewReceived(cid(0))
	for seq := range uint64(protocol.MaxQueuedRetireConnectionIDs) {
		handle(t, r, frame(seq+1, seq+1))
		r.send(t)
	}
	seq := uint64(protocol.MaxQueuedRetireConnectionIDs + 1)
	if _, ok := r.Rotate(); ok {
		t.Error("Rotate without an unused connection ID")
	}
	handle(t, r, frame(seq, 0)) // nothing to retire
	if _, ok := r.Rotate(); ok {
		t.Error("Rotate though the peer acknowledges nothing")
	}
	_, err := r.HandleNew(frame(seq+1, seq+1))
	checkError(t, err, qerr.ConnectionIDLimitError, wire.FrameTypeNewConnectionID)
	r.OnAcked(3)
	_, err = r.HandleNew(frame(seq+1, seq+1)) // two to retire
	checkError(t, err, qerr.ConnectionIDLimitError, wire.FrameTypeNewConnectionID)
	checkChange(t, handle(t, r, frame(seq+1, seq)), []uint64{seq}, []uint64{seq - 1})
	_, err = r.HandleNew(frame(seq-2, 0)) // seen, nothing to retire
	if err != nil {
		t.Errorf("a repeated frame: %v", err)
	}
}

// A peer that moves on and on, and acknowledges no retirement, gets no connection ID for yet another path.
func TestRetirementOfPathsIsLimited(t *testing.T) {
	r := NewReceived(cid(0))
	taken := 0
	for seq := range uint64(1000) {
		if len(r.active) < protocol.MaxActiveConnectionIDs {
			handle(t, r, frame(seq+1, 0))
		}
		if own, _, ok := r.Take(); ok {
			taken++
			r.Retire(own)
		}
	}
	if len(r.owed) != protocol.MaxQueuedRetireConnectionIDs || taken != len(r.owed) {
		t.Errorf("%d owed for %d paths, want %d", len(r.owed), taken, protocol.MaxQueuedRetireConnectionIDs)
	}
	r.OnAcked(1)
	if _, _, ok := r.Take(); !ok {
		t.Error("no connection ID after a retirement was acknowledged")
	}
}

// A peer that makes us retire in a loop costs no memory if it acknowledges.
func TestRetireInALoopReceived(t *testing.T) {
	r := NewReceived(cid(0))
	for seq := uint64(2); seq < 100_000; seq += 2 { // every other sequence number is missing
		handle(t, r, frame(seq, seq))
		checkEqual(t, "frames", r.send(t), seq-2)
		r.OnAcked(seq - 2)
		if len(r.active) > protocol.MaxActiveConnectionIDs || len(r.owed) > protocol.MaxQueuedRetireConnectionIDs || len(r.seen.sparse) > maxSparse {
			t.Fatalf("%d active, %d owed, %d remembered", len(r.active), len(r.owed), len(r.seen.sparse))
		}
	}
}

func TestLostRetirements(t *testing.T) {
	r := received(t, 1, 2, 3)
	handle(t, r, frame(4, 3))
	checkEqual(t, "frames", r.send(t), 0, 1, 2)
	r.OnLost(1)
	r.OnLost(0)
	r.OnLost(7) // never retired
	checkEqual(t, "frames", r.send(t), 0, 1)
	r.OnAcked(0)
	r.OnLost(0)
	r.OnLost(2)
	r.OnAcked(2)
	checkEqual(t, "frames", r.send(t))
	r.OnLost(1)
	checkEqual(t, "frames", r.send(t), 1)
}

func TestRotate(t *testing.T) {
	r := received(t, 2, 1)
	r.SetResetToken(token(0))
	change, ok := r.Rotate()
	if !ok {
		t.Fatal("no rotation")
	}
	checkChange(t, change, []uint64{1}, []uint64{0})
	checkCurrent(t, r, cid(1))
	r.Rotate()
	checkCurrent(t, r, cid(2))
	if change, ok := r.Rotate(); ok || change.Added != nil {
		t.Error("rotation without an unused connection ID")
	}
	checkCurrent(t, r, cid(2))
	checkEqual(t, "frames", r.send(t), 0, 1)
}

func TestPaths(t *testing.T) {
	r := received(t, 1, 2)
	seq, change, ok := r.Take()
	if !ok || seq != 1 {
		t.Fatalf("Take() = %d, %t, want 1, true", seq, ok)
	}
	checkChange(t, change, []uint64{1}, nil)
	checkCurrent(t, r, cid(0))
	if c, ok := r.Lookup(1); !ok || c != cid(1) {
		t.Errorf("Lookup(1) = %v, %t", c, ok)
	}
	second, _, _ := r.Take()
	if _, _, ok := r.Take(); second != 2 || ok {
		t.Errorf("Take() = %d, then ok %t; want 2, then none", second, ok)
	}
	// The first path becomes the main one, the second is given up.
	change, ok = r.Use(1)
	checkChange(t, change, nil, nil) // 0 had no token
	if !ok {
		t.Error("Use(1) is not ok")
	}
	checkCurrent(t, r, cid(1))
	if change, ok := r.Use(1); !ok || change.Added != nil || change.Removed != nil {
		t.Error("Use of what is used changes something")
	}
	checkChange(t, r.Retire(2), nil, []uint64{2})
	checkChange(t, r.Retire(2), nil, nil)
	checkChange(t, r.Retire(1), nil, nil) // the main path stays
	checkEqual(t, "frames", r.send(t), 0, 2)
	// A path can lose its connection ID.
	handle(t, r, frame(3, 0))
	seq, _, _ = r.Take()
	checkChange(t, handle(t, r, frame(4, 4)), []uint64{4}, []uint64{1, 3})
	if _, ok := r.Lookup(seq); ok {
		t.Error("Lookup finds a retired connection ID")
	}
	if change, ok := r.Use(seq); ok || change.Added != nil {
		t.Error("Use of a retired connection ID")
	}
	// If all others are taken, the main path takes over one of them.
	handle(t, r, frame(5, 0))
	r.Take()
	checkChange(t, handle(t, r, frame(5, 5)), nil, []uint64{4})
	checkCurrent(t, r, cid(5))
}

func TestPathsShareAnEmptyConnectionID(t *testing.T) {
	r := NewReceived(empty)
	seq, change, ok := r.Take()
	if !ok || change.Added != nil {
		t.Fatalf("Take() = %d, %v, %t", seq, change, ok)
	}
	if c, ok := r.Lookup(seq); !ok || c != empty {
		t.Errorf("Lookup(%d) = %v, %t", seq, c, ok)
	}
	if _, ok := r.Use(seq); !ok {
		t.Error("Use is not ok")
	}
	r.Retire(seq)
	if _, ok := r.Rotate(); ok {
		t.Error("Rotate of an empty connection ID")
	}
	if r.HasFrames() {
		t.Error("an empty connection ID is retired")
	}
	checkCurrent(t, r, empty)
}

func TestAddPreferred(t *testing.T) {
	for _, test := range []struct {
		name    string
		initial protocol.ConnectionID
		cid     protocol.ConnectionID
		token   protocol.StatelessResetToken
	}{
		{"the server uses an empty connection ID", empty, cid(1), token(1)},
		{"the connection ID is empty", cid(0), empty, token(1)},
		{"the connection ID is the initial one", cid(0), cid(0), token(1)},
		{"the token is the initial one", cid(0), cid(1), token(0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReceived(test.initial)
			r.SetResetToken(token(0))
			checkError(t, r.AddPreferred(test.cid, test.token), qerr.TransportParameterError, 0)
		})
	}
	r := NewReceived(cid(0))
	if err := r.AddPreferred(cid(1), token(1)); err != nil {
		t.Fatal(err)
	}
	handle(t, r, frame(1, 0)) // the same
	handle(t, r, frame(2, 0))
	if seq, _, ok := r.Take(); seq != 1 || !ok {
		t.Errorf("Take() = %d, %t, want 1, true", seq, ok)
	}
}

func TestIsResetToken(t *testing.T) {
	r := received(t, 1, 2)
	check := func(want ...uint64) {
		t.Helper()
		for n := range uint64(4) {
			if got := r.IsResetToken(token(n)); got != slices.Contains(want, n) {
				t.Errorf("IsResetToken(token of %d) = %t", n, got)
			}
		}
		var tokens []protocol.StatelessResetToken
		for _, n := range want {
			tokens = append(tokens, token(n))
		}
		checkEqual(t, "Tokens()", r.Tokens(), tokens...)
	}
	check()
	if r.IsResetToken(protocol.StatelessResetToken{}) {
		t.Error("a connection ID without a token matches zeros")
	}
	r.SetResetToken(token(0))
	check(0)
	r.Take()
	check(0, 1)
	r.Rotate()
	check(1, 2)
	r.Retire(1)
	check(2)
}

// The tokens that were added and not removed are those of the connection IDs in use; every retired
// sequence number is owed until it is acknowledged; the current connection ID is never retired.
func TestReceivedRandomWalk(t *testing.T) {
	for seed := range uint64(100) {
		walkReceived(t, seed)
	}
}

// archtest: long function because the walk and its model share their state.
func walkReceived(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 5))
	r := NewReceived(cid(0))
	known := map[protocol.StatelessResetToken]bool{}
	apply := func(c TokenChange) {
		for _, tok := range c.Removed {
			if !known[tok] {
				t.Fatalf("seed %d: a token is removed that was not added", seed)
			}
			delete(known, tok)
		}
		for _, tok := range c.Added {
			if known[tok] {
				t.Fatalf("seed %d: a token is added twice", seed)
			}
			known[tok] = true
		}
	}
	apply(r.SetResetToken(token(0)))
	// The peer: next sequence number, frames on their way, what is not retired.
	next, retirePriorTo := uint64(1), uint64(0)
	var frames []*wire.Decoded
	var retires []uint64
	alive := map[uint64]bool{0: true}
	for range 2000 {
		switch rng.IntN(6) {
		case 0, 1:
			if len(alive) >= protocol.MaxActiveConnectionIDs {
				break
			}
			if rng.IntN(8) == 0 && len(retires) == 0 && len(r.owed) == 0 {
				retirePriorTo = next - uint64(rng.IntN(2))
			}
			alive[next] = true
			frames = append(frames, frame(next, retirePriorTo))
			next++
		case 2, 3:
			if len(frames) == 0 {
				break
			}
			i := rng.IntN(len(frames))
			change, err := r.HandleNew(frames[i])
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			apply(change)
			if rng.IntN(4) > 0 { // else it arrives again
				frames = slices.Delete(frames, i, i+1)
			}
		case 4:
			change, ok := r.Rotate()
			if rng.IntN(2) == 0 && !ok {
				_, change, _ = r.Take()
			}
			apply(change)
			apply(r.Retire(uint64(rng.Int64N(int64(next)))))
		case 5:
			retires = append(retires, r.send(t)...)
			for _, seq := range retires {
				if rng.IntN(3) == 0 {
					r.OnLost(seq)
					continue
				}
				r.OnAcked(seq)
				delete(alive, seq)
			}
			retires = retires[:0]
		}
		tokens := r.Tokens()
		for _, tok := range tokens {
			if !known[tok] {
				t.Fatalf("seed %d: a token in use was not added", seed)
			}
		}
		if len(tokens) != len(known) {
			t.Fatalf("seed %d: %d tokens in use, %d known", seed, len(tokens), len(known))
		}
		if c, ok := r.Lookup(r.currentSeq); !ok || c != r.Current() || !r.active[r.find(r.currentSeq)].inUse {
			t.Fatalf("seed %d: the current connection ID is not active", seed)
		}
		if r.active[0].seq < r.retirePriorTo || len(r.active) > protocol.MaxActiveConnectionIDs {
			t.Fatalf("seed %d: active are %v", seed, r.active)
		}
		for _, o := range r.owed {
			if r.find(o.seq) >= 0 {
				t.Fatalf("seed %d: %d is active and retired", seed, o.seq)
			}
		}
	}
}

func TestSequenceSet(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 6))
		var s sequenceSet
		model := map[uint64]bool{}
		for low := uint64(0); low < 1000; {
			seq := low + rng.Uint64N(maxSparse)
			if s.contains(seq) != model[seq] {
				t.Fatalf("seed %d: contains(%d) = %t", seed, seq, !model[seq])
			}
			if !model[seq] {
				s.add(seq)
				model[seq] = true
			}
			for model[low] {
				low++
			}
			if s.next != low {
				t.Fatalf("seed %d: next = %d, want %d", seed, s.next, low)
			}
		}
	}
	var s sequenceSet
	for seq := uint64(1); seq < 10_000; seq += 3 {
		s.add(seq)
		if len(s.sparse) > maxSparse || !s.contains(seq) {
			t.Fatalf("%d remembered, contains(%d) = %t", len(s.sparse), seq, s.contains(seq))
		}
	}
}

func TestNoAllocationsForCurrent(t *testing.T) {
	r, want := received(t, 1, 2), cid(0)
	if allocs := testing.AllocsPerRun(100, func() {
		if r.Current() != want || r.HasFrames() || r.IsResetToken(token(1)) {
			t.Error("wrong answer")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

func BenchmarkRotate(b *testing.B) {
	r := NewReceived(cid(0))
	seq := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		if _, err := r.HandleNew(frame(seq, 0)); err != nil {
			b.Fatal(err)
		}
		r.Rotate()
		r.FrameSent()
		r.OnAcked(seq - 1)
	}
}
