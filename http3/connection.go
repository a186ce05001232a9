package http3

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3/qlog"
)

// A role is the side of a connection that this endpoint is on.
type role int

const (
	client role = iota
	server
)

func (r role) peer() string {
	if r == client {
		return "server"
	}
	return "client"
}

// An endpoint is what clients and servers do differently with the frames on a control stream.
type endpoint interface {
	handleGoAway(id uint64) error
	handleMaxPushID(id uint64) error
	handlePriorityUpdate(t FrameType, payload []byte) error
	// admitLocked reports whether the connection takes on a further request. It is called
	// with connection.mu held.
	admitLocked(s *Stream) bool
	// handleRetired is called on the loop goroutine when a request stream is forgotten.
	handleRetired(s *Stream)
}

// A connection is what clients and servers do alike.
type connection struct {
	// immutable
	qc          *quic.Conn
	role        role
	endpoint    endpoint
	logger      *slog.Logger // may be nil
	fieldLimit  int          // decoded size of a header section
	datagramsOn bool         // we have announced SETTINGS_H3_DATAGRAM
	maxStreams  int64        // how many request streams the peer may have open, 0 if that is not known
	log         *eventLog    // nil without a trace
	// ctx is done when the connection is over, or 0-RTT was rejected: then another connection may make use of qc.
	ctx    context.Context
	cancel context.CancelFunc
	// sessions remembers the settings of the server; nil unless this is a client that keeps sessions.
	sessions *settingsCache

	// control is our control stream, nil before it is open.
	control atomic.Pointer[quic.SendStream]
	// settings is set before settingsReceived is closed.
	settings         *settingsFrame
	settingsReceived chan struct{}
	// critical says which critical streams the peer has opened.
	critical [numCriticalStreams]atomic.Bool
	// peerControl is the peer's control stream, for the goroutine that reads it.
	peerControl quic.StreamID
	tlsOnce     sync.Once
	tlsState    *tls.ConnectionState
	// datagramBytes is the size of the datagrams in the queues of all streams.
	datagramBytes atomic.Int64

	mu sync.Mutex // leaf, guards what follows
	// streams are the request streams that are not retired. Stream IDs are used again after 0-RTT was
	// rejected, so entries are removed by identity.
	streams map[quic.StreamID]*Stream
	nextID  quic.StreamID // above every request stream that was opened
	early   []earlyDatagram
}

func (c *connection) init(qc *quic.Conn, r role, e endpoint) {
	c.qc, c.role, c.endpoint = qc, r, e
	c.settingsReceived = make(chan struct{})
	c.streams = make(map[quic.StreamID]*Stream)
	c.log = newEventLog(qc)
	c.ctx, c.cancel = context.WithCancel(qc.Context())
}

// abort closes the connection because of a fault of the peer.
func (c *connection) abort(e *connError) {
	if c.logger != nil {
		c.logger.Debug("closing connection", "code", e.code.String(), "reason", e.reason)
	}
	c.qc.CloseWithError(quic.ApplicationErrorCode(e.code), e.reason)
}

// closed returns the error of the connection if it is over.
func (c *connection) closed() error {
	if c.qc.Context().Err() == nil {
		return nil
	}
	return convertError(context.Cause(c.qc.Context()))
}

// openControlStream opens the control stream and sends SETTINGS. If the peer's stream limit does not
// permit it yet, that is done later.
//
// "Each side MUST initiate a single control stream at the beginning of the connection and send its
// SETTINGS frame as the first frame on this stream." (RFC 9114, Section 6.2.1)
//
// No QPACK streams are opened: without a dynamic table nothing would be sent on them (RFC 9204,
// Section 4.2).
func (c *connection) openControlStream(s *settingsFrame) {
	str, err := c.qc.OpenUniStream()
	if err == nil {
		c.startControlStream(str, s)
		return
	}
	go func() {
		if str, err := c.qc.OpenUniStreamSync(c.qc.Context()); err == nil {
			c.startControlStream(str, s)
		} else {
			c.cancel()
		}
	}()
}

func (c *connection) startControlStream(str *quic.SendStream, s *settingsFrame) {
	b := s.append([]byte{byte(streamControl)})
	c.log.streamType(qlog.InitiatorLocal, str.StreamID(), streamControl)
	c.log.created(str.StreamID(), b[1:])
	if _, err := str.Write(b); err != nil {
		return // the connection is over
	}
	c.control.Store(str)
	str.OnStateTransition(func(st quic.StreamState) { c.controlStreamState(str, st) })
}

