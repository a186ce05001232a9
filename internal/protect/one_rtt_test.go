package protect

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

const (
	testPTO   = 100 * time.Millisecond
	testStart = monotime.Time(1_000_000_000)
)

// An endpoint is one end of a connection that has 1-RTT keys.
type endpoint struct {
	*OneRTT
	t       *testing.T
	nextPN  protocol.PacketNumber
	largest protocol.PacketNumber
}

func newEndpoints(t *testing.T, suite uint16, secretLen int, limits Limits) (a, b *endpoint) {
	t.Helper()
	a = &endpoint{OneRTT: NewOneRTT(protocol.Version1, limits), t: t, largest: -1}
	b = &endpoint{OneRTT: NewOneRTT(protocol.Version1, limits), t: t, largest: -1}
	secrets := [2][]byte{testSecret(secretLen, 1), testSecret(secretLen, 2)}
	for i, e := range []*endpoint{a, b} {
		if err := errors.Join(e.SetWriteSecret(suite, secrets[i]), e.SetReadSecret(suite, secrets[1-i])); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func newTestEndpoints(t *testing.T, limits Limits) (a, b *endpoint) {
	return newEndpoints(t, suiteAES128GCMSHA256, 32, limits)
}

// send seals the next packet.
func (e *endpoint) send() []byte {
	b, payload := shortPacket(e.nextPN, 2, 30)
	b = e.Seal(b, 0, payload, e.nextPN, 2)
	e.nextPN++
	return b
}

// receive opens a packet.
func (e *endpoint) receive(now monotime.Time, pkt []byte) (Opened, error) {
	res, err := e.Open(now, bytes.Clone(pkt), shortPNOffset, e.largest, testPTO)
	if err == nil {
		e.largest = max(e.largest, res.PN)
	}
	return res, err
}

func (e *endpoint) mustReceive(now monotime.Time, pkt []byte, phase protocol.KeyPhase) {
	e.t.Helper()
	res, err := e.receive(now, pkt)
	if err != nil {
		e.t.Fatalf("Open: %v", err)
	}
	if res.KeyPhase != phase {
		e.t.Errorf("KeyPhase of packet %d = %d, want %d", res.PN, res.KeyPhase, phase)
	}
}

// update makes e initiate a key update.
func (e *endpoint) update(now monotime.Time) {
	e.t.Helper()
	e.updateAfter = 1
	before := e.Phase()
	if err := e.MaybeUpdate(now, true); err != nil {
		e.t.Fatal(err)
	}
	if e.Phase() != before+1 {
		e.t.Fatalf("Phase = %d, want %d", e.Phase(), before+1)
	}
}

// exchange sends a packet each way and acknowledges it.
func exchange(now monotime.Time, a, b *endpoint) {
	a.t.Helper()
	b.mustReceive(now, a.send(), a.Phase())
	a.mustReceive(now, b.send(), b.Phase())
	a.OnAcked(a.nextPN - 1)
	b.OnAcked(b.nextPN - 1)
}

func wantCode(t *testing.T, err error, code qerr.TransportErrorCode) {
	t.Helper()
	e, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || e.ErrorCode != code {
		t.Errorf("error = %v, want %v", err, code)
	}
}

// RFC 9001, Section 6: updates back and forth, by both sides, with all suites.
func TestKeyUpdates(t *testing.T) {
	for _, tc := range suites {
		t.Run(tc.name, func(t *testing.T) {
			a, b := newEndpoints(t, tc.id, tc.secretLen, Limits{})
			now := testStart
			for i := range protocol.KeyPhase(6) {
				exchange(now, a, b)
				// Wait until the next update is allowed.
				if err := errors.Join(a.MaybeUpdate(now, true), b.MaybeUpdate(now, true)); err != nil {
					t.Fatal(err)
				}
				now = now.Add(3*testPTO + 1)
				initiator, other := a, b
				if i%2 == 1 {
					initiator, other = b, a
				}
				initiator.update(now)
				other.mustReceive(now, initiator.send(), i+1)
				if other.Phase() != i+1 {
					t.Errorf("Phase of the responder = %d, want %d", other.Phase(), i+1)
				}
				initiator.mustReceive(now, other.send(), i+1)
			}
		})
	}
}

func TestBothInitiateKeyUpdate(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	exchange(testStart, a, b)
	a.update(testStart)
	b.update(testStart)
	b.mustReceive(testStart, a.send(), 1)
	a.mustReceive(testStart, b.send(), 1)
	if a.Phase() != 1 || b.Phase() != 1 {
		t.Errorf("phases = %d, %d, want 1, 1", a.Phase(), b.Phase())
	}
}

// RFC 9001, Section 6.1: "An endpoint MUST NOT initiate a key update prior to having confirmed the handshake",
// nor "unless it has received an acknowledgment for a packet that was sent protected with keys from the
// current key phase"; Section 6.5: and not within three PTO of that acknowledgment.
func TestWhenKeyUpdateIsAllowed(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{UpdateAfter: 2})
	now := testStart
	try := func(what string, confirmed bool, want protocol.KeyPhase) {
		t.Helper()
		if err := a.MaybeUpdate(now, confirmed); err != nil {
			t.Fatal(err)
		}
		if a.Phase() != want {
			t.Fatalf("%s: Phase = %d, want %d", what, a.Phase(), want)
		}
	}
	exchange(now, a, b)
	try("one packet", true, 0)
	for range 2 {
		b.mustReceive(now, a.send(), 0)
	}
	try("not confirmed", false, 0)
	try("due, confirmed and acknowledged", true, 1)

	for range 3 {
		b.mustReceive(now, a.send(), 1)
	}
	a.mustReceive(now, b.send(), 1)
	now = now.Add(time.Hour)
	try("no acknowledgment in this phase", true, 1)
	a.OnAcked(2) // of the phase before
	try("acknowledgment of the phase before", true, 1)
	a.OnAcked(a.nextPN - 1)
	try("acknowledgment just received", true, 1)
	now = now.Add(3*testPTO - 1)
	try("within three PTO", true, 1)
	now++
	try("after three PTO", true, 2)
}

// The first update comes early, the next ones do not.
func TestDefaultKeyUpdates(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	now := testStart
	phases := make(map[protocol.KeyPhase]int)
	for range 3 * firstUpdateAfter {
		phases[a.Phase()]++
		exchange(now, a, b)
		a.OnAcked(a.nextPN - 1)
		now = now.Add(testPTO)
		if err := a.MaybeUpdate(now, true); err != nil {
			t.Fatal(err)
		}
	}
	if phases[0] != firstUpdateAfter || len(phases) != 2 {
		t.Errorf("packets by key phase %v, want %d in the first of two", phases, firstUpdateAfter)
	}
}

func TestReceivedPacketsAskForKeyUpdate(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{UpdateAfter: 5})
	exchange(testStart, a, b)
	for range 4 {
		b.mustReceive(testStart, a.send(), 0)
	}
	if err := b.MaybeUpdate(testStart, true); err != nil || b.Phase() != 1 {
		t.Errorf("Phase = %d, error %v, want 1, nil", b.Phase(), err)
	}
}

