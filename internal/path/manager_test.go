package path

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	second = monotime.Time(time.Second)
	pto    = 100 * time.Millisecond
	full   = protocol.ByteCount(1200)
)

// A scene is a Manager, its clock and what was sent on each path.
type scene struct {
	t *testing.T
	*Manager
	now  monotime.Time
	sent [protocol.MaxPaths][][8]byte // challenges
}

func newScene(t *testing.T) *scene { return &scene{t: t, Manager: NewManager(), now: second} }

// send sends the challenges that are due, in datagrams of at most 1200 bytes within the limit of the path.
func (s *scene) send() (n int) {
	for i := range s.paths {
		id := ID(i)
		data, ok := s.NextChallenge(s.now, id)
		if !ok {
			continue
		}
		size := min(full, s.Budget(id))
		if size < 100 {
			s.Hold(s.now, id, pto)
			continue
		}
		s.OnSent(id, size)
		s.ChallengeSent(s.now, id, data, size)
		s.sent[id] = append(s.sent[id], data)
		n++
	}
	return n
}

// answer answers the latest challenge on the path.
func (s *scene) answer(id ID, want Verdict) {
	s.t.Helper()
	last := s.sent[id][len(s.sent[id])-1]
	if gotID, got := s.OnResponse(s.now, last); gotID != id || got != want {
		s.t.Fatalf("OnResponse = %d, %d, want %d, %d", gotID, got, id, want)
	}
}

// arrive lets a packet of the peer come in from a new address to which it migrates.
func (s *scene) arrive(size protocol.ByteCount) ID {
	s.t.Helper()
	id := s.AddMigrated(s.now)
	if id == None {
		s.t.Fatal("no room for a migrated path")
	}
	s.OnReceived(s.now, id, size)
	s.Follow(s.now, id, pto)
	return id
}

// expire lets time pass until all validations have failed and returns the paths.
func (s *scene) expire() (failed []ID) {
	for s.Deadline() != 0 {
		s.now = max(s.now, s.Deadline())
		s.send()
		for id := s.OnTimeout(s.now); id != None; id = s.OnTimeout(s.now) {
			failed = append(failed, id)
		}
	}
	return failed
}

func (s *scene) wantActive(id ID) {
	s.t.Helper()
	if got := s.Active(); got != id {
		s.t.Fatalf("Active = %d, want %d", got, id)
	}
}

func TestFollow(t *testing.T) {
	s := newScene(t)
	id := s.arrive(full)
	s.wantActive(id)
	if s.Validated(id) || s.Budget(id) != 3*full {
		t.Errorf("Validated, Budget = %t, %d, want false, %d", s.Validated(id), s.Budget(id), 3*full)
	}
	if n := s.send(); n != 2 {
		t.Errorf("%d challenges, want 2: on the new and on the old path", n)
	}
	if got := s.Budget(id); got != 2*full {
		t.Errorf("Budget = %d, want %d", got, 2*full)
	}
	s.answer(id, Validated)
	s.wantActive(id)
	if !s.Validated(id) || s.Budget(id) != protocol.MaxByteCount {
		t.Errorf("Validated, Budget = %t, %d, want true, no limit", s.Validated(id), s.Budget(id))
	}
	s.expire() // on the old path
	s.wantActive(id)
}

func TestFollowFails(t *testing.T) {
	s := newScene(t)
	id := s.arrive(full)
	start := s.now
	failed := s.expire()
	s.wantActive(0)
	if len(failed) != 2 {
		t.Errorf("failed paths %v, want %d and 0", failed, id)
	}
	if d := s.now.Sub(start); d != 3*initialPTO {
		t.Errorf("given up after %s, want %s", d, 3*initialPTO)
	}
	if got, _ := s.Credit(id); got != full {
		t.Errorf("received %d, want %d", got, full)
	}
}

// TestFollowBack: the peer's packets come from the old address again, as after an attack.
func TestFollowBack(t *testing.T) {
	s := newScene(t)
	id := s.arrive(full)
	s.send()
	s.OnReceived(s.now, 0, full)
	s.Follow(s.now, 0, pto)
	s.wantActive(0)
	if !s.Validated(0) || s.Budget(0) != protocol.MaxByteCount {
		t.Error("the old path is limited")
	}
	s.expire()
	s.wantActive(0)
	if s.Validated(id) {
		t.Error("the path of the attacker is validated")
	}
}

// TestFollowBackLater: an address that was not heard of for long has to be validated again.
func TestFollowBackLater(t *testing.T) {
	s := newScene(t)
	id := s.arrive(full)
	s.send()
	s.answer(id, Validated)
	s.now += monotime.Time(trustFor)
	s.Follow(s.now, 0, pto)
	s.OnReceived(s.now, 0, full)
	s.wantActive(0)
	if s.Validated(0) || s.Budget(0) != 3*full {
		t.Errorf("Validated, Budget = %t, %d, want false, %d", s.Validated(0), s.Budget(0), 3*full)
	}
	s.expire()
	s.wantActive(id)
}

