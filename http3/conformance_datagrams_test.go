package http3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/quicvarint"
)

// datagramCases are the rows about HTTP Datagrams.
var datagramCases = map[string]conformanceCase{
	"T-535": badDatagrams([]byte{}, []byte{0x40}, []byte{0x80, 0, 0}, []byte{0xc0, 0, 0, 0, 0, 0, 0}),
	"T-536": badDatagrams(datagram(1<<60, "x"), datagram(1<<60+1, ""), datagram(1<<62-1, "x")),
	"T-537": datagramsBeforeTheStream,
	"T-538": datagramBeyondTheLimit,
	"T-539": datagramAfterTheEnd,
	"T-540": datagramWithoutSemantics,
	"T-541": noDatagramAfterOurEnd,
	"T-542": noDatagramBeforeSettings,
}

// datagram is an HTTP Datagram.
func datagram(quarterStreamID uint64, payload string) []byte {
	return append(quicvarint.Append(nil, quarterStreamID), payload...)
}

// An ourStream is a stream of an endpoint under test whose user reads and writes it.
type ourStream interface {
	io.ReadWriteCloser
	SendDatagram([]byte) error
	ReceiveDatagram(context.Context) ([]byte, error)
	CancelRead(quic.StreamErrorCode)
	CancelWrite(quic.StreamErrorCode)
}

var (
	_ ourStream = &http3.Stream{}
	_ ourStream = &http3.RequestStream{}
)

// streamsOf is a connection of a rogue whose streams are handed out by the endpoint under test.
type streamsOf struct {
	*rogue
	client *http3.ClientConn // under test
}

// openStreams connects. A rogue whose control stream is not wanted announces no settings.
func openStreams(r *rogue, control []byte) *streamsOf {
	r.t.Helper()
	s := &streamsOf{rogue: r}
	if r.role == roleServer {
		r.w.serveTunnels()
		r.conn = r.w.rawConn()
	} else {
		conns := make(chan *quic.Conn, 1)
		r.w.serveRaw(func(conn *quic.Conn) { conns <- conn })
		s.client = r.w.clientConn()
		r.conn = <-conns
	}
	if control != nil {
		openUni(r.t, r.conn, control)
	}
	return s
}

// withDatagrams is a control stream that allows datagrams and extended CONNECT.
var withDatagrams = []byte{0x00, 0x04, 0x04, 0x33, 0x01, 0x08, 0x01}

// open opens a CONNECT stream, as the rogue sees it and as the endpoint under test does.
func (s *streamsOf) open() (*quic.Stream, ourStream) {
	s.t.Helper()
	return s.openWith(headers(":method", "CONNECT", ":authority", "a:1"), s.w.request(http.MethodConnect, "/", nil))
}

func (s *streamsOf) openWith(request []byte, req *http.Request) (*quic.Stream, ourStream) {
	s.t.Helper()
	if s.role == roleServer {
		str, err := s.conn.OpenStream()
		if err != nil {
			s.t.Fatal(err)
		}
		str.Write(request)
		if status := readStatus(s.t, str); status != "200" {
			s.t.Fatalf("got status %q", status)
		}
		return str, <-s.w.tunnels
	}
	ours, err := s.client.OpenRequestStream(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := ours.SendRequestHeader(req); err != nil {
		s.t.Fatal(err)
	}
	str := answer(s.t, s.conn, headers(":status", "200"), false)
	if _, err := ours.ReadResponse(); err != nil {
		s.t.Fatal(err)
	}
	return str, ours
}

// exchanges checks that another stream of the connection carries a datagram in both directions.
func (s *streamsOf) exchanges() {
	s.t.Helper()
	str, ours := s.open()
	quarter := uint64(str.StreamID() / 4)
	s.conn.SendDatagram(datagram(quarter, "ping"))
	if got := receive(s.t, ours); !slices.Equal(got, []string{"ping"}) {
		s.t.Errorf("got datagrams %q, want ping", got)
	}
	if err := ours.SendDatagram([]byte("pong")); err != nil {
		s.t.Error(err)
	}
	if got := s.arrived(); !slices.Equal(got, []string{string(datagram(quarter, "pong"))}) {
		s.t.Errorf("the peer got datagrams %q, want pong", got)
	}
	str.CancelRead(0)
	str.CancelWrite(0)
	ours.CancelRead(0)
	ours.CancelWrite(0)
}

// receive returns the datagrams that a stream has, or gets within a second.
func receive(t *testing.T, str ourStream) (got []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for {
		b, err := str.ReceiveDatagram(ctx)
		if err != nil {
			return got
		}
		got = append(got, string(b))
	}
}

// arrived returns the datagrams that the rogue gets within a second.
func (r *rogue) arrived() (got []string) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
	defer cancel()
	for {
		b, err := r.conn.ReceiveDatagram(ctx)
		if err != nil {
			return got
		}
		got = append(got, string(b))
	}
}