// controlStreamState watches our control stream. It is called on the loop goroutine.
//
// "the receiver MUST NOT request that the sender close the control stream. If either control stream
// is closed at any point, this MUST be treated as a connection error of type H3_CLOSED_CRITICAL_STREAM."
// (RFC 9114, Section 6.2.1)
func (c *connection) controlStreamState(str *quic.SendStream, st quic.StreamState) {
	if st == quic.SendStateAbandoned {
		c.cancel()
	}
	if st != quic.SendStateResetQueued {
		return
	}
	if _, err := str.SendState(); err != nil {
		// CloseWithError waits for the goroutine that we are on.
		go c.abort(connErrorf(ErrCodeClosedCriticalStream, "control stream was stopped"))
	}
}

// setSettings notes the settings of the peer.
func (c *connection) setSettings(s *settingsFrame) error {
	// RFC 9297, Section 2.1 needs the QUIC DATAGRAM frame; a peer that cannot receive it contradicts
	// itself.
	state := c.qc.ConnectionState()
	if s.EnableDatagrams && !state.SupportsDatagrams.Remote {
		return connErrorf(ErrCodeSettingsError, "SETTINGS_H3_DATAGRAM without QUIC datagrams")
	}
	if c.sessions != nil {
		if err := c.sessions.receive(s, state.Used0RTT); err != nil {
			return err
		}
	}
	c.settings = s
	close(c.settingsReceived)
	return nil
}

// ReceivedSettings implements Settingser for those that embed a connection.
func (c *connection) ReceivedSettings() <-chan struct{} { return c.settingsReceived }

// Settings implements Settingser.
func (c *connection) Settings() *Settings {
	select {
	case <-c.settingsReceived:
		return &c.settings.Settings
	default:
		return nil
	}
}

// tls returns the state of the TLS connection. It changes no more after the handshake.
func (c *connection) tls() *tls.ConnectionState {
	select {
	case <-c.qc.HandshakeComplete():
	default:
		state := c.qc.ConnectionState().TLS
		return &state
	}
	c.tlsOnce.Do(func() {
		state := c.qc.ConnectionState().TLS
		c.tlsState = &state
	})
	return c.tlsState
}

// peerFieldLimit returns the size of field sections that the peer accepts, 0 if it has set no limit.
//
// "A client MUST comply with stored settings -- or default values if no values are stored -- when
// attempting 0-RTT." (RFC 9114, Section 7.2.4.2)
func (c *connection) peerFieldLimit() uint64 {
	select {
	case <-c.settingsReceived:
		return c.settings.maxFieldSection
	default:
	}
	if c.sessions == nil || !c.qc.ConnectionState().Used0RTT {
		return 0
	}
	return c.sessions.fieldLimit()
}

// checkFieldSize returns an error if the peer is likely to refuse a header section.
//
// "An implementation that has received this parameter SHOULD NOT send an HTTP message header that
// exceeds the indicated size, as the peer will likely refuse to process it." (RFC 9114, Section 4.2.2)
func (c *connection) checkFieldSize(size uint64) error {
	if limit := c.peerFieldLimit(); limit > 0 && size > limit {
		return fmt.Errorf("http3: header of %d bytes exceeds the %s's limit of %d bytes", size, c.role.peer(), limit)
	}
	return nil
}

// add makes the connection know s, and hands it the datagrams that came before it. It reports whether
// the request is admitted.
func (c *connection) add(s *Stream) bool {
	id := s.StreamID()
	c.mu.Lock()
	c.nextID = max(c.nextID, id+4)
	if !c.endpoint.admitLocked(s) {
		c.mu.Unlock()
		return false
	}
	c.streams[id] = s
	waiting := c.takeEarlyLocked(id)
	c.mu.Unlock()
	for _, payload := range waiting {
		s.datagrams.push(payload)
	}
	return true
}

// beyondLimitLocked reports whether the peer cannot be permitted to open a request stream yet. A stream makes room for
// another one only after it was accepted here, so the limit is not above the initial one plus those accepted. If the
// limit is not known, no stream is beyond it.
func (c *connection) beyondLimitLocked(id quic.StreamID) bool {
	return c.maxStreams > 0 && int64(id/4) >= c.maxStreams+int64(c.nextID/4)
}

// takeEarlyLocked removes the early datagrams of a stream, and those that are too old.
func (c *connection) takeEarlyLocked(id quic.StreamID) (payloads [][]byte) {
	if len(c.early) == 0 {
		return nil
	}
	now := time.Now()
	rest := c.early[:0]
	for _, d := range c.early {
		switch {
		case now.Sub(d.received) > earlyDatagramTime:
		case d.id == id:
			payloads = append(payloads, d.payload)
		default:
			rest = append(rest, d)
		}
	}
	clear(c.early[len(rest):])
	c.early = rest
	return payloads
}

// remove forgets s. It is called on the loop goroutine.
func (c *connection) remove(s *Stream) {
	c.mu.Lock()
	if id := s.StreamID(); c.streams[id] == s {
		delete(c.streams, id)
	}
	c.mu.Unlock()
	c.endpoint.handleRetired(s)
}