// RFC 9001, Section 6.5: old keys are kept for three PTO after the first packet with new keys.
func TestReorderedPacketsOfPreviousPhase(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	exchange(testStart, a, b)
	late := [][]byte{a.send(), a.send(), a.send()}
	a.OnAcked(0)
	a.update(testStart)
	b.mustReceive(testStart, late[0], 0)
	b.mustReceive(testStart, a.send(), 1)
	b.mustReceive(testStart.Add(3*testPTO), late[1], 0)
	if _, err := b.receive(testStart.Add(3*testPTO+1), late[2]); !errors.Is(err, ErrDecrypt) {
		t.Errorf("Open after three PTO = %v, want ErrDecrypt", err)
	}
	b.mustReceive(testStart.Add(3*testPTO+2), a.send(), 1)
}

// The initiator gets packets of the old phase until the peer has seen the update, however long that takes.
func TestInitiatorOpensOldPhaseUntilPeerUpdates(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	exchange(testStart, a, b)
	a.update(testStart)
	first := a.send()
	for i := range 5 {
		a.mustReceive(testStart.Add(time.Duration(i)*time.Hour), b.send(), 0)
	}
	late := testStart.Add(10 * time.Hour)
	b.mustReceive(late, first, 1)
	a.mustReceive(late, b.send(), 1)
}

// RFC 9001, Section 6.2: "If an endpoint detects a second update before it has sent any packets with updated
// keys containing an acknowledgment for the packet that initiated the key update, it indicates that its
// peer has updated keys twice without awaiting confirmation."
func TestSecondUpdateWithoutConfirmation(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	exchange(testStart, a, b)
	a.update(testStart)
	b.mustReceive(testStart, a.send(), 1)
	a.write.acked = true // a does not wait
	a.notUntil = testStart
	a.update(testStart)
	_, err := b.receive(testStart, a.send())
	wantCode(t, err, qerr.KeyUpdateError)
	_, err = b.receive(testStart, a.send())
	wantCode(t, err, qerr.KeyUpdateError)
}

