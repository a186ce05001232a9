package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

const (
	varint8      = "ffffffffffffffff" // 2^62-1
	sixteenBytes = "000102030405060708090a0b0c0d0e0f"
	twentyBytes  = "101112131415161718191a1b1c1d1e1f20212223"
)

// frameVectors are frames that describe themselves by their encoding, written by hand from RFC 9000,
// Section 19 and the extensions. None may be cut anywhere.
var frameVectors = []struct {
	name    string
	encoded string // hexadecimal, with spaces between the fields
	frame   Frame
	decoded Decoded
}{
	{"PING", "01", &PingFrame{}, Decoded{Type: FrameTypePing}},
	{
		"ACK with one range", "02 14 00 00 0a",
		&AckFrame{AckRanges: []AckRange{{10, 20}}},
		Decoded{Type: FrameTypeAck, Ack: Ack{Ranges: []AckRange{{10, 20}}}},
	},
	{
		"ACK with three ranges and a delay", "02 4064 0a 02 00 00 00 3e 1e",
		&AckFrame{AckRanges: []AckRange{{100, 100}, {98, 98}, {4, 34}}, DelayTime: 80 * time.Microsecond},
		Decoded{Type: FrameTypeAck, Ack: Ack{Ranges: []AckRange{{100, 100}, {98, 98}, {4, 34}}, Delay: 80 * time.Microsecond}},
	},
	{
		"ACK_ECN", "03 14 00 01 00 08 0a 4040 00 3f",
		&AckFrame{AckRanges: []AckRange{{20, 20}, {0, 10}}, ECT0: 64, ECNCE: 63},
		Decoded{Type: FrameTypeAck, Ack: Ack{Ranges: []AckRange{{20, 20}, {0, 10}}, HasECN: true, ECT0: 64, CE: 63}},
	},
	{
		"RESET_STREAM", "04 4040 05 80100000",
		&ResetStreamFrame{StreamID: 64, ErrorCode: 5, FinalSize: 1 << 20},
		Decoded{Type: FrameTypeResetStream, StreamID: 64, ErrorCode: 5, FinalSize: 1 << 20},
	},
	{
		"RESET_STREAM with the largest values", "04 " + varint8 + varint8 + varint8,
		&ResetStreamFrame{StreamID: 1<<62 - 1, ErrorCode: 1<<62 - 1, FinalSize: protocol.MaxByteCount},
		Decoded{Type: FrameTypeResetStream, StreamID: 1<<62 - 1, ErrorCode: 1<<62 - 1, FinalSize: protocol.MaxByteCount},
	},
	{
		"RESET_STREAM_AT", "24 04 05 4064 4063",
		&ResetStreamFrame{StreamID: 4, ErrorCode: 5, FinalSize: 100, ReliableSize: 99},
		Decoded{Type: FrameTypeResetStreamAt, StreamID: 4, ErrorCode: 5, FinalSize: 100, ReliableSize: 99},
	},
	{
		"RESET_STREAM_AT with all of the stream", "24 04 05 4064 4064",
		&ResetStreamFrame{StreamID: 4, ErrorCode: 5, FinalSize: 100, ReliableSize: 100},
		Decoded{Type: FrameTypeResetStreamAt, StreamID: 4, ErrorCode: 5, FinalSize: 100, ReliableSize: 100},
	},
	{
		"STOP_SENDING", "05 07 4100",
		&StopSendingFrame{StreamID: 7, ErrorCode: 0x100},
		Decoded{Type: FrameTypeStopSending, StreamID: 7, ErrorCode: 0x100},
	},
	{
		"CRYPTO", "06 4400 03 616263",
		&CryptoFrame{Offset: 1024, Data: []byte("abc")},
		Decoded{Type: FrameTypeCrypto, Offset: 1024, Data: []byte("abc")},
	},
	{
		"CRYPTO without data", "06 00 00",
		&CryptoFrame{Data: []byte{}},
		Decoded{Type: FrameTypeCrypto, Data: []byte{}},
	},
	{
		"NEW_TOKEN", "07 02 beef",
		&NewTokenFrame{Token: []byte{0xbe, 0xef}},
		Decoded{Type: FrameTypeNewToken, Data: []byte{0xbe, 0xef}},
	},
	{
		"STREAM at offset 0", "0a 04 03 616263",
		&StreamFrame{StreamID: 4, Data: []byte("abc"), DataLenPresent: true},
		Decoded{Type: FrameTypeStream, StreamID: 4, Data: []byte("abc")},
	},
	{
		"STREAM at an offset with FIN", "0f 04 4400 03 616263",
		&StreamFrame{StreamID: 4, Offset: 1024, Data: []byte("abc"), Fin: true, DataLenPresent: true},
		Decoded{Type: FrameTypeStream, StreamID: 4, Offset: 1024, Data: []byte("abc"), Fin: true},
	},
	{
		"STREAM with nothing but FIN", "0b 4044 00",
		&StreamFrame{StreamID: 68, Data: []byte{}, Fin: true, DataLenPresent: true},
		Decoded{Type: FrameTypeStream, StreamID: 68, Data: []byte{}, Fin: true},
	},
	{
		"STREAM up to the last offset", "0e 04 fffffffffffffffc 03 616263",
		&StreamFrame{StreamID: 4, Offset: protocol.MaxByteCount - 3, Data: []byte("abc"), DataLenPresent: true},
		Decoded{Type: FrameTypeStream, StreamID: 4, Offset: protocol.MaxByteCount - 3, Data: []byte("abc")},
	},
	{
		"MAX_DATA", "10 " + varint8,
		&MaxDataFrame{MaximumData: protocol.MaxByteCount},
		Decoded{Type: FrameTypeMaxData, Limit: 1<<62 - 1},
	},
	{
		"MAX_STREAM_DATA", "11 08 80010000",
		&MaxStreamDataFrame{StreamID: 8, MaximumStreamData: 1 << 16},
		Decoded{Type: FrameTypeMaxStreamData, StreamID: 8, Limit: 1 << 16},
	},
	{
		"MAX_STREAMS for bidirectional streams", "12 d000000000000000",
		&MaxStreamsFrame{Type: protocol.StreamTypeBidi, MaxStreamNum: 1 << 60},
		Decoded{Type: FrameTypeMaxStreamsBidi, StreamType: protocol.StreamTypeBidi, Limit: 1 << 60},
	},
	{
		"MAX_STREAMS for unidirectional streams", "13 4064",
		&MaxStreamsFrame{Type: protocol.StreamTypeUni, MaxStreamNum: 100},
		Decoded{Type: FrameTypeMaxStreamsUni, StreamType: protocol.StreamTypeUni, Limit: 100},
	},
	{
		"DATA_BLOCKED", "14 7fff",
		&DataBlockedFrame{MaximumData: 16383},
		Decoded{Type: FrameTypeDataBlocked, Limit: 16383},
	},
	{
		"STREAM_DATA_BLOCKED", "15 08 80004000",
		&StreamDataBlockedFrame{StreamID: 8, MaximumStreamData: 16384},
		Decoded{Type: FrameTypeStreamDataBlocked, StreamID: 8, Limit: 16384},
	},
	{
		"STREAMS_BLOCKED for bidirectional streams", "16 05",
		&StreamsBlockedFrame{Type: protocol.StreamTypeBidi, StreamLimit: 5},
		Decoded{Type: FrameTypeStreamsBlockedBidi, StreamType: protocol.StreamTypeBidi, Limit: 5},
	},
	{
		"STREAMS_BLOCKED for unidirectional streams", "17 d000000000000000",
		&StreamsBlockedFrame{Type: protocol.StreamTypeUni, StreamLimit: 1 << 60},
		Decoded{Type: FrameTypeStreamsBlockedUni, StreamType: protocol.StreamTypeUni, Limit: 1 << 60},
	},
	{
		"NEW_CONNECTION_ID", "18 09 09 14 " + twentyBytes + sixteenBytes,
		&NewConnectionIDFrame{SequenceNumber: 9, RetirePriorTo: 9, ConnectionID: testConnID, StatelessResetToken: testToken},
		Decoded{Type: FrameTypeNewConnectionID, Sequence: 9, RetirePriorTo: 9, ConnectionID: testConnID, ResetToken: testToken},
	},
	{
		"NEW_CONNECTION_ID with the shortest ID", "18 01 00 01 ab " + sixteenBytes,
		&NewConnectionIDFrame{SequenceNumber: 1, ConnectionID: protocol.ParseConnectionID([]byte{0xab}), StatelessResetToken: testToken},
		Decoded{Type: FrameTypeNewConnectionID, Sequence: 1, ConnectionID: protocol.ParseConnectionID([]byte{0xab}), ResetToken: testToken},
	},
	{
		"RETIRE_CONNECTION_ID", "19 4321",
		&RetireConnectionIDFrame{SequenceNumber: 0x321},
		Decoded{Type: FrameTypeRetireConnectionID, Sequence: 0x321},
	},
	{
		"PATH_CHALLENGE", "1a 0102030405060708",
		&PathChallengeFrame{Data: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		Decoded{Type: FrameTypePathChallenge, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
	},
	{
		"PATH_RESPONSE", "1b 0102030405060708",
		&PathResponseFrame{Data: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}},
		Decoded{Type: FrameTypePathResponse, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}},
	},
	{
		"CONNECTION_CLOSE", "1c 4128 08 03 666f6f",
		&ConnectionCloseFrame{ErrorCode: 0x128, FrameType: 8, ReasonPhrase: "foo"},
		Decoded{Type: FrameTypeConnectionClose, ErrorCode: 0x128, TriggerFrame: 8, Data: []byte("foo")},
	},
	{
		"CONNECTION_CLOSE of the application", "1d 4100 03 666f6f",
		&ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 0x100, ReasonPhrase: "foo"},
		Decoded{Type: FrameTypeApplicationClose, ErrorCode: 0x100, Data: []byte("foo")},
	},
	{
		"CONNECTION_CLOSE without reason", "1d 00 00",
		&ConnectionCloseFrame{IsApplicationError: true},
		Decoded{Type: FrameTypeApplicationClose, Data: []byte{}},
	},
	{"HANDSHAKE_DONE", "1e", &HandshakeDoneFrame{}, Decoded{Type: FrameTypeHandshakeDone}},
	{"IMMEDIATE_ACK", "1f", &ImmediateAckFrame{}, Decoded{Type: FrameTypeImmediateAck}},
	{
		"ACK_FREQUENCY", "40af 4040 0a 800061a8 03",
		&AckFrequencyFrame{SequenceNumber: 64, AckElicitingThreshold: 10, RequestMaxAckDelay: 25 * time.Millisecond, ReorderingThreshold: 3},
		Decoded{Type: FrameTypeAckFrequency, Sequence: 64, Limit: 10, MaxAckDelay: 25 * time.Millisecond, Reordering: 3},
	},
	{
		"ACK_FREQUENCY with the largest values", "40af " + varint8 + varint8 + " 80f9ffff " + varint8,
		&AckFrequencyFrame{
			SequenceNumber: 1<<62 - 1, AckElicitingThreshold: 1<<62 - 1,
			RequestMaxAckDelay: 1<<14*time.Millisecond - time.Microsecond, ReorderingThreshold: 1<<62 - 1,
		},
		Decoded{
			Type: FrameTypeAckFrequency, Sequence: 1<<62 - 1, Limit: 1<<62 - 1,
			MaxAckDelay: 1<<14*time.Millisecond - time.Microsecond, Reordering: 1<<62 - 1,
		},
	},
	{
		"DATAGRAM", "31 03 616263",
		&DatagramFrame{DataLenPresent: true, Data: []byte("abc")},
		Decoded{Type: FrameTypeDatagram, Data: []byte("abc")},
	},
	{
		"DATAGRAM without data", "31 00",
		&DatagramFrame{DataLenPresent: true, Data: []byte{}},
		Decoded{Type: FrameTypeDatagram, Data: []byte{}},
	},
}

