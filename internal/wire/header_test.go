package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cid(b ...byte) protocol.ConnectionID { return protocol.ParseConnectionID(b) }

var (
	sampleClientCID = cid(0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08)
	sampleServerCID = cid(0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5)
)

// samplePackets are the headers of RFC 9001, Appendix A and RFC 9369, Appendix A.
var samplePackets = []struct {
	name     string
	header   string // not protected
	typ      protocol.PacketType
	version  protocol.Version
	dst, src protocol.ConnectionID
	pn       protocol.PacketNumber
	pnLen    int
	length   int
}{
	{"v1 client Initial", "c300000001088394c8f03e5157080000449e00000002", protocol.PacketTypeInitial, protocol.Version1, sampleClientCID, cid(), 2, 4, 1182},
	{"v1 server Initial", "c1000000010008f067a5502a4262b50040750001", protocol.PacketTypeInitial, protocol.Version1, cid(), sampleServerCID, 1, 2, 117},
	{"v2 client Initial", "d36b3343cf088394c8f03e5157080000449e00000002", protocol.PacketTypeInitial, protocol.Version2, sampleClientCID, cid(), 2, 4, 1182},
	{"v2 server Initial", "d16b3343cf0008f067a5502a4262b50040750001", protocol.PacketTypeInitial, protocol.Version2, cid(), sampleServerCID, 1, 2, 117},
}

func TestLongHeaderSamples(t *testing.T) {
	for _, test := range samplePackets {
		t.Run(test.name, func(t *testing.T) {
			want := unhex(t, test.header)
			got, lengthOffset := AppendLongHeader(nil, test.typ, test.version, test.dst, test.src, nil, test.pn, test.pnLen)
			SetLongHeaderLength(got, lengthOffset, test.length)
			if !bytes.Equal(got, want) {
				t.Fatalf("AppendLongHeader = %x, want %x", got, want)
			}
			pkt := append(want, make([]byte, test.length-test.pnLen)...)
			h, err := ParseLongHeader(append(pkt, "next packet"...))
			if err != nil {
				t.Fatal(err)
			}
			if h.Type != test.typ || h.Version != test.version || h.DstCID != test.dst || h.SrcCID != test.src || len(h.Token) != 0 {
				t.Errorf("ParseLongHeader = %+v", h)
			}
			if h.PNOffset != len(want)-test.pnLen || h.PacketLen != len(pkt) {
				t.Errorf("packet number at %d of %d bytes, want %d of %d", h.PNOffset, h.PacketLen, len(want)-test.pnLen, len(pkt))
			}
		})
	}
}

func TestRetrySamples(t *testing.T) {
	for _, test := range []struct {
		name    string
		version protocol.Version
		packet  string
	}{
		{"RFC 9001, Appendix A.4", protocol.Version1, "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba"},
		{"RFC 9369, Appendix A.4", protocol.Version2, "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pkt := unhex(t, test.packet)
			withoutTag := pkt[:len(pkt)-16]
			if got := AppendRetry(nil, test.version, cid(), sampleServerCID, []byte("token")); !bytes.Equal(got, withoutTag) {
				t.Errorf("AppendRetry = %x, want %x", got, withoutTag)
			}
			h, err := ParseLongHeader(pkt)
			if err != nil {
				t.Fatal(err)
			}
			if h.Type != protocol.PacketTypeRetry || h.Version != test.version || string(h.Token) != "token" ||
				h.SrcCID != sampleServerCID || h.DstCID != cid() || h.PNOffset != 0 || h.PacketLen != len(pkt) {
				t.Errorf("ParseLongHeader = %+v", h)
			}
			if !bytes.Equal(h.RetryTag[:], pkt[len(withoutTag):]) {
				t.Errorf("RetryTag = %x", h.RetryTag)
			}
			// A Retry packet without a token is worth nothing.
			if _, err := ParseLongHeader(append(pkt[:15:15], pkt[20:]...)); err == nil {
				t.Error("a Retry packet without a token was accepted")
			}
		})
	}
}

func TestLongHeaderRoundTrip(t *testing.T) {
	token := bytes.Repeat([]byte{0xab}, 70)
	for _, version := range []protocol.Version{protocol.Version1, protocol.Version2} {
		for _, typ := range []protocol.PacketType{protocol.PacketTypeInitial, protocol.PacketType0RTT, protocol.PacketTypeHandshake} {
			for pnLen := 1; pnLen <= 4; pnLen++ {
				dst, src := protocol.ParseConnectionID(token[:20]), cid(1, 2, 3)
				b, off := AppendLongHeader([]byte("x"), typ, version, dst, src, token, 0x01020304, pnLen)
				if got, want := len(b)-1, LongHeaderLen(typ, dst, src, len(token), pnLen); got != want {
					t.Errorf("%s: %d bytes, LongHeaderLen = %d", typ, got, want)
				}
				SetLongHeaderLength(b, off, pnLen)
				h, err := ParseLongHeader(b[1:])
				if err != nil {
					t.Fatal(err)
				}
				wantToken := ""
				if typ == protocol.PacketTypeInitial {
					wantToken = string(token)
				}
				if h.Type != typ || h.Version != version || h.DstCID != dst || h.SrcCID != src || string(h.Token) != wantToken {
					t.Errorf("ParseLongHeader = %+v", h)
				}
				if !bytes.Equal(b[1+h.PNOffset:], []byte{1, 2, 3, 4}[4-pnLen:]) {
					t.Errorf("packet number of %d bytes = %x", pnLen, b[1+h.PNOffset:])
				}
			}
		}
	}
}

