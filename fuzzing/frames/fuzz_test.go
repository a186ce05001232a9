package frames

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/rangeset"
	"github.com/quic-go/quic-go/internal/wire"
)

func FuzzNext(f *testing.F) {
	for _, frame := range []wire.Frame{
		&wire.AckFrame{AckRanges: []wire.AckRange{{Smallest: 100, Largest: 200}, {Smallest: 3, Largest: 7}}, ECNCE: 1},
		&wire.StreamFrame{StreamID: 4, Offset: 100, Data: []byte("data"), Fin: true},
		&wire.CryptoFrame{Offset: 100, Data: []byte("data")},
		&wire.NewConnectionIDFrame{SequenceNumber: 2, RetirePriorTo: 1, ConnectionID: protocol.ParseConnectionID([]byte("id"))},
		&wire.ConnectionCloseFrame{ErrorCode: 10, FrameType: 6, ReasonPhrase: "reason"},
		&wire.ResetStreamFrame{StreamID: 4, ErrorCode: 1, FinalSize: 100, ReliableSize: 50},
		&wire.AckFrequencyFrame{SequenceNumber: 1, AckElicitingThreshold: 10, RequestMaxAckDelay: 5 * time.Millisecond, ReorderingThreshold: 3},
		&wire.ImmediateAckFrame{},
		&wire.DatagramFrame{DataLenPresent: true, Data: []byte("data")},
	} {
		b, err := frame.Append(nil, protocol.Version1)
		if err != nil {
			f.Fatal(err)
		}
		for lvl := range uint8(protocol.NumEncryptionLevels) {
			f.Add(b, lvl, true)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, level uint8, extensions bool) {
		lvl := protocol.EncryptionLevel(level % protocol.NumEncryptionLevels)
		p := newParser(extensions)
		exact := bytes.Clone(payload)
		longer := append(bytes.Clone(payload), payload...)
		for rest := exact[:len(exact):len(exact)]; len(rest) > 0; {
			var d wire.Decoded
			n, err := p.Next(rest, lvl, &d)
			if err != nil {
				checkError(t, err)
				break
			}
			if n <= 0 || n > len(rest) {
				t.Fatalf("frame %v takes %d of %d bytes", d.Type, n, len(rest))
			}
			checkSameInLongerBuffer(t, longer[len(exact)-len(rest):len(exact)], lvl, extensions, &d)
			checkWrittenAgain(t, lvl, extensions, &d)
			rest = rest[n:]
		}
		if !bytes.Equal(exact, payload) {
			t.Error("Next changed its input")
		}
	})
}

func checkError(t *testing.T, err error) {
	t.Helper()
	terr, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || (terr.ErrorCode != qerr.FrameEncodingError && terr.ErrorCode != qerr.ProtocolViolation) {
		t.Errorf("Next = %v", err)
	}
}

func newParser(extensions bool) *wire.Parser {
	return &wire.Parser{
		AckDelayExponent: protocol.AckDelayExponent, Datagrams: extensions, ResetStreamAt: extensions, AckFrequency: extensions,
	}
}

// checkSameInLongerBuffer checks that what lies behind the payload is not read.
func checkSameInLongerBuffer(t *testing.T, b []byte, lvl protocol.EncryptionLevel, extensions bool, want *wire.Decoded) {
	t.Helper()
	var d wire.Decoded
	if _, err := newParser(extensions).Next(b, lvl, &d); err != nil || !reflect.DeepEqual(&d, want) {
		t.Errorf("Next depends on the bytes behind: %+v, %v, then %+v", &d, err, want)
	}
}

func checkWrittenAgain(t *testing.T, lvl protocol.EncryptionLevel, extensions bool, d *wire.Decoded) {
	t.Helper()
	frame := d.Frame()
	if frame == nil {
		if d.Type != wire.FrameTypePadding {
			t.Errorf("no frame for %v", d.Type)
		}
		return
	}
	b, err := frame.Append(nil, protocol.Version1)
	if err != nil || frame.Length(protocol.Version1) != protocol.ByteCount(len(b)) {
		t.Fatalf("%T: Append = %x, %v; Length = %d", frame, b, err, frame.Length(protocol.Version1))
	}
	var again wire.Decoded
	if n, err := newParser(extensions).Next(b, lvl, &again); err != nil || n != len(b) {
		t.Fatalf("%T: Next of %x = %d, %v", frame, b, n, err)
	}
	if want := normalized(*d); !reflect.DeepEqual(again, want) {
		t.Errorf("%T: parsed %+v, written and parsed again %+v", frame, want, again)
	}
}

// normalized returns d as it is after it was written and parsed.
func normalized(d wire.Decoded) wire.Decoded {
	if d.Ack.Delay == math.MaxInt64 {
		d.Ack.Delay = d.Ack.Delay.Truncate(time.Microsecond << protocol.AckDelayExponent)
	}
	if d.Ack.ECT0|d.Ack.ECT1|d.Ack.CE == 0 {
		d.Ack.HasECN = false
	}
	if d.ReliableSize == 0 && d.Type == wire.FrameTypeResetStreamAt {
		d.Type = wire.FrameTypeResetStream
	}
	return d
}

func FuzzAppendAck(f *testing.F) {
	f.Add([]byte{1, 1, 5, 3, 200, 1}, uint32(1000), uint8(3), uint16(100))
	f.Add([]byte{0, 9}, uint32(0), uint8(0), uint16(5))
	f.Add(bytes.Repeat([]byte{1, 1}, 100), uint32(1<<31), uint8(20), uint16(150))
	f.Fuzz(func(t *testing.T, lengths []byte, delay uint32, exponent uint8, maxLen uint16) {
		var received rangeset.Set[protocol.PacketNumber]
		next := protocol.PacketNumber(0)
		for i := 0; i+1 < len(lengths); i += 2 {
			start := next + protocol.PacketNumber(lengths[i])
			next = start + 1 + protocol.PacketNumber(lengths[i+1])
			received.Add(start, next)
		}
		exponent %= protocol.MaxAckDelayExponent + 1
		b := wire.AppendAck(nil, &received, time.Duration(delay), exponent, nil, int(maxLen))
		if len(b) == 0 {
			return
		}
		if len(b) > int(maxLen) {
			t.Fatalf("%d bytes instead of %d", len(b), maxLen)
		}
		p := wire.Parser{AckDelayExponent: exponent}
		var d wire.Decoded
		if n, err := p.Next(b, protocol.Encryption1RTT, &d); n != len(b) || err != nil {
			t.Fatalf("Next of %x = %d, %v", b, n, err)
		}
		for i, got := range d.Ack.Ranges {
			r := received.At(received.Len() - 1 - i)
			if got.Smallest != r.Start || got.Largest != r.End-1 {
				t.Errorf("range %d = %v, want %v", i, got, r)
			}
		}
		if d.Ack.Delay > time.Duration(delay) {
			t.Errorf("delay = %v, want at most %v", d.Ack.Delay, time.Duration(delay))
		}
	})
}