// A second update within three PTO, after confirmation, is unusual but no fault.
func TestSecondUpdateSoonAfterConfirmation(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	exchange(testStart, a, b)
	a.update(testStart)
	exchange(testStart, a, b)
	a.notUntil = testStart
	a.update(testStart)
	b.mustReceive(testStart, a.send(), 2)
	a.mustReceive(testStart, b.send(), 2)
}

// RFC 9001, Section 6.4: "An endpoint that successfully removes protection with old keys when newer keys were
// used for packets with lower packet numbers MUST treat this as a connection error of type KEY_UPDATE_ERROR."
func TestOldKeysForNewPackets(t *testing.T) {
	t.Run("the packet with old keys arrives last", func(t *testing.T) {
		a, b := newTestEndpoints(t, Limits{})
		old := *a.OneRTT
		exchange(testStart, a, b)
		a.update(testStart)
		b.mustReceive(testStart, a.send(), 1)
		a.OneRTT = &old
		_, err := b.receive(testStart, a.send())
		wantCode(t, err, qerr.KeyUpdateError)
	})
	t.Run("the packet with old keys arrives first", func(t *testing.T) {
		a, b := newTestEndpoints(t, Limits{})
		old := *a.OneRTT
		exchange(testStart, a, b)
		a.update(testStart)
		updated := *a.OneRTT
		newKeys := a.send()
		a.OneRTT = &old
		b.mustReceive(testStart, a.send(), 0)
		a.OneRTT = &updated
		_, err := b.receive(testStart, newKeys)
		wantCode(t, err, qerr.KeyUpdateError)
	})
	t.Run("an old packet of the old phase arrives after a reordered one of the new phase", func(t *testing.T) {
		a, b := newTestEndpoints(t, Limits{})
		exchange(testStart, a, b)
		oldPhase := a.send()
		a.update(testStart)
		first, second := a.send(), a.send()
		b.mustReceive(testStart, second, 1)
		b.mustReceive(testStart, oldPhase, 0)
		b.mustReceive(testStart, first, 1)
	})
}

func TestPeerUpdatesBeforeAnyPacketWasSent(t *testing.T) {
	a, b := newTestEndpoints(t, Limits{})
	b.mustReceive(testStart, a.send(), 0)
	a.OnAcked(0)
	a.read.opened = 1
	a.update(testStart)
	_, err := b.receive(testStart, a.send())
	wantCode(t, err, qerr.KeyUpdateError)
}

// RFC 9001, Section 6.6: "If the total number of received packets that fail authentication within the connection,
// across all keys, exceeds the integrity limit [...] the endpoint MUST immediately close the connection with a
// connection error of type AEAD_LIMIT_REACHED and not process any more packets."
func TestIntegrityLimit(t *testing.T) {
	const limit = 64
	a, b := newTestEndpoints(t, Limits{Integrity: limit})
	exchange(testStart, a, b)
	for i := range limit - 1 {
		if i == limit/2 { // key updates do not reset the count
			a.update(testStart)
			exchange(testStart, a, b)
		}
		bad := a.send()
		bad[len(bad)-1]++
		if _, err := b.receive(testStart, bad); !errors.Is(err, ErrDecrypt) {
			t.Fatalf("forged packet %d = %v, want ErrDecrypt", i, err)
		}
	}
	b.mustReceive(testStart, a.send(), 1)
	bad := a.send()
	bad[len(bad)-1]++
	_, err := b.receive(testStart, bad)
	wantCode(t, err, qerr.AEADLimitReached)
	_, err = b.receive(testStart, a.send())
	wantCode(t, err, qerr.AEADLimitReached)
}

