package quictest

import (
	"crypto/tls"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// Options describe a Peer. Only TLS is required.
type Options struct {
	TLS     *tls.Config
	Version protocol.Version // 0: version 1
	// SrcCID is the first connection ID of the Peer, DstCID that to which a client sends its first Initial. The zero
	// value stands for a random one of 8 bytes.
	SrcCID, DstCID protocol.ConnectionID
	// Token is sent in the Initials of a client.
	Token []byte
	// Parameters changes the transport parameters before they are sent, EncodeParameters what they are encoded to.
	Parameters       func(*wire.TransportParameters)
	EncodeParameters func([]byte) []byte

	// EarlyData makes a client send 0-RTT if its session allows it, and a server issue tickets for 0-RTT. The server
	// accepts 0-RTT unless RejectEarlyData is set.
	EarlyData       bool
	RejectEarlyData bool

	// What is held back from the start, see the methods of the same names.
	HoldHandshake, HoldAcks, HoldPathResponses bool
	// HoldHandshakeDone keeps a server from sending HANDSHAKE_DONE.
	HoldHandshakeDone bool
}

// Defaults of a Peer's transport parameters: enough for everything that a test does not want to limit.
const (
	defaultWindow       protocol.ByteCount = 1 << 20
	defaultStreams      protocol.StreamNum = 100
	defaultIdleTimeout                     = 30 * time.Second
	defaultMaxDatagram  protocol.ByteCount = 16383
	defaultCIDLimit                        = 4
	defaultCIDLen                          = 8
	defaultExpectWindow                    = 3 * time.Second
)

func defaultParameters() *wire.TransportParameters {
	return &wire.TransportParameters{
		MaxIdleTimeout:                 defaultIdleTimeout,
		InitialMaxData:                 defaultWindow,
		InitialMaxStreamDataBidiLocal:  defaultWindow,
		InitialMaxStreamDataBidiRemote: defaultWindow,
		InitialMaxStreamDataUni:        defaultWindow,
		MaxBidiStreamNum:               defaultStreams,
		MaxUniStreamNum:                defaultStreams,
		AckDelayExponent:               protocol.AckDelayExponent,
		MaxAckDelay:                    protocol.DefaultMaxAckDelay,
		ActiveConnectionIDLimit:        defaultCIDLimit,
		MaxDatagramFrameSize:           defaultMaxDatagram,
		EnableResetStreamAt:            true,
	}
}

func orRandom(cid protocol.ConnectionID) protocol.ConnectionID {
	if cid.Valid() {
		return cid
	}
	cid, err := protocol.RandomConnectionID(defaultCIDLen)
	if err != nil {
		panic("BUG: no random connection ID: " + err.Error())
	}
	return cid
}

// Levels in the short form of tests.
const (
	Initial   = protocol.EncryptionInitial
	ZeroRTT   = protocol.Encryption0RTT
	Handshake = protocol.EncryptionHandshake
	OneRTT    = protocol.Encryption1RTT
)
