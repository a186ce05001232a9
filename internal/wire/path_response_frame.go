package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A PathResponseFrame is a PATH_RESPONSE frame (RFC 9000, Section 19.18).
type PathResponseFrame struct {
	Data [8]byte
}

// Append implements Frame.
func (f *PathResponseFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	b = append(b, byte(FrameTypePathResponse))
	return append(b, f.Data[:]...), nil
}

// Length implements Frame.
func (f *PathResponseFrame) Length(protocol.Version) protocol.ByteCount {
	return 1 + protocol.ByteCount(len(f.Data))
}
