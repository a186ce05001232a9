package protect

import (
	"errors"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// DefaultUpdateAfter is after how many packets sent or received in a key phase we update keys. In the first key phase it is
// firstUpdateAfter: so early that nobody comes to rely on connections without key updates.
const (
	DefaultUpdateAfter = 100_000
	firstUpdateAfter   = 100
)

// noPN says that there is no such packet yet.
const noPN = protocol.InvalidPacketNumber

const keyPhaseBit = 0x04

// Limits bound the use of 1-RTT keys. Zero means the limit that RFC 9001, Section 6.6 sets for the
// cipher suite, or DefaultUpdateAfter.
type Limits struct {
	Confidentiality uint64 // packets sealed with one key
	Integrity       uint64 // packets that are not authentic, on the connection
	UpdateAfter     uint64 // packets sealed or opened in a key phase, also the first one, that make us update
}

// OneRTT holds the 1-RTT keys of a connection and updates them (RFC 9001, Section 6).
type OneRTT struct {
	// immutable
	labels *labels
	limits Limits

	phase       protocol.KeyPhase
	updateAfter uint64 // limits.UpdateAfter, or another value in the first phase
	write       writeKeys
	read        readKeys

	failed   uint64 // received packets that were not authentic
	fatal    error  // AEAD_LIMIT_REACHED or KEY_UPDATE_ERROR; nothing is opened any more
	lastPTO  time.Duration
	notUntil monotime.Time // when the next update may be initiated; zero: see allowUpdate
}

// A generation is the keys of one direction and key phase, and the secret from which that of the next phase is derived.
type generation struct {
	key    *packetKey
	secret []byte
}

// The keys of a direction are made for its first packet: many a short connection ends before.

type writeKeys struct {
	suite  *suite // nil: no secret yet
	secret []byte // until the keys are made
	hp     masker // is the same in all key phases (RFC 9001, Section 6.1)
	cur    *generation
	sealed uint64                // packets of this key phase
	first  protocol.PacketNumber // the first packet of this key phase
	acked  bool                  // a packet of this key phase was acknowledged
}

type readKeys struct {
	suite           *suite // nil: no secret yet
	secret          []byte // until the keys are made
	hp              masker
	prev, cur, next *generation           // next is there as soon as cur is
	opened          uint64                // packets of this key phase
	lowest, highest protocol.PacketNumber // of this key phase
	prevHighest     protocol.PacketNumber // of the key phase before
	prevUntil       monotime.Time         // when prev is discarded; zero: not decided yet
	scratch         []byte                // a copy of the ciphertext if two keys may fit
}

// NewOneRTT returns a OneRTT that waits for its keys.
func NewOneRTT(v protocol.Version, limits Limits) *OneRTT {
	k := &OneRTT{labels: labelsOf(v), limits: limits, updateAfter: limits.UpdateAfter}
	if k.limits.UpdateAfter == 0 {
		k.limits.UpdateAfter, k.updateAfter = DefaultUpdateAfter, firstUpdateAfter
	}
	k.write.first = noPN
	k.read.lowest, k.read.highest, k.read.prevHighest = noPN, noPN, noPN
	return k
}

// SetWriteSecret installs the keys for sending. It takes over the secret.
func (k *OneRTT) SetWriteSecret(suite uint16, secret []byte) error {
	s, err := suiteFor(suite, secret)
	if err != nil {
		return err
	}
	k.write.suite, k.write.secret = s, secret
	if k.limits.Confidentiality == 0 {
		k.limits.Confidentiality = s.confidentiality
	}
	return nil
}

// SetReadSecret installs the keys for receiving. It takes over the secret.
func (k *OneRTT) SetReadSecret(suite uint16, secret []byte) error {
	s, err := suiteFor(suite, secret)
	if err != nil {
		return err
	}
	k.read.suite, k.read.secret = s, secret
	if k.limits.Integrity == 0 {
		k.limits.Integrity = s.integrity
	}
	return nil
}

// makeWriteKeys makes the keys for sending, if they are still to be made.
func (k *OneRTT) makeWriteKeys() {
	if w := &k.write; w.secret != nil {
		w.hp, w.cur = k.firstGeneration(w.suite, w.secret)
		w.secret = nil
	}
}

// makeReadKeys is makeWriteKeys for receiving. The first packet makes the keys of the next phase, too, whatever its Key Phase bit says.
func (k *OneRTT) makeReadKeys() {
	if r := &k.read; r.secret != nil {
		r.hp, r.cur = k.firstGeneration(r.suite, r.secret)
		r.next = k.nextGeneration(r.suite, r.cur)
		r.secret = nil
	}
}

func (k *OneRTT) firstGeneration(s *suite, secret []byte) (masker, *generation) {
	hp, err := newMasker(s, k.labels, secret)
	if err != nil {
		panic("BUG: 1-RTT header protection: " + err.Error())
	}
	return hp, k.newGeneration(s, secret)
}

func (k *OneRTT) newGeneration(s *suite, secret []byte) *generation {
	key, err := newPacketKey(s, k.labels, secret)
	if err != nil {
		panic("BUG: 1-RTT keys: " + err.Error())
	}
	return &generation{key: key, secret: secret}
}

// nextGeneration returns the keys of the next phase (RFC 9001, Section 6.1).
func (k *OneRTT) nextGeneration(s *suite, g *generation) *generation {
	return k.newGeneration(s, expandLabel(s.hash, g.secret, k.labels.ku, int(s.hash)))
}

// CanSeal reports whether there are keys for sending that may still be used. They may not if the
// confidentiality limit was reached and no key update was possible.
func (k *OneRTT) CanSeal() bool {
	return k.write.suite != nil && k.write.sealed < k.limits.Confidentiality
}

// CanOpen reports whether there are keys for receiving.
func (k *OneRTT) CanOpen() bool { return k.read.suite != nil }

// Phase returns the key phase of the packets that we send.
func (k *OneRTT) Phase() protocol.KeyPhase { return k.phase }

// Seal is Sealer.Seal for a packet with a short header; it also sets the Key Phase bit. Without
// usable keys (see CanSeal) it returns b[:start], that is, no packet at all.
func (k *OneRTT) Seal(b []byte, start, payload int, pn protocol.PacketNumber, pnLen int) []byte {
	checkSeal(b, payload, pnLen)
	if !k.CanSeal() {
		return b[:start]
	}
	k.makeWriteKeys()
	b[start] &^= keyPhaseBit
	if k.phase&1 != 0 {
		b[start] |= keyPhaseBit
	}
	w := &k.write
	b = w.cur.key.seal(b, start, payload, pn)
	protectHeader(w.hp, b[start:], payload-pnLen-start, pnLen)
	w.sealed++
	if w.first == noPN {
		w.first = pn
	}
	return b
}

// Open is Opener.Open for a packet with a short header. pto is the current Probe Timeout. Besides the
// errors that only drop the packet there are two that end the connection, *qerr.TransportError with code
// KEY_UPDATE_ERROR or AEAD_LIMIT_REACHED.
func (k *OneRTT) Open(now monotime.Time, pkt []byte, pnOffset int, largest protocol.PacketNumber, pto time.Duration) (Opened, error) {
	r := &k.read
	if k.fatal != nil {
		return Opened{}, k.fatal
	}
	if !k.CanOpen() {
		return Opened{}, ErrNoKeys
	}
	k.makeReadKeys()
	k.lastPTO = pto
	if r.prev != nil && !r.prevUntil.IsZero() && now.After(r.prevUntil) {
		r.prev, r.scratch = nil, nil
	}
	res, payload, err := openHeader(r.hp, pkt, pnOffset, largest)
	if err != nil {
		return Opened{}, err
	}
	plain, gen := k.decrypt(pkt, payload, &res)
	if gen == nil {
		return Opened{}, k.onFailure()
	}
	res.Payload = plain
	return res, k.onOpened(now, gen, &res)
}

// decrypt opens the packet with the keys of the key phase that the Key Phase bit and the packet number
// stand for, and returns these keys, or nil. Each packet costs one decryption, whatever its Key Phase bit
// says (RFC 9001, Section 9.5), except for a while after a key update: then a packet with the other
// bit that is newer than the update can belong to the next update or violate RFC 9001, Section 6.4.
func (k *OneRTT) decrypt(pkt []byte, payload int, res *Opened) ([]byte, *generation) {
	r := &k.read
	first, second := r.cur, (*generation)(nil)
	if (res.First&keyPhaseBit != 0) != (k.phase&1 != 0) {
		switch {
		case r.prev == nil:
			first = r.next
		case r.lowest == noPN || res.PN < r.lowest:
			first = r.prev
		default:
			first, second = r.next, r.prev
			r.scratch = append(r.scratch[:0], pkt[payload:]...)
		}
	}
	plain, ok := first.key.open(pkt, payload, res.PN)
	if ok || second == nil {
		return plain, okOrNil(first, ok)
	}
	copy(pkt[payload:], r.scratch)
	plain, ok = second.key.open(pkt, payload, res.PN)
	return plain, okOrNil(second, ok)
}

func okOrNil(g *generation, ok bool) *generation {
	if ok {
		return g
	}
	return nil
}

// onFailure counts a packet that is not authentic.
func (k *OneRTT) onFailure() error {
	k.failed++
	if k.failed < k.limits.Integrity {
		return ErrDecrypt
	}
	k.fatal = qerr.NewLocalError(qerr.AEADLimitReached, errors.New("too many packets that are not authentic"))
	return k.fatal
}

// onOpened notes an authentic packet and updates the keys if the peer did.
func (k *OneRTT) onOpened(now monotime.Time, gen *generation, res *Opened) error {
	r := &k.read
	res.KeyPhase = k.phase
	switch gen {
	case r.prev:
		res.KeyPhase--
		// "Packets with higher packet numbers MUST be protected with either the same or newer packet
		// protection keys than packets with lower packet numbers."
		if r.lowest != noPN && res.PN >= r.lowest {
			return k.updateError("old keys for a new packet")
		}
		r.prevHighest = max(r.prevHighest, res.PN)
		return nil
	case r.next:
		if res.PN < r.highest {
			return k.updateError("new keys for an old packet")
		}
		// The peer "has updated keys twice without awaiting confirmation" if nothing was sent in this phase.
		if k.write.first == noPN {
			return k.updateError("key update before the last one was confirmed")
		}
		k.rotate()
		res.KeyPhase++
	}
	if res.PN < r.prevHighest {
		return k.updateError("new keys for an old packet")
	}
	if r.lowest == noPN {
		r.lowest = res.PN
		r.prevUntil = now.Add(3 * k.lastPTO)
	}
	r.lowest = min(r.lowest, res.PN)
	r.highest = max(r.highest, res.PN)
	r.opened++
	return nil
}

func (k *OneRTT) updateError(reason string) error {
	k.fatal = qerr.FrameError(qerr.KeyUpdateError, 0, reason)
	return k.fatal
}

// rotate enters the next key phase.
func (k *OneRTT) rotate() {
	k.makeWriteKeys()
	k.makeReadKeys()
	k.phase++
	k.notUntil, k.updateAfter = 0, k.limits.UpdateAfter

	w := &k.write
	w.cur = k.nextGeneration(w.suite, w.cur)
	w.sealed, w.first, w.acked = 0, noPN, false

	r := &k.read
	r.prev, r.cur, r.next = r.cur, r.next, k.nextGeneration(r.suite, r.next)
	r.prevHighest, r.lowest, r.highest = r.highest, noPN, noPN
	r.opened, r.prevUntil = 0, 0
}