var (
	testConnID = protocol.ParseConnectionID([]byte("\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x20\x21\x22\x23"))
	testToken  = protocol.StatelessResetToken{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
)

func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b[:len(b):len(b)]
}

func testParser() *Parser {
	return &Parser{AckDelayExponent: 3, Datagrams: true, ResetStreamAt: true, AckFrequency: true}
}

func TestFrameVectors(t *testing.T) {
	for _, tt := range frameVectors {
		t.Run(tt.name, func(t *testing.T) {
			encoded := hexBytes(t, tt.encoded)
			b, err := tt.frame.Append([]byte("xy"), protocol.Version1)
			if err != nil || !bytes.Equal(b, append([]byte("xy"), encoded...)) {
				t.Errorf("Append = %x, %v, want 7879%x", b, err, encoded)
			}
			if n := tt.frame.Length(protocol.Version1); n != protocol.ByteCount(len(encoded)) {
				t.Errorf("Length = %d, want %d", n, len(encoded))
			}
			// The fields of a frame of before must not show through.
			d := staleDecoded()
			n, err := testParser().Next(append(bytes.Clone(encoded), 0xff), protocol.Encryption1RTT, &d)
			if n != len(encoded) || err != nil {
				t.Fatalf("Next = %d, %v, want %d", n, err, len(encoded))
			}
			if !reflect.DeepEqual(d, tt.decoded) {
				t.Errorf("decoded %+v, want %+v", d, tt.decoded)
			}
			if f := d.Frame(); !reflect.DeepEqual(f, tt.frame) {
				t.Errorf("Frame() = %+v, want %+v", f, tt.frame)
			}
		})
	}
}

