package handshake

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A TokenProtectorKey protects address validation tokens (RFC 9000, Section 8.1). Servers that share it
// accept each other's tokens.
type TokenProtectorKey [32]byte

const (
	// RetryTokenLifetime is how long a client may take to answer a Retry.
	RetryTokenLifetime = 10 * time.Second
	// maxTokenSkew is how far in the future a token may have been issued, by a server with a fast clock.
	maxTokenSkew = 5 * time.Second
)

// Kinds of tokens.
const (
	tokenRetry = 1
	tokenNew   = 2
)

// Lengths of the plaintext and of tokens. Each kind has one length: all others are no tokens of ours.
const (
	tokenHeadLen       = 1 + 4 + 8 + addrKeyLen // kind, version, issue time, address
	retryPlainLen      = tokenHeadLen + 2*(1+protocol.MaxConnectionIDLen)
	newPlainLen        = tokenHeadLen + 8 // RTT
	RetryTokenLen      = tokenSaltLen + retryPlainLen + tokenTagLen
	NewTokenLen        = tokenSaltLen + newPlainLen + tokenTagLen
	tokenSaltLen       = 16
	tokenTagLen        = 16
	addrKeyLen         = 16 + 2
	maxEncodableRTT    = time.Hour
	tokenKeyDerivation = "quic address validation token"
)

// ErrInvalidToken reports bytes that are no token of ours.
var ErrInvalidToken = errors.New("not a token of this server")

// A Token is the content of an authentic token. Whether it validates an address now is up to ValidRetry
// and ValidNew.
type Token struct {
	IsRetry bool
	Version protocol.Version
	Issued  time.Time
	// ID makes the token unique, for a ReplayFilter.
	ID [16]byte
	// Retry tokens only: the client's first Destination Connection ID, and the Source Connection ID of the
	// Retry, which has to be the Destination Connection ID of the packet with the token.
	OriginalDstCID, RetrySrcCID protocol.ConnectionID
	// Tokens of NEW_TOKEN frames only: the round-trip time when the token was issued.
	RTT time.Duration

	addr addrKey
}

// A TokenGenerator makes and opens tokens. It is safe for concurrent use.
type TokenGenerator struct {
	mu  sync.Mutex // a leaf
	mac hash.Hash  // keyed with the secret of the tokens
}

// NewTokenGenerator returns a TokenGenerator that uses key.
func NewTokenGenerator(key TokenProtectorKey) (*TokenGenerator, error) {
	secret, err := hkdf.Extract(sha256.New, key[:], nil)
	if err != nil {
		return nil, err
	}
	return &TokenGenerator{mac: hmac.New(sha256.New, secret)}, nil
}

// NewRetryToken returns the token of a Retry packet with Source Connection ID retrySrc that answers an Initial
// with Destination Connection ID origDst from addr.
func (g *TokenGenerator) NewRetryToken(now time.Time, v protocol.Version, addr net.Addr, origDst, retrySrc protocol.ConnectionID) ([]byte, error) {
	plain := make([]byte, 0, retryPlainLen)
	plain = appendTokenHead(plain, tokenRetry, now, v, addr)
	plain = appendTokenCID(plain, origDst)
	plain = appendTokenCID(plain, retrySrc)
	return g.seal(plain)
}

// NewToken returns the token of a NEW_TOKEN frame for a client at addr.
func (g *TokenGenerator) NewToken(now time.Time, v protocol.Version, addr net.Addr, rtt time.Duration) ([]byte, error) {
	plain := make([]byte, 0, newPlainLen)
	plain = appendTokenHead(plain, tokenNew, now, v, addr)
	plain = binary.BigEndian.AppendUint64(plain, uint64(min(max(rtt, 0), maxEncodableRTT)))
	return g.seal(plain)
}

// Decode returns the content of a token, or ErrInvalidToken.
func (g *TokenGenerator) Decode(b []byte) (Token, error) {
	if len(b) != RetryTokenLen && len(b) != NewTokenLen {
		return Token{}, ErrInvalidToken
	}
	salt := [tokenSaltLen]byte(b)
	aead, nonce, err := g.protection(salt)
	if err != nil {
		return Token{}, err
	}
	plain, err := aead.Open(make([]byte, 0, retryPlainLen), nonce, b[tokenSaltLen:], nil)
	if err != nil {
		return Token{}, ErrInvalidToken
	}
	t := Token{ID: salt, IsRetry: plain[0] == tokenRetry}
	t.Version = protocol.Version(binary.BigEndian.Uint32(plain[1:]))
	t.Issued = time.Unix(0, int64(binary.BigEndian.Uint64(plain[5:])))
	t.addr = addrKey(plain[13:])
	body := plain[tokenHeadLen:]
	switch {
	case t.IsRetry && len(plain) == retryPlainLen:
		t.OriginalDstCID = tokenCID(body)
		t.RetrySrcCID = tokenCID(body[1+protocol.MaxConnectionIDLen:])
		return t, nil
	case plain[0] == tokenNew && len(plain) == newPlainLen:
		t.RTT = time.Duration(binary.BigEndian.Uint64(body))
		return t, nil
	}
	return Token{}, ErrInvalidToken
}

