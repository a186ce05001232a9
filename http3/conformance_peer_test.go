package http3_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// peers are the connections of a rogue, for cases with several variants.
type peers struct {
	*rogue
	// reply is what a server under test does after it has read the body of a request; it may be nil.
	reply http.HandlerFunc
	// unread: a server under test does not read the body.
	unread bool

	conns   chan *quic.Conn // from a client under test
	reached chan *http3Head // what got to the application
	ended   chan *http3Tail // and how that ended
	served  bool            // the server is started
}

// A http3Head is what the application has of a message before it reads the body.
type http3Head struct {
	req *http.Request  // of a server under test
	rsp *http.Response // of a client under test
}

func (h *http3Head) header() http.Header {
	if h.req != nil {
		return h.req.Header
	}
	return h.rsp.Header
}

func (h *http3Head) trailer() http.Header {
	if h.req != nil {
		return h.req.Trailer
	}
	return h.rsp.Trailer
}

// A http3Tail is how a message ended for the application.
type http3Tail struct {
	body []byte
	err  error // of RoundTrip, or of reading the body
}

// A peer is one connection of a rogue.
type peer struct {
	*peers
	conn   *quic.Conn
	client *http3.ClientConn // under test
}

// A talk is a message that a rogue has sent, and what has become of it within a second.
type talk struct {
	str      *quic.Stream
	finished bool       // by the rogue
	head     *http3Head // nil if nothing got to the application
	tail     *http3Tail // nil if the application still waits
}

func newPeers(r *rogue) *peers {
	return &peers{
		rogue:   r,
		conns:   make(chan *quic.Conn, 100),
		reached: make(chan *http3Head, 100),
		ended:   make(chan *http3Tail, 100),
	}
}

// onePeer is for cases that need one connection.
func onePeer(r *rogue) *peer { return newPeers(r).dial() }

// dial makes a connection.
func (p *peers) dial() *peer {
	p.t.Helper()
	if !p.served {
		p.served = true
		if p.role == roleServer {
			p.w.serve(p.serveHTTP)
		} else {
			p.w.serveRaw(func(conn *quic.Conn) { p.conns <- conn })
		}
	}
	c := &peer{peers: p}
	if p.role == roleServer {
		c.conn = p.w.rawConn()
		return c
	}
	c.client = p.w.clientConn()
	c.conn = <-p.conns
	return c
}

func (p *peers) serveHTTP(w http.ResponseWriter, req *http.Request) {
	p.reached <- &http3Head{req: req}
	if !p.unread {
		body, err := io.ReadAll(req.Body)
		p.ended <- &http3Tail{body: body, err: err}
	}
	if p.reply != nil {
		p.reply(w, req)
	}
}

// send sends b on a request stream and does not finish it.
func (c *peer) send(b ...[]byte) *talk {
	c.t.Helper()
	return c.exchange(c.w.request(http.MethodGet, "/", nil), false, b...)
}

// sendAll sends b on a request stream and finishes it.
func (c *peer) sendAll(b ...[]byte) *talk {
	c.t.Helper()
	return c.exchange(c.w.request(http.MethodGet, "/", nil), true, b...)
}

