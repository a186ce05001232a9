package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/quicvarint"
)

// TestFramesInWrongPackets covers T-055 to T-096: RFC 9000, Section 12.4, Table 3.
func TestFramesInWrongPackets(t *testing.T) {
	for _, tt := range frameVectors {
		for lvl := range protocol.EncryptionLevel(protocol.NumEncryptionLevels) {
			t.Run(fmt.Sprint(tt.name, " in ", lvl), func(t *testing.T) {
				encoded := hexBytes(t, tt.encoded)
				n, err := testParser().Next(encoded, lvl, new(Decoded))
				typ, _, _ := quicvarint.Parse(encoded)
				if FrameType(typ).row().levels.contains(lvl) {
					if n != len(encoded) || err != nil {
						t.Errorf("Next = %d, %v, want %d", n, err, len(encoded))
					}
					return
				}
				checkError(t, err, qerr.ProtocolViolation)
				if terr, ok := errors.AsType[*qerr.TransportError](err); ok && terr.FrameType != typ {
					t.Errorf("frame type of the error = %#x, want %#x", terr.FrameType, typ)
				}
			})
		}
	}
}

func TestMalformedFrames(t *testing.T) {
	const enc, violation = qerr.FrameEncodingError, qerr.ProtocolViolation
	for _, tt := range []struct {
		name    string
		encoded string
		want    qerr.TransportErrorCode
	}{
		{"no bytes", "", enc},
		{"unknown type (T-044)", "20", enc},
		{"unknown type of 8 bytes (T-045)", varint8, enc},
		{"unknown type of 2 bytes", "4040", enc},
		{"truncated type (T-046)", "40", enc},
		{"PING of 2 bytes (T-047)", "4001", violation},
		{"PADDING of 2 bytes (T-048)", "4000", violation},
		{"PADDING of 4 bytes (T-048)", "80000000", violation},
		{"STREAM of 8 bytes", "c000000000000008 04", violation},
		{"ACK range longer than the largest packet number (T-121)", "02 05 00 00 06", enc},
		{"ACK gap that leads below 0 (T-122)", "02 05 00 01 02 02 00", enc},
		{"ACK gap of 2^62-1", "02 05 00 01 02 " + varint8 + " 00", enc},
		{"ACK range length that leads below 0 (T-123)", "02 09 00 01 02 02 04", enc},
		{"ACK with 2^62-1 ranges in 20 bytes (T-124)", "02 3f 00 " + varint8 + " 00 00 00 00 00 00 00 00 00", enc},
		{"CRYPTO beyond 2^62-1 (T-144)", "06 fffffffffffffffd 03 616263", enc},
		{"STREAM beyond 2^62-1 (T-153)", "0e 04 fffffffffffffffd 03 616263", enc},
		{"STREAM without length beyond 2^62-1", "0c 04 fffffffffffffffd 616263", enc},
		{"STREAM longer than the packet", "0a 04 3f 616263", enc},
		{"CRYPTO with a length of 2^62-1", "06 00 " + varint8 + " 00", enc},
		{"NEW_TOKEN without token (T-148)", "07 00", enc},
		{"MAX_STREAMS 2^60+1 (T-169)", "12 d000000000000001", enc},
		{"MAX_STREAMS 2^60+1, unidirectional", "13 d000000000000001", enc},
		{"STREAMS_BLOCKED 2^60+1 (T-173)", "16 d000000000000001", enc},
		{"STREAMS_BLOCKED 2^62-1, unidirectional", "17 " + varint8, enc},
		{"NEW_CONNECTION_ID of 0 bytes (T-178)", "18 01 00 00 " + sixteenBytes, enc},
		{"NEW_CONNECTION_ID of 21 bytes (T-179)", "18 01 00 15 " + twentyBytes + "00" + sixteenBytes, enc},
		{"NEW_CONNECTION_ID of 255 bytes", "18 01 00 ff " + twentyBytes + sixteenBytes, enc},
		{"NEW_CONNECTION_ID that retires itself (T-180)", "18 01 02 01 ab " + sixteenBytes, enc},
		{"RESET_STREAM_AT with a reliable size above the final size (T-355)", "24 04 05 4064 4065", enc},
		{"ACK_FREQUENCY with a delay of 2^14 ms", "40af 00 00 80fa0000 00", violation},
		{"ACK_FREQUENCY with a delay of 2^62-1", "40af 00 00 " + varint8 + " 00", violation},
		{"ACK_FREQUENCY with a type of 4 bytes", "800000af 00 00 00 00", violation},
		{"CONNECTION_CLOSE with a reason longer than the packet", "1c 00 00 05 666f6f", enc},
		{"DATAGRAM longer than the packet", "31 3f 616263", enc},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := testParser().Next(hexBytes(t, tt.encoded), protocol.Encryption1RTT, new(Decoded))
			checkError(t, err, tt.want)
		})
	}
}