func staleDecoded() Decoded {
	return Decoded{
		Type: 0xff, StreamID: 1, Offset: 1, Fin: true, Data: []byte("stale"), FinalSize: 1, ReliableSize: 1, ErrorCode: 1, Limit: 1,
		StreamType: 1, Sequence: 1, RetirePriorTo: 1, ConnectionID: testConnID, ResetToken: testToken, TriggerFrame: 1,
		Ack: Ack{Ranges: []AckRange{{1, 2}}, Delay: 1, HasECN: true, ECT0: 1, ECT1: 1, CE: 1}, MaxAckDelay: 1, Reordering: 1,
	}
}

// TestTruncatedFrames covers T-100 to T-120: a frame that ends early at any byte.
func TestTruncatedFrames(t *testing.T) {
	for _, tt := range frameVectors {
		t.Run(tt.name, func(t *testing.T) {
			encoded := hexBytes(t, tt.encoded)
			for n := range len(encoded) {
				var d Decoded
				_, err := testParser().Next(encoded[:n:n], protocol.Encryption1RTT, &d)
				checkError(t, err, qerr.FrameEncodingError)
			}
		})
	}
}

func checkError(t *testing.T, err error, want qerr.TransportErrorCode) {
	t.Helper()
	terr, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || terr.ErrorCode != want || terr.Remote || terr.ErrorMessage == "" {
		t.Errorf("error = %v, want a local %v with a reason", err, want)
	}
}