// badDatagrams is for datagrams that close the connection.
func badDatagrams(bs ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		p := newPeers(r)
		for _, b := range bs {
			c := p.dial()
			openUni(t, c.conn, withDatagrams)
			c.works()
			if err := c.conn.SendDatagram(b); err != nil {
				t.Fatal(err)
			}
			wantClosed(t, c.conn, http3.ErrCodeDatagramError)
		}
		// The largest ID is none that is in use, but one.
		if r.role == roleClient {
			c := p.dial()
			c.conn.SendDatagram(datagram(1<<60-1, ""))
			c.works()
		}
	}
}

// datagramsBeforeTheStream: a server keeps 16 for a second. A client drops them, as it opens the streams itself.
func datagramsBeforeTheStream(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	s.exchanges()
	str, _ := s.open()
	next := uint64(str.StreamID()/4) + 1
	send := func(quarter uint64, payloads ...string) {
		for _, p := range payloads {
			r.conn.SendDatagram(datagram(quarter, p))
		}
		time.Sleep(100 * time.Millisecond)
	}
	send(next, strings.Split(strings.Repeat("x", 20)+"0123456789abcde", "")...)
	send(next+1, "other")
	_, ours := s.open()
	want := strings.Split("0123456789abcde", "")
	if r.role == roleClient {
		want = nil
	}
	if got := receive(t, ours); !slices.Equal(got, want) {
		t.Errorf("got datagrams %q, want %q", got, want)
	}
	_, ours = s.open() // a second later
	if got := receive(t, ours); len(got) > 0 {
		t.Errorf("got datagrams %q, want none", got)
	}
	s.exchanges()
}

// datagramBeyondTheLimit: a server that has made the QUIC configuration itself knows the limit. A client does not:
// "Generating an error is not mandatory because the QUIC stream limit might be unknown to the HTTP/3 layer."
// (RFC 9297, Section 2.1)
func datagramBeyondTheLimit(t *testing.T, r *rogue) {
	if r.role == roleClient {
		s := openStreams(r, withDatagrams)
		for _, quarter := range []uint64{100, 1000, 1<<60 - 1} {
			r.conn.SendDatagram(datagram(quarter, "x"))
		}
		s.exchanges()
		return
	}
	for _, limit := range []int64{0, 10} {
		r.w.serverQUIC.MaxIncomingStreams = limit
		if limit == 0 {
			limit = 100 // the default
		}
		s := openStreams(r, withDatagrams)
		r.conn.SendDatagram(datagram(uint64(limit-1), "x"))
		for range 3 { // streams that are over make room for others
			s.exchanges()
		}
		r.conn.SendDatagram(datagram(uint64(limit+2), "x"))
		wantOpen(t, r.conn)
		r.conn.SendDatagram(datagram(uint64(limit+3), "x"))
		wantClosed(t, r.conn, http3.ErrCodeIDError)
		r.w.server.Close()
		<-r.w.served
		r.w.server = &http3.Server{TLSConfig: r.w.server.TLSConfig, QUICConfig: r.w.serverQUIC, EnableDatagrams: true}
	}
}

// A server that cannot know the limit does not guess it.
func TestDatagramBeyondAnUnknownLimit(t *testing.T) {
	more := &quic.Config{EnableDatagrams: true, MaxIncomingStreams: 1000}
	for name, serve := range map[string]func(w *world) error{
		"GetConfigForClient": func(w *world) error {
			w.serverQUIC.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return more, nil }
			return w.server.Serve(w.serverPC)
		},
		"ServeListener": func(w *world) error {
			ln, err := quic.ListenEarly(w.serverPC, http3.ConfigureTLSConfig(testcert.ServerConfig()), more)
			if err != nil {
				return err
			}
			defer ln.Close()
			return w.server.ServeListener(ln)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.server.Handler = http.HandlerFunc(echo)
				w.served = make(chan error, 1)
				go func() { w.served <- serve(w) }()
				synctest.Wait()
				conn := w.rawConn()
				openUni(t, conn, with(withDatagrams, frame(0xf0700, append(quicvarint.Append(nil, 4*999), "u=1"...))))
				conn.SendDatagram(datagram(999, "x"))
				wantAnswered(t, rawRequest(t, conn, getHeaders()))
				wantOpen(t, conn)
			})
		})
	}
}