// RFC 9001, Section 6.6: "Endpoints MUST initiate a key update before sending more protected packets than the
// confidentiality limit for the selected AEAD permits."
func TestConfidentialityLimit(t *testing.T) {
	const limit = 128
	t.Run("keys are updated in time", func(t *testing.T) {
		a, b := newTestEndpoints(t, Limits{Confidentiality: limit})
		for range 10 * limit {
			exchange(testStart, a, b)
			if err := a.MaybeUpdate(testStart, true); err != nil {
				t.Fatal(err)
			}
			if a.write.sealed > limit {
				t.Fatalf("sealed = %d, want at most %d", a.write.sealed, limit)
			}
		}
		if a.Phase() < 10 {
			t.Errorf("Phase = %d, want at least 10", a.Phase())
		}
	})
	t.Run("no update is possible", func(t *testing.T) {
		a, _ := newTestEndpoints(t, Limits{Confidentiality: limit})
		var err error
		sent := 0
		for ; err == nil && sent < limit; sent++ {
			a.send()
			err = a.MaybeUpdate(testStart, true)
		}
		wantCode(t, err, qerr.AEADLimitReached)
		if sent >= limit {
			t.Errorf("error after %d packets, want some left of %d to close the connection", sent, limit)
		}
		for ; sent < limit; sent++ {
			if len(a.send()) == 0 || sent == limit {
				t.Fatalf("packet %d was not sealed", sent)
			}
		}
		if a.CanSeal() {
			t.Error("CanSeal = true at the limit, want false")
		}
		if pkt := a.send(); len(pkt) != 0 {
			t.Errorf("Seal at the limit = %d bytes, want none", len(pkt))
		}
	})
}

func TestDefaultLimits(t *testing.T) {
	for _, tc := range []struct {
		suite     int
		integrity uint64
		sealed    uint64
	}{
		{0, 1 << 52, 1 << 23},
		{1, 1 << 52, 1 << 23},
		{2, 1 << 36, 1<<64 - 1},
	} {
		s := suites[tc.suite]
		a, _ := newEndpoints(t, s.id, s.secretLen, Limits{})
		want := Limits{Confidentiality: tc.sealed, Integrity: tc.integrity, UpdateAfter: DefaultUpdateAfter}
		if a.limits != want {
			t.Errorf("%s: limits = %+v, want %+v", s.name, a.limits, want)
		}
	}
}

func TestOneRTTWithoutKeys(t *testing.T) {
	k := NewOneRTT(protocol.Version1, Limits{})
	if k.CanSeal() || k.CanOpen() {
		t.Errorf("CanSeal, CanOpen = %t, %t, want false, false", k.CanSeal(), k.CanOpen())
	}
	b, payload := shortPacket(0, 2, 30)
	if _, err := k.Open(testStart, bytes.Clone(b), shortPNOffset, -1, testPTO); !errors.Is(err, ErrNoKeys) {
		t.Errorf("Open = %v, want ErrNoKeys", err)
	}
	if got := k.Seal(b, 0, payload, 0, 2); len(got) != 0 {
		t.Errorf("Seal = %d bytes, want none", len(got))
	}
	if err := k.MaybeUpdate(testStart, true); err != nil || k.Phase() != 0 {
		t.Errorf("MaybeUpdate = %v, phase %d, want nil, 0", err, k.Phase())
	}
}

func TestOneRTTDoesNotAllocate(t *testing.T) {
	for _, tc := range suites {
		a, b := newEndpoints(t, tc.id, tc.secretLen, Limits{})
		pkt, payload := shortPacket(5, 2, 1400)
		if n := testing.AllocsPerRun(100, func() {
			a.Seal(pkt[:payload+1400], 0, payload, 5, 2)
		}); n != 0 {
			t.Errorf("%s: Seal allocates %v times, want 0", tc.name, n)
		}
		fresh, payload := shortPacket(5, 2, 1400)
		sealed := a.Seal(fresh, 0, payload, 5, 2)
		buf := make([]byte, len(sealed))
		for _, flip := range []byte{0, 1} { // also for packets that are not authentic
			if n := testing.AllocsPerRun(100, func() {
				copy(buf, sealed)
				buf[len(buf)-1] ^= flip
				if _, err := b.Open(testStart, buf, shortPNOffset, 4, testPTO); (err == nil) != (flip == 0) {
					t.Error(err)
				}
			}); n != 0 {
				t.Errorf("%s: Open allocates %v times, want 0", tc.name, n)
			}
		}
	}
}

// TestKeysAreMadeWhenNeeded: secrets alone cost nothing.
func TestKeysAreMadeWhenNeeded(t *testing.T) {
	k := NewOneRTT(protocol.Version1, Limits{})
	secret := testSecret(32, 1)
	got := testing.AllocsPerRun(100, func() {
		if err := errors.Join(k.SetWriteSecret(suiteAES128GCMSHA256, secret), k.SetReadSecret(suiteAES128GCMSHA256, secret)); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 || !k.CanSeal() || !k.CanOpen() {
		t.Errorf("%.0f allocations, CanSeal = %t, CanOpen = %t, want 0, true, true", got, k.CanSeal(), k.CanOpen())
	}
}
