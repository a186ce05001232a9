package quic

import (
	"runtime"
	"sync"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/udp"
)

// turnPool holds memory for the datagrams that are handled in a turn: a connection that waits needs none.
var turnPool = sync.Pool{New: func() any { return new([protocol.MaxPacketsPerTurn]udp.Packet) }}

// run is the loop of the connection. It is the only goroutine that touches what Conn calls loop
// only, and the only place where a connection reads the clock.
func (c *Conn) run() {
	finished := false
	defer func() {
		// A callback of the application may have ended this goroutine with runtime.Goexit. The
		// connection goes on without it. If it was a panic, the process ends anyway.
		if !finished {
			go c.run()
		}
	}()
	if c.timer == nil {
		now := monotime.Now()
		c.timer = time.NewTimer(0)
		c.begin(now)
	}
	for c.end == nil {
		now := monotime.Now()
		batch := turnPool.Get().(*[protocol.MaxPacketsPerTurn]udp.Packet)
		more := c.turn(now, batch[:])
		turnPool.Put(batch)
		switch {
		case c.end != nil:
		case more:
			runtime.Gosched() // readers make room for what comes next
		default:
			c.wait(now)
		}
	}
	c.finish(monotime.Now())
	finished = true
}

// wait returns when there is something to do.
func (c *Conn) wait(now monotime.Time) {
	at := c.timers.next()
	if !at.IsZero() {
		c.timer.Reset(at.Sub(now))
	}
	select {
	case <-c.wakeup:
		// Others that are ready now may have something for the same batch, which costs one system call.
		runtime.Gosched()
	case <-c.timer.C:
	}
}

// turn does what is to be done now. It reports whether received datagrams are left.
func (c *Conn) turn(now monotime.Time, batch []udp.Packet) (more bool) {
	n, more := c.packets.take(batch)
	for i := range n {
		if c.end == nil {
			c.handleDatagram(now, &batch[i])
		}
		batch[i].Buffer.Release()
		batch[i] = udp.Packet{}
	}
	c.paths.in.packet = nil // it was in batch
	c.takeEndRequest(now)
	c.handleRequests(now)
	if c.end == nil {
		c.handleTimers(now)
	}
	if c.end == nil {
		c.send(now)
	}
	c.streams.deliver()
	c.log.turnDone(now)
	c.setTimers(now)
	c.publishStats()
	return more
}

// begin starts the handshake.
func (c *Conn) begin(now monotime.Time) {
	c.life.creationTime = now
	c.idle.lastReceived = now
	c.idle.timeout = c.config.HandshakeIdleTimeout
	c.timers.set(timerHandshake, now.Add(2*c.config.HandshakeIdleTimeout))
	if err := c.tls.Start(c.handshakeContext()); err != nil {
		c.fail(err)
		return
	}
	c.handleTLS(now)
}

// handleTimers handles the deadlines that have passed.
func (c *Conn) handleTimers(now monotime.Time) {
	if c.timers.expired(timerHandshake, now) {
		c.endWith(&HandshakeTimeoutError{}, endSilent)
		return
	}
	c.timers.set(timerIdle, c.idleDeadline()) // this turn may have received something
	if c.timers.expired(timerIdle, now) {
		c.endWith(&IdleTimeoutError{}, endSilent)
		return
	}
	if c.timers.expired(timerKeepAlive, now) {
		c.idle.pinged, c.control.ping = true, true
	}
	if c.timers.expired(timerLoss, now) {
		c.recovery.OnTimeout(now, &c.result)
		c.onRecoveryResult()
		c.onMTUResult(now)
	}
	if c.timers.expired(timerPath, now) {
		c.onPathTimeout(now)
	}
	if c.timers.expired(timerKeyDiscard, now) {
		c.timers.stop(timerKeyDiscard)
		c.dropKeys(protocol.Encryption0RTT)
	}
	if c.timers.expired(timerConnectionID, now) {
		for _, id := range c.issued.Expired(now) {
			for _, t := range c.transports() {
				t.removeConnectionID(id)
			}
		}
	}
}

// setTimers copies the deadlines of the components into the table.
func (c *Conn) setTimers(now monotime.Time) {
	c.timers.set(timerIdle, c.idleDeadline())
	c.timers.set(timerKeepAlive, c.idle.keepAliveDeadline())
	c.timers.stop(timerAckDelay)
	if at := c.recovery.AckDeadline(); at.After(now) {
		// An ACK that is due already could not be sent now: the peer's address is not validated, and the next packet
		// of the peer permits some more bytes.
		c.timers.set(timerAckDelay, at)
	}
	c.timers.set(timerLoss, c.recovery.Deadline())
	c.timers.set(timerPath, c.paths.manager.Deadline())
	c.timers.set(timerConnectionID, c.issued.Deadline())
	c.timers.set(timerCredit, c.streams.creditDeadline(now))
}

// idleDeadline returns when the connection times out. Before the handshake is complete, how long that takes is not
// negotiated but up to the application.
func (c *Conn) idleDeadline() monotime.Time {
	if !c.life.complete {
		return c.idle.deadline(0)
	}
	return c.idle.deadline(c.recovery.RTT().PTO(true))
}

// idleState decides when the connection has been silent for too long (RFC 9000, Section 10.1).
type idleState struct {
	lastReceived monotime.Time
	// firstSent is when the first ack-eliciting packet since lastReceived was sent, or zero.
	firstSent monotime.Time
	timeout   time.Duration // 0: none
	keepAlive time.Duration // 0: none
	pinged    bool          // a keep-alive was sent since lastReceived
}

func (s *idleState) onReceived(now monotime.Time) {
	s.lastReceived, s.firstSent, s.pinged = now, 0, false
}

func (s *idleState) onSentAckEliciting(now monotime.Time) {
	if s.firstSent.IsZero() {
		s.firstSent = now
	}
}

func (s *idleState) last() monotime.Time {
	return max(s.lastReceived, s.firstSent)
}

// deadline returns when the connection times out. RFC 9000, Section 10.1: "endpoints MUST increase the
// idle timeout period to be at least three times the current Probe Timeout (PTO)".
func (s *idleState) deadline(pto time.Duration) monotime.Time {
	if s.timeout == 0 {
		return 0
	}
	return s.last().Add(max(s.timeout, 3*pto))
}

func (s *idleState) keepAliveDeadline() monotime.Time {
	if s.keepAlive == 0 || s.pinged {
		return 0
	}
	return s.last().Add(s.keepAlive)
}

// setNegotiatedTimeout applies the peer's max_idle_timeout and ours once the handshake is complete. RFC 9000,
// Section 10.1: "the effective value [...] is the minimum of the two advertised values (or the sole advertised value".
func (c *Conn) setNegotiatedTimeout() {
	ours, theirs := c.config.MaxIdleTimeout, c.peerParams.MaxIdleTimeout
	if theirs > 0 {
		ours = min(ours, max(theirs, protocol.MinRemoteIdleTimeout))
	}
	c.idle.timeout = ours
	if period := c.config.KeepAlivePeriod; period > 0 {
		c.idle.keepAlive = min(period, ours/2, protocol.MaxKeepAliveInterval)
	}
}