func datagramAfterTheEnd(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	for name, test := range map[string]struct {
		end  func(str *quic.Stream, ours ourStream)
		want error
	}{
		"FIN":        {func(str *quic.Stream, _ ourStream) { str.Close() }, io.EOF},
		"reset":      {func(str *quic.Stream, _ ourStream) { str.CancelWrite(7) }, &http3.Error{ErrorCode: 7, Remote: true}},
		"CancelRead": {func(_ *quic.Stream, ours ourStream) { ours.CancelRead(8) }, &http3.Error{ErrorCode: 8}},
	} {
		str, ours := s.open()
		quarter := uint64(str.StreamID() / 4)
		r.conn.SendDatagram(datagram(quarter, "early"))
		time.Sleep(100 * time.Millisecond)
		test.end(str, ours)
		time.Sleep(100 * time.Millisecond)
		r.conn.SendDatagram(datagram(quarter, "late"))
		if got := receive(t, ours); !slices.Equal(got, []string{"early"}) {
			t.Errorf("%s: got datagrams %q, want the early one", name, got)
		}
		if _, err := ours.ReceiveDatagram(t.Context()); !errors.Is(err, test.want) {
			t.Errorf("%s: ReceiveDatagram: %v, want %v", name, err, test.want)
		}
		// Once the stream is forgotten, too.
		str.Close()
		str.CancelRead(0)
		ours.CancelWrite(0)
		ours.CancelRead(0)
		time.Sleep(time.Second)
		r.conn.SendDatagram(datagram(quarter, "later"))
	}
	s.exchanges()
}

// datagramWithoutSemantics: see docs/decisions/013-datagrams-without-semantics.md.
func datagramWithoutSemantics(t *testing.T, r *rogue) {
	if r.role == roleClient {
		datagramForRoundTrip(t, r)
	} else {
		datagramForHandler(t, r)
	}
}

// datagramForRoundTrip: what RoundTrip sends cannot receive datagrams, but CONNECT has semantics for them.
func datagramForRoundTrip(t *testing.T, r *rogue) {
	c := onePeer(r)
	openUni(t, c.conn, withDatagrams)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, "QUERY", http3.MethodGet0RTT} {
		for _, b := range [][]byte{nil, headers(":status", "200"), with(headers(":status", "200"), frame(0, []byte("part")))} {
			if method == http.MethodHead && b != nil {
				continue // the response is complete
			}
			k := c.exchange(r.w.request(method, "/", nil), false, b)
			c.conn.SendDatagram(datagram(uint64(k.str.StreamID()/4), "x"))
			head := k.head
			c.follow(k)
			if k.tail == nil || (head == nil) != (b == nil) {
				t.Fatalf("%s: the application got %+v, %+v", method, head, k.tail)
			}
			wantErrorCode(t, k.tail.err, http3.ErrCodeDatagramError, false)
			c.wantStreamError(k, http3.ErrCodeDatagramError)
		}
	}
	k := c.exchange(r.w.request(http.MethodConnect, "/", nil), false, headers(":status", "200"))
	for range 100 {
		c.conn.SendDatagram(datagram(uint64(k.str.StreamID()/4), "x"))
	}
	k.str.Write(frame(0, []byte("content")))
	k.str.Close()
	head := k.head
	c.follow(k)
	k.head = head
	c.accepted(k, "content")
	c.works()
	// The user of a stream gives the method its semantics.
	s := &streamsOf{rogue: r, client: c.client}
	r.conn = c.conn
	str, ours := s.openWith(nil, r.w.request(http.MethodGet, "/", nil))
	r.conn.SendDatagram(datagram(uint64(str.StreamID()/4), "x"))
	if got := receive(t, ours); !slices.Equal(got, []string{"x"}) {
		t.Errorf("got datagrams %q", got)
	}
}

