package http3

import (
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// maxRequestID is above all IDs of requests that there are.
const maxRequestID = 1<<62 - 4

// Between the steps of a shutdown there are two round trips, but at least minDrainPause, for clients that are
// busy, and at most maxDrainPause.
const (
	minDrainPause = 10 * time.Millisecond
	maxDrainPause = time.Second
)

// shutdown begins to close the connection. It does not wait.
func (c *serverConn) shutdown() {
	c.conn.mu.Lock()
	began := c.draining
	c.draining = true
	c.conn.mu.Unlock()
	if !began {
		go c.drain()
	}
}

// drain closes the connection once it is without requests. No request is lost.
//
// "An endpoint that is attempting to gracefully shut down a connection can send a GOAWAY frame with a value set to
// the maximum possible value (2^62-4 for servers, 2^62-1 for clients). This ensures that the peer stops creating new
// requests or pushes. After allowing time for any in-flight requests or pushes to arrive, the endpoint can send
// another GOAWAY frame indicating which requests or pushes it might accept before the end of the connection."
// "Requests or pushes with the indicated identifier or greater are rejected (Section 4.1.1) by the sender of the
// GOAWAY." (RFC 9114, Section 5.2)
//
// Clients that have no request close the connection meanwhile. The last pause lets the second frame, and what is
// rejected because of it, arrive before the connection is closed.
func (c *serverConn) drain() {
	told := c.sendGoAway(maxRequestID)
	if !c.drainPause() {
		return
	}
	c.conn.mu.Lock()
	c.goAway, c.goAwayID = true, c.conn.nextID
	c.conn.mu.Unlock()
	if told {
		c.sendGoAway(c.goAwayID)
	}
	if !c.drainPause() {
		return
	}
	c.conn.mu.Lock()
	c.goAwaySent = true
	idle := c.active == 0
	c.conn.mu.Unlock()
	if idle {
		c.conn.qc.CloseWithError(quic.ApplicationErrorCode(ErrCodeNoError), "")
	}
}

// sendGoAway sends a GOAWAY frame. It reports whether that was possible: there may be no control stream, or no
// credit of the client for it.
func (c *serverConn) sendGoAway(id quic.StreamID) bool {
	control := c.conn.control.Load()
	if control == nil {
		return false
	}
	b := quicvarint.Append(appendFrameHeader(nil, frameGoAway, quicvarint.Len(uint64(id))), uint64(id))
	c.conn.log.created(control.StreamID(), b)
	control.SetWriteDeadline(time.Now().Add(maxDrainPause))
	_, err := control.Write(b)
	return err == nil
}

// drainPause waits. It reports whether the connection is still there.
func (c *serverConn) drainPause() bool {
	rtt := c.conn.qc.ConnectionStats().SmoothedRTT
	timer := time.NewTimer(min(max(2*rtt, minDrainPause), maxDrainPause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.conn.qc.Context().Done():
		return false
	}
}
