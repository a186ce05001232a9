package endpoint

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/interop/link"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

// A caseTest is a test case on the loopback interface, with smaller files than the runner's.
type caseTest struct {
	name    string
	client  string // TESTCASE of the two sides, if not the name
	server  string
	files   int
	size    int
	link    *link.Options // nil for none
	conns   int           // connections of the client
	check   func(p *played) error
	rebound int // how often, at least
}

// A played is what happened.
type played struct {
	client, server caseLog
	link           *link.Link // may be nil
}

// A caseLog is a tracer that keeps the events of all connections of a side.
type caseLog struct {
	events.Recorder
	mu    sync.Mutex
	conns int
}

func (l *caseLog) tracer(context.Context, bool, quic.ConnectionID) qlogwriter.Trace {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns++
	return &events.Trace{Recorder: &l.Recorder}
}

// count returns how many events of a type are as they should be.
func count[E qlogwriter.Event](l *caseLog, ok func(E) bool) (n int) {
	var example E
	for _, e := range l.Events(example) {
		if ok(e.(E)) {
			n++
		}
	}
	return n
}

func packetsOf(typ qlog.PacketType) func(qlog.PacketSent) bool {
	return func(e qlog.PacketSent) bool { return e.Header.PacketType == typ }
}

// among returns an error unless n is at least 1.
func among(n int, what string) error {
	if n == 0 {
		return fmt.Errorf("no %s", what)
	}
	return nil
}

func framesOf[F any](l *caseLog) int {
	return count(l, func(e qlog.PacketSent) bool {
		return slices.ContainsFunc(e.Frames, func(f qlog.Frame) bool {
			_, ok := f.Frame.(F)
			return ok
		})
	})
}

func checkHandshake(p *played) error {
	if n := count(&p.server, packetsOf(qlog.PacketTypeRetry)); n > 0 {
		return fmt.Errorf("%d Retry packets", n)
	}
	return nil
}

func checkTransfer(p *played) error {
	return errors.Join(
		among(framesOf[*qlog.MaxDataFrame](&p.client), "MAX_DATA"),
		among(framesOf[*qlog.MaxStreamDataFrame](&p.client), "MAX_STREAM_DATA"))
}

func checkMultiplexing(p *played) error {
	return among(framesOf[*qlog.MaxStreamsFrame](&p.server), "MAX_STREAMS")
}

func checkRetry(p *played) error {
	return among(count(&p.client, func(e qlog.PacketReceived) bool { return e.Header.PacketType == qlog.PacketTypeRetry }), "Retry packet")
}

func checkZeroRTT(p *played) error {
	return among(count(&p.client, packetsOf(qlog.PacketType0RTT)), "0-RTT packet")
}

func checkKeyUpdate(p *played) error {
	phase1 := func(e qlog.PacketSent) bool { return e.Header.KeyPhaseBit == qlog.KeyPhaseOne }
	return errors.Join(
		among(count(&p.client, phase1), "packet of the client with key phase 1"),
		among(count(&p.server, phase1), "packet of the server with key phase 1"))
}

func checkECN(p *played) error {
	counts := func(e qlog.PacketSent) bool {
		return slices.ContainsFunc(e.Frames, func(f qlog.Frame) bool {
			ack, ok := f.Frame.(*qlog.AckFrame)
			return ok && ack.ECT0 > 0
		})
	}
	return errors.Join(
		among(count(&p.client, counts), "ACK of the client with ECN counts"),
		among(count(&p.server, counts), "ACK of the server with ECN counts"))
}

func checkVersion2(p *played) error {
	is := func(v quic.Version, typ qlog.PacketType) func(qlog.PacketSent) bool {
		return func(e qlog.PacketSent) bool { return e.Header.PacketType == typ && e.Header.Version == v }
	}
	if n := count(&p.server, is(quic.Version1, qlog.PacketTypeHandshake)); n > 0 {
		return fmt.Errorf("%d Handshake packets of version 1", n)
	}
	return errors.Join(
		among(count(&p.client, is(quic.Version1, qlog.PacketTypeInitial)), "Initial of version 1"),
		among(count(&p.server, is(quic.Version2, qlog.PacketTypeInitial)), "Initial of version 2"))
}

