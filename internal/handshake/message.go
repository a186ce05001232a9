package handshake

import "encoding/binary"

// Types of TLS handshake messages (RFC 8446, Section 4).
const (
	typeClientHello        = 1
	typeNewSessionTicket   = 4
	typeCertificateRequest = 13
	typeFinished           = 20
	typeKeyUpdate          = 24
)

const (
	messageHeaderLen = 4
	// sessionIDOffset is where a ClientHello has the length of legacy_session_id: behind the header,
	// legacy_version and random (RFC 8446, Section 4.1.2).
	sessionIDOffset = messageHeaderLen + 2 + 32
	// maxPostHandshakeMessage bounds a message after the handshake, header included. At the limit the
	// connection is closed with CRYPTO_BUFFER_EXCEEDED.
	maxPostHandshakeMessage = 64 << 10
	// maxSessionTickets bounds the tickets of a connection that a client looks at; the others are ignored.
	// crypto/tls takes 16 and ends the connection at the next one.
	maxSessionTickets  = 16
	extensionEarlyData = 42
	// onlyEarlyDataSize is the one max_early_data_size of QUIC (RFC 9001, Section 4.6.1).
	onlyEarlyDataSize = 0xffffffff
)

// A message follows the borders of the TLS messages in a stream of bytes.
type message struct {
	head [sessionIDOffset + 1]byte // the first bytes of the message
	seen int                       // how many bytes of the message were taken
	body []byte                    // the message so far; only after the handshake
}

// take returns how many bytes of b belong to the message and notes that they were seen. b is not empty. After the last byte of
// a message it begins the next.
func (m *message) take(b []byte) int {
	if m.complete() {
		*m = message{body: m.body[:0]}
	}
	if m.seen < len(m.head) {
		copy(m.head[m.seen:], b)
	}
	n := min(messageHeaderLen-m.seen, len(b))
	if m.seen+len(b) >= messageHeaderLen {
		n = min(m.bodyEnd()-m.seen, len(b))
	}
	m.seen += n
	return n
}

// bodyEnd is the length of the message with its header, according to head.
func (m *message) bodyEnd() int {
	return messageHeaderLen + (int(m.head[1])<<16 | int(m.head[2])<<8 | int(m.head[3]))
}

// length is the length of the message with its header, 0 if not known yet.
func (m *message) length() int {
	if m.seen < messageHeaderLen {
		return 0
	}
	return m.bodyEnd()
}

func (m *message) complete() bool { return m.seen >= messageHeaderLen && m.seen == m.length() }

// sessionIDLen is the length of legacy_session_id of a ClientHello, 0 if not known yet.
func (m *message) sessionIDLen() int {
	if m.seen <= sessionIDOffset {
		return 0
	}
	return int(m.head[sessionIDOffset])
}

// ticketEarlyDataValid reports whether max_early_data_size of a NewSessionTicket message (RFC 8446, Section
// 4.6.1) is absent or the only one allowed. What cannot be parsed is left to TLS.
func ticketEarlyDataValid(msg []byte) bool {
	r := byteReader(msg)
	r.skip(messageHeaderLen + 4 + 4) // ticket_lifetime, ticket_age_add
	r.skip(r.uint(1))                // ticket_nonce
	r.skip(r.uint(2))                // ticket
	exts := byteReader(r.bytes(r.uint(2)))
	for len(exts) > 0 {
		typ := exts.uint(2)
		data := exts.bytes(exts.uint(2))
		if typ == extensionEarlyData && len(data) == 4 && binary.BigEndian.Uint32(data) != onlyEarlyDataSize {
			return false
		}
	}
	return true
}

// A byteReader reads from its front. Behind the end there are only zeros.
type byteReader []byte

func (r *byteReader) bytes(n int) []byte {
	n = min(n, len(*r))
	b := (*r)[:n]
	*r = (*r)[n:]
	return b
}

func (r *byteReader) skip(n int) { r.bytes(n) }

func (r *byteReader) uint(n int) int {
	v := 0
	for _, b := range r.bytes(n) {
		v = v<<8 | int(b)
	}
	return v
}