// ValidRetry reports whether t is a Retry token that validates addr, IP and port, for an Initial with
// Destination Connection ID dstCID.
func (t *Token) ValidRetry(now time.Time, v protocol.Version, addr net.Addr, dstCID protocol.ConnectionID) bool {
	return t.IsRetry && t.Version == v && t.RetrySrcCID == dstCID &&
		t.addr == addrKeyOf(addr) && t.fresh(now, RetryTokenLifetime)
}

// ValidNew reports whether t is a token of a NEW_TOKEN frame that validates the IP address of addr and is
// not older than maxAge.
func (t *Token) ValidNew(now time.Time, v protocol.Version, addr net.Addr, maxAge time.Duration) bool {
	return !t.IsRetry && t.Version == v && t.addr.ip() == addrKeyOf(addr).ip() && t.fresh(now, maxAge)
}

func (t *Token) fresh(now time.Time, maxAge time.Duration) bool {
	age := now.Sub(t.Issued)
	return age <= maxAge && age >= -maxTokenSkew
}

func (g *TokenGenerator) seal(plain []byte) ([]byte, error) {
	var salt [tokenSaltLen]byte
	rand.Read(salt[:])
	aead, nonce, err := g.protection(salt)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, tokenSaltLen+len(plain)+tokenTagLen), salt[:]...)
	return aead.Seal(b, nonce, plain, nil), nil
}

// protection returns what protects the token with the given salt: AES-256-GCM with a key and a nonce of its own.
// With one key for all tokens, random nonces of 12 bytes would repeat too soon: the key is in use for
// years, on many servers.
func (g *TokenGenerator) protection(salt [tokenSaltLen]byte) (aead cipher.AEAD, nonce []byte, err error) {
	const keyLen, nonceLen = 32, 12
	derived := g.expand(salt)
	block, err := aes.NewCipher(derived[:keyLen])
	if err != nil {
		return nil, nil, err
	}
	aead, err = cipher.NewGCM(block)
	return aead, derived[keyLen : keyLen+nonceLen], err
}

// expand is HKDF-Expand (RFC 5869, Section 2.3), of two rounds, with one HMAC for all tokens.
func (g *TokenGenerator) expand(salt [tokenSaltLen]byte) (okm [2 * sha256.Size]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var previous []byte
	for round := range byte(2) {
		g.mac.Reset()
		g.mac.Write(previous)
		g.mac.Write([]byte(tokenKeyDerivation))
		g.mac.Write(salt[:])
		g.mac.Write([]byte{round + 1})
		end := int(round) * sha256.Size
		previous = g.mac.Sum(okm[:end])[end:]
	}
	return okm
}

func appendTokenHead(b []byte, kind byte, now time.Time, v protocol.Version, addr net.Addr) []byte {
	b = append(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(v))
	b = binary.BigEndian.AppendUint64(b, uint64(now.UnixNano()))
	key := addrKeyOf(addr)
	return append(b, key[:]...)
}

// appendTokenCID appends a connection ID in a field of constant length.
func appendTokenCID(b []byte, c protocol.ConnectionID) []byte {
	var field [1 + protocol.MaxConnectionIDLen]byte
	field[0] = uint8(c.Len())
	copy(field[1:], c.Bytes())
	return append(b, field[:]...)
}

func tokenCID(b []byte) protocol.ConnectionID {
	n := min(int(b[0]), protocol.MaxConnectionIDLen)
	return protocol.ParseConnectionID(b[1 : 1+n])
}

// An addrKey stands for an address in a token: IP address and port, or a hash for addresses without them.
type addrKey [addrKeyLen]byte

func addrKeyOf(a net.Addr) addrKey {
	var k addrKey
	if u, ok := a.(*net.UDPAddr); ok && u != nil {
		if ap := u.AddrPort(); ap.IsValid() {
			return addrPortKey(ap)
		}
	}
	if a != nil {
		sum := sha256.Sum256([]byte(a.Network() + " " + a.String()))
		copy(k[:16], sum[:])
	}
	return k
}

func addrPortKey(ap netip.AddrPort) addrKey {
	var k addrKey
	ip := ap.Addr().As16()
	copy(k[:], ip[:])
	binary.BigEndian.PutUint16(k[16:], ap.Port())
	return k
}

func (k addrKey) ip() [16]byte { return [16]byte(k[:]) }
