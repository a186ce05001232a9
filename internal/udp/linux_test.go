//go:build linux

package udp

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// networks are kinds of sockets and where to reach them.
var networks = []struct{ network, bind, dest string }{
	{"udp4", "127.0.0.1:0", "127.0.0.1"},
	{"udp4", "0.0.0.0:0", "127.0.0.1"},
	{"udp6", "[::1]:0", "::1"},
	{"udp6", "[::]:0", "::1"},
	{"udp", "[::]:0", "::1"},
	{"udp", "[::]:0", "127.0.0.1"},
}

func port(c Conn) uint16 { return RemoteFrom(c.LocalAddr()).AddrPort.Port() }

func TestECNAndLocalAddress(t *testing.T) {
	for _, k := range kinds[:2] {
		for _, n := range networks {
			t.Run(fmt.Sprintf("%s/%s %s to %s", k.name, n.network, n.bind, n.dest), func(t *testing.T) {
				client := wrap(t, k.wrap(listen(t, n.network, n.bind)), Options{})
				server := wrap(t, k.wrap(listen(t, n.network, n.bind)), Options{})
				dest := netip.MustParseAddr(n.dest)
				d := &Destination{Remote: Remote{AddrPort: netip.AddrPortFrom(dest, port(server))}}
				for _, ecn := range []protocol.ECN{protocol.ECNNon, protocol.ECT0, protocol.ECT1, protocol.ECNCE} {
					for _, size := range []int{100, 3000} {
						if err := client.WriteBatch(payload(size), 1000, ecn, d); err != nil {
							t.Fatal(err)
						}
						for _, p := range collect(t, server, (size+999)/1000) {
							if p.ECN != ecn || p.Local != dest || p.IfIndex == 0 {
								t.Errorf("ECN %v, Local %v, IfIndex %d, want %v, %v, not 0", p.ECN, p.Local, p.IfIndex, ecn, dest)
							}
							if p.Remote.AddrPort.Addr() != dest {
								t.Errorf("Remote = %v, want %v", p.Remote, dest)
							}
						}
					}
				}
				if gso, ecn, df := client.Capabilities(); !gso || !ecn || !df {
					t.Errorf("GSO %v, ECN %v, DF %v, want all", gso, ecn, df)
				}
			})
		}
	}
}

// The kernel gives no address with datagrams that came before it was asked for addresses, and zeros do not count as one.
func TestLocalAddressOfEarlyDatagrams(t *testing.T) {
	for _, k := range kinds[:2] {
		sock := listen(t, "udp4", "0.0.0.0:0")
		client := listen(t, "udp4", "127.0.0.1:0")
		dest := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sock.LocalAddr().(*net.UDPAddr).Port}
		if _, err := client.WriteTo([]byte("early"), dest); err != nil {
			t.Fatal(err)
		}
		server := wrap(t, k.wrap(sock), Options{})
		if p := collect(t, server, 1)[0]; p.Local.IsValid() && p.Local.IsUnspecified() {
			t.Errorf("%s: Local = %v, want none or the address that the datagram was sent to", k.name, p.Local)
		}
	}
}

// A reply leaves from the address that the packet came to, which the routing table would not choose.
func TestRepliesLeaveFromTheSameAddress(t *testing.T) {
	for _, k := range kinds[:2] {
		for _, n := range []struct{ network, bind string }{{"udp4", "0.0.0.0:0"}, {"udp", "[::]:0"}} {
			server := wrap(t, k.wrap(listen(t, n.network, n.bind)), Options{})
			client := wrap(t, listen(t, "udp4", "127.0.0.1:0"), Options{})
			other := netip.MustParseAddrPort(fmt.Sprintf("127.0.0.77:%d", port(server)))
			if err := client.WriteBatch([]byte("x"), 0, protocol.ECNNon, &Destination{Remote: Remote{AddrPort: other}}); err != nil {
				t.Fatal(err)
			}
			p := collect(t, server, 1)[0]
			if p.Local != other.Addr() {
				t.Fatalf("%s: Local = %v, want %v", n.bind, p.Local, other.Addr())
			}
			d := &Destination{Remote: p.Remote, Local: p.Local, IfIndex: p.IfIndex}
			if err := server.WriteBatch(payload(3000), 1000, protocol.ECT0, d); err != nil {
				t.Fatal(err)
			}
			for _, p := range collect(t, client, 3) {
				if p.Remote.AddrPort != other {
					t.Errorf("%s: the reply is from %v, want %v", n.bind, p.Remote, other)
				}
			}
		}
	}
}