// exchange sends b on a request stream: as a request, or as the answer to req.
func (c *peer) exchange(req *http.Request, finish bool, b ...[]byte) *talk {
	c.t.Helper()
	k := &talk{finished: finish}
	var err error
	if c.role == roleServer {
		k.str, err = c.conn.OpenStream()
	} else {
		go c.roundTrip(req)
		k.str, err = c.conn.AcceptStream(c.t.Context())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for _, part := range b {
		if _, err := k.str.Write(part); err != nil {
			var streamErr *quic.StreamError
			if !errors.As(err, &streamErr) {
				c.t.Fatalf("Write: %v", err)
			}
			break // the endpoint under test wants no more
		}
	}
	if finish {
		k.str.Close()
	}
	c.follow(k)
	return k
}

func (c *peer) roundTrip(req *http.Request) {
	rsp, err := c.client.RoundTrip(req)
	if err != nil {
		c.ended <- &http3Tail{err: err}
		return
	}
	c.reached <- &http3Head{rsp: rsp}
	tail := &http3Tail{}
	tail.body, tail.err = io.ReadAll(rsp.Body)
	rsp.Body.Close()
	c.ended <- tail
}

// follow notes what gets to the application within a second.
func (c *peer) follow(k *talk) {
	time.Sleep(time.Second)
	select {
	case k.head = <-c.reached:
	default:
	}
	select {
	case k.tail = <-c.ended:
	default:
	}
}

// wantStreamError checks that a stream, and the stream alone, was ended with code. What the application has seen is
// checked by the caller.
func (c *peer) wantStreamError(k *talk, code http3.ErrCode) {
	c.t.Helper()
	if !k.finished {
		if _, err := k.str.SendState(); !isStreamError(err, quic.StreamErrorCode(code)) {
			c.t.Errorf("the stream was stopped with %v, want %#x", err, uint64(code))
		}
	}
	if c.role == roleServer {
		wantReset(c.t, k.str, code)
	} else {
		k.str.CancelRead(0) // the request is finished
	}
	c.works()
}

// works checks that the connection is good for another request.
func (c *peer) works() {
	c.t.Helper()
	if err := c.conn.Context().Err(); err != nil {
		c.t.Fatalf("the connection is closed: %v", err)
	}
	k := c.sendAll(c.header("x", "y"), frame(0, []byte("content")))
	read := k.tail != nil && k.tail.err == nil && string(k.tail.body) == "content"
	if k.head == nil || k.head.header().Get("X") != "y" || !read && !c.unread {
		c.t.Errorf("another request: %+v, %+v", k.head, k.tail)
	}
	wantAnswered(c.t, k.str)
}

// malformed checks that a message is malformed before its content begins: the application never sees it.
func (c *peer) malformed(b ...[]byte) {
	c.t.Helper()
	k := c.send(b...)
	if k.head != nil {
		c.t.Errorf("%q: the application got %v", b, k.head.header())
	}
	if c.role == roleClient {
		c.wantFailure(k, "http3: invalid response: ")
	}
	c.wantStreamError(k, http3.ErrCodeMessageError)
}

// wantFailure checks the error of a RoundTrip.
func (c *peer) wantFailure(k *talk, prefix string) {
	c.t.Helper()
	if k.tail == nil || k.tail.err == nil || !strings.HasPrefix(k.tail.err.Error(), prefix) {
		c.t.Errorf("RoundTrip: %+v, want an error %q", k.tail, prefix)
	}
}

// broken checks that a message is malformed once the application has read its content. It returns the error.
func (c *peer) broken(k *talk, content string) error {
	c.t.Helper()
	if k.head == nil || k.tail == nil {
		c.t.Fatalf("the application got %v, %v", k.head, k.tail)
	}
	if string(k.tail.body) != content || k.tail.err == nil {
		c.t.Errorf("the application reads %q and %v, want %q and an error", k.tail.body, k.tail.err, content)
	}
	if len(k.head.trailer()) > 0 {
		c.t.Errorf("the application got the trailers %v", k.head.trailer())
	}
	c.wantStreamError(k, http3.ErrCodeMessageError)
	return k.tail.err
}

// accepted checks that a message is none that the endpoint under test objects to.
func (c *peer) accepted(k *talk, content string) *http3Head {
	c.t.Helper()
	if k.head == nil || k.tail == nil || k.tail.err != nil || string(k.tail.body) != content {
		c.t.Fatalf("the application got %+v, %+v, want %q", k.head, k.tail, content)
	}
	wantAnswered(c.t, k.str)
	return k.head
}

// allocated returns how many bytes f allocates, on all goroutines.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// wantAllocated checks that f makes the endpoints allocate no more than limit bytes.
func wantAllocated(t *testing.T, limit uint64, f func()) {
	t.Helper()
	if n := allocated(f); n > limit {
		t.Errorf("%d bytes were allocated, want at most %d", n, limit)
	}
}
