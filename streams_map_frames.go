package quic

import (
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// streamOf returns the stream that the frame d concerns, opened if the peer may do that with it, or nil
// if the stream is over: "late" frames are ignored.
func (m *streamsMap) streamOf(d *wire.Decoded) (*streamRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.streams[d.StreamID]; r != nil {
		return r, nil
	}
	typ, n := d.StreamID.Type(), d.StreamID.StreamNum()
	if d.StreamID.InitiatedBy() == m.p.perspective {
		// RFC 9000, Section 19.8: "An endpoint MUST terminate the connection with error STREAM_STATE_ERROR if
		// it receives a STREAM frame for a locally initiated stream that has not yet been created". Likewise
		// for the other frames in Sections 19.4, 19.5, 19.10 and 19.13.
		if n > m.outgoing[typ].opened {
			return nil, frameError(qerr.StreamStateError, d, "stream was not opened")
		}
		return nil, nil
	}
	in := &m.incoming[typ]
	// RFC 9000, Section 4.6: "An endpoint that receives a frame with a stream ID exceeding the limit it has
	// sent MUST treat this as a connection error of type STREAM_LIMIT_ERROR."
	if n > in.limit {
		return nil, frameError(qerr.StreamLimitError, d, "stream limit exceeded")
	}
	if n <= in.accepted || in.early[n] != nil {
		return nil, nil
	}
	if n > in.opened {
		in.opened = n
		in.wake()
	}
	return m.addLocked(d.StreamID), nil
}

// receiveHalf returns the receive half that the frame d concerns, nil if the stream is over.
func (m *streamsMap) receiveHalf(d *wire.Decoded) (*ReceiveStream, error) {
	if d.StreamID.Type() == protocol.StreamTypeUni && d.StreamID.InitiatedBy() == m.p.perspective {
		return nil, frameError(qerr.StreamStateError, d, "stream is send-only")
	}
	r, err := m.streamOf(d)
	if r == nil {
		return nil, err
	}
	return r.receive, nil
}

// sendHalf returns the send half that the frame d concerns, nil if the stream is over.
func (m *streamsMap) sendHalf(d *wire.Decoded) (*SendStream, error) {
	if d.StreamID.Type() == protocol.StreamTypeUni && d.StreamID.InitiatedBy() != m.p.perspective {
		return nil, frameError(qerr.StreamStateError, d, "stream is receive-only")
	}
	r, err := m.streamOf(d)
	if r == nil {
		return nil, err
	}
	return r.send, nil
}

func (m *streamsMap) handleStreamFrame(_ monotime.Time, d *wire.Decoded) error {
	s, err := m.receiveHalf(d)
	if s == nil {
		return err
	}
	return s.handleStreamFrame(d)
}

// handleResetStream handles RESET_STREAM and RESET_STREAM_AT.
func (m *streamsMap) handleResetStream(d *wire.Decoded) error {
	s, err := m.receiveHalf(d)
	if s == nil {
		return err
	}
	return s.handleReset(d)
}

func (m *streamsMap) handleStopSending(d *wire.Decoded) error {
	s, err := m.sendHalf(d)
	if s != nil {
		s.handleStopSending(StreamErrorCode(d.ErrorCode))
	}
	return err
}

func (m *streamsMap) handleMaxStreamData(d *wire.Decoded) error {
	s, err := m.sendHalf(d)
	if s != nil {
		s.raiseLimit(protocol.ByteCount(d.Limit))
	}
	return err
}

func (m *streamsMap) handleMaxData(d *wire.Decoded) error {
	m.credit.raise(protocol.ByteCount(d.Limit))
	m.feedWriters()
	return nil
}

func (m *streamsMap) handleMaxStreams(d *wire.Decoded) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.raiseStreamLimitLocked(d.StreamType, protocol.StreamNum(d.Limit))
	return nil
}

