package header

import (
	"bytes"
	"errors"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

func seeds() [][]byte {
	dst, src := protocol.ParseConnectionID([]byte{1, 2, 3, 4, 5, 6, 7, 8}), protocol.ParseConnectionID([]byte{9})
	packets := [][]byte{nil, {0x80}, make([]byte, 30), bytes.Repeat([]byte{0xff}, 600)}
	for _, v := range []protocol.Version{protocol.Version1, protocol.Version2} {
		for _, typ := range []protocol.PacketType{protocol.PacketTypeInitial, protocol.PacketType0RTT, protocol.PacketTypeHandshake} {
			b, off := wire.AppendLongHeader(nil, typ, v, dst, src, []byte("token"), 0xabcd, 2)
			wire.SetLongHeaderLength(b, off, 2+20)
			packets = append(packets, append(b, make([]byte, 30)...))
		}
		packets = append(packets, append(wire.AppendRetry(nil, v, src, dst, []byte("token")), make([]byte, 16)...))
	}
	return append(packets,
		wire.AppendVersionNegotiation(nil, dst.Bytes(), bytes.Repeat([]byte{1}, 255), protocol.SupportedVersions),
		wire.AppendShortHeader(nil, dst, 7, 4),
	)
}

func FuzzParseHeader(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		exact := bytes.Clone(b)
		exact = exact[:len(exact):len(exact)]
		checkDestination(t, exact)
		checkNegotiation(t, exact)
		checkLongHeader(t, exact)
		if !bytes.Equal(exact, b) {
			t.Fatal("a parser changed its input")
		}
	})
}

// checkDestination: the connection ID by which a datagram is routed is the one that the connection sees.
func checkDestination(t *testing.T, b []byte) {
	for _, n := range []int{0, 8, 20} {
		cid, err := wire.ParseDestinationConnectionID(b, n)
		if err != nil {
			continue
		}
		if !wire.IsLongHeader(b[0]) {
			if !bytes.Equal(cid.Bytes(), b[1:1+n]) {
				t.Errorf("connection ID %s of a short header", cid)
			}
			continue
		}
		if _, dst, _, _, err := wire.ParseInvariantHeader(b); err == nil && !bytes.Equal(cid.Bytes(), dst) {
			t.Errorf("connection ID %s, then %x", cid, dst)
		}
	}
}

func checkNegotiation(t *testing.T, b []byte) {
	dst, src, versions, err := wire.ParseVersionNegotiation(b)
	if err != nil {
		return
	}
	if !wire.IsVersionNegotiation(b) || len(versions) == 0 || 7+len(dst)+len(src)+4*len(versions) != len(b) {
		t.Errorf("%d bytes, connection IDs %x and %x, versions %v", len(b), dst, src, versions)
	}
	again := wire.AppendVersionNegotiation(nil, dst, src, versions)
	gotDst, gotSrc, got, err := wire.ParseVersionNegotiation(again)
	if err != nil || !bytes.Equal(gotDst, dst) || !bytes.Equal(gotSrc, src) || len(got) != len(versions)+1 {
		t.Errorf("round trip: %x, %x, %v, %v", gotDst, gotSrc, got, err)
	}
}

func checkLongHeader(t *testing.T, b []byte) {
	h, err := wire.ParseLongHeader(b)
	if err != nil && !errors.Is(err, wire.ErrFixedBit) {
		return
	}
	if h.PacketLen > len(b) || h.PacketLen < h.PNOffset || h.PacketLen < 7 {
		t.Fatalf("packet number at %d, %d of %d bytes", h.PNOffset, h.PacketLen, len(b))
	}
	if h.Type == protocol.PacketTypeRetry {
		again := append(wire.AppendRetry(nil, h.Version, h.DstCID, h.SrcCID, h.Token), h.RetryTag[:]...)
		if h.PacketLen != len(b) || !bytes.Equal(again[1:], b[1:]) {
			t.Errorf("round trip: %x, then %x", b, again)
		}
		return
	}
	again, lengthOffset := wire.AppendLongHeader(nil, h.Type, h.Version, h.DstCID, h.SrcCID, h.Token, 0, 1)
	wire.SetLongHeaderLength(again, lengthOffset, 1)
	got, err := wire.ParseLongHeader(again)
	if err != nil || got.Type != h.Type || got.Version != h.Version || got.DstCID != h.DstCID || got.SrcCID != h.SrcCID || !bytes.Equal(got.Token, h.Token) {
		t.Errorf("round trip: %+v, then %+v, %v", h, got, err)
	}
	if want := wire.LongHeaderLen(h.Type, h.DstCID, h.SrcCID, len(h.Token), 1); len(again) != want {
		t.Errorf("header of %d bytes, LongHeaderLen = %d", len(again), want)
	}
}

func FuzzDecodePacketNumber(f *testing.F) {
	f.Add(int64(0xa82f30ea), int64(0xa82f9b32))
	f.Add(int64(-1), int64(0))
	f.Add(int64(1<<62-2), int64(1<<62-1))
	f.Fuzz(func(t *testing.T, acked, sent int64) {
		pn, largest := protocol.PacketNumber(sent), protocol.PacketNumber(acked)
		if largest < -1 || pn <= largest || pn > protocol.MaxPacketNumber || pn-largest >= 1<<31 {
			return
		}
		n := wire.PacketNumberLen(pn, largest)
		for _, received := range []protocol.PacketNumber{largest, largest + (pn-largest)/2, pn - 1} {
			if got := wire.DecodePacketNumber(received, pn&(1<<(8*n)-1), n); got != pn {
				t.Errorf("largest %d: decoded %d, want %d", received, got, pn)
			}
		}
	})
}