// TestEverNewAddresses: a peer, or an attacker, with a new source port for every packet has one path for all of them, and the
// last validated one stays.
func TestEverNewAddresses(t *testing.T) {
	s := newScene(t)
	first := s.arrive(full)
	old := 0
	for range 10_000 {
		s.now += 100_000 // ns
		if id := s.arrive(50); id != first {
			t.Fatalf("path %d, want %d", id, first)
		}
		if got := s.Budget(first); got != 150 {
			t.Fatalf("Budget = %d, want 150", got)
		}
		s.send()
		old = len(s.sent[0])
	}
	if old > 10 {
		t.Errorf("%d challenges on the old path in a second", old)
	}
	s.expire()
	s.wantActive(0)
}

// TestProbedPathsAreFew: a peer that only probes cannot make us forget a path on which it was heard just now.
func TestProbedPathsAreFew(t *testing.T) {
	s := newScene(t)
	var ids []ID
	for range 100 {
		if id := s.Add(s.now); id != None {
			ids = append(ids, id)
		}
		s.now += second / 1000
	}
	if len(ids) != protocol.MaxPaths-1 {
		t.Errorf("paths %v, want %d", ids, protocol.MaxPaths-1)
	}
	s.now += monotime.Time(evictAfter)
	if id := s.Add(s.now); id != ids[0] {
		t.Errorf("Add = %d, want %d, silent for longest", id, ids[0])
	}
	if id := s.arrive(full); id != ids[1] {
		t.Errorf("AddMigrated = %d, want %d", id, ids[1])
	}
}

func TestOwnPathsStay(t *testing.T) {
	s := newScene(t)
	for range protocol.MaxPaths - 1 {
		s.Own(s.Add(s.now))
	}
	s.now += monotime.Time(time.Hour)
	if id := s.Add(s.now); id != None {
		t.Errorf("Add = %d, want none", id)
	}
	if id := s.AddMigrated(s.now); id != None {
		t.Errorf("AddMigrated = %d, want none", id)
	}
	s.Remove(1)
	if id := s.Add(s.now); id != 1 {
		t.Errorf("Add = %d, want 1", id)
	}
}

func TestChoose(t *testing.T) {
	s := newScene(t)
	id := s.Add(s.now)
	s.Own(id)
	s.Validate(s.now, id, pto)
	s.send()
	s.answer(id, Validated)
	s.Choose(id)
	s.wantActive(id)
	if s.send() != 0 || s.Deadline() != 0 {
		t.Error("a client challenges its old path")
	}
	s.Remove(0)
	defer func() {
		if recover() == nil {
			t.Error("no panic for the removal of the active path")
		}
	}()
	s.Remove(id)
}

// TestRandomPeer: whatever a peer does, the active path is a known one, its fallback a validated one, and no path is sent more than
// three times what came from there before it is validated.
func TestRandomPeer(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := newScene(t)
		for range 300 {
			s.now += monotime.Time(r.Int64N(int64(second)))
			s.randomStep(r)
			s.check(seed)
		}
	}
}

func (s *scene) randomStep(r *rand.Rand) {
	id := ID(r.IntN(protocol.MaxPaths))
	size := protocol.ByteCount(r.IntN(1500))
	switch r.IntN(7) {
	case 0:
		s.arrive(size)
	case 1:
		if added := s.Add(s.now); added != None {
			s.OnReceived(s.now, added, size)
			s.Validate(s.now, added, pto)
		}
	case 2:
		if s.paths[id].used {
			s.OnReceived(s.now, id, size)
			s.Follow(s.now, id, pto)
		}
	case 3:
		if n := len(s.sent[id]); n > 0 {
			s.OnResponse(s.now, s.sent[id][r.IntN(n)])
		}
	case 4:
		s.OnResponse(s.now, [8]byte{byte(r.IntN(256))})
	case 5:
		for s.OnTimeout(s.now) != None {
		}
	case 6:
		if s.paths[id].used {
			s.OnChallenge(id, [8]byte{})
		}
	}
	s.send()
}

func (s *scene) check(seed uint64) {
	s.t.Helper()
	if !s.paths[s.Active()].used {
		s.t.Fatalf("seed %d: active path %d is not known", seed, s.Active())
	}
	if f := s.fallback; f != None && (!s.paths[f].used || !s.paths[f].validated) {
		s.t.Fatalf("seed %d: fallback %d is not validated", seed, f)
	}
	if !s.Validated(s.Active()) && s.fallback == None {
		s.t.Fatalf("seed %d: no fallback", seed)
	}
	for i := range s.paths {
		p := &s.paths[i]
		if !p.validated && p.sent > 3*p.received {
			s.t.Fatalf("seed %d: sent %d on path %d, received %d", seed, p.sent, i, p.received)
		}
		if len(p.responses) > protocol.MaxQueuedPathResponses {
			s.t.Fatalf("seed %d: %d responses", seed, len(p.responses))
		}
	}
}
