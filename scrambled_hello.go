package quic

import (
	"encoding/binary"
	"slices"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/sendbuf"
)

// helloCuts is into how many pieces more a ClientHello is cut at random, besides the cut through the name of the server.
const helloCuts = 4

// A scrambledHello is the order in which the pieces of a ClientHello are sent. Whoever reads the name of the server out of
// packets has to put CRYPTO frames together for that, as a server has to; who only reads the first frame or the first packet
// finds no name. That keeps the network from coming to rely on what it has not been promised.
type scrambledHello struct {
	pieces []helloPiece
}

// A helloPiece is the range [start, end) of the CRYPTO data.
type helloPiece struct{ start, end protocol.ByteCount }

// scrambleHello makes a client send the ClientHello, which waits to be sent, in pieces.
func (c *Conn) scrambleHello() {
	buf := c.tls.Crypto(protocol.EncryptionInitial)
	start, hello := buf.Sent(), make([]byte, buf.Unsent())
	if len(hello) < 2 || !scrambleClientHello() {
		return
	}
	buf.CopyTo(hello, start)
	c.hello.cut(hello, start, c.out.random)
	// What is lost can be sent in any order, what is new only from the start.
	buf.MarkSent(start, len(hello))
	buf.Lost(start, protocol.ByteCount(len(hello)))
}

// cut cuts hello, which is at offset off of the CRYPTO data. The two halves of the name of the server are sent first and last.
func (h *scrambledHello) cut(hello []byte, off protocol.ByteCount, random func() int) {
	cuts := []int{0, len(hello)}
	nameCut := 0
	if start, end := serverName(hello); end-start > 1 {
		nameCut = start + 1 + random()%(end-start-1)
		cuts = append(cuts, nameCut)
	}
	for range helloCuts {
		cuts = append(cuts, 1+random()%(len(hello)-1))
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	h.pieces = make([]helloPiece, len(cuts)-1)
	for i := range h.pieces {
		h.pieces[i] = helloPiece{off + protocol.ByteCount(cuts[i]), off + protocol.ByteCount(cuts[i+1])}
	}
	for i := len(h.pieces) - 1; i > 0; i-- {
		h.swap(i, random()%(i+1))
	}
	if nameCut > 0 {
		at := off + protocol.ByteCount(nameCut)
		h.swap(0, slices.IndexFunc(h.pieces, func(p helloPiece) bool { return p.start == at }))
		h.swap(len(h.pieces)-1, slices.IndexFunc(h.pieces, func(p helloPiece) bool { return p.end == at }))
	}
}

func (h *scrambledHello) swap(i, j int) { h.pieces[i], h.pieces[j] = h.pieces[j], h.pieces[i] }

// next returns what of the ClientHello has to be sent next, at most limit bytes; n is 0 if nothing has.
func (h *scrambledHello) next(buf *sendbuf.Buffer, limit int) (off protocol.ByteCount, n int) {
	for _, p := range h.pieces {
		if off, n = buf.NextLostIn(p.start, p.end, limit); n > 0 {
			return off, n
		}
	}
	return 0, 0
}

// serverName returns where the host name of the server_name extension (RFC 6066, Section 3) is in a ClientHello message
// (RFC 8446, Section 4.1.2). Both are 0 if there is none.
func serverName(hello []byte) (start, end int) {
	const (
		beforeSessionID = 4 + 2 + 32 // message header, legacy_version, random
		extServerName   = 0
		beforeName      = 2 + 1 + 2 // lengths of the list and of the name, type of the name
	)
	r := helloReader{b: hello}
	r.skip(beforeSessionID)
	r.skip(r.uint(1)) // legacy_session_id
	r.skip(r.uint(2)) // cipher_suites
	r.skip(r.uint(1)) // legacy_compression_methods
	r.uint(2)         // length of the extensions
	for r.pos < len(hello) {
		typ, n := r.uint(2), r.uint(2)
		start = r.pos
		r.skip(n)
		if typ == extServerName && n > beforeName && r.pos <= len(hello) {
			return start + beforeName, r.pos
		}
	}
	return 0, 0
}

// A helloReader reads a message of TLS. Behind the end it reads zeros.
type helloReader struct {
	b   []byte
	pos int
}

func (r *helloReader) skip(n int) { r.pos += n }

// uint reads an integer of one or two bytes.
func (r *helloReader) uint(size int) int {
	var b [2]byte
	if r.pos < len(r.b) {
		copy(b[2-size:], r.b[r.pos:min(r.pos+size, len(r.b))])
	}
	r.pos += size
	return int(binary.BigEndian.Uint16(b[:]))
}