// handleStreamDataBlocked has nothing to do but to check the stream: limits are raised when the
// application reads.
func (m *streamsMap) handleStreamDataBlocked(d *wire.Decoded) error {
	_, err := m.receiveHalf(d)
	return err
}

// handleStreamsBlocked has nothing to do: a turn of the loop looks for dropped streams anyhow.
func (m *streamsMap) handleStreamsBlocked(*wire.Decoded) error { return nil }

// hasFramesToSend reports whether appendControlFrames or appendStreamFrames have something to append.
// Rarely they have not all the same.
func (m *streamsMap) hasFramesToSend() bool {
	free, active, hungry := m.sched.state()
	m.credit.checkBlocked(hungry)
	if free || active && m.credit.writable() > 0 || m.credit.blocked || m.credit.maxDataDue() || !m.control.empty() {
		return true
	}
	return m.maxStreamsDue() || m.streamsBlockedDue()
}

func (m *streamsMap) maxStreamsDue() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.incoming[0].maxStreamsDue() || m.incoming[1].maxStreamsDue()
}

func (m *streamsMap) streamsBlockedDue() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.outgoing[0].blocked || m.outgoing[1].blocked
}

// appendControlFrames appends all frames but STREAM that are due and fit: MAX_*, *_BLOCKED, RESET_STREAM(_AT)
// and STOP_SENDING. len(b) does not exceed limit.
func (m *streamsMap) appendControlFrames(b []byte, limit int, recs []recovery.Record, now monotime.Time, rtt time.Duration) ([]byte, []recovery.Record) {
	k := frameSink{b: b, limit: limit, recs: recs}
	if m.credit.maxDataDue() {
		m.credit.appendMaxData(&k, now, rtt, m.p.allowConnGrowth)
	}
	_, _, hungry := m.sched.state()
	if m.credit.checkBlocked(hungry); m.credit.blocked {
		m.credit.appendDataBlocked(&k)
	}
	m.appendStreamLimits(&k)
	for {
		r, frames := m.control.pop()
		if r == nil {
			break
		}
		if rest := m.appendStreamControl(&k, r, frames, now, rtt); rest != 0 {
			m.control.putBack(r, rest)
			break
		}
	}
	return k.b, k.recs
}

// appendStreamLimits appends MAX_STREAMS and STREAMS_BLOCKED.
func (m *streamsMap) appendStreamLimits(k *frameSink) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.incoming {
		typ, in, out := protocol.StreamType(t), &m.incoming[t], &m.outgoing[t]
		limit := min(in.limit+in.credit, protocol.MaxStreamCount)
		maxStreams := wire.MaxStreamsFrame{Type: typ, MaxStreamNum: limit}
		if in.maxStreamsDue() && k.fits(maxStreams.Length(protocol.Version1)) {
			k.b, _ = maxStreams.Append(k.b, protocol.Version1)
			k.record(recovery.Record{Kind: recordMaxStreams(typ), Value: uint64(limit)})
			in.limit, in.credit, in.again = limit, 0, false
		}
		blocked := wire.StreamsBlockedFrame{Type: typ, StreamLimit: out.limit}
		if out.blocked && k.fits(blocked.Length(protocol.Version1)) {
			k.b, _ = blocked.Append(k.b, protocol.Version1)
			k.record(recovery.Record{Kind: recordStreamsBlocked(typ), Value: uint64(out.limit)})
			out.blocked = false
		}
	}
}

// appendStreamControl appends the control frames of one stream and returns those that do not fit.
func (m *streamsMap) appendStreamControl(k *frameSink, r *streamRecord, frames controlMask, now monotime.Time, rtt time.Duration) (rest controlMask) {
	if frames&controlReset != 0 && !r.send.appendReset(k) {
		rest |= controlReset
	}
	if frames&controlDataBlocked != 0 && !r.send.appendDataBlocked(k) {
		rest |= controlDataBlocked
	}
	if frames&controlStopSending != 0 && !r.receive.appendStopSending(k) {
		rest |= controlStopSending
	}
	if frames&controlMaxStreamData != 0 {
		size, ok := r.receive.appendMaxStreamData(k, now, rtt)
		if !ok {
			rest |= controlMaxStreamData
		}
		m.credit.ensureWindow(size, m.p.maxConnWindow, m.p.allowConnGrowth)
	}
	return rest
}

