package quictest

import (
	"encoding/binary"
	"slices"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/quicvarint"
)

// A Packet is a packet to send. Peer.Packet fills it in; a test changes what it wants to be wrong.
type Packet struct {
	Level          protocol.EncryptionLevel
	Version        protocol.Version
	DstCID, SrcCID []byte // up to 255 bytes
	Token          []byte // Initial
	PN             protocol.PacketNumber
	PNLen          int
	Payload        []byte            // frames
	KeyPhase       protocol.KeyPhase // 1-RTT
	// FlipBits are flipped in the first byte before the packet is protected.
	FlipBits byte
	// AddLength is added to the Length field of a long header.
	AddLength int
	// Corrupt changes the protected packet.
	Corrupt func(b []byte)
}

const (
	longHeader     = 0xc0
	shortHeader    = 0x40
	typeShift      = 4
	lengthFieldLen = 2
	sampleOffset   = 4 // RFC 9001, Section 5.4.2
)

// typeBits are the Long Packet Type of each level (RFC 9000, Section 17.2 and RFC 9369, Section 3.2).
func typeBits(v protocol.Version, level protocol.EncryptionLevel) byte {
	bits := byte(level) // Initial, 0-RTT, Handshake
	if v == protocol.Version2 {
		bits++
	}
	return bits << typeShift
}

// appendHeader appends the header without protection.
func (pkt *Packet) appendHeader(b []byte) []byte {
	first := byte(pkt.PNLen-1) ^ pkt.FlipBits
	if pkt.Level == protocol.Encryption1RTT {
		b = append(b, shortHeader^first)
		b = append(b, pkt.DstCID...)
		return pkt.appendNumber(b)
	}
	b = append(b, longHeader^typeBits(pkt.Version, pkt.Level)^first)
	b = binary.BigEndian.AppendUint32(b, uint32(pkt.Version))
	b = append(append(b, byte(len(pkt.DstCID))), pkt.DstCID...)
	b = append(append(b, byte(len(pkt.SrcCID))), pkt.SrcCID...)
	if pkt.Level == protocol.EncryptionInitial {
		b = append(quicvarint.Append(b, uint64(len(pkt.Token))), pkt.Token...)
	}
	length := pkt.PNLen + len(pkt.Payload) + protect.Overhead + pkt.AddLength
	b = quicvarint.AppendWithLen(b, uint64(max(length, 0)), lengthFieldLen)
	return pkt.appendNumber(b)
}

func (pkt *Packet) appendNumber(b []byte) []byte {
	for i := pkt.PNLen - 1; i >= 0; i-- {
		b = append(b, byte(pkt.PN>>(8*i)))
	}
	return b
}

// append appends the protected packet to b.
func (pkt *Packet) append(b []byte, k *keyring) ([]byte, error) {
	if short := sampleOffset - pkt.PNLen - len(pkt.Payload); short > 0 {
		pkt.Payload = append(pkt.Payload, Padding(short)...)
	}
	start := len(b)
	b = pkt.appendHeader(b)
	payload := len(b)
	b = append(b, pkt.Payload...)
	b, err := k.seal(slices.Grow(b, protect.Overhead), start, payload, pkt)
	if err == nil && pkt.Corrupt != nil {
		pkt.Corrupt(b[start:])
	}
	return b, err
}

// Packet returns a packet of the level with the next packet number and these frames, right in every respect.
func (p *Peer) Packet(level protocol.EncryptionLevel, frames ...wire.Frame) *Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.packetLocked(level, frames...)
}

func (p *Peer) packetLocked(level protocol.EncryptionLevel, frames ...wire.Frame) *Packet {
	s := &p.spaces[level.Space()]
	pkt := &Packet{
		Level: level, Version: p.keys.version,
		DstCID: p.ids.dst.Bytes(), SrcCID: p.ids.src.Bytes(),
		PN: s.next, PNLen: 4,
		Payload:  Encode(frames...),
		KeyPhase: p.keys.phase,
	}
	if level == protocol.EncryptionInitial {
		pkt.Token = p.ids.token
	}
	s.next++
	return pkt
}

// SetNextNumber sets the number of the next packet of the level.
func (p *Peer) SetNextNumber(level protocol.EncryptionLevel, pn protocol.PacketNumber) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spaces[level.Space()].next = pn
}

// Seal returns the protected packets as one datagram, without padding.
func (p *Peer) Seal(pkts ...*Packet) []byte {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := p.sealLocked(pkts)
	if err != nil {
		p.t.Fatalf("seal: %v", err)
	}
	return b
}

func (p *Peer) sealLocked(pkts []*Packet) (b []byte, err error) {
	for _, pkt := range pkts {
		if b, err = pkt.append(b, &p.keys); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// sealPaddedLocked is sealLocked, but makes a datagram with an Initial as large as RFC 9000, Section 14.1 asks.
func (p *Peer) sealPaddedLocked(pkts []*Packet) ([]byte, error) {
	b, err := p.sealLocked(pkts)
	short := protocol.MinInitialPacketSize - len(b)
	hasInitial := slices.ContainsFunc(pkts, func(pkt *Packet) bool { return pkt.Level == protocol.EncryptionInitial })
	if err != nil || !hasInitial || short <= 0 {
		return b, err
	}
	last := pkts[len(pkts)-1]
	last.Payload = append(last.Payload, Padding(short)...)
	return p.sealLocked(pkts)
}
