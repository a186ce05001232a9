package path

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// RFC 9000, Section 8.2.1: "The endpoint MUST use unpredictable data in every PATH_CHALLENGE frame".
func TestChallengesDiffer(t *testing.T) {
	s := newScene(t)
	s.Validate(s.now, 0, pto)
	s.expire()
	seen := make(map[[8]byte]bool)
	for _, data := range s.sent[0] {
		if seen[data] {
			t.Errorf("challenge %x is repeated", data)
		}
		seen[data] = true
	}
	if n := len(s.sent[0]); n < 3 || n > 6 {
		t.Errorf("%d challenges, want 3 to 6", n)
	}
}

// RFC 9000, Section 9.4: the timer "MUST NOT be more aggressive" than that of RFC 9002, Section 6.2.1.
func TestChallengesBackOff(t *testing.T) {
	s := newScene(t)
	s.Validate(s.now, 0, pto)
	for i, after := range []time.Duration{0, pto, 2 * pto, 4 * pto, 8 * pto} {
		s.now += monotime.Time(after) - 1
		if n := s.send(); n != 0 {
			t.Fatalf("challenge %d is sent too early", i)
		}
		s.now++
		if n := s.send(); n != 1 {
			t.Fatalf("challenge %d is not sent %s after the one before", i, after)
		}
		if want := s.now.Add(pto << i); s.Deadline() != want && s.Deadline() != second.Add(3*initialPTO) {
			t.Fatalf("Deadline = %d, want %d", s.Deadline(), want)
		}
	}
}

// RFC 9000, Section 8.2.4: three times the larger of the PTOs.
func TestValidationOfSlowPath(t *testing.T) {
	s := newScene(t)
	s.Validate(s.now, 0, 2*time.Second)
	s.expire()
	if d := s.now.Sub(second); d != 6*time.Second {
		t.Errorf("given up after %s, want 6s", d)
	}
}

func TestEveryChallengeCounts(t *testing.T) {
	for i := range 3 {
		s := newScene(t)
		s.Validate(s.now, 0, pto)
		for range 3 {
			s.send()
			s.now = s.Deadline()
		}
		if id, v := s.OnResponse(s.now, s.sent[0][i]); id != 0 || v != Validated {
			t.Errorf("response to challenge %d: %d, %d", i, id, v)
		}
		if id, v := s.OnResponse(s.now, s.sent[0][i]); id != None || v != Nothing {
			t.Errorf("second response to challenge %d: %d, %d", i, id, v)
		}
	}
}

func TestWrongResponses(t *testing.T) {
	s := newScene(t)
	if id, v := s.OnResponse(s.now, [8]byte{}); id != None || v != Nothing {
		t.Errorf("response without a challenge: %d, %d", id, v)
	}
	s.arrive(full)
	s.send()
	wrong := s.sent[1][0]
	wrong[7] ^= 1
	if id, v := s.OnResponse(s.now, wrong); id != None || v != Nothing {
		t.Errorf("wrong response: %d, %d", id, v)
	}
	if s.Validated(1) {
		t.Error("validated by a wrong response")
	}
}

// RFC 9000, Section 8.2.3: a challenge in a small datagram validates the address, another one has to validate the path.
func TestSmallChallenge(t *testing.T) {
	s := newScene(t)
	id := s.arrive(200)
	s.send()
	s.answer(id, Address)
	if !s.Validated(id) || !s.Validating(id) {
		t.Errorf("Validated, Validating = %t, %t, want both", s.Validated(id), s.Validating(id))
	}
	if id, v := s.OnResponse(s.now, s.sent[id][0]); id != None || v != Nothing {
		t.Errorf("the response counts twice: %d, %d", id, v)
	}
	if s.send() != 1 {
		t.Fatal("no other challenge")
	}
	s.answer(id, Validated)
	s.wantActive(id)
}

func TestSmallChallengeAndNoLargeOne(t *testing.T) {
	s := newScene(t)
	id := s.arrive(200)
	s.send()
	s.answer(id, Address)
	s.expire()
	s.wantActive(0)
}

// TestHeldChallenge: one that the anti-amplification limit forbids waits for more packets of the peer, without a busy timer.
func TestHeldChallenge(t *testing.T) {
	s := newScene(t)
	id := s.arrive(30)
	s.send()
	if len(s.sent[id]) != 0 || s.Deadline() != s.now.Add(pto) {
		t.Fatalf("%d challenges, Deadline = %d, want none, %d", len(s.sent[id]), s.Deadline(), s.now.Add(pto))
	}
	s.now++
	s.OnReceived(s.now, id, 30)
	s.send()
	if len(s.sent[id]) != 1 {
		t.Error("no challenge when there is room")
	}
}

func TestResponsesAreBounded(t *testing.T) {
	s := newScene(t)
	const extra = 10
	for i := range protocol.MaxQueuedPathResponses + extra {
		s.OnChallenge(0, [8]byte{byte(i)})
	}
	for i := range protocol.MaxQueuedPathResponses {
		data, ok := s.NextResponse(0)
		if !ok || data[0] != byte(i+extra) {
			t.Fatalf("response %d = %v, %t, want %d: the oldest are dropped", i, data, ok, i+extra)
		}
		s.ResponseSent(0)
	}
	if data, ok := s.NextResponse(0); ok {
		t.Errorf("response %v is left", data)
	}
}

func TestAbandon(t *testing.T) {
	s := newScene(t)
	s.Validate(s.now, 0, pto)
	s.send()
	s.Abandon(0)
	if s.Deadline() != 0 || s.send() != 0 {
		t.Error("the validation goes on")
	}
	if id, v := s.OnResponse(s.now, s.sent[0][0]); id != None || v != Nothing {
		t.Errorf("a late response counts: %d, %d", id, v)
	}
}
