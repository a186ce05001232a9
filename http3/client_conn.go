package http3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go"
)

var errGoingAway = errors.New("http3: server is going away")

// A ClientConn is an HTTP/3 connection of a client. It is made by Transport.NewClientConn, or by the
// Transport itself. All methods may be called concurrently.
type ClientConn struct {
	// immutable
	conn               connection
	disableCompression bool
	pooled             bool // it is ours to close once it is of no use any more

	// guarded by conn.mu
	active   int           // running calls of RoundTrip and unread response bodies
	idle     time.Time     // when active became 0
	answered bool          // a response was received
	leaving  bool          // the Transport uses another connection from now on
	goAway   bool          // a GOAWAY frame was received
	goAwayID quic.StreamID // requests of this and higher IDs are not processed
}

// A RawClientConn is a ClientConn whose user accepts the streams of the server, to share the
// connection with another protocol.
type RawClientConn struct {
	*ClientConn
}

// HandleUnidirectionalStream handles a unidirectional stream of the server. It returns when the stream
// is over, for the control stream at the end of the connection.
func (c *RawClientConn) HandleUnidirectionalStream(str *quic.ReceiveStream) {
	c.conn.handleUniStream(str)
}

// newClientConn makes a ClientConn. Its goroutines end with the connection.
func (t *Transport) newClientConn(qc *quic.Conn) *ClientConn {
	c := &ClientConn{disableCompression: t.DisableCompression}
	c.conn.init(qc, client, c)
	c.conn.logger = t.Logger
	c.conn.fieldLimit = t.maxResponseHeaderBytes()
	c.conn.datagramsOn = t.EnableDatagrams
	c.conn.openControlStream(newSettings(client, t.EnableDatagrams, t.AdditionalSettings))
	if t.EnableDatagrams {
		go c.conn.receiveDatagrams()
	}
	return c
}

func (c *ClientConn) start() {
	go c.conn.acceptUniStreams()
	go func() {
		str, err := c.conn.qc.AcceptStream(c.conn.qc.Context())
		if err == nil {
			c.HandleBidirectionalStream(str)
		}
	}()
}

// HandleBidirectionalStream handles a bidirectional stream of the server: it closes the connection.
//
// "Clients MUST treat receipt of a server-initiated bidirectional stream as a connection error of type
// H3_STREAM_CREATION_ERROR unless such an extension has been negotiated." (RFC 9114, Section 6.1)
func (c *ClientConn) HandleBidirectionalStream(str *quic.Stream) {
	c.conn.abort(connErrorf(ErrCodeStreamCreationError, "server opened bidirectional stream %d", str.StreamID()))
}

// OpenRequestStream opens a stream for one request, to be sent with RequestStream.SendRequestHeader.
// It waits until the server's stream limit permits it or ctx ends.
func (c *ClientConn) OpenRequestStream(ctx context.Context) (*RequestStream, error) {
	s := &RequestStream{}
	if err := s.open(ctx, c); err != nil {
		return nil, err
	}
	return s, nil
}

// admitLocked: "Endpoints MUST NOT initiate new requests or promise new pushes on the connection after
// receipt of a GOAWAY frame from the peer." (RFC 9114, Section 5.2)
func (c *ClientConn) admitLocked(*Stream) bool { return !c.goAway }

// goingAway reports whether the server has sent a GOAWAY frame.
func (c *ClientConn) goingAway() bool {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return c.goAway
}

// RoundTrip sends a request and returns the response. Its body must be read to the end or closed.
func (c *ClientConn) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkRequest(req); err != nil {
		closeBody(req)
		return nil, err
	}
	c.begin()
	rsp, f, err := c.roundTrip(req)
	if err != nil && !f.bodyTaken {
		closeBody(req)
	}
	return rsp, err
}

// unusable returns an error if the connection is over.
func (c *ClientConn) unusable() error {
	if err := c.conn.closed(); err != nil {
		return fmt.Errorf("http3: conn unusable: %w", err)
	}
	return nil
}

// begin counts a call of RoundTrip. Its end is counted when the response body is.
func (c *ClientConn) begin() {
	c.conn.mu.Lock()
	c.active++
	c.conn.mu.Unlock()
}

func (c *ClientConn) end() {
	c.conn.mu.Lock()
	c.active--
	if c.active == 0 {
		c.idle = time.Now()
	}
	c.conn.mu.Unlock()
	c.closeIfDone()
}

// idleTime returns for how long no request has been running. It reports whether that is so.
func (c *ClientConn) idleTime() (time.Duration, bool) {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	if c.active > 0 || c.idle.IsZero() {
		return 0, false
	}
	return time.Since(c.idle), true
}

// leave makes the requests that are running the last ones.
func (c *ClientConn) leave() {
	c.conn.mu.Lock()
	c.leaving = true
	c.conn.mu.Unlock()
}

