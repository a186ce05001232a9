package wire

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/quicvarint"
)

// A DatagramFrame is a DATAGRAM frame (RFC 9221, Section 4).
type DatagramFrame struct {
	DataLenPresent bool // without it, the data extends to the end of the packet
	Data           []byte
}

// Append implements Frame.
func (f *DatagramFrame) Append(b []byte, _ protocol.Version) ([]byte, error) {
	return append(AppendDatagramHeader(b, len(f.Data), f.DataLenPresent), f.Data...), nil
}

// Length implements Frame.
func (f *DatagramFrame) Length(protocol.Version) protocol.ByteCount {
	return protocol.ByteCount(DatagramFrameOverhead(len(f.Data), f.DataLenPresent) + len(f.Data))
}

// DatagramFrameOverhead returns the number of bytes that AppendDatagramHeader appends.
func DatagramFrameOverhead(dataLen int, hasLen bool) int {
	if !hasLen {
		return 1
	}
	return 1 + quicvarint.Len(uint64(dataLen))
}

// AppendDatagramHeader appends a DATAGRAM frame up to its data. Only the last frame of a packet may do
// without a length.
func AppendDatagramHeader(b []byte, dataLen int, hasLen bool) []byte {
	if !hasLen {
		return append(b, byte(FrameTypeDatagram))
	}
	return quicvarint.Append(append(b, byte(FrameTypeDatagramLen)), uint64(dataLen))
}

func (d *Decoded) parseDatagram(r *frameReader) error {
	t := d.Type
	d.Type = FrameTypeDatagram
	size := len(r.b)
	n := uint64(len(r.b))
	if t == FrameTypeDatagramLen {
		n = r.varint()
	}
	d.Data = r.bytes(n)
	size += 1 - len(r.b)
	// RFC 9221, Section 3: "an endpoint that receives a DATAGRAM frame that is larger than the value it sent in
	// its max_datagram_frame_size transport parameter MUST terminate the connection with an error of type
	// PROTOCOL_VIOLATION." The value counts the type and the length, too.
	if !r.truncated && size > int(protocol.MaxDatagramFrameSize) {
		return qerr.FrameError(qerr.ProtocolViolation, uint64(t), "DATAGRAM frame is too large")
	}
	return nil
}
