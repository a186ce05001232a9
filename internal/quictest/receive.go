package quictest

import (
	"errors"
	"net"
	"time"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// A Received is a packet that the Peer has received.
type Received struct {
	Time     time.Time
	From, To net.Addr
	Datagram []byte // all of it
	First    bool   // the packet is the first of its datagram

	Type           protocol.PacketType
	Level          protocol.EncryptionLevel // unless it is a Retry or Version Negotiation packet
	Version        protocol.Version
	DstCID, SrcCID protocol.ConnectionID
	Token          []byte             // Initial and Retry
	Versions       []protocol.Version // Version Negotiation
	Size           int

	// Of an opened packet.
	FirstByte byte // without header protection
	PN        protocol.PacketNumber
	PNLen     int
	KeyPhase  protocol.KeyPhase
	Payload   []byte
	Frames    []wire.Frame // without PADDING
	Padding   int

	Err error // why the packet was not opened or its frames could not be parsed

	taken   []bool // by frame: an Expect function has returned it
	noticed bool   // an Expect function has returned the packet
}

// AckEliciting reports whether the packet has to be acknowledged.
func (r *Received) AckEliciting() bool {
	for _, f := range r.Frames {
		if isAckEliciting(f) {
			return true
		}
	}
	return false
}

// A pendingPacket waits for its keys.
type pendingPacket struct {
	r        *Received
	raw      []byte
	pnOffset int
}

const (
	maxDatagram = 1 << 16
	maxPending  = 64
)

// read handles the datagrams of one socket until it is closed.
func (p *Peer) read(conn net.PacketConn) {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			p.set(func() { p.failLocked(err) })
			return
		}
		p.set(func() {
			p.receiveLocked(append([]byte(nil), buf[:n]...), from, conn.LocalAddr())
			p.notifyLocked()
		})
	}
}

// receiveLocked handles a datagram.
func (p *Peer) receiveLocked(datagram []byte, from, to net.Addr) {
	if !p.net.fixed {
		p.net.remote = from
	}
	first := true
	for rest := append([]byte(nil), datagram...); len(rest) > 0; {
		r := &Received{Time: time.Now(), From: from, To: to, Datagram: datagram, First: first}
		first = false
		p.log = append(p.log, r)
		n := p.receivePacketLocked(r, rest)
		rest = rest[n:]
	}
	p.flushLocked()
}

// receivePacketLocked handles the first packet of b, the rest of a datagram, and returns its length.
func (p *Peer) receivePacketLocked(r *Received, b []byte) int {
	r.Size = len(b)
	if !wire.IsLongHeader(b[0]) {
		cidLen := p.ids.src.Len()
		r.Type, r.Level, r.Version = protocol.PacketType1RTT, protocol.Encryption1RTT, p.keys.version
		if r.DstCID, r.Err = wire.ParseDestinationConnectionID(b, cidLen); r.Err == nil {
			p.openLocked(&pendingPacket{r: r, raw: b, pnOffset: 1 + cidLen})
		}
		return len(b)
	}
	if wire.IsVersionNegotiation(b) {
		r.Type = protocol.PacketTypeVersionNegotiation
		var dst, src []byte
		if dst, src, r.Versions, r.Err = wire.ParseVersionNegotiation(b); r.Err == nil {
			r.DstCID, r.SrcCID = shortened(dst), shortened(src)
		}
		return len(b)
	}
	h, err := wire.ParseLongHeader(b)
	if err != nil && !errors.Is(err, wire.ErrFixedBit) {
		r.Err = err
		return len(b)
	}
	r.Type, r.Version, r.DstCID, r.SrcCID, r.Token, r.Size = h.Type, h.Version, h.DstCID, h.SrcCID, h.Token, h.PacketLen
	if h.Type == protocol.PacketTypeRetry {
		p.handleRetryLocked(r, b, &h)
		return h.PacketLen
	}
	r.Level = levelOf(h.Type)
	p.beforeOpenLocked(r)
	p.openLocked(&pendingPacket{r: r, raw: b[:h.PacketLen], pnOffset: h.PNOffset})
	return h.PacketLen
}

func levelOf(t protocol.PacketType) protocol.EncryptionLevel {
	switch t {
	case protocol.PacketType0RTT:
		return protocol.Encryption0RTT
	case protocol.PacketTypeHandshake:
		return protocol.EncryptionHandshake
	default:
		return protocol.EncryptionInitial
	}
}

// shortened returns a connection ID of another version as far as it fits.
func shortened(b []byte) protocol.ConnectionID {
	return protocol.ParseConnectionID(b[:min(len(b), protocol.MaxConnectionIDLen)])
}

// beforeOpenLocked makes a server derive its first keys.
func (p *Peer) beforeOpenLocked(r *Received) {
	if p.pers != protocol.PerspectiveServer || r.Type != protocol.PacketTypeInitial || p.ids.origDst.Valid() {
		return
	}
	p.ids.origDst = r.DstCID
	p.ids.dst, p.ids.dstKnown = r.SrcCID, true
	p.keys.setInitial(r.DstCID, p.pers)
}

// openLocked removes the protection of a packet and handles its frames, or keeps it until there are keys.
func (p *Peer) openLocked(w *pendingPacket) {
	r := w.r
	largest := p.spaces[r.Level.Space()].largest
	o, err := p.keys.open(r.Level, w.raw, w.pnOffset, largest)
	if errors.Is(err, errNoKeys) && len(p.pending) < maxPending {
		p.pending = append(p.pending, *w)
	}
	r.Err = err
	if err != nil {
		return
	}
	p.onOpenedLocked(r, &o)
	p.retryPendingLocked()
}

// retryPendingLocked handles the packets for which the keys have come.
func (p *Peer) retryPendingLocked() {
	waiting := p.pending
	p.pending = nil
	for i := range waiting {
		p.openLocked(&waiting[i])
	}
}

func (p *Peer) onOpenedLocked(r *Received, o *protect.Opened) {
	r.FirstByte, r.PN, r.PNLen, r.KeyPhase, r.Payload = o.First, o.PN, o.PNLen, o.KeyPhase, o.Payload
	r.parse(&p.parser)
	p.spaces[r.Level.Space()].onReceived(r)
	if p.pers == protocol.PerspectiveClient && !p.ids.dstKnown && r.Type != protocol.PacketType1RTT {
		p.ids.dst, p.ids.dstKnown = r.SrcCID, true
	}
	for _, f := range r.Frames {
		p.handleFrameLocked(r, f)
	}
}

// parse decodes the frames of the payload.
func (r *Received) parse(parser *wire.Parser) {
	var d wire.Decoded
	for b := r.Payload; len(b) > 0; {
		n, err := parser.Next(b, r.Level, &d)
		if err != nil {
			r.Err = err
			return
		}
		if f := d.Frame(); f != nil {
			r.Frames = append(r.Frames, f)
		} else {
			r.Padding += n
		}
		b = b[n:]
	}
	r.taken = make([]bool, len(r.Frames))
}

// handleFrameLocked does what the Peer does by itself.
func (p *Peer) handleFrameLocked(r *Received, f wire.Frame) {
	switch f := f.(type) {
	case *wire.CryptoFrame:
		p.handleCryptoLocked(r.Level, f)
	case *wire.HandshakeDoneFrame:
		p.tls.confirmed = true
	case *wire.ConnectionCloseFrame:
		p.closed = true
	case *wire.PathChallengeFrame:
		if !p.held.pathResponses && !p.closed {
			p.sendLocked(p.packetLocked(protocol.Encryption1RTT, &wire.PathResponseFrame{Data: f.Data}))
		}
	}
}