// appendStreamFrames appends STREAM frames in the order of the scheduler. If the last one reaches limit
// it has no length, so nothing may follow it in the packet.
func (m *streamsMap) appendStreamFrames(b []byte, limit int, recs []recovery.Record) ([]byte, []recovery.Record) {
	k := frameSink{b: b, limit: limit, recs: recs}
	for k.space() > 0 {
		credit := m.credit.writable()
		s := m.sched.next(credit > 0)
		if s == nil {
			break
		}
		n := len(k.b)
		used, ok := s.appendFrame(&k, credit)
		if !ok {
			break
		}
		m.credit.take(used)
		if len(k.b) > n {
			m.sched.served(s)
		}
	}
	return k.b, k.recs
}

// onAcked handles the acknowledgement of a frame that this type has appended. Other records are ignored.
func (m *streamsMap) onAcked(r *recovery.Record) {
	switch r.Kind {
	case recordStream:
		if rec := m.lookup(r.StreamID); rec != nil {
			rec.send.onAcked(r)
		}
	case recordResetStream, recordResetStreamAt:
		if rec := m.lookup(r.StreamID); rec != nil {
			rec.send.onResetAcked(r.Kind)
		}
	}
}

// onLost queues what a lost frame said again, unless it is out of date. Other records are ignored.
func (m *streamsMap) onLost(r *recovery.Record) {
	switch r.Kind {
	case recordMaxData:
		m.credit.maxDataAgain = m.credit.maxDataAgain || r.Value == uint64(m.credit.recv.Limit())
	case recordDataBlocked:
		m.credit.blocked = m.credit.blocked || r.Value == uint64(m.credit.send.Limit()) && m.credit.writable() == 0
	case recordMaxStreamsBidi, recordMaxStreamsUni, recordStreamsBlockedBidi, recordStreamsBlockedUni:
		m.onStreamLimitLost(r)
	default:
		if rec := m.lookup(r.StreamID); rec != nil {
			m.onStreamFrameLost(rec, r)
		}
	}
}

// requeue queues what a frame said again because of a probe timeout. The frame is not lost: it may still
// be acknowledged.
func (m *streamsMap) requeue(r *recovery.Record) { m.onLost(r) }

func (m *streamsMap) onStreamLimitLost(r *recovery.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t := range m.incoming {
		typ, in, out := protocol.StreamType(t), &m.incoming[t], &m.outgoing[t]
		limit := protocol.StreamNum(r.Value)
		in.again = in.again || r.Kind == recordMaxStreams(typ) && limit == in.limit
		out.blocked = out.blocked || r.Kind == recordStreamsBlocked(typ) && limit == out.limit && len(out.waiters) > 0
	}
}

func (m *streamsMap) onStreamFrameLost(rec *streamRecord, r *recovery.Record) {
	switch r.Kind {
	case recordStream:
		rec.send.onLost(r)
	case recordResetStream, recordResetStreamAt:
		m.control.want(rec, controlReset)
	case recordStopSending:
		rec.receive.onStopSendingLost()
	case recordMaxStreamData:
		rec.receive.onMaxStreamDataLost(protocol.ByteCount(r.Value))
	case recordStreamDataBlocked:
		rec.send.onDataBlockedLost(protocol.ByteCount(r.Value))
	}
}

func recordMaxStreams(typ protocol.StreamType) uint8 {
	if typ == protocol.StreamTypeUni {
		return recordMaxStreamsUni
	}
	return recordMaxStreamsBidi
}

func recordStreamsBlocked(typ protocol.StreamType) uint8 {
	if typ == protocol.StreamTypeUni {
		return recordStreamsBlockedUni
	}
	return recordStreamsBlockedBidi
}
