package quictest

import (
	"bytes"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// A sentDatagram is kept for the report of a failed test.
type sentDatagram struct {
	time time.Time
	pkts []Packet
	data []byte
}

// maxSentKept bounds the datagrams in the report.
const maxSentKept = 40

// Send sends a packet with these frames, alone in its datagram, and returns its number. An Initial is padded.
func (p *Peer) Send(level protocol.EncryptionLevel, frames ...wire.Frame) protocol.PacketNumber {
	p.t.Helper()
	pkt := p.Packet(level, frames...)
	p.SendPackets(pkt)
	return pkt.PN
}

// SendPackets sends packets in one datagram, which is padded if there is an Initial.
func (p *Peer) SendPackets(pkts ...*Packet) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := p.sealPaddedLocked(pkts)
	if err == nil {
		err = p.writeLocked(b, pkts...)
	}
	if err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// SendRaw sends bytes as a datagram.
func (p *Peer) SendRaw(datagram []byte) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writeLocked(datagram); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// SentDatagrams returns the last datagrams that were sent, as they were sent.
func (p *Peer) SentDatagrams() (datagrams [][]byte) {
	p.set(func() {
		for _, d := range p.sent {
			datagrams = append(datagrams, bytes.Clone(d.data))
		}
	})
	return datagrams
}

// SendCrypto sends data behind what TLS has sent at the level.
func (p *Peer) SendCrypto(level protocol.EncryptionLevel, data []byte) {
	p.set(func() {
		p.tls.driver.Crypto(level).Write(data)
		p.flushCryptoLocked()
	})
}

// SendCryptoAt sends CRYPTO frames with data from an offset on, in as many packets as it takes.
func (p *Peer) SendCryptoAt(level protocol.EncryptionLevel, off protocol.ByteCount, data []byte) {
	p.t.Helper()
	const perPacket = 1000
	for len(data) > 0 {
		n := min(perPacket, len(data))
		p.Send(level, &wire.CryptoFrame{Offset: off, Data: data[:n]})
		off += protocol.ByteCount(n)
		data = data[n:]
	}
}

// sendLocked is SendPackets on the reading goroutine.
func (p *Peer) sendLocked(pkts ...*Packet) {
	b, err := p.sealPaddedLocked(pkts)
	if err == nil {
		err = p.writeLocked(b, pkts...)
	}
	if err != nil {
		p.failLocked(err)
	}
}

func (p *Peer) writeLocked(b []byte, pkts ...*Packet) error {
	d := sentDatagram{time: time.Now(), data: b}
	for _, pkt := range pkts {
		d.pkts = append(d.pkts, *pkt)
	}
	p.sent = append(p.sent, d)
	if n := len(p.sent) - maxSentKept; n > 0 {
		p.sent = append(p.sent[:0], p.sent[n:]...)
	}
	_, err := p.net.conn.WriteTo(b, p.net.remote)
	return err
}

// flushLocked sends what the Peer sends by itself: acknowledgements and CRYPTO data.
func (p *Peer) flushLocked() {
	if !p.held.handshake && !p.closed {
		p.flushCryptoLocked()
		return
	}
	if ack, ok := p.takeAckLocked(protocol.Encryption1RTT); ok {
		p.sendLocked(p.packetLocked(protocol.Encryption1RTT, ack))
	}
}

// sendLevels are the levels of CRYPTO and ACK frames.
var sendLevels = [...]protocol.EncryptionLevel{protocol.EncryptionInitial, protocol.EncryptionHandshake, protocol.Encryption1RTT}

const (
	// packetOverhead is more than a header and tag take, but for the token.
	packetOverhead = 80
	minCryptoRoom  = 64
)

// flushCryptoLocked sends acknowledgements and CRYPTO data, coalesced.
func (p *Peer) flushCryptoLocked() {
	var pkts []*Packet
	room := protocol.MinInitialPacketSize
	flush := func() {
		if len(pkts) > 0 {
			p.sendLocked(pkts...)
		}
		pkts, room = nil, protocol.MinInitialPacketSize
	}
	add := func(level protocol.EncryptionLevel, frames ...wire.Frame) {
		pkts = append(pkts, p.packetLocked(level, frames...))
		room -= len(pkts[len(pkts)-1].Payload) + packetOverhead
	}
	for _, level := range sendLevels {
		if !p.keys.canSeal(level) {
			continue
		}
		if ack, ok := p.takeAckLocked(level); ok {
			add(level, ack)
		}
		for buf := p.tls.driver.Crypto(level); buf.HasLost() || buf.Unsent() > 0; {
			if room < packetOverhead+len(p.ids.token)+minCryptoRoom {
				flush()
			}
			off, data := p.takeCryptoLocked(level, room-packetOverhead-len(p.ids.token))
			add(level, &wire.CryptoFrame{Offset: off, Data: data})
		}
	}
	flush()
}