func TestExtensionsThatWereNotNegotiated(t *testing.T) {
	for _, tt := range []struct {
		name    string
		encoded string
		want    qerr.TransportErrorCode
	}{
		{"DATAGRAM (T-348)", "30 616263", qerr.ProtocolViolation},
		{"DATAGRAM with length (T-348)", "31 03 616263", qerr.ProtocolViolation},
		{"RESET_STREAM_AT (T-356)", "24 04 05 4064 4063", qerr.FrameEncodingError},
		{"IMMEDIATE_ACK", "1f", qerr.FrameEncodingError},
		{"ACK_FREQUENCY", "40af 00 00 00 00", qerr.FrameEncodingError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p Parser
			_, err := p.Next(hexBytes(t, tt.encoded), protocol.Encryption1RTT, new(Decoded))
			checkError(t, err, tt.want)
		})
	}
}

// TestLargeDatagram covers T-349.
func TestLargeDatagram(t *testing.T) {
	for _, hasLen := range []bool{false, true} {
		for excess := range 2 {
			size := int(protocol.MaxDatagramFrameSize) + excess
			dataLen := size - 1
			if hasLen {
				dataLen -= 2
			}
			b := append(AppendDatagramHeader(nil, dataLen, hasLen), make([]byte, dataLen)...)
			n, err := testParser().Next(b, protocol.Encryption1RTT, new(Decoded))
			if excess > 0 {
				checkError(t, err, qerr.ProtocolViolation)
				continue
			}
			if n != size || err != nil {
				t.Errorf("Next of %d bytes, with length %t = %d, %v", size, hasLen, n, err)
			}
		}
	}
}

func TestPadding(t *testing.T) {
	b := append(make([]byte, 1000), 1, 0)
	d := staleDecoded()
	n, err := testParser().Next(b, protocol.EncryptionInitial, &d)
	if n != 1000 || err != nil || d.Type != FrameTypePadding {
		t.Errorf("Next = %d, %v, %v, want 1000 bytes of PADDING", n, err, d.Type)
	}
	if n, err := testParser().Next(b[:7], protocol.EncryptionInitial, &d); n != 7 || err != nil {
		t.Errorf("Next of PADDING alone = %d, %v, want 7", n, err)
	}
}

func TestFramesOfAPacket(t *testing.T) {
	var payload []byte
	for _, tt := range frameVectors {
		payload = append(payload, hexBytes(t, tt.encoded)...)
	}
	p, rest := testParser(), payload
	for _, tt := range frameVectors {
		var d Decoded
		n, err := p.Next(rest, protocol.Encryption1RTT, &d)
		if err != nil || d.Type != tt.decoded.Type {
			t.Fatalf("Next = %d, %v, %v, want %v", n, err, d.Type, tt.decoded.Type)
		}
		rest = rest[n:]
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes are left", len(rest))
	}
}

// TestDataAliasesPacket says what callers may rely on: data is not copied, and appending to it does not
// reach the next frame.
func TestDataAliasesPacket(t *testing.T) {
	b := hexBytes(t, "0a 04 03 616263 01")
	var d Decoded
	if _, err := testParser().Next(b, protocol.Encryption1RTT, &d); err != nil {
		t.Fatal(err)
	}
	if &d.Data[0] != &b[3] {
		t.Error("Data is a copy")
	}
	_ = append(d.Data, 'x')
	if b[6] != 1 {
		t.Error("appending to Data changes the packet")
	}
}

