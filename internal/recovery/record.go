package recovery

import "github.com/quic-go/quic-go/internal/protocol"

// A Record is what one frame of a sent packet has to be remembered by. Its fields belong to the
// caller; this package only stores and returns them.
type Record struct {
	Kind     uint8
	Fin      bool
	Level    protocol.EncryptionLevel
	StreamID protocol.StreamID
	Offset   protocol.ByteCount
	Length   protocol.ByteCount
	Value    uint64
}
