package http3

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
)

// A RawServerConn is an HTTP/3 connection of a server whose user accepts the streams of the client,
// to share the connection with another protocol. All methods may be called concurrently.
type RawServerConn struct{ c *serverConn }

// NewRawServerConn makes an HTTP/3 connection of a QUIC connection. The caller accepts the streams of
// the client and passes those that are meant for HTTP/3 to HandleRequestStream and
// HandleUnidirectionalStream. It fails if the server is closed.
func (s *Server) NewRawServerConn(conn *quic.Conn) (*RawServerConn, error) {
	c, err := s.newConn(conn, 0)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(conn.Context(), func() { s.removeConn(c) })
	return &RawServerConn{c: c}, nil
}

// HandleRequestStream handles the request on a bidirectional stream of the client. It returns after the
// handler has returned.
func (c *RawServerConn) HandleRequestStream(str *quic.Stream) {
	if s := c.c.admit(str); s != nil {
		c.c.handleRequest(s)
	}
}

// HandleUnidirectionalStream handles a unidirectional stream of the client. It returns when the stream
// is over, for the control stream at the end of the connection.
func (c *RawServerConn) HandleUnidirectionalStream(str *quic.ReceiveStream) {
	c.c.conn.handleUniStream(str)
}

// CloseWithError closes the connection.
func (c *RawServerConn) CloseWithError(code quic.ApplicationErrorCode, reason string) error {
	return c.c.conn.qc.CloseWithError(code, reason)
}

// A serverConn is a connection of a server.
type serverConn struct {
	// immutable
	conn   connection
	server *Server
	ctx    context.Context // has the values of the requests' contexts

	remote atomic.Pointer[remoteAddr] // of the last request

	// reader of the control stream only
	maxPushID  uint64 // the client's
	pushGoAway uint64 // the push ID of the client's GOAWAY frame, plus 1

	// guarded by conn.mu
	active     int // see admitLocked
	idle       *time.Timer
	draining   bool // see shutdown
	goAway     bool
	goAwayID   quic.StreamID              // requests of this and higher IDs are rejected
	goAwaySent bool                       // the client has had the time to learn of it
	priorities map[quic.StreamID]priority // of streams not yet open
}

// A remoteAddr is an address and its text.
type remoteAddr struct {
	addr *net.UDPAddr
	text string
}

// newConn begins to serve a connection. maxStreams is how many request streams a client may have open, 0 if that is not
// known.
func (s *Server) newConn(qc *quic.Conn, maxStreams int64) (*serverConn, error) {
	ctx := qc.Context()
	ctx = context.WithValue(ctx, ServerContextKey, s)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, qc.LocalAddr())
	ctx = context.WithValue(ctx, RemoteAddrContextKey, qc.RemoteAddr())
	if s.ConnContext != nil {
		if ctx = s.ConnContext(ctx, qc); ctx == nil {
			panic("http3: ConnContext returned nil")
		}
	}
	c := &serverConn{server: s, ctx: ctx}
	c.conn.init(qc, server, c)
	c.conn.logger = s.Logger
	c.conn.fieldLimit = s.maxHeaderBytes()
	c.conn.datagramsOn = s.EnableDatagrams
	c.conn.maxStreams = maxStreams
	if err := s.addConn(c); err != nil {
		qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
		return nil, err
	}
	if s.IdleTimeout > 0 {
		c.conn.mu.Lock()
		c.idle = time.AfterFunc(s.IdleTimeout, c.closeIdle)
		c.conn.mu.Unlock()
		context.AfterFunc(qc.Context(), func() { c.idle.Stop() })
	}
	c.conn.openControlStream(s.newSettings())
	if s.EnableDatagrams {
		go c.conn.receiveDatagrams()
	}
	return c, nil
}

// admit makes a request stream known. It returns nil if the stream comes after a GOAWAY frame.
func (c *serverConn) admit(str *quic.Stream) *Stream {
	s := new(wholeStream).init(&c.conn, str)
	if s == nil {
		// "A server rejected a request without performing any application processing."
		// (RFC 9114, Section 8.1)
		str.CancelRead(quic.StreamErrorCode(ErrCodeRequestRejected))
		str.CancelWrite(quic.StreamErrorCode(ErrCodeRequestRejected))
		str.ReleaseStreamCredit()
		return nil
	}
	c.conn.mu.Lock()
	p, ok := c.priorities[str.StreamID()]
	delete(c.priorities, str.StreamID())
	c.conn.mu.Unlock()
	if ok {
		s.SetPriority(p.urgency, p.incremental)
	}
	return s
}