// datagramForHandler: a handler can take over the stream until it has written of the body.
func datagramForHandler(t *testing.T, r *rogue) {
	p := newPeers(r)
	p.unread = true
	next, written := make(chan struct{}), make(chan error, 1)
	p.reply = func(w http.ResponseWriter, req *http.Request) {
		<-next
		io.WriteString(w, "part")
		if req.Header.Get("Hold") == "" {
			return
		}
		w.(http.Flusher).Flush()
		<-next
		_, err := w.Write(make([]byte, 10_000))
		written <- err
	}
	c := p.dial()
	openUni(t, c.conn, withDatagrams)
	for _, method := range []string{"GET", "POST", "QUERY"} {
		k := c.send(request(":method", method, "hold", "1"))
		quarter := uint64(k.str.StreamID() / 4)
		c.conn.SendDatagram(datagram(quarter, "early")) // dropped, as the handler could refuse the request
		time.Sleep(time.Second)
		next <- struct{}{}
		time.Sleep(time.Second)
		if _, err := k.str.SendState(); err != nil {
			t.Errorf("%s: a datagram before the response has ended the stream: %v", method, err)
		}
		c.conn.SendDatagram(datagram(quarter, "late"))
		time.Sleep(time.Second)
		next <- struct{}{}
		wantErrorCode(t, <-written, http3.ErrCodeDatagramError, false)
		time.AfterFunc(100*time.Millisecond, func() { next <- struct{}{} }) // for works
		c.wantStreamError(k, http3.ErrCodeDatagramError)
	}
	// The handler has returned: T-539. The response is complete.
	k := c.send(request())
	c.conn.SendDatagram(datagram(uint64(k.str.StreamID()/4), "x"))
	time.Sleep(time.Second)
	next <- struct{}{}
	c.conn.SendDatagram(datagram(uint64(k.str.StreamID()/4), "x"))
	wantAnswered(t, k.str)
	// CONNECT has semantics, whatever the handler does.
	k = c.send(headers(":method", "CONNECT", ":authority", "a:1", "hold", "1"))
	next <- struct{}{}
	time.Sleep(time.Second)
	c.conn.SendDatagram(datagram(uint64(k.str.StreamID()/4), "x"))
	time.Sleep(time.Second)
	next <- struct{}{}
	if err := <-written; err != nil {
		t.Errorf("CONNECT: %v", err)
	}
	wantAnswered(t, k.str)
	wantOpen(t, c.conn)
}

func noDatagramAfterOurEnd(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	time.Sleep(time.Second)
	for name, test := range map[string]struct {
		end  func(str *quic.Stream, ours ourStream)
		want error
	}{
		"Close":        {func(_ *quic.Stream, ours ourStream) { ours.Close() }, quic.ErrStreamClosed},
		"CancelWrite":  {func(_ *quic.Stream, ours ourStream) { ours.CancelWrite(7) }, &http3.Error{ErrorCode: 7}},
		"STOP_SENDING": {func(str *quic.Stream, _ ourStream) { str.CancelRead(8); time.Sleep(time.Second) }, &http3.Error{ErrorCode: 8, Remote: true}},
	} {
		str, ours := s.open()
		test.end(str, ours)
		for range 2 {
			if err := ours.SendDatagram([]byte("late")); !errors.Is(err, test.want) {
				t.Errorf("%s: SendDatagram: %v, want %v", name, err, test.want)
			}
			if got := r.arrived(); len(got) > 0 {
				t.Errorf("%s: the peer got %q", name, got)
			}
		}
		// The other half is open.
		r.conn.SendDatagram(datagram(uint64(str.StreamID()/4), "x"))
		if got := receive(t, ours); !slices.Equal(got, []string{"x"}) {
			t.Errorf("%s: got datagrams %q", name, got)
		}
	}
	s.exchanges()
}

func noDatagramBeforeSettings(t *testing.T, r *rogue) {
	s := openStreams(r, nil)
	_, ours := s.open()
	sent := make(chan error, 1)
	go func() { sent <- ours.SendDatagram([]byte("x")) }()
	if got := r.arrived(); len(got) > 0 {
		t.Errorf("the peer got %q before it has sent SETTINGS", got)
	}
	openUni(t, r.conn, withDatagrams)
	if got := r.arrived(); len(got) != 1 {
		t.Errorf("the peer got %q after SETTINGS", got)
	}
	if err := <-sent; err != nil {
		t.Errorf("SendDatagram: %v", err)
	}
	// The end of the stream ends the wait.
	if r.role == roleServer {
		r.conn = r.w.rawConn()
		_, ours = s.open()
		go func() { sent <- ours.SendDatagram([]byte("x")) }()
		time.Sleep(time.Second)
		ours.CancelWrite(7)
		if err := <-sent; !errors.Is(err, &http3.Error{ErrorCode: 7}) {
			t.Errorf("SendDatagram: %v", err)
		}
		openUni(t, r.conn, withDatagrams)
		if got := r.arrived(); len(got) > 0 {
			t.Errorf("the peer got %q of a stream that is over", got)
		}
		// The setting is 0, or absent.
		for _, control := range [][]byte{{0, 4, 2, 0x33, 0}, {0, 4, 0}} {
			r.conn = r.w.rawConn()
			openUni(t, r.conn, control)
			_, ours = s.open()
			if err := ours.SendDatagram([]byte("x")); err == nil || err.Error() != "datagram support disabled" {
				t.Errorf("SendDatagram without the setting: %v", err)
			}
			if got := r.arrived(); len(got) > 0 {
				t.Errorf("the peer got %q although it wants no datagrams", got)
			}
		}
	}
}