func TestFramesWithoutLength(t *testing.T) {
	for _, tt := range []struct {
		name    string
		encoded string
		frame   Frame
		decoded Decoded
	}{
		{
			"STREAM", "08 04 616263",
			&StreamFrame{StreamID: 4, Data: []byte("abc")},
			Decoded{Type: FrameTypeStream, StreamID: 4, Data: []byte("abc")},
		},
		{
			"STREAM at an offset with FIN", "0d 04 09 616263",
			&StreamFrame{StreamID: 4, Offset: 9, Fin: true, Data: []byte("abc")},
			Decoded{Type: FrameTypeStream, StreamID: 4, Offset: 9, Fin: true, Data: []byte("abc")},
		},
		{"STREAM without data", "08 04", &StreamFrame{StreamID: 4}, Decoded{Type: FrameTypeStream, StreamID: 4, Data: []byte{}}},
		{"DATAGRAM", "30 616263", &DatagramFrame{Data: []byte("abc")}, Decoded{Type: FrameTypeDatagram, Data: []byte("abc")}},
		{"DATAGRAM without data", "30", &DatagramFrame{}, Decoded{Type: FrameTypeDatagram, Data: []byte{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			encoded := hexBytes(t, tt.encoded)
			b, err := tt.frame.Append(nil, protocol.Version1)
			if err != nil || !bytes.Equal(b, encoded) || tt.frame.Length(protocol.Version1) != protocol.ByteCount(len(b)) {
				t.Errorf("Append = %x, %v, Length = %d, want %x", b, err, tt.frame.Length(protocol.Version1), encoded)
			}
			d := staleDecoded()
			n, err := testParser().Next(encoded, protocol.Encryption1RTT, &d)
			if n != len(encoded) || err != nil || !reflect.DeepEqual(d, tt.decoded) {
				t.Errorf("Next = %d, %v, %+v, want %d, %+v", n, err, d, len(encoded), tt.decoded)
			}
		})
	}
}

func TestAppendOfImpossibleValues(t *testing.T) {
	for _, f := range []Frame{
		&MaxDataFrame{MaximumData: -1},
		&MaxStreamDataFrame{StreamID: -1},
		&ResetStreamFrame{ErrorCode: 1 << 62},
		&StopSendingFrame{ErrorCode: 1<<64 - 1},
		&CryptoFrame{Offset: -1},
		&StreamFrame{StreamID: -1},
		&StreamFrame{Offset: -1},
		&StreamFrame{Offset: 1 << 62},
		&NewConnectionIDFrame{SequenceNumber: 1 << 62},
		&ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 1 << 62},
		&ConnectionCloseFrame{FrameType: 1 << 63},
		&MaxStreamsFrame{MaxStreamNum: -1},
		&AckFrequencyFrame{RequestMaxAckDelay: -time.Second},
		&AckFrame{},
		&AckFrame{AckRanges: []AckRange{{5, 4}}},
		&AckFrame{AckRanges: []AckRange{{-5, 4}}},
		&AckFrame{AckRanges: []AckRange{{5, 1 << 62}}},
		&AckFrame{AckRanges: []AckRange{{5, 6}, {4, 4}}},
		&AckFrame{AckRanges: []AckRange{{5, 6}, {8, 9}}},
		&AckFrame{AckRanges: []AckRange{{5, 6}}, ECT0: 1 << 62},
	} {
		f.Length(protocol.Version1) // must not panic
		if b, err := f.Append([]byte("x"), protocol.Version1); err == nil || !bytes.Equal(b, []byte("x")) {
			t.Errorf("%+v: Append = %x, %v, want an error and only 78", f, b, err)
		}
	}
}