func TestDFIsSetByProbing(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		pc := listen(t, network, map[string]string{"udp4": "127.0.0.1:0", "udp6": "[::1]:0"}[network])
		wrap(t, pc, Options{})
		raw, err := pc.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			v, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER)
			if network == "udp6" {
				v, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_MTU_DISCOVER)
			}
			if err != nil || v != pmtudiscProbe {
				t.Errorf("%s: MTU discovery = %d, %v, want %d", network, v, err, pmtudiscProbe)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	for _, k := range kinds[:2] {
		c := wrap(t, k.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{DisableGSO: true, DisableECN: true})
		if gso, ecn, df := c.Capabilities(); gso || ecn || !df || c.MaxSegments() != 1 {
			t.Errorf("%s: GSO %v, ECN %v, DF %v, MaxSegments %d", k.name, gso, ecn, df, c.MaxSegments())
		}
		if err := c.WriteBatch([]byte("x"), 0, protocol.ECT0, to(c)); err != nil {
			t.Fatal(err)
		}
		if p := collect(t, c, 1)[0]; p.ECN != protocol.ECNNon {
			t.Errorf("%s: ECN = %v, want none", k.name, p.ECN)
		}
	}
}

func TestTooLongDatagram(t *testing.T) {
	for _, k := range kinds {
		c := wrap(t, k.wrap(listen(t, "udp4", "127.0.0.1:0")), Options{})
		if err := c.WriteBatch(make([]byte, 65508), 0, protocol.ECNNon, to(c)); !IsMessageTooLong(err) {
			t.Errorf("%s: %v, want %v", k.name, err, ErrMessageTooLong)
		}
	}
}

// After Detach a bare socket gets single datagrams again.
func TestDetach(t *testing.T) {
	pc := listen(t, "udp4", "127.0.0.1:0")
	c := wrap(t, pc, Options{})
	Detach(c)
	if err := c.WriteBatch(payload(3000), 1000, protocol.ECNNon, to(c)); err != nil {
		t.Fatal(err)
	}
	if err := pc.SetReadDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n, _, err := pc.ReadFrom(make([]byte, 5000)); n != 1000 || err != nil {
			t.Errorf("ReadFrom = %d, %v, want 1000", n, err)
		}
	}
}

func TestNoRouteIsTransient(t *testing.T) {
	c := wrap(t, listen(t, "udp4", "127.0.0.1:0"), Options{})
	err := c.WriteBatch([]byte("x"), 0, protocol.ECNNon, &Destination{Remote: Remote{AddrPort: netip.MustParseAddrPort("[2001:db8::1]:9")}})
	if !IsTransient(err) {
		t.Errorf("IPv6 from an IPv4 socket: %v, want a transient error", err)
	}
	if err := c.WriteBatch([]byte("x"), 0, protocol.ECNNon, &Destination{Remote: RemoteFrom(textAddr("x"))}); err == nil || IsTransient(err) {
		t.Errorf("not UDP: %v, want a fatal error", err)
	}
}

func TestZoneNames(t *testing.T) {
	ifs, err := net.Interfaces()
	if err != nil || len(ifs) == 0 {
		t.Skip("no interfaces")
	}
	var z zoneNames
	if got := z.name(uint32(ifs[0].Index)); got != ifs[0].Name {
		t.Errorf("name(%d) = %q, want %q", ifs[0].Index, got, ifs[0].Name)
	}
	a := netip.MustParseAddr("fe80::1").WithZone(ifs[0].Name)
	if got := scopeOf(a); got != uint32(ifs[0].Index) {
		t.Errorf("scopeOf(%v) = %d, want %d", a, got, ifs[0].Index)
	}
	if got := scopeOf(netip.MustParseAddr("fe80::1%4711")); got != 4711 {
		t.Errorf("scope of a number = %d, want 4711", got)
	}
	for i := range uint32(3 * maxZones) {
		z.name(i + 1000000)
		if len(z) > maxZones {
			t.Fatalf("%d zones, want at most %d", len(z), maxZones)
		}
	}
}

func TestControlParsing(t *testing.T) {
	f := &features{pktinfo: true, v6: true}
	for _, dest := range []string{"1.2.3.4:5", "[2001:db8::1]:5"} {
		d := &Destination{Remote: Remote{AddrPort: netip.MustParseAddrPort(dest)}, IfIndex: 3}
		var buf [controlSize]byte
		oob := appendControl(buf[:0], d, protocol.ECT0, 1200, f)
		if got := ParseControl(oob); got.ECN != protocol.ECT0 || got.IfIndex != 3 {
			t.Errorf("%s: ParseControl = %+v", dest, got)
		}
		if &oob[0] != &buf[0] {
			t.Error("control messages do not fit in their buffer")
		}
	}
	oob, data := layout.appendMessage(nil, solUDP, udpGRO, 4)
	copy(data, []byte{0xff, 0xff, 0xff, 0xff})
	var m message
	slot := getBuffer(largeBuffer)
	m.fill(slot, 100, Remote{}, ParseControl(oob))
	if m.seg != 100 {
		t.Errorf("a negative segment size gives segments of %d, want 100", m.seg)
	}
}
