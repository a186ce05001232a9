package http3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/quicvarint"
)

// connCases: GOAWAY, pushes, the end of connections and what a peer can make us do.
var connCases = map[string]conformanceCase{
	"T-450": func(t *testing.T, r *rogue) {
		closesOnControl(0x108, with(goAway(8), goAway(12)), with(goAway(4), goAway(8)), with(goAway(1<<62-4), goAway(8), goAway(1<<62-4)))(t, r)
		// The same and smaller ones are fine.
		r.connect()
		r.uni(with(settings, goAway(1<<62-4), goAway(8), goAway(8), goAway(4)))
		wantOpen(t, r.conn)
		r.message(with(r.header(), frame(0, []byte("ok")))).Close()
		r.wantResult("ok")
		wantClosed(t, r.conn, http3.ErrCodeNoError)
	},
	"T-451": func(t *testing.T, r *rogue) {
		closesOnControl(0x108, with(goAway(3), goAway(4)), with(goAway(0), goAway(1)), with(goAway(1<<62-1), goAway(8), goAway(1<<62-1)))(t, r)
		r.connect()
		r.uni(with(settings, goAway(1<<62-1), goAway(7), goAway(7), goAway(6), goAway(0)))
		wantOpen(t, r.conn)
		r.wantUsable()
	},
	"T-452": closesOnControl(0x108, goAway(1), goAway(2), goAway(3), goAway(5), goAway(1<<62-1)),
	"T-453": goAwayReceived,
	"T-454": goAwaySent,
	"T-455": func(t *testing.T, r *rogue) {
		closesOnControl(0x108, with(maxPushID(3), maxPushID(2)), with(maxPushID(1<<62-1), maxPushID(0)))(t, r)
		r.connect()
		r.uni(with(settings, maxPushID(0), maxPushID(0), maxPushID(3), maxPushID(1<<62-1)))
		wantOpen(t, r.conn)
		r.wantUsable()
	},
	"T-456": inTurn(
		closesOnControl(0x108, cancelPush(0), cancelPush(1), cancelPush(1<<62-1)),
		onlyAs(roleServer, closesOnControl(0x108, with(maxPushID(3), cancelPush(4)), with(maxPushID(0), cancelPush(1<<62-1)))),
	),
	// We never promise anything.
	"T-457": closesOnControl(0x108, with(maxPushID(0), cancelPush(0)), with(maxPushID(10), cancelPush(3)), with(maxPushID(10), cancelPush(10))),
	// We never send MAX_PUSH_ID, so that each push ID is too large.
	"T-458": closesOnRequest(0x108, pushPromise(0, ""), pushPromise(1, ""), pushPromise(1<<62-1, "")),
	// The first of the promises is the error; see T-458.
	"T-459": closesOnRequest(0x108, with(pushPromise(0, "a"), pushPromise(0, "b"))),
	"T-460": closedWithoutGoAway,
	"T-461": rapidReset,
	"T-462": idleFrames,
	"T-463": otherAuthority,
}

func goAway(id uint64) []byte     { return frame(0x7, quicvarint.Append(nil, id)) }
func maxPushID(id uint64) []byte  { return frame(0xd, quicvarint.Append(nil, id)) }
func cancelPush(id uint64) []byte { return frame(0x3, quicvarint.Append(nil, id)) }

func pushPromise(id uint64, path string) []byte {
	h := getHeaders("path", path)
	return frame(0x5, append(quicvarint.Append(nil, id), h[2:]...))
}

// answerOn answers the next request on a connection of a client.
func (r *rogue) answerOn(conn *quic.Conn, body string) {
	r.t.Helper()
	r.conn = conn
	r.message(with(r.header(), frame(0, []byte(body)))).Close()
}

func goAwayReceived(t *testing.T, r *rogue) {
	// Of two requests the server processes the first.
	old := r.connect()
	first := r.requestStream()
	firstResult := r.result
	r.request = r.w.request(http.MethodPost, "/", strings.NewReader("body"))
	r.roundTrip()
	second := r.requestStream()
	io.ReadAll(second)
	r.uni(with(settings, goAway(uint64(second.StreamID()))))
	wantStopped(t, second, http3.ErrCodeRequestCanceled)
	next := <-r.conns
	r.conn = next
	again := r.requestStream()
	if b, err := io.ReadAll(again); err != nil || !bytes.HasSuffix(b, frame(0, []byte("body"))) {
		t.Errorf("the second request comes again as %x, %v", b, err)
	}
	again.Write(with(r.header(), frame(0, []byte("again"))))
	again.Close()
	r.wantResult("again")
	// A further request goes to the new connection.
	r.request = nil
	r.roundTrip()
	r.answerOn(next, "further")
	r.wantResult("further")
	// The first one is not disturbed, and the last on its connection.
	wantOpen(t, old)
	first.Write(with(r.header(), frame(0, []byte("first"))))
	first.Close()
	r.result = firstResult
	r.wantResult("first")
	wantClosed(t, old, http3.ErrCodeNoError)
	// A later frame may say less. A body that cannot be had again is not sent again.
	r.request = r.w.request(http.MethodPost, "/", io.NopCloser(strings.NewReader("body")))
	r.roundTrip()
	r.conn = next
	str := r.requestStream()
	control := r.uni(with(settings, goAway(1<<62-4)))[0]
	wantSilent(t, str)
	control.Write(goAway(0))
	if res := <-r.result; res.err == nil {
		t.Error("a request that the server has not processed is answered")
	}
	wantStopped(t, str, http3.ErrCodeRequestCanceled)
	wantClosed(t, next, http3.ErrCodeNoError)
	if len(r.conns) > 0 {
		t.Error("a request without GetBody is sent again")
	}
	goAwayOnClientConn(t, r)
}