// admitLocked counts a request twice: until its handler has returned, and until its stream is retired, by
// when the client has acknowledged the response.
func (c *serverConn) admitLocked(s *Stream) bool {
	if c.goAway && s.StreamID() >= c.goAwayID {
		return false
	}
	c.active += 2
	return true
}

// done takes back half of what admit has counted. It may be called on the loop goroutine.
func (c *serverConn) done() {
	c.conn.mu.Lock()
	c.active--
	idle := c.active == 0
	finished := idle && c.goAwaySent
	if idle && c.idle != nil && c.conn.qc.Context().Err() == nil {
		c.idle.Reset(c.server.IdleTimeout)
	}
	c.conn.mu.Unlock()
	if finished && c.conn.qc.Context().Err() == nil {
		go c.conn.qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
}

func (c *serverConn) handleRetired(*Stream) { c.done() }

func (c *serverConn) closeIdle() {
	c.conn.mu.Lock()
	idle := c.active == 0
	c.conn.mu.Unlock()
	if idle {
		c.conn.qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "idle timeout")
	}
}

// handleGoAway checks a GOAWAY frame of a client. It concerns pushes only, and there are none.
func (c *serverConn) handleGoAway(id uint64) error {
	// "Receiving a GOAWAY containing a larger identifier than previously received MUST be treated
	// as a connection error of type H3_ID_ERROR." (RFC 9114, Section 5.2)
	if c.pushGoAway > 0 && id >= c.pushGoAway {
		return connErrorf(ErrCodeIDError, "GOAWAY frame with ID %d after one with %d", id, c.pushGoAway-1)
	}
	c.pushGoAway = id + 1
	return nil
}

// handleMaxPushID checks a MAX_PUSH_ID frame.
func (c *serverConn) handleMaxPushID(id uint64) error {
	// "receipt of a MAX_PUSH_ID frame that contains a smaller value than previously received MUST be
	// treated as a connection error of type H3_ID_ERROR." (RFC 9114, Section 7.2.7)
	if id < c.maxPushID {
		return connErrorf(ErrCodeIDError, "MAX_PUSH_ID frame with ID %d after one with %d", id, c.maxPushID)
	}
	c.maxPushID = id
	return nil
}

// handlePriorityUpdate applies a PRIORITY_UPDATE frame, or keeps it until the stream is open. If too
// many are waiting, it is dropped, as RFC 9218, Section 7.2 permits.
func (c *serverConn) handlePriorityUpdate(t FrameType, payload []byte) error {
	if t == framePriorityUpdatePush {
		return connErrorf(ErrCodeIDError, "PRIORITY_UPDATE frame for a push that was not promised")
	}
	id, p, err := parsePriorityUpdate(payload)
	if err != nil {
		return err
	}
	streamID := quic.StreamID(id)
	c.conn.mu.Lock()
	// "If a server receives a PRIORITY_UPDATE (type=0xF0700) with a stream ID that is beyond the stream limits, this
	// SHOULD be treated as a connection error of type H3_ID_ERROR." (RFC 9218, Section 7.2)
	if c.conn.beyondLimitLocked(streamID) {
		c.conn.mu.Unlock()
		return connErrorf(ErrCodeIDError, "PRIORITY_UPDATE frame for stream %d, which is beyond the limit", id)
	}
	s := c.conn.streams[streamID]
	_, known := c.priorities[streamID]
	if s == nil && streamID >= c.conn.nextID && (known || len(c.priorities) < maxPendingPriorities) {
		if c.priorities == nil {
			c.priorities = make(map[quic.StreamID]priority)
		}
		c.priorities[streamID] = p
	}
	c.conn.mu.Unlock()
	if s != nil {
		s.SetPriority(p.urgency, p.incremental)
	}
	return nil
}
