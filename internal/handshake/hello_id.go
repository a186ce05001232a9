package handshake

// What comes before the second half of the random value of a ClientHello (RFC 8446, Section 4.1.2): the header of the message, the
// version, and the first half, into which some clients put the time.
const helloIDOffset = 4 + 2 + 16

// A helloID tells ClientHello messages apart. It is the second half of the random value, which a replayed message has in
// common with the original: the PSK binder covers it (RFC 8446, Sections 4.2.11.2 and 8.2).
type helloID struct {
	id     [16]byte
	offset int // of the next byte
}

// read takes the next bytes of the CRYPTO stream that begins with the ClientHello.
func (h *helloID) read(b []byte) {
	if h.offset >= helloIDOffset+len(h.id) {
		return
	}
	if skip := helloIDOffset - h.offset; skip < len(b) {
		copy(h.id[max(-skip, 0):], b[max(skip, 0):])
	}
	h.offset += len(b)
}
