package quictest

import (
	"errors"
	"time"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
)

var errNoKeys = errors.New("no keys for this level")

// A secret is a traffic secret that TLS has provided.
type secret struct {
	suite uint16
	bytes []byte
}

// A keyring holds the keys of a Peer, which never discards any.
type keyring struct {
	version protocol.Version
	sealers [protocol.NumEncryptionLevels]*protect.Sealer // not 1-RTT
	openers [protocol.NumEncryptionLevels]*protect.Opener // not 1-RTT

	read, write *secret // 1-RTT
	// opener follows the key updates of the other endpoint. It is never used to send, but for
	// pretending that something was sent in each key phase.
	opener *protect.OneRTT
	// phases are the keys to send by key phase, made when they are needed.
	phases map[protocol.KeyPhase]*protect.OneRTT
	phase  protocol.KeyPhase // of the packets to send
}

func (k *keyring) setInitial(dst protocol.ConnectionID, pers protocol.Perspective) {
	k.sealers[protocol.EncryptionInitial], k.openers[protocol.EncryptionInitial] = protect.InitialKeys(k.version, dst, pers)
}

// install takes the keys of an event of the handshake.
func (k *keyring) install(e *handshake.Event) error {
	s := &secret{suite: e.Suite, bytes: e.Secret}
	var err error
	switch {
	case e.Level == protocol.Encryption1RTT:
		if e.Kind == handshake.EventReadKeys {
			k.read = s
		} else {
			k.write = s
		}
		if k.read != nil && k.opener == nil && k.write != nil {
			k.opener, err = k.newPhase(0)
		}
	case e.Kind == handshake.EventReadKeys:
		k.openers[e.Level], err = protect.NewOpener(e.Suite, k.version, e.Secret)
	default:
		k.sealers[e.Level], err = protect.NewSealer(e.Suite, k.version, e.Secret)
	}
	return err
}

// newPhase returns 1-RTT keys that were updated n times.
func (k *keyring) newPhase(n protocol.KeyPhase) (*protect.OneRTT, error) {
	o := protect.NewOneRTT(k.version, protect.Limits{UpdateAfter: 1})
	if err := o.SetWriteSecret(k.write.suite, k.write.bytes); err != nil {
		return nil, err
	}
	read := k.read
	if read == nil { // a server that has no Finished yet: it may send, and nobody opens with these keys
		read = k.write
	}
	if err := o.SetReadSecret(read.suite, read.bytes); err != nil {
		return nil, err
	}
	pretendToSend(o)
	for range n {
		o.OnAcked(0)
		if err := o.MaybeUpdate(monotime.Now(), true); err != nil {
			return nil, err
		}
		pretendToSend(o)
	}
	return o, nil
}

// pretendToSend seals packet number 0 and throws it away.
func pretendToSend(o *protect.OneRTT) {
	const header, payload = 2, 4
	o.Seal(make([]byte, header+payload, header+payload+protect.Overhead), 0, header, 0, 1)
}

// canSeal reports whether packets of the level can be sent.
func (k *keyring) canSeal(level protocol.EncryptionLevel) bool {
	if level == protocol.Encryption1RTT {
		return k.write != nil
	}
	return k.sealers[level] != nil
}

// seal protects b[start:], see protect.Sealer.
func (k *keyring) seal(b []byte, start, payload int, pkt *Packet) ([]byte, error) {
	if !k.canSeal(pkt.Level) {
		return nil, errNoKeys
	}
	if pkt.Level != protocol.Encryption1RTT {
		return k.sealers[pkt.Level].Seal(b, start, payload, pkt.PN, pkt.PNLen), nil
	}
	o := k.phases[pkt.KeyPhase]
	if o == nil {
		var err error
		if o, err = k.newPhase(pkt.KeyPhase); err != nil {
			return nil, err
		}
		if k.phases == nil {
			k.phases = make(map[protocol.KeyPhase]*protect.OneRTT)
		}
		k.phases[pkt.KeyPhase] = o
	}
	return o.Seal(b, start, payload, pkt.PN, pkt.PNLen), nil
}

// open removes the protection of a packet in place.
func (k *keyring) open(level protocol.EncryptionLevel, pkt []byte, pnOffset int, largest protocol.PacketNumber) (protect.Opened, error) {
	if level != protocol.Encryption1RTT {
		if k.openers[level] == nil {
			return protect.Opened{}, errNoKeys
		}
		return k.openers[level].Open(pkt, pnOffset, largest)
	}
	if k.opener == nil {
		return protect.Opened{}, errNoKeys
	}
	before := k.opener.Phase()
	o, err := k.opener.Open(monotime.Now(), pkt, pnOffset, largest, time.Second)
	if k.opener.Phase() != before {
		pretendToSend(k.opener)
		k.phase = max(k.phase, k.opener.Phase())
	}
	return o, err
}