func checkRebinding(p *played) error {
	return errors.Join(
		among(framesOf[*qlog.PathChallengeFrame](&p.server), "PATH_CHALLENGE of the server"),
		among(framesOf[*qlog.PathResponseFrame](&p.client), "PATH_RESPONSE of the client"),
		among(len(p.server.Events(qlog.TupleAssigned{})), "second path of the server"))
}

var caseTests = []caseTest{
	{name: "handshake", files: 1, size: 1 << 10, check: checkHandshake},
	{name: "transfer", files: 3, size: 1 << 20, check: checkTransfer},
	{name: "longrtt", files: 1, size: 1 << 10, link: &link.Options{Delay: 400 * time.Millisecond}},
	{name: "multiplexing", files: 300, size: 32, check: checkMultiplexing},
	{name: "retry", files: 1, size: 10 << 10, check: checkRetry},
	{name: "resumption", files: 2, size: 10 << 10, conns: 2},
	{name: "zerortt", files: 40, size: 32, conns: 2, check: checkZeroRTT, link: &link.Options{Delay: 100 * time.Millisecond}},
	{name: "http3", files: 3, size: 50 << 10},
	{name: "blackhole", files: 1, size: 1 << 20, link: &link.Options{Rate: 20e6, On: 300 * time.Millisecond, Off: 200 * time.Millisecond}},
	{name: "keyupdate", server: "transfer", files: 1, size: 3 << 20, check: checkKeyUpdate},
	{name: "ecn", files: 1, size: 300 << 10, check: checkECN},
	{name: "amplificationlimit", files: 1, size: 5 << 10, link: &link.Options{DropFirst: 6}},
	{name: "handshakeloss", files: 3, size: 1 << 10, conns: 3, link: &link.Options{Loss: 0.1}},
	{name: "transferloss", files: 1, size: 1 << 20, link: &link.Options{Loss: 0.02}},
	{name: "handshakecorruption", files: 3, size: 1 << 10, conns: 3, link: &link.Options{Corrupt: 0.1}},
	{name: "transfercorruption", files: 1, size: 1 << 20, link: &link.Options{Corrupt: 0.02}},
	{name: "v2", files: 1, size: 1 << 10, check: checkVersion2},
	{name: "rebind-port", files: 1, size: 500 << 10, check: checkRebinding, rebound: 1,
		link: &link.Options{Rate: 10e6, RebindAfter: 100 * time.Millisecond, RebindEvery: 200 * time.Millisecond}},
	{name: "goodput", files: 1, size: 500 << 10, link: &link.Options{Rate: 10e6, Delay: 15 * time.Millisecond}},
}

// maxCaseTime bounds a case on a busy machine.
const maxCaseTime = 2 * time.Minute

func TestCases(t *testing.T) {
	for _, test := range caseTests {
		t.Run(test.name, func(t *testing.T) {
			p := test.play(t)
			if test.check != nil {
				if err := test.check(p); err != nil {
					t.Error(err)
				}
			}
			if want := max(test.conns, 1); p.client.conns != want {
				t.Errorf("%d connections, want %d", p.client.conns, want)
			}
			if test.rebound > 0 && p.link.Rebound() < test.rebound {
				t.Errorf("the NAT has changed the address %d times, want %d", p.link.Rebound(), test.rebound)
			}
		})
	}
}

func orName(s, name string) string {
	if s == "" {
		return name
	}
	return s
}