// goAwayOnClientConn: on a connection of its user's nothing is sent again.
func goAwayOnClientConn(t *testing.T, r *rogue) {
	c := r.w.client.NewClientConn(r.w.rawConn())
	r.conn = <-r.conns
	r.uni(with(settings, goAway(0)))
	time.Sleep(time.Second)
	const want = "server is going away"
	if _, err := c.RoundTrip(r.w.request(http.MethodGet, "/", nil)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("RoundTrip: got %v", err)
	}
	if _, err := c.OpenRequestStream(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("OpenRequestStream: got %v", err)
	}
	wantOpen(t, r.conn)
}

func goAwaySent(t *testing.T, r *rogue) {
	release := make(chan struct{})
	var handled atomic.Int32
	r.handler = func(w http.ResponseWriter, req *http.Request) {
		handled.Add(1)
		<-release
		io.WriteString(w, "ok")
	}
	r.connect()
	control := r.ourControl()
	str := rawRequest(t, r.conn, getHeaders())
	time.Sleep(100 * time.Millisecond)
	stopped := make(chan error, 1)
	go func() { stopped <- r.w.server.Shutdown(context.Background()) }()
	time.Sleep(2 * time.Second)
	if id := lastGoAway(t, control); id != uint64(str.StreamID())+4 {
		t.Errorf("the last GOAWAY frame has ID %d, want %d", id, str.StreamID()+4)
	}
	for range 3 {
		late := r.message(getHeaders())
		wantReset(t, late, http3.ErrCodeRequestRejected)
		wantStopped(t, late, http3.ErrCodeRequestRejected)
	}
	if n := handled.Load(); n != 1 {
		t.Errorf("%d requests are handled, want 1", n)
	}
	close(release)
	wantAnswered(t, str)
	wantClosed(t, r.conn, http3.ErrCodeNoError)
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// lastGoAway reads what has come on a control stream, and returns the ID of the last GOAWAY frame.
func lastGoAway(t *testing.T, control *quic.ReceiveStream) uint64 {
	t.Helper()
	control.SetReadDeadline(time.Now().Add(time.Second))
	q := quicvarint.NewReader(control)
	last := uint64(1<<62 - 4)
	if typ, err := quicvarint.Read(q); typ != 0 || err != nil {
		t.Fatalf("stream type %#x, %v", typ, err)
	}
	for {
		typ, err := quicvarint.Read(q)
		if err != nil {
			return last
		}
		n, err := quicvarint.Read(q)
		if err != nil {
			t.Fatal(err)
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(control, payload); err != nil {
			t.Fatal(err)
		}
		if typ != 7 {
			continue
		}
		id, _, err := quicvarint.Parse(payload)
		if err != nil || id > last || id%4 != 0 {
			t.Errorf("GOAWAY frame with ID %d, %v, after %d", id, err, last)
		}
		last = id
	}
}

func closedWithoutGoAway(t *testing.T, r *rogue) {
	post := func() *http.Request { return r.w.request(http.MethodPost, "/", strings.NewReader("body")) }
	withKey := func() *http.Request {
		req := post()
		req.Header.Set("Idempotency-Key", "1")
		return req
	}
	get := func() *http.Request { return r.w.request(http.MethodGet, "/", nil) }
	closings := []func(conn *quic.Conn){
		func(conn *quic.Conn) { conn.CloseWithError(0x100, "") },
		func(conn *quic.Conn) { conn.CloseWithError(0x102, "") },
		func(conn *quic.Conn) { // the idle timeout
			r.w.net.SetUp(netsim.Direction{Loss: 1})
			<-conn.Context().Done()
			r.w.net.SetUp(netsim.Direction{Delay: 5 * time.Millisecond})
		},
	}
	for i, end := range closings {
		for _, test := range []struct {
			name    string
			request func() *http.Request
			used    bool // the connection has served a request
			again   bool
		}{
			{"POST", post, true, false},
			{"POST on a new connection", post, false, false},
			{"DELETE", func() *http.Request { return r.w.request(http.MethodDelete, "/", nil) }, true, false},
			{"GET", get, true, true},
			{"GET on a new connection", get, false, false},
			{"POST with Idempotency-Key", withKey, true, true},
		} {
			t.Logf("%s, end %d", test.name, i)
			if test.used {
				r.connect()
				r.wantUsable()
				r.request = test.request()
				r.roundTrip()
			} else {
				r.request = test.request()
				r.connect()
			}
			r.request = nil
			r.requestStream()
			end(r.conn)
			if !test.again {
				if res := <-r.result; res.err == nil {
					t.Error("the request has succeeded")
				}
				time.Sleep(time.Second)
				if len(r.conns) > 0 {
					t.Fatal("the request is sent again")
				}
				continue
			}
			r.answerOn(<-r.conns, "again")
			r.wantResult("again")
			r.conn.CloseWithError(0x100, "")
			time.Sleep(time.Second)
		}
	}
}

// rapidReset: requests that are reset at once do not let more handlers run than there may be streams. So there is no
// need to close the connection.
func rapidReset(t *testing.T, r *rogue) {
	requests := 100_000
	if raceEnabled {
		requests /= 10
	}
	var running, most, handled atomic.Int64
	r.handler = func(w http.ResponseWriter, req *http.Request) {
		handled.Add(1)
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		io.Copy(io.Discard, req.Body) // sees the reset
		time.Sleep(100 * time.Millisecond)
		running.Add(-1)
	}
	conn := r.connect()
	before := heap()
	request := postHeaders()
	var open []*quic.Stream
	resetAll := func() {
		for _, str := range open {
			str.CancelRead(0x10c)
			str.CancelWrite(0x10c)
		}
		open = open[:0]
	}
	for i := range requests {
		str, err := conn.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		str.Write(request)
		open = append(open, str)
		// The reset comes with the request, or when it is being handled.
		if wait := i / 1000 % 8 / 7; len(open) > 50*wait {
			time.Sleep(time.Duration(wait) * 10 * time.Millisecond)
			resetAll()
		}
	}
	resetAll()
	time.Sleep(5 * time.Second)
	if n := most.Load(); n > 100 {
		t.Errorf("%d handlers ran at a time, want at most 100", n)
	}
	if n := running.Load(); n != 0 {
		t.Errorf("%d handlers are left", n)
	}
	t.Logf("%d requests reached a handler, %d at a time", handled.Load(), most.Load())
	if grown := heap() - before; grown > 4<<20 {
		t.Errorf("%d requests leave %d bytes", requests, grown)
	}
	r.handler = func(http.ResponseWriter, *http.Request) {}
	r.wantUsable()
}

// idleFrames: frames that mean nothing cost nothing but their bytes. We do not count them.
func idleFrames(t *testing.T, r *rogue) {
	n := 100_000
	if raceEnabled {
		n /= 10
	}
	for _, f := range [][]byte{frame(0, nil), frame(0x21, nil), frame(0x1f*1000+0x21, []byte("x"))} {
		r.connect()
		before := heap()
		if f[0] != 0 {
			r.uni(with(settings, bytes.Repeat(f, n)))
		}
		str := r.message(r.header())
		str.Write(bytes.Repeat(f, n))
		time.Sleep(time.Second)
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%d frames %x hold %d bytes", n, f, grown)
		}
		str.Write(with(frame(0, []byte("data")), bytes.Repeat(f, n), headers("x-end", "value")))
		str.Close()
		wantReadThrough(t, r)
		r.wantUsable()
		r.conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
	}
}

func otherAuthority(t *testing.T, r *rogue) {
	var names []string
	dial := r.w.client.Dial
	r.w.clientTLS.ServerName = ""
	r.w.client.Dial = func(ctx context.Context, addr string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
		names = append(names, addr+" "+tlsConf.ServerName)
		return dial(ctx, addr, tlsConf, conf)
	}
	conn := r.connect()
	r.wantUsable()
	// The certificate of the server is not valid for it.
	req := r.w.request(http.MethodGet, "/", nil)
	req.URL.Host = "other.example:443"
	_, err := r.w.client.RoundTrip(req)
	var invalid x509.HostnameError
	if !errors.As(err, &invalid) || invalid.Host != "other.example" {
		t.Errorf("RoundTrip: got %v, want a x509.HostnameError", err)
	}
	// Even if it is valid, as for another port, the connection is another one.
	req = r.w.request(http.MethodGet, "/", nil)
	req.URL.Host = "localhost:444"
	r.request = req
	if next := r.connect(); next == conn {
		t.Error("the connection to another authority is used")
	}
	r.answerOn(r.conn, "ok")
	r.wantResult("ok")
	if got := strings.Join(names, ", "); got != "localhost:443 localhost, other.example:443 other.example, localhost:444 localhost" {
		t.Errorf("dialled %s", got)
	}
	// The Host field, which becomes :authority, does not matter for that: the application has asked for it.
	r.conn, r.request = conn, nil
	r.wantUsable()
}