// isIdle reports whether no request is running.
func (c *ClientConn) isIdle() bool {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return c.active == 0
}

// noteAnswer notes that the server answers on this connection.
func (c *ClientConn) noteAnswer() {
	c.conn.mu.Lock()
	c.answered = true
	c.conn.mu.Unlock()
}

func (c *ClientConn) wasAnswered() bool {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return c.answered
}

// usable reports whether new requests may be sent.
func (c *ClientConn) usable() bool {
	return c.conn.qc.Context().Err() == nil && !c.goingAway()
}

// handleGoAway notes which requests the server will process, and ends the others.
//
// "Upon receipt of a GOAWAY frame, if the client has already sent requests with a stream ID greater
// than or equal to the identifier contained in the GOAWAY frame, those requests will not be processed."
// (RFC 9114, Section 5.2)
func (c *ClientConn) handleGoAway(id uint64) error {
	// "A client MUST treat receipt of a GOAWAY frame containing a stream ID of any other type as a
	// connection error of type H3_ID_ERROR." (RFC 9114, Section 7.2.6)
	if id%4 != 0 {
		return connErrorf(ErrCodeIDError, "GOAWAY frame with stream ID %d", id)
	}
	limit := quic.StreamID(id)
	c.conn.mu.Lock()
	// "Receiving a GOAWAY containing a larger identifier than previously received MUST be treated
	// as a connection error of type H3_ID_ERROR." (RFC 9114, Section 5.2)
	if c.goAway && limit > c.goAwayID {
		c.conn.mu.Unlock()
		return connErrorf(ErrCodeIDError, "GOAWAY frame with ID %d after one with %d", id, c.goAwayID)
	}
	c.goAway, c.goAwayID = true, limit
	var refused []*Stream
	for streamID, s := range c.conn.streams {
		if streamID >= limit {
			refused = append(refused, s)
		}
	}
	c.conn.mu.Unlock()
	for _, s := range refused {
		s.rejected.Store(true)
		s.abort(ErrCodeRequestCanceled)
	}
	c.closeIfDone()
	return nil
}

// handleMaxPushID: "A server MUST NOT send a MAX_PUSH_ID frame. A client MUST treat the receipt of a
// MAX_PUSH_ID frame as a connection error of type H3_FRAME_UNEXPECTED." (RFC 9114, Section 7.2.7)
func (c *ClientConn) handleMaxPushID(uint64) error {
	return connErrorf(ErrCodeFrameUnexpected, "MAX_PUSH_ID frame from a server")
}

// handlePriorityUpdate: "If a client receives a PRIORITY_UPDATE frame, this MUST be treated as a
// connection error of type H3_FRAME_UNEXPECTED." (RFC 9218, Section 7.2)
func (c *ClientConn) handlePriorityUpdate(FrameType, []byte) error {
	return connErrorf(ErrCodeFrameUnexpected, "PRIORITY_UPDATE frame from a server")
}

func (c *ClientConn) handleRetired(*Stream) { c.closeIfDone() }

// closeIfDone closes a connection of the Transport's own that takes no more requests, once none
// is left on it. It may be called on the loop goroutine.
func (c *ClientConn) closeIfDone() {
	c.conn.mu.Lock()
	done := c.pooled && (c.goAway || c.leaving) && c.active == 0 && len(c.conn.streams) == 0
	c.conn.mu.Unlock()
	if done && c.conn.qc.Context().Err() == nil {
		go c.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
}

// ReceivedSettings returns a channel that is closed when the server's SETTINGS frame has arrived.
func (c *ClientConn) ReceivedSettings() <-chan struct{} { return c.conn.ReceivedSettings() }

// Settings returns the settings of the server, nil before ReceivedSettings is closed.
func (c *ClientConn) Settings() *Settings { return c.conn.Settings() }

// Context returns a context that is done when the connection is over; context.Cause tells why.
func (c *ClientConn) Context() context.Context { return c.conn.qc.Context() }

// checkExtendedConnect returns an error if the settings of the server, which have arrived, do not permit extended CONNECT.
func (c *ClientConn) checkExtendedConnect() error {
	if !c.Settings().EnableExtendedConnect {
		return errors.New("http3: server didn't enable Extended CONNECT")
	}
	return nil
}

// CloseWithError closes the connection.
func (c *ClientConn) CloseWithError(code quic.ApplicationErrorCode, reason string) error {
	return c.conn.qc.CloseWithError(code, reason)
}

// LocalAddr returns the local address of the connection.
func (c *ClientConn) LocalAddr() net.Addr { return c.conn.qc.LocalAddr() }

// RemoteAddr returns the address of the server.
func (c *ClientConn) RemoteAddr() net.Addr { return c.conn.qc.RemoteAddr() }
