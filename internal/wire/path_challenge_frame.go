package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A PathChallengeFrame is a PATH_CHALLENGE frame (RFC 9000, Section 19.17).
type PathChallengeFrame struct {
	Data [8]byte
}

// Append implements Frame.
func (f *PathChallengeFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	b = append(b, byte(FrameTypePathChallenge))
	return append(b, f.Data[:]...), nil
}

// Length implements Frame.
func (f *PathChallengeFrame) Length(protocol.Version) protocol.ByteCount {
	return 1 + protocol.ByteCount(len(f.Data))
}

// parsePathData also parses PATH_RESPONSE.
func (d *Decoded) parsePathData(r *frameReader) { d.Data = r.bytes(8) }