func TestFrameType(t *testing.T) {
	for _, tt := range []struct {
		t                       FrameType
		name                    string
		ackEliciting, probing   bool
		initial, early, regular bool
	}{
		{FrameTypePadding, "PADDING", false, true, true, true, true},
		{FrameTypePing, "PING", true, false, true, true, true},
		{FrameTypeAck, "ACK", false, false, true, false, true},
		{FrameTypeAckECN, "ACK", false, false, true, false, true},
		{FrameTypeResetStream, "RESET_STREAM", true, false, false, true, true},
		{FrameTypeStopSending, "STOP_SENDING", true, false, false, true, true},
		{FrameTypeCrypto, "CRYPTO", true, false, true, false, true},
		{FrameTypeNewToken, "NEW_TOKEN", true, false, false, false, true},
		{FrameTypeStream, "STREAM", true, false, false, true, true},
		{FrameTypeStream | streamFlags, "STREAM", true, false, false, true, true},
		{FrameTypeMaxData, "MAX_DATA", true, false, false, true, true},
		{FrameTypeMaxStreamData, "MAX_STREAM_DATA", true, false, false, true, true},
		{FrameTypeMaxStreamsBidi, "MAX_STREAMS", true, false, false, true, true},
		{FrameTypeMaxStreamsUni, "MAX_STREAMS", true, false, false, true, true},
		{FrameTypeDataBlocked, "DATA_BLOCKED", true, false, false, true, true},
		{FrameTypeStreamDataBlocked, "STREAM_DATA_BLOCKED", true, false, false, true, true},
		{FrameTypeStreamsBlockedBidi, "STREAMS_BLOCKED", true, false, false, true, true},
		{FrameTypeStreamsBlockedUni, "STREAMS_BLOCKED", true, false, false, true, true},
		{FrameTypeNewConnectionID, "NEW_CONNECTION_ID", true, true, false, true, true},
		{FrameTypeRetireConnectionID, "RETIRE_CONNECTION_ID", true, false, false, false, true},
		{FrameTypePathChallenge, "PATH_CHALLENGE", true, true, false, true, true},
		{FrameTypePathResponse, "PATH_RESPONSE", true, true, false, false, true},
		{FrameTypeConnectionClose, "CONNECTION_CLOSE", false, false, true, true, true},
		{FrameTypeApplicationClose, "CONNECTION_CLOSE", false, false, false, true, true},
		{FrameTypeHandshakeDone, "HANDSHAKE_DONE", true, false, false, false, true},
		{FrameTypeImmediateAck, "IMMEDIATE_ACK", true, false, false, false, true},
		{0x20, "unknown frame type 0x20", true, false, false, false, false},
		{FrameTypeResetStreamAt, "RESET_STREAM_AT", true, false, false, true, true},
		{FrameTypeDatagram, "DATAGRAM", true, false, false, true, true},
		{FrameTypeDatagramLen, "DATAGRAM", true, false, false, true, true},
		{FrameTypeAckFrequency, "ACK_FREQUENCY", true, false, false, false, true},
		{1<<62 - 1, "unknown frame type 0x3fffffffffffffff", true, false, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.t.String(); got != tt.name {
				t.Errorf("String() = %q, want %q", got, tt.name)
			}
			if tt.t.IsAckEliciting() != tt.ackEliciting || tt.t.IsProbing() != tt.probing {
				t.Errorf("ack-eliciting, probing = %t, %t, want %t, %t", tt.t.IsAckEliciting(), tt.t.IsProbing(), tt.ackEliciting, tt.probing)
			}
			for lvl, want := range map[protocol.EncryptionLevel]bool{
				protocol.EncryptionInitial:   tt.initial,
				protocol.EncryptionHandshake: tt.initial, // the same in all rows
				protocol.Encryption0RTT:      tt.early,
				protocol.Encryption1RTT:      tt.regular,
			} {
				if got := tt.t.row().levels.contains(lvl); got != want {
					t.Errorf("allowed in %s packets = %t, want %t", lvl, got, want)
				}
			}
		})
	}
}

func TestPaddingIsNoFrame(t *testing.T) {
	if f := (&Decoded{Type: FrameTypePadding}).Frame(); f != nil {
		t.Errorf("Frame() = %v, want nil", f)
	}
}
