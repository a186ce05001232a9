package quic

import (
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/flowcontrol"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// connCredit is the data flow control of the connection (RFC 9000, Section 4.1). The windows
// belong to the loop; the application reaches them through the atomic numbers, so Read
// and Write of all streams share no lock.
type connCredit struct {
	// atomic
	read      atomic.Int64 // what the application has consumed and recv does not know of
	wakeAt    atomic.Int64 // how large read becomes before the loop is woken
	available atomic.Int64 // what send permits

	// loop only
	recv         flowcontrol.ReceiveWindow
	sinceUpdate  protocol.ByteCount // consumed since the last MAX_DATA
	maxDataAgain bool               // the last MAX_DATA was lost
	send         flowcontrol.SendWindow
	blocked      bool // DATA_BLOCKED has to be sent
}

func (c *connCredit) init(window, maxWindow protocol.ByteCount) {
	c.recv = flowcontrol.NewReceiveWindow(window, maxWindow)
	c.wakeAt.Store(int64(window / 4))
}

// consume notes that n bytes were read, or given up. Any goroutine.
func (c *connCredit) consume(n protocol.ByteCount, wake func()) {
	if n > 0 && c.read.Add(int64(n)) >= c.wakeAt.Load() {
		wake()
	}
}

// writable returns how many bytes of new data the peer permits on all streams. Any goroutine.
func (c *connCredit) writable() protocol.ByteCount { return protocol.ByteCount(c.available.Load()) }

// receive counts n new bytes. It returns false if the peer exceeds the limit.
func (c *connCredit) receive(n protocol.ByteCount) bool { return n == 0 || c.recv.Add(n) }

// maxDataDue reports whether MAX_DATA has to be sent.
func (c *connCredit) maxDataDue() bool {
	if c.read.Load() > 0 {
		n := protocol.ByteCount(c.read.Swap(0))
		c.recv.Consume(n)
		c.sinceUpdate += n
		c.wakeAt.Store(int64(c.recv.Size()/4 - c.sinceUpdate))
	}
	return c.maxDataAgain || c.recv.UpdateDue()
}

// appendMaxData appends MAX_DATA with a new limit. mayGrow is the application's, no lock is held.
func (c *connCredit) appendMaxData(k *frameSink, now monotime.Time, rtt time.Duration, mayGrow func(protocol.ByteCount) bool) {
	f := wire.MaxDataFrame{MaximumData: protocol.MaxByteCount}
	if !k.fits(f.Length(protocol.Version1)) {
		return
	}
	f.MaximumData = c.recv.Update(now, rtt, mayGrow)
	c.sinceUpdate, c.maxDataAgain = 0, false
	c.wakeAt.Store(int64(c.recv.Size() / 4))
	k.b, _ = f.Append(k.b, protocol.Version1)
	k.record(recovery.Record{Kind: recordMaxData, Value: uint64(f.MaximumData)})
}

// ensureWindow lets the window of the connection follow that of a stream, which alone could not
// be used: it becomes at least one and a half times as large.
func (c *connCredit) ensureWindow(stream, maxWindow protocol.ByteCount, mayGrow func(protocol.ByteCount) bool) {
	size := min(stream+stream/2, maxWindow)
	if delta := size - c.recv.Size(); delta > 0 && (mayGrow == nil || mayGrow(delta)) {
		c.recv.EnsureSize(size)
	}
}

// take uses credit of the peer for n bytes of new data.
func (c *connCredit) take(n protocol.ByteCount) {
	c.send.Take(n)
	c.available.Store(int64(c.send.Available()))
}

// raise handles a limit of the peer.
func (c *connCredit) raise(limit protocol.ByteCount) {
	if c.send.Raise(limit) {
		c.available.Store(int64(c.send.Available()))
		c.blocked = false
	}
}

// forget takes the credit of the peer back to zero: 0-RTT was rejected.
func (c *connCredit) forget() {
	c.send = flowcontrol.SendWindow{}
	c.available.Store(0)
	c.blocked = false
}

// checkBlocked queues DATA_BLOCKED, once per limit, when a stream wants credit and there is none.
func (c *connCredit) checkBlocked(wanted bool) {
	if wanted && c.send.Available() == 0 {
		if _, report := c.send.Blocked(); report {
			c.blocked = true
		}
	}
}

func (c *connCredit) appendDataBlocked(k *frameSink) {
	f := wire.DataBlockedFrame{MaximumData: c.send.Limit()}
	if !k.fits(f.Length(protocol.Version1)) {
		return
	}
	c.blocked = false
	k.b, _ = f.Append(k.b, protocol.Version1)
	k.record(recovery.Record{Kind: recordDataBlocked, Value: uint64(f.MaximumData)})
}
