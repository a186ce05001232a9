package wire

import (
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

func BenchmarkAppendShortHeader(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		AppendShortHeader(buf, sampleClientCID, 1<<20, 2)
	}
}

func BenchmarkAppendLongHeader(b *testing.B) {
	buf, token := make([]byte, 0, 256), make([]byte, 60)
	b.ReportAllocs()
	for b.Loop() {
		p, at := AppendLongHeader(buf, protocol.PacketTypeInitial, protocol.Version1, sampleClientCID, sampleServerCID, token, 2, 4)
		SetLongHeaderLength(p, at, 1000)
	}
}

func BenchmarkParseLongHeader(b *testing.B) {
	p, at := AppendLongHeader(nil, protocol.PacketTypeInitial, protocol.Version1, sampleClientCID, sampleServerCID, make([]byte, 60), 2, 4)
	SetLongHeaderLength(p, at, 1000)
	p = append(p, make([]byte, 1000)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLongHeader(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseDestination is what is read of each datagram to find its connection.
func BenchmarkParseDestination(b *testing.B) {
	p := AppendShortHeader(nil, sampleClientCID, 1<<20, 2)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseDestinationConnectionID(p, sampleClientCID.Len()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodePacketNumber(b *testing.B) {
	pn := protocol.PacketNumber(0)
	for b.Loop() {
		pn = DecodePacketNumber(pn+1000, pn&0xffff, 2)
	}
}

// BenchmarkParsePayload takes apart the frames of a packet with a bit of everything: ACK, MAX_DATA, MAX_STREAM_DATA, and STREAM
// frames of three streams.
func BenchmarkParsePayload(b *testing.B) {
	payload := []byte{2, 0x80, 0, 0x80, 0, 20, 1, 9, 3, 3}
	for _, f := range []Frame{&MaxDataFrame{MaximumData: 1 << 20}, &MaxStreamDataFrame{StreamID: 4, MaximumStreamData: 1 << 20}} {
		var err error
		if payload, err = f.Append(payload, protocol.Version1); err != nil {
			b.Fatal(err)
		}
	}
	for id := range protocol.StreamID(3) {
		payload = AppendStreamHeader(payload, 4*id, 1<<20, 300, true, true)
		payload = append(payload, make([]byte, 300)...)
	}
	parser, d := testParser(), new(Decoded)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := payload; len(rest) > 0; {
			n, err := parser.Next(rest, protocol.Encryption1RTT, d)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

// BenchmarkAppendFrames appends the control frames that are sent most often.
func BenchmarkAppendFrames(b *testing.B) {
	frames := []struct {
		name  string
		frame Frame
	}{
		{"MAX_DATA", &MaxDataFrame{MaximumData: 1 << 30}},
		{"MAX_STREAM_DATA", &MaxStreamDataFrame{StreamID: 4, MaximumStreamData: 1 << 30}},
		{"RESET_STREAM", &ResetStreamFrame{StreamID: 4, ErrorCode: 0x10c, FinalSize: 1 << 20}},
		{"NEW_CONNECTION_ID", &NewConnectionIDFrame{SequenceNumber: 3, ConnectionID: sampleClientCID}},
	}
	for _, tt := range frames {
		b.Run(tt.name, func(b *testing.B) {
			buf := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tt.frame.Append(buf, protocol.Version1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendTransportParameters(b *testing.B) {
	p, buf := fullParameters(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		p.Append(buf, server)
	}
}

func BenchmarkParseTransportParameters(b *testing.B) {
	encoded := fullParameters().Append(nil, server)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTransportParameters(encoded, server); err != nil {
			b.Fatal(err)
		}
	}
}
