package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

var layouts = []controlLayout{{8, 8}, {4, 4}, {4, 8}}

func TestControlMessagesRoundTrip(t *testing.T) {
	for _, l := range layouts {
		var b []byte
		for i, n := range []int{1, 2, 4, 12, 20, 0} {
			var data []byte
			b, data = l.appendMessage(b, i, 100+i, n)
			for j := range data {
				data[j] = byte(i)
			}
		}
		for i, n := range []int{1, 2, 4, 12, 20, 0} {
			level, typ, data, rest, ok := l.next(b)
			if !ok || level != i || typ != 100+i || len(data) != n {
				t.Fatalf("%v: message %d = level %d type %d len %d ok %v", l, i, level, typ, len(data), ok)
			}
			b = rest
		}
		if len(b) != 0 {
			t.Errorf("%v: %d bytes left", l, len(b))
		}
	}
}

func TestTruncatedControlMessages(t *testing.T) {
	for _, l := range layouts {
		b, _ := l.appendMessage(nil, 1, 2, 4)
		b, _ = l.appendMessage(b, 1, 2, 20)
		for i := range b {
			n, oob := 0, b[:i:i]
			for {
				_, _, _, rest, ok := l.next(oob)
				if !ok {
					break
				}
				n++
				oob = rest
			}
			want := 0
			for _, end := range []int{l.header() + 4, l.space(4) + l.header() + 20} {
				if i >= end {
					want++
				}
			}
			if n != want {
				t.Errorf("%v: %d messages in %d bytes, want %d", l, n, i, want)
			}
		}
	}
}

func TestMalformedLengths(t *testing.T) {
	for _, l := range layouts {
		for _, v := range []uint64{0, 1, uint64(l.header()) - 1, 65, 1 << 31, 1<<32 - 1, 1 << 63, 1<<64 - 1} {
			b := make([]byte, 64)
			if l.lenSize == 8 {
				binary.NativeEndian.PutUint64(b, v)
			} else {
				binary.NativeEndian.PutUint32(b, uint32(min(v, 1<<32-1)))
			}
			if _, _, _, _, ok := l.next(b); ok {
				t.Errorf("%v: a message of %d in 64 bytes is accepted", l, v)
			}
		}
	}
}

func TestParsersTakeAnyLength(t *testing.T) {
	full := make([]byte, 32)
	for i := range full {
		full[i] = 0xff
	}
	for i := range full {
		var c Control
		c.setTrafficClass(full[:i])
		c.setPktinfo4(full[:i])
		if got, want := c.Local.IsValid(), i >= 12; got != want {
			t.Errorf("IPv4 packet info of %d bytes: valid %v, want %v", i, got, want)
		}
		c = Control{}
		c.setPktinfo6(full[:i])
		if got, want := c.Local.IsValid(), i >= 20; got != want {
			t.Errorf("IPv6 packet info of %d bytes: valid %v, want %v", i, got, want)
		}
	}
}

func TestInterfaceIndexOnlyWhereNeeded(t *testing.T) {
	for _, tc := range []struct {
		local string
		want  uint32
	}{{"", 7}, {"fe80::1", 7}, {"192.0.2.1", 0}, {"2001:db8::1", 0}} {
		d := Destination{IfIndex: 7}
		if tc.local != "" {
			d.Local = netip.MustParseAddr(tc.local)
		}
		if got := d.ifIndexFor(); got != tc.want {
			t.Errorf("%q: interface %d, want %d", tc.local, got, tc.want)
		}
	}
}
