package wire

import "github.com/quic-go/quic-go/internal/protocol"

// A NewConnectionIDFrame is a NEW_CONNECTION_ID frame (RFC 9000, Section 19.15).
type NewConnectionIDFrame struct {
	SequenceNumber      uint64
	RetirePriorTo       uint64
	ConnectionID        protocol.ConnectionID
	StatelessResetToken protocol.StatelessResetToken
}

// Append implements Frame.
func (f *NewConnectionIDFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	out, err := appendVarints(b, FrameTypeNewConnectionID, f.SequenceNumber, f.RetirePriorTo)
	if err != nil {
		return b, err
	}
	out = append(out, byte(f.ConnectionID.Len()))
	out = f.ConnectionID.Append(out)
	return append(out, f.StatelessResetToken[:]...), nil
}

// Length implements Frame.
func (f *NewConnectionIDFrame) Length(protocol.Version) protocol.ByteCount {
	n := varintsLen(FrameTypeNewConnectionID, f.SequenceNumber, f.RetirePriorTo)
	return n + protocol.ByteCount(1+f.ConnectionID.Len()+len(f.StatelessResetToken))
}

func (d *Decoded) parseNewConnectionID(r *frameReader) error {
	d.Sequence = r.varint()
	d.RetirePriorTo = r.varint()
	// RFC 9000, Section 19.15: "Receiving a value in the Retire Prior To field that is greater than that in the
	// Sequence Number field MUST be treated as a connection error of type FRAME_ENCODING_ERROR."
	if d.RetirePriorTo > d.Sequence {
		return d.encodingError("Retire Prior To exceeds Sequence Number")
	}
	length := r.bytes(1)
	if r.truncated {
		return nil
	}
	// RFC 9000, Section 19.15: "Values less than 1 and greater than 20 are invalid and MUST be treated as a
	// connection error of type FRAME_ENCODING_ERROR."
	if length[0] < 1 || length[0] > protocol.MaxConnectionIDLen {
		return d.encodingError("connection ID length is not in 1..20")
	}
	d.ConnectionID = protocol.ParseConnectionID(r.bytes(uint64(length[0])))
	copy(d.ResetToken[:], r.bytes(uint64(len(d.ResetToken))))
	return nil
}
