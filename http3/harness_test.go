package http3_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/quicvarint"
)

// A world is a client, a server and the network between them, inside a synctest bubble.
type world struct {
	t        *testing.T
	net      *netsim.Net
	clientQT *quic.Transport
	serverPC net.PacketConn
	server   *http3.Server
	client   *http3.Transport
	served   chan error         // what Serve has returned
	tunnels  chan *http3.Stream // what serveTunnels has taken over
	// serverQUIC and clientQUIC are used where no http3 type does it.
	serverQUIC, clientQUIC *quic.Config
	clientTLS              *tls.Config
}

// inWorld runs f in a bubble with a network of 10 ms round-trip time.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	inNetwork(t, netsim.Options{Up: netsim.Direction{Delay: 5 * time.Millisecond}, Down: netsim.Direction{Delay: 5 * time.Millisecond}}, f)
}

func inNetwork(t *testing.T, o netsim.Options, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		clientPC, serverPC, n := netsim.Pair(1, o)
		w := &world{t: t, net: n, serverPC: serverPC, clientQT: &quic.Transport{Conn: clientPC}}
		w.serverQUIC = &quic.Config{EnableDatagrams: true, Allow0RTT: true}
		w.clientQUIC = &quic.Config{EnableDatagrams: true}
		w.clientTLS = testcert.ClientConfig(http3.NextProtoH3)
		w.server = &http3.Server{TLSConfig: testcert.ServerConfig(), QUICConfig: w.serverQUIC, EnableDatagrams: true}
		w.client = &http3.Transport{TLSClientConfig: w.clientTLS, EnableDatagrams: true, QUICConfig: w.clientQUIC, Dial: w.dial}
		defer func() {
			w.client.Close()
			w.server.Close()
			w.clientQT.Close()
			n.Close()
			synctest.Wait()
		}()
		f(t, w)
	})
}

func (w *world) dial(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
	return w.clientQT.DialEarly(ctx, w.serverPC.LocalAddr(), tlsConf, conf)
}

// serve starts the server.
func (w *world) serve(handler http.HandlerFunc) {
	w.t.Helper()
	w.server.Handler = handler
	server, served := w.server, make(chan error, 1)
	w.served = served
	go func() { served <- server.Serve(w.serverPC) }()
	synctest.Wait()
}

func (w *world) url(path string) string { return "https://localhost:443" + path }

func (w *world) request(method, path string, body io.Reader) *http.Request {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	w.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, w.url(path), body)
	if err != nil {
		w.t.Fatal(err)
	}
	return req
}

// do sends a request and returns the response and its content.
func (w *world) do(req *http.Request) (*http.Response, string) {
	w.t.Helper()
	rsp, err := w.client.RoundTrip(req)
	if err != nil {
		w.t.Fatalf("RoundTrip: %v", err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		w.t.Fatalf("reading the body: %v", err)
	}
	return rsp, string(body)
}

// get is do for a GET request.
func (w *world) get(path string) (*http.Response, string) {
	w.t.Helper()
	return w.do(w.request(http.MethodGet, path, nil))
}

// rawConn dials the server without HTTP/3.
func (w *world) rawConn() *quic.Conn {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	conn, err := w.clientQT.Dial(ctx, w.serverPC.LocalAddr(), w.clientTLS, w.clientQUIC)
	if err != nil {
		w.t.Fatalf("Dial: %v", err)
	}
	return conn
}

// serveRaw starts a server without HTTP/3 whose connections are given to f.
func (w *world) serveRaw(f func(conn *quic.Conn)) {
	w.t.Helper()
	ln, err := quic.ListenEarly(w.serverPC, testcert.ServerConfig(http3.NextProtoH3), w.serverQUIC)
	if err != nil {
		w.t.Fatalf("ListenEarly: %v", err)
	}
	w.t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				// Before the end of the handshake, an application error is not told to the peer.
				select {
				case <-conn.HandshakeComplete():
				case <-conn.Context().Done():
				}
				select {
				case <-conn.HandshakeComplete():
					f(conn)
				default:
				}
			}()
		}
	}()
}

// openUni opens a unidirectional stream with these first bytes.
func openUni(t *testing.T, conn *quic.Conn, b []byte) *quic.SendStream {
	t.Helper()
	str, err := conn.OpenUniStream()
	if err != nil {
		t.Errorf("OpenUniStream: %v", err)
		return nil
	}
	if _, err := str.Write(b); err != nil {
		t.Errorf("Write: %v", err)
	}
	return str
}

// openControl opens a control stream with a SETTINGS frame that announces datagrams and extended CONNECT.
func openControl(t *testing.T, conn *quic.Conn, more ...byte) *quic.SendStream {
	t.Helper()
	return openUni(t, conn, append([]byte{0x00, 0x04, 0x04, 0x33, 0x01, 0x08, 0x01}, more...))
}