// RFC 9369, Section 3.2.
func TestLongPacketTypeBits(t *testing.T) {
	want := map[protocol.Version]map[protocol.PacketType]byte{
		protocol.Version1: {protocol.PacketTypeInitial: 0, protocol.PacketType0RTT: 1, protocol.PacketTypeHandshake: 2, protocol.PacketTypeRetry: 3},
		protocol.Version2: {protocol.PacketTypeInitial: 1, protocol.PacketType0RTT: 2, protocol.PacketTypeHandshake: 3, protocol.PacketTypeRetry: 0},
	}
	for version, types := range want {
		for typ, bits := range types {
			b := AppendRetry(nil, version, cid(), cid(), []byte("t"))
			if typ != protocol.PacketTypeRetry {
				b, _ = AppendLongHeader(nil, typ, version, cid(), cid(), nil, 0, 1)
			}
			if got := b[0] >> 4 & 3; got != bits {
				t.Errorf("%s of %s has type bits %d, want %d", typ, version, got, bits)
			}
		}
	}
}

func TestParseLongHeaderRejects(t *testing.T) {
	for _, test := range []struct{ name, packet string }{
		{"short header", "4300000001088394c8f03e5157080000449e00000002"},
		{"unknown version", "c3000000020000000100"},
		{"version negotiation", "c3000000000000000000"},
		{"destination connection ID of 21 bytes", "c300000001" + "15000102030405060708090a0b0c0d0e0f1011121314" + "00" + "00" + "0100"},
		{"source connection ID of 21 bytes", "c300000001" + "00" + "15000102030405060708090a0b0c0d0e0f1011121314" + "00" + "0100"},
		{"token longer than the datagram", "c3000000010000" + "05" + "01000000"},
		{"token length of 2^62-1", "c3000000010000" + "ffffffffffffffff" + "0100"},
		{"packet longer than the datagram", "c3000000010000" + "00" + "0200"},
		{"length of 2^62-1", "c3000000010000" + "00" + "ffffffffffffffff00"},
		{"retry shorter than its tag", "f0000000010000" + "000102030405060708090a0b0c0d0e"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := ParseLongHeader(unhex(t, test.packet))
			if err == nil || errors.Is(err, ErrFixedBit) {
				t.Errorf("got %+v, %v", h, err)
			}
		})
	}
}