// play runs both sides and compares the files.
func (test *caseTest) play(t *testing.T) *played {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxCaseTime)
	defer cancel()
	p := &played{}
	www, downloads := t.TempDir(), t.TempDir()
	names := writeFiles(t, www, test.files, test.size)
	s := &Server{
		Testcase: orName(test.server, test.name), WWW: www, TLS: testcert.ServerConfig(),
		Config: &quic.Config{Tracer: p.server.tracer},
	}
	serverConn := listen(t)
	addr := serverConn.LocalAddr()
	if test.link != nil {
		p.link = newLink(t, addr.(*net.UDPAddr), *test.link)
		addr = p.link.Addr()
	}
	served := make(chan error, 1)
	serveCtx, stop := context.WithCancel(ctx)
	go func() { served <- s.Serve(serveCtx, serverConn) }()
	c := &Client{
		Testcase: orName(test.client, test.name), Downloads: downloads, TLS: testcert.ClientConfig(),
		Config: &quic.Config{Tracer: p.client.tracer},
	}
	for _, name := range names {
		c.Requests = append(c.Requests, fmt.Sprintf("https://%s/%s", addr, name))
	}
	if err := c.Run(ctx); err != nil {
		t.Fatalf("client: %v", err)
	}
	stop()
	if err := <-served; err != nil {
		t.Errorf("server: %v", err)
	}
	compareFiles(t, www, downloads, names)
	return p
}

func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func newLink(t *testing.T, server *net.UDPAddr, o link.Options) *link.Link {
	t.Helper()
	o.Seed = 1
	l, err := link.New(listen(t), server, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func writeFiles(t *testing.T, dir string, n, size int) (names []string) {
	t.Helper()
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	for i := range n {
		r.Read(b)
		names = append(names, fmt.Sprintf("file-%d-%s", i, strings.Repeat("x", 100)))
		if err := os.WriteFile(filepath.Join(dir, names[i]), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// compareFiles fails the test unless both directories have the files and nothing else.
func compareFiles(t *testing.T, www, downloads string, names []string) {
	t.Helper()
	for _, name := range names {
		want, err := os.ReadFile(filepath.Join(www, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(downloads, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d (%v)", name, len(got), len(want), err)
		}
	}
	if list, err := os.ReadDir(downloads); err != nil || len(list) != len(names) {
		t.Errorf("%d files, want %d (%v)", len(list), len(names), err)
	}
}

func TestUnsupportedCases(t *testing.T) {
	for _, name := range []string{"", "nonsense", "connectionmigration"} {
		s := &Server{Testcase: name, WWW: t.TempDir(), TLS: testcert.ServerConfig()}
		if err := s.Serve(t.Context(), listen(t)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("a server of %q: %v, want %v", name, err, ErrUnsupported)
		}
	}
	for _, name := range []string{"", "nonsense", "versionnegotiation"} {
		c := &Client{Testcase: name, TLS: testcert.ClientConfig()}
		if err := c.Run(t.Context()); !errors.Is(err, ErrUnsupported) {
			t.Errorf("a client of %q: %v, want %v", name, err, ErrUnsupported)
		}
	}
}

// A client must not be content with less than the case asks for.
func TestClientChecks(t *testing.T) {
	tests := []struct {
		name, testcase, want string
		server               *tls.Config
		files, requests      int
	}{
		{"a file that is missing", "http3", "status 404", testcert.ServerConfig(), 1, 2},
		{"one request for two connections", "resumption", "two requests", testcert.ServerConfig(), 1, 1},
	}
	for _, test := range tests {
		www := t.TempDir()
		names := append(writeFiles(t, www, test.files, 10), "missing")[:test.requests]
		conn := listen(t)
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- (&Server{Testcase: test.testcase, WWW: www, TLS: test.server}).Serve(ctx, conn)
		}()
		c := &Client{Testcase: test.testcase, Downloads: t.TempDir(), TLS: testcert.ClientConfig()}
		for _, name := range names {
			c.Requests = append(c.Requests, fmt.Sprintf("https://%s/%s", conn.LocalAddr(), name))
		}
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", test.name, err, test.want)
		}
		stop()
		<-served
	}
}
