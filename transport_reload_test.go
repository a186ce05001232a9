package quic_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/testcert"
)

// duplicate returns another descriptor of the same socket, as servers pass them on to their successors.
func duplicate(t *testing.T, pc net.PacketConn) net.PacketConn {
	t.Helper()
	file, err := pc.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	again, err := net.FilePacketConn(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

// serveNamed answers each stream with a name, behind what the client has sent.
func serveNamed(ln *quic.Listener, name string) {
	for {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			return
		}
		go func() {
			for {
				str, err := conn.AcceptStream(context.Background())
				if err != nil {
					return
				}
				go func() {
					b, _ := io.ReadAll(str)
					fmt.Fprintf(str, "%s from %s", b, name)
					str.Close()
				}()
			}
		}()
	}
}

// ask sends a question of several packets on a new stream, and returns the end of the answer.
func ask(ctx context.Context, conn *quic.Conn) (string, error) {
	str, err := conn.OpenStreamSync(ctx)
	if err != nil {
		return "", err
	}
	deadline, _ := ctx.Deadline()
	str.SetDeadline(deadline)
	question := make([]byte, 5000)
	if _, err := str.Write(question); err != nil {
		return "", err
	}
	str.Close()
	b, err := io.ReadAll(str)
	return string(b[min(len(b), len(question)):]), err
}

// A server whose successor reads from the same socket keeps its connections, and takes no datagrams of the successor's away,
// whoever of them reads what.
func TestServersThatFollowEachOtherOnASocket(t *testing.T) {
	for name, pass := range map[string]func(*testing.T, net.PacketConn) net.PacketConn{
		"another descriptor":  duplicate,
		"the same PacketConn": func(_ *testing.T, pc net.PacketConn) net.PacketConn { return pc },
		"a wrapper":           func(_ *testing.T, pc net.PacketConn) net.PacketConn { return pc },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "another descriptor" && runtime.GOOS != "linux" {
				t.Skip("descriptors of the same socket are recognised on Linux only")
			}
			udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { udp.Close() })
			var pc net.PacketConn = udp
			if name == "a wrapper" {
				pc = &packetConn{udp}
			}
			followOnSocket(t, pc, pass)
		})
	}
}

// A packetConn hides what a net.UDPConn can do.
type packetConn struct{ net.PacketConn }

func followOnSocket(t *testing.T, pc net.PacketConn, pass func(*testing.T, net.PacketConn) net.PacketConn) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	addr := pc.LocalAddr().String()
	var conns []*quic.Conn
	for generation := range 3 {
		ln, err := quic.Listen(pc, testcert.ServerConfig("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		go serveNamed(ln, fmt.Sprint(generation))
		for range 10 {
			conn, err := quic.DialAddr(ctx, addr, testcert.ClientConfig("test"), nil)
			if err != nil {
				t.Fatalf("server %d: %v", generation, err)
			}
			defer conn.CloseWithError(0, "")
			conns = append(conns, conn)
			for i, conn := range conns {
				if got, err := ask(ctx, conn); got != fmt.Sprintf(" from %d", i/10) || err != nil {
					t.Fatalf("generation %d, connection %d: got %q, %v", generation, i, got, err)
				}
			}
		}
		pc = pass(t, pc)
		defer ln.Close()
		if generation != 1 { // the second one overlaps with the third
			ln.Close()
		}
	}
}
