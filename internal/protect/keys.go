package protect

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// Overhead is the length of the authentication tag, by which Seal makes a packet longer.
const Overhead = 16

const nonceLen = 12

// Reasons for which Open drops a packet. The packet is then to be ignored.
var (
	// ErrTooShort reports a packet without a full header protection sample.
	ErrTooShort = errors.New("packet is too short for header protection")
	// ErrDecrypt reports a packet that is not authentic.
	ErrDecrypt = errors.New("packet is not authentic")
	// ErrNoKeys reports a packet for which there are no keys, yet or any more.
	ErrNoKeys = errors.New("no keys to open the packet")
)

// An Opened is a packet without protection.
type Opened struct {
	PN       protocol.PacketNumber
	PNLen    int
	First    byte   // the first byte; its reserved bits are to be checked by the caller
	Payload  []byte // aliases the packet
	KeyPhase protocol.KeyPhase
}

// A packetKey is an AEAD with its IV: the keys of one direction, level and key phase.
type packetKey struct {
	aead  cipher.AEAD
	iv    [nonceLen]byte
	nonce [nonceLen]byte // scratch; a field, as it would escape to the heap
}

func newPacketKey(s *suite, l *labels, secret []byte) (*packetKey, error) {
	aead, err := s.newAEAD(expandLabel(s.hash, secret, l.key, s.keyLen))
	if err != nil {
		return nil, err
	}
	k := &packetKey{aead: aead}
	copy(k.iv[:], expandLabel(s.hash, secret, l.iv, nonceLen))
	return k, nil
}

// nonceFor returns the nonce of a packet (RFC 9001, Section 5.3).
func (k *packetKey) nonceFor(pn protocol.PacketNumber) []byte {
	k.nonce = k.iv
	tail := k.nonce[nonceLen-8:]
	binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^uint64(pn))
	return k.nonce[:]
}

func (k *packetKey) seal(b []byte, start, payload int, pn protocol.PacketNumber) []byte {
	return k.aead.Seal(b[:payload], k.nonceFor(pn), b[payload:], b[start:payload])
}

// open decrypts pkt[payload:] in place.
func (k *packetKey) open(pkt []byte, payload int, pn protocol.PacketNumber) ([]byte, bool) {
	out, err := k.aead.Open(pkt[payload:payload], k.nonceFor(pn), pkt[payload:], pkt[:payload])
	return out, err == nil
}

func newMasker(s *suite, l *labels, secret []byte) (masker, error) {
	return s.newMasker(expandLabel(s.hash, secret, l.hp, s.keyLen))
}

func newKeys(id uint16, v protocol.Version, secret []byte) (*packetKey, masker, error) {
	s, err := suiteFor(id, secret)
	if err != nil {
		return nil, nil, err
	}
	key, err := newPacketKey(s, labelsOf(v), secret)
	if err != nil {
		return nil, nil, err
	}
	hp, err := newMasker(s, labelsOf(v), secret)
	if err != nil {
		return nil, nil, err
	}
	return key, hp, nil
}

// A Sealer protects the packets of one level that we send.
type Sealer struct {
	key *packetKey
	hp  masker
}

// NewSealer returns the Sealer for a secret that TLS provided. The number of the cipher suite is
// that of crypto/tls.
func NewSealer(suite uint16, v protocol.Version, secret []byte) (*Sealer, error) {
	key, hp, err := newKeys(suite, v, secret)
	if err != nil {
		return nil, err
	}
	return &Sealer{key: key, hp: hp}, nil
}

// Seal protects the packet at b[start:]. The header is b[start:payload], its last pnLen bytes are
// the packet number; the plaintext is b[payload:]. Seal encrypts in place, appends the tag, applies
// header protection and returns the longer b. It does not allocate if b has Overhead bytes of spare
// capacity.
func (s *Sealer) Seal(b []byte, start, payload int, pn protocol.PacketNumber, pnLen int) []byte {
	checkSeal(b, payload, pnLen)
	b = s.key.seal(b, start, payload, pn)
	protectHeader(s.hp, b[start:], payload-pnLen-start, pnLen)
	return b
}

// checkSeal keeps callers from building packets that nobody can open.
func checkSeal(b []byte, payload, pnLen int) {
	if pnLen < 1 || pnLen > 4 || pnLen+len(b)-payload < sampleOffset {
		panic(fmt.Sprintf("BUG: %d bytes of payload are too few for a packet number of %d bytes", len(b)-payload, pnLen))
	}
}

// An Opener removes the protection of the packets of one level that we receive.
type Opener struct {
	key *packetKey
	hp  masker
}

// NewOpener returns the Opener for a secret that TLS provided.
func NewOpener(suite uint16, v protocol.Version, secret []byte) (*Opener, error) {
	key, hp, err := newKeys(suite, v, secret)
	if err != nil {
		return nil, err
	}
	return &Opener{key: key, hp: hp}, nil
}

// Open removes the protection of pkt, which is exactly one packet, in place. largest is the largest
// packet number received in the packet number space so far, -1 if there is none. After an error
// the header and payload of pkt are garbage, but its last Overhead bytes are as received.
func (o *Opener) Open(pkt []byte, pnOffset int, largest protocol.PacketNumber) (Opened, error) {
	res, payload, err := openHeader(o.hp, pkt, pnOffset, largest)
	if err != nil {
		return Opened{}, err
	}
	plain, ok := o.key.open(pkt, payload, res.PN)
	if !ok {
		return Opened{}, ErrDecrypt
	}
	res.Payload = plain
	return res, nil
}

// openHeader removes header protection and decodes the packet number. It returns where the payload starts.
func openHeader(hp masker, pkt []byte, pnOffset int, largest protocol.PacketNumber) (Opened, int, error) {
	if pnOffset < 1 || len(pkt)-pnOffset < sampleOffset+SampleLen {
		return Opened{}, 0, ErrTooShort
	}
	truncated, pnLen := unprotectHeader(hp, pkt, pnOffset)
	pn := wire.DecodePacketNumber(largest, protocol.PacketNumber(truncated), pnLen)
	return Opened{PN: pn, PNLen: pnLen, First: pkt[0]}, pnOffset + pnLen, nil
}

// InitialKeys returns the keys of Initial packets, as seen from pers. dstCID is the Destination
// Connection ID of the client's first Initial, or of the Retry that answered it.
func InitialKeys(v protocol.Version, dstCID protocol.ConnectionID, pers protocol.Perspective) (*Sealer, *Opener) {
	write, read := initialSecrets(v, dstCID)
	if pers == protocol.PerspectiveServer {
		write, read = read, write
	}
	s, err := NewSealer(suiteAES128GCMSHA256, v, write)
	if err != nil {
		panic("BUG: initial keys: " + err.Error())
	}
	o, err := NewOpener(suiteAES128GCMSHA256, v, read)
	if err != nil {
		panic("BUG: initial keys: " + err.Error())
	}
	return s, o
}