// frame returns a frame.
func frame(typ uint64, payload []byte) []byte {
	b := quicvarint.Append(nil, typ)
	b = quicvarint.Append(b, uint64(len(payload)))
	return append(b, payload...)
}

// headers returns a HEADERS frame; fields are names and values in turn.
func headers(fields ...string) []byte {
	block := []byte{0, 0}
	for i := 0; i < len(fields); i += 2 {
		block = appendPrefixed(block, 0x20, 3, uint64(len(fields[i])))
		block = append(block, fields[i]...)
		block = appendPrefixed(block, 0x00, 7, uint64(len(fields[i+1])))
		block = append(block, fields[i+1]...)
	}
	return frame(0x1, block)
}

// appendPrefixed appends an integer with a prefix (RFC 7541, Section 5.1).
func appendPrefixed(b []byte, pattern byte, bits int, v uint64) []byte {
	limit := uint64(1)<<bits - 1
	if v < limit {
		return append(b, pattern|byte(v))
	}
	b = append(b, pattern|byte(limit))
	for v -= limit; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

// getHeaders is the header of a request.
func getHeaders(more ...string) []byte {
	return headers(append([]string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}, more...)...)
}

func postHeaders(more ...string) []byte {
	return headers(append([]string{":method", "POST", ":scheme", "https", ":authority", "localhost", ":path", "/"}, more...)...)
}

// wantClosed waits for the end of a connection and checks the code with which the peer has closed it.
func wantClosed(t *testing.T, conn *quic.Conn, code http3.ErrCode) {
	t.Helper()
	wantClosedCode(t, conn, uint64(code))
}

func wantClosedCode(t *testing.T, conn *quic.Conn, code uint64) {
	t.Helper()
	select {
	case <-conn.Context().Done():
	case <-time.After(5 * time.Second):
		t.Fatalf("the connection stays open, want it closed with %#x", code)
	}
	var appErr *quic.ApplicationError
	err := context.Cause(conn.Context())
	if !errors.As(err, &appErr) || !appErr.Remote || uint64(appErr.ErrorCode) != code {
		t.Errorf("the connection ended with %v, want the peer to close it with %#x", err, code)
	}
}

// wantOpen checks that a connection stays open for a while.
func wantOpen(t *testing.T, conn *quic.Conn) {
	t.Helper()
	select {
	case <-conn.Context().Done():
		t.Fatalf("the connection ended with %v, want it open", context.Cause(conn.Context()))
	case <-time.After(time.Second):
	}
}

// wantReset reads a stream to its end, which has to be a reset with code.
func wantReset(t *testing.T, str io.Reader, code http3.ErrCode) {
	t.Helper()
	if s, ok := str.(interface{ SetReadDeadline(time.Time) error }); ok {
		s.SetReadDeadline(time.Now().Add(5 * time.Second))
	}
	_, err := io.Copy(io.Discard, str)
	var streamErr *quic.StreamError
	if !errors.As(err, &streamErr) || !streamErr.Remote || streamErr.ErrorCode != quic.StreamErrorCode(code) {
		t.Errorf("the stream ended with %v, want a reset with %#x", err, uint64(code))
	}
}

// readStatus reads the header of a response and returns its :status.
func readStatus(t *testing.T, r io.Reader) string {
	t.Helper()
	q := quicvarint.NewReader(r)
	typ, err := quicvarint.Read(q)
	if err != nil || typ != 1 {
		t.Errorf("got frame %d, %v, want HEADERS", typ, err)
		return ""
	}
	n, err := quicvarint.Read(q)
	if err != nil {
		t.Error(err)
		return ""
	}
	block := make([]byte, n)
	if _, err := io.ReadFull(r, block); err != nil {
		t.Error(err)
		return ""
	}
	field, err := qpack.NewDecoder().Decode(block)()
	if err != nil || field.Name != ":status" {
		t.Errorf("got field %v, %v, want :status", field, err)
	}
	return field.Value
}

func wantErrorCode(t *testing.T, err error, code http3.ErrCode, remote bool) {
	t.Helper()
	if !errors.Is(err, &http3.Error{ErrorCode: code, Remote: remote}) {
		t.Errorf("got error %v, want code %#x, remote %t", err, uint64(code), remote)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	io.WriteString(w, strings.ToUpper(string(body)))
}

func gzipped(s string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return b.Bytes()
}

// isStreamError reports whether the peer has ended a stream with code.
func isStreamError(err error, code quic.StreamErrorCode) bool {
	var streamErr *quic.StreamError
	return errors.As(err, &streamErr) && streamErr.Remote && streamErr.ErrorCode == code
}