func TestParseLongHeaderWithoutFixedBit(t *testing.T) {
	b, off := AppendLongHeader(nil, protocol.PacketTypeHandshake, protocol.Version1, cid(1), cid(2), nil, 3, 2)
	SetLongHeaderLength(b, off, 2)
	want, err := ParseLongHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	b[0] &^= 0x40
	got, err := ParseLongHeader(b)
	if err != ErrFixedBit {
		t.Errorf("err = %v, want ErrFixedBit", err)
	}
	if got.DstCID != want.DstCID || got.PacketLen != want.PacketLen || got.Type != want.Type {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// A packet that is too short for its packet number is delimited all the same: others may follow it.
func TestParseLongHeaderOfTinyPacket(t *testing.T) {
	b := unhex(t, "e30000000100000099")
	h, err := ParseLongHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.PNOffset != 8 || h.PacketLen != 8 {
		t.Errorf("got %+v", h)
	}
}

func TestTruncatedHeaders(t *testing.T) {
	long, off := AppendLongHeader(nil, protocol.PacketTypeInitial, protocol.Version1, cid(1, 2, 3, 4), cid(5, 6), make([]byte, 64), 3, 4)
	SetLongHeaderLength(long, off, 4)
	negotiation := AppendVersionNegotiation(nil, []byte{1, 2}, []byte{3}, nil)
	short := AppendShortHeader(nil, cid(1, 2, 3, 4), 5, 2)
	for n := range len(long) {
		if h, err := ParseLongHeader(long[:n]); err == nil {
			t.Errorf("long header of %d bytes: %+v", n, h)
		}
	}
	for n := range len(negotiation) {
		if _, _, v, err := ParseVersionNegotiation(negotiation[:n]); err == nil {
			t.Errorf("Version Negotiation of %d bytes: %v", n, v)
		}
		_, _, _, _, err := ParseInvariantHeader(negotiation[:n])
		if complete := n >= 10; complete != (err == nil) {
			t.Errorf("invariant header of %d bytes: %v", n, err)
		}
		_, err = ParseDestinationConnectionID(negotiation[:n], 4)
		if complete := n >= 8; complete != (err == nil) {
			t.Errorf("destination connection ID in %d bytes: %v", n, err)
		}
	}
	for n := range len(short) {
		_, err := ParseDestinationConnectionID(short[:n], 4)
		if complete := n >= 5; complete != (err == nil) {
			t.Errorf("destination connection ID in %d bytes of a short header: %v", n, err)
		}
	}
}

func TestShortHeader(t *testing.T) {
	b := AppendShortHeader([]byte("x"), cid(1, 2, 3), 0xabcdef, 2)
	if want := unhex(t, "7841010203cdef"); !bytes.Equal(b, want) {
		t.Errorf("AppendShortHeader = %x, want %x", b, want)
	}
	got, err := ParseDestinationConnectionID(b[1:], 3)
	if err != nil || got != cid(1, 2, 3) {
		t.Errorf("ParseDestinationConnectionID = %s, %v", got, err)
	}
	if IsLongHeader(b[1]) || IsVersionNegotiation(b[1:]) {
		t.Error("short header taken for a long one")
	}
	if got, err := ParseDestinationConnectionID([]byte{0x40}, 0); err != nil || got != cid() {
		t.Errorf("empty connection ID: %s, %v", got, err)
	}
}

func TestVersionNegotiation(t *testing.T) {
	dst, src := bytes.Repeat([]byte{1}, 255), bytes.Repeat([]byte{2}, 21)
	offered := []protocol.Version{protocol.Version1, protocol.Version2}
	positions := map[int]bool{}
	for range 100 {
		b := AppendVersionNegotiation([]byte("x"), dst, src, offered)[1:]
		if !IsVersionNegotiation(b) || b[0]&0x40 == 0 {
			t.Fatalf("first bytes %x", b[:5])
		}
		gotDst, gotSrc, versions, err := ParseVersionNegotiation(b)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(gotDst, dst) || !bytes.Equal(gotSrc, src) {
			t.Fatal("connection IDs changed")
		}
		if len(versions) != 3 {
			t.Fatalf("versions = %v", versions)
		}
		var known []protocol.Version
		for i, v := range versions {
			if protocol.IsReservedVersion(v) {
				positions[i] = true
				continue
			}
			known = append(known, v)
		}
		if len(known) != 2 || known[0] != offered[0] || known[1] != offered[1] {
			t.Fatalf("versions = %v, want %v and a reserved one", versions, offered)
		}
	}
	if len(positions) != 3 {
		t.Errorf("the reserved version was only ever at %v", positions)
	}
}

func TestParseVersionNegotiation(t *testing.T) {
	for _, test := range []struct {
		name, packet string
		valid        bool
	}{
		{"unused bits are ignored", "80" + "00000000" + "0101" + "0102" + "00000001", true},
		{"no versions", "c0" + "00000000" + "0101" + "0102", false},
		{"half a version", "c0" + "00000000" + "0101" + "0102" + "000000016b33", false},
		{"other version", "c0" + "00000001" + "0101" + "0102" + "00000001", false},
		{"short header", "40" + "00000000" + "0101" + "0102" + "00000001", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, versions, err := ParseVersionNegotiation(unhex(t, test.packet))
			if (err == nil) != test.valid {
				t.Errorf("got %v, %v", versions, err)
			}
		})
	}
}

func TestParseInvariantHeader(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 255)
	b := append([]byte{0x80, 1, 2, 3, 4, 255}, long...)
	b = append(b, 0, 9, 9)
	version, dst, src, rest, err := ParseInvariantHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if version != 0x01020304 || !bytes.Equal(dst, long) || len(src) != 0 || !bytes.Equal(rest, []byte{9, 9}) {
		t.Errorf("got %x, %x, %x, %x", uint32(version), dst, src, rest)
	}
	if _, err := ParseDestinationConnectionID(b, 4); !errors.Is(err, protocol.ErrInvalidConnectionIDLen) {
		t.Errorf("connection ID of 255 bytes: %v", err)
	}
}

func TestPacketHeadersDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 200)
	token := make([]byte, 50)
	got := testing.AllocsPerRun(100, func() {
		b, off := AppendLongHeader(buf, protocol.PacketTypeInitial, protocol.Version1, sampleClientCID, sampleServerCID, token, 3, 4)
		SetLongHeaderLength(b, off, 4)
		if _, err := ParseLongHeader(b); err != nil {
			t.Fatal(err)
		}
		b = AppendShortHeader(buf, sampleClientCID, 4, 2)
		if _, err := ParseDestinationConnectionID(b, 8); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