func TestAckDelay(t *testing.T) {
	const overflow = time.Duration(math.MaxInt64)
	for _, tt := range []struct {
		name     string
		delay    uint64
		exponent uint8
		lvl      protocol.EncryptionLevel
		want     time.Duration
	}{
		{"1-RTT uses the exponent of the peer", 10, 5, protocol.Encryption1RTT, 320 * time.Microsecond},
		{"Initial always uses 3", 10, 5, protocol.EncryptionInitial, 80 * time.Microsecond},
		{"Handshake always uses 3", 10, 5, protocol.EncryptionHandshake, 80 * time.Microsecond},
		{"exponent 0", 10, 0, protocol.Encryption1RTT, 10 * time.Microsecond},
		{"the largest values (T-130)", quicvarint.Max, 20, protocol.Encryption1RTT, overflow},
		{"the largest delay with exponent 0", quicvarint.Max, 0, protocol.Encryption1RTT, overflow},
		{"the largest that fits", math.MaxInt64 / 1000 >> 20, 20, protocol.Encryption1RTT, math.MaxInt64 / 1000 >> 20 << 20 * time.Microsecond},
		{"one more", math.MaxInt64/1000>>20 + 1, 20, protocol.Encryption1RTT, overflow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := append(quicvarint.Append([]byte{2, 5}, tt.delay), 0, 0)
			p, d := Parser{AckDelayExponent: tt.exponent}, Decoded{}
			if _, err := p.Next(b, tt.lvl, &d); err != nil || d.Ack.Delay != tt.want {
				t.Errorf("delay = %v, %v, want %v", d.Ack.Delay, err, tt.want)
			}
		})
	}
}

func TestAckWithManyRanges(t *testing.T) {
	const count = 10_000
	b := quicvarint.Append([]byte{2}, 2*count)
	b = append(quicvarint.Append(append(b, 0), count), 0)
	b = append(b, make([]byte, 2*count)...)
	var d Decoded
	n, err := testParser().Next(b, protocol.Encryption1RTT, &d)
	if n != len(b) || err != nil || len(d.Ack.Ranges) != count+1 {
		t.Fatalf("Next = %d, %v, %d ranges, want %d, %d ranges", n, err, len(d.Ack.Ranges), len(b), count+1)
	}
	for i, r := range d.Ack.Ranges {
		if want := protocol.PacketNumber(2*count - 2*i); r != (AckRange{want, want}) {
			t.Fatalf("range %d = %v, want %d only", i, r, want)
		}
	}
}

func TestHostileRangeCountCostsNothing(t *testing.T) {
	b := hexBytes(t, "02 3f 00 "+varint8+" 00 00 00 00 00 00 00 00 00")
	p := testParser()
	if _, err := p.Next(b, protocol.Encryption1RTT, new(Decoded)); err == nil {
		t.Error("no error")
	}
	if cap(p.ackRanges) > len(b) {
		t.Errorf("%d ranges are held for %d bytes", cap(p.ackRanges), len(b))
	}
}

// hotFrames are the frames of packets in bulk transfer.
var hotFrames = []struct {
	name    string
	encoded []byte
}{
	{"STREAM", append([]byte{0x0e, 4, 0x80, 1, 2, 3, 0x44, 0xb0}, make([]byte, 1200)...)},
	{"DATAGRAM", append([]byte{0x31, 0x44, 0xb0}, make([]byte, 1200)...)},
	{"ACK of 1 range", []byte{2, 0x80, 0, 0x80, 0, 20, 0, 9}},
	{"ACK of 32 ranges", append([]byte{2, 0x80, 0, 0x80, 0, 20, 31, 9}, bytes.Repeat([]byte{1, 2}, 31)...)},
	{"MAX_DATA", []byte{0x10, 0x80, 1, 2, 3}},
	{"PADDING", make([]byte, 1200)},
}

func TestParserDoesNotAllocate(t *testing.T) {
	for _, tt := range hotFrames {
		t.Run(tt.name, func(t *testing.T) {
			p, d := testParser(), new(Decoded)
			n := testing.AllocsPerRun(100, func() {
				if _, err := p.Next(tt.encoded, protocol.Encryption1RTT, d); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("Next allocates %v times", n)
			}
		})
	}
}

func BenchmarkParserNext(b *testing.B) {
	for _, tt := range hotFrames {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			p, d := testParser(), new(Decoded)
			for b.Loop() {
				if _, err := p.Next(tt.encoded, protocol.Encryption1RTT, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
