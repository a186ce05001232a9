package udp

import (
	"github.com/quic-go/quic-go/internal/monotime"
)

// A message is what one system call received and has not handed out yet: a datagram, or a train of
// datagrams of equal size of which the last may be shorter.
type message struct {
	data    []byte
	buf     *Buffer // has one reference for each datagram that is still in data
	seg     int
	remote  Remote
	control Control
}

// fill takes over size bytes that were received into slot, 0 < size <= largeBuffer. It reports whether
// it kept slot itself; else it copied the bytes and slot is free for the next read.
func (m *message) fill(slot *Buffer, size int, remote Remote, c Control) (kept bool) {
	m.control, m.remote, m.seg = c, remote, size
	if c.Segment > 0 && c.Segment < size {
		m.seg = c.Segment
	}
	m.buf, kept = slot, true
	if size <= mediumBuffer {
		m.buf, kept = getBuffer(size), false
		copy(m.buf.data, slot.data[:size])
	}
	m.data = m.buf.data[:size:size]
	if n := (size + m.seg - 1) / m.seg; n > 1 {
		m.buf.retain(int32(n - 1))
	}
	return kept
}

// next sets p to the next datagram, and reports whether it was the last one.
func (m *message) next(p *Packet, now monotime.Time) (last bool) {
	size := min(m.seg, len(m.data))
	*p = Packet{
		Data:    m.data[:size:size],
		Buffer:  m.buf,
		Remote:  m.remote,
		Local:   m.control.Local,
		IfIndex: m.control.IfIndex,
		ECN:     m.control.ECN,
		Time:    now,
	}
	m.data = m.data[size:]
	if len(m.data) > 0 {
		return false
	}
	*m = message{}
	return true
}
