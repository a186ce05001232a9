package testutils

import (
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// emptyPayload is the size of the payload of an Initial without frames: enough PADDING for a datagram
// that may open a connection (RFC 9000, Section 14.1).
const emptyPayload = 1200

// packetNumberLen is the longest one, so that one byte of payload is enough for header protection.
const packetNumberLen = 4

// ComposeInitialPacket returns an Initial packet with packet number 0 that sentBy would send. key is the
// Destination Connection ID of the client's first Initial (or of the Retry), from which the keys are
// derived. A packet without frames is filled with PADDING to the size of a client's first one.
func ComposeInitialPacket(
	srcConnID, destConnID, key protocol.ConnectionID, token []byte, frames []Frame,
	sentBy protocol.Perspective, version protocol.Version,
) []byte {
	b, lengthOffset := wire.AppendLongHeader(nil, protocol.PacketTypeInitial, version, destConnID, srcConnID,
		token, 0, packetNumberLen)
	payload := len(b)
	for _, f := range frames {
		var err error
		if b, err = f.Append(b, version); err != nil {
			panic("BUG: frame of an Initial: " + err.Error())
		}
	}
	if len(frames) == 0 {
		b = append(b, make([]byte, emptyPayload)...)
	}
	wire.SetLongHeaderLength(b, lengthOffset, packetNumberLen+len(b)-payload+protect.Overhead)
	sealer, _ := protect.InitialKeys(version, key, sentBy)
	return sealer.Seal(b, 0, payload, 0, packetNumberLen)
}

// ComposeRetryPacket returns a Retry packet that answers an Initial with Destination Connection ID
// origDestConnID.
func ComposeRetryPacket(srcConnID, destConnID, origDestConnID protocol.ConnectionID, token []byte, version protocol.Version) []byte {
	b := wire.AppendRetry(nil, version, destConnID, srcConnID, token)
	tag := protect.RetryTag(version, origDestConnID, b)
	return append(b, tag[:]...)
}
