package quic

import (
	"errors"
	"net"
	"strconv"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/path"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A connLog records the events of a connection. Its methods may be called on nil, the log of a connection without
// a trace, at the cost of a comparison. Loop only.
type connLog struct {
	c       *Conn
	rec     qlogwriter.Recorder
	encodes bool // rec keeps nothing of an event: the memory of the most frequent ones is used again

	sent, received frameLog
	drafts         []qlog.PacketSent            // the packets of a datagram that is sealed
	packet         qlog.PacketReceived          // the one that is recorded
	checksum       qlog.DatagramPayloadChecksum // of the received datagram
	tuples         [protocol.MaxPaths]loggedTuple
	newTuples      int // how many there were, the first path not counted

	// what was recorded last
	phase      protocol.KeyPhase
	metrics    qlog.MetricsUpdated
	congestion qlog.CongestionState
	ecn        recovery.ECNState
	ptoCount   int
	mtu        qlog.MTUUpdated
	timer      qlog.TimerUpdated
	deadline   monotime.Time // of timer
}

// A loggedTuple is a path and the name that it has in the log. The first path of a connection goes without one.
type loggedTuple struct {
	transport *Transport
	remote    udp.Remote
	name      string
}

// QlogTrace returns what Config.Tracer has returned for the connection. Other protocols can add their events to it.
func (c *Conn) QlogTrace() qlogwriter.Trace { return c.trace }

// openLog asks the application for a trace and records how the connection begins. Nobody else knows the
// connection yet.
func (c *Conn) openLog() {
	if c.config.Tracer == nil {
		return
	}
	c.trace = c.config.Tracer(c.ctx, c.perspective == protocol.PerspectiveClient, c.params.origDstCID)
	if c.trace == nil {
		return
	}
	rec := c.trace.AddProducer()
	if rec == nil {
		return
	}
	c.log = newConnLog(c, rec)
	if qlog.HasStreamStates(c.trace) {
		c.streams.p.onStreamState = c.log.streamState
	}
	c.streams.p.onPriority = c.log.priority
	c.log.begin()
}

func (l *connLog) begin() {
	c := l.c
	l.tuples[c.paths.manager.Active()] = loggedTuple{transport: c.transport, remote: c.params.remote}
	l.rec.RecordEvent(qlog.StartedConnection{Local: tupleEndpoint(c.LocalAddr()), Remote: tupleEndpoint(c.RemoteAddr())})
	versions := qlog.VersionInformation{ChosenVersion: c.version}
	state := qlog.ConnectionStateHandshakeStarted
	if c.perspective == protocol.PerspectiveClient {
		versions.ClientVersions = c.config.Versions
		state = qlog.ConnectionStateAttempted
	} else {
		versions.ServerVersions = c.config.Versions
	}
	l.rec.RecordEvent(versions)
	l.rec.RecordEvent(parametersSet(c.localParameters(), qlog.InitiatorLocal, c.perspective))
	l.rec.RecordEvent(qlog.RecoveryParametersSet{
		ReorderingThreshold:     3,         // kPacketThreshold of RFC 9002, Section 6.1.1
		TimeThreshold:           9.0 / 8.0, // kTimeThreshold of RFC 9002, Section 6.1.2
		TimerGranularity:        protocol.TimerGranularity,
		InitialCongestionWindow: c.recovery.Controller().Window(),
		InitialRTT:              c.recovery.RTT().Smoothed(),
	})
	l.state(state)
	l.keyUpdated(qlog.KeyUpdateTLS, protocol.EncryptionInitial, c.perspective)
	l.keyUpdated(qlog.KeyUpdateTLS, protocol.EncryptionInitial, c.perspective.Opposite())
}

// versionSwitched is called when the connection goes on with another version than it has begun with.
func (l *connLog) versionSwitched() {
	if l != nil {
		l.rec.RecordEvent(qlog.VersionInformation{ChosenVersion: l.c.version})
	}
}

func tupleEndpoint(a net.Addr) qlog.TupleEndpointInfo {
	ap := udp.RemoteFrom(a).AddrPort
	if ap.Addr().Is4() {
		return qlog.TupleEndpointInfo{IPv4: ap}
	}
	return qlog.TupleEndpointInfo{IPv6: ap}
}

// tuple returns the name of a path. One that is new in its place of the table gets a new name.
func (l *connLog) tuple(id path.ID) string {
	if id == path.None {
		return ""
	}
	p, t := &l.c.paths.at[id], &l.tuples[id] // the path may be gone since the datagram has come
	if p.transport == nil || t.transport == p.transport && t.remote.Equal(p.dst.Remote) {
		return t.name
	}
	l.newTuples++
	*t = loggedTuple{p.transport, p.dst.Remote, strconv.Itoa(l.newTuples)}
	l.rec.RecordEvent(qlog.TupleAssigned{
		TupleID: t.name, Local: tupleEndpoint(localAddr(p.transport, &p.dst)), Remote: tupleEndpoint(p.dst.Remote.NetAddr()),
	})
	return t.name
}

func parametersSet(tp *wire.TransportParameters, initiator qlog.Initiator, sentBy protocol.Perspective) qlog.ParametersSet {
	limits := parametersRestored(tp)
	e := qlog.ParametersSet{
		Initiator: initiator, SentBy: sentBy,
		InitialMaxData: limits.InitialMaxData, InitialMaxStreamDataUni: limits.InitialMaxStreamDataUni,
		InitialMaxStreamDataBidiLocal:  limits.InitialMaxStreamDataBidiLocal,
		InitialMaxStreamDataBidiRemote: limits.InitialMaxStreamDataBidiRemote,
		InitialMaxStreamsBidi:          limits.InitialMaxStreamsBidi, InitialMaxStreamsUni: limits.InitialMaxStreamsUni,
		ActiveConnectionIDLimit: limits.ActiveConnectionIDLimit,
		MaxDatagramFrameSize:    limits.MaxDatagramFrameSize, EnableResetStreamAt: limits.EnableResetStreamAt,
	}
	e.MaxIdleTimeout, e.MaxUDPPayloadSize, e.DisableActiveMigration = tp.MaxIdleTimeout, tp.MaxUDPPayloadSize, tp.DisableActiveMigration
	e.AckDelayExponent, e.MaxAckDelay = tp.AckDelayExponent, tp.MaxAckDelay
	e.InitialSourceConnectionID = tp.InitialSourceConnectionID
	e.OriginalDestinationConnectionID, e.StatelessResetToken = tp.OriginalDestinationConnectionID, tp.StatelessResetToken
	if tp.RetrySourceConnectionID != nil {
		e.RetrySourceConnectionID = *tp.RetrySourceConnectionID
	}
	if p := tp.PreferredAddress; p != nil {
		e.PreferredAddress = &qlog.PreferredAddress{
			IPv4: p.IPv4, IPv6: p.IPv6, ConnectionID: p.ConnectionID, StatelessResetToken: p.StatelessResetToken,
		}
	}
	return e
}

// datagramFrameSize returns the value as qlog has it: negative for an absent parameter.
func datagramFrameSize(tp *wire.TransportParameters) protocol.ByteCount {
	if tp.MaxDatagramFrameSize == 0 {
		return -1
	}
	return tp.MaxDatagramFrameSize
}

func parametersRestored(tp *wire.TransportParameters) qlog.ParametersRestored {
	return qlog.ParametersRestored{
		ActiveConnectionIDLimit:        tp.ActiveConnectionIDLimit,
		InitialMaxData:                 tp.InitialMaxData,
		InitialMaxStreamDataBidiLocal:  tp.InitialMaxStreamDataBidiLocal,
		InitialMaxStreamDataBidiRemote: tp.InitialMaxStreamDataBidiRemote,
		InitialMaxStreamDataUni:        tp.InitialMaxStreamDataUni,
		InitialMaxStreamsBidi:          int64(tp.MaxBidiStreamNum),
		InitialMaxStreamsUni:           int64(tp.MaxUniStreamNum),
		MaxDatagramFrameSize:           datagramFrameSize(tp),
		EnableResetStreamAt:            tp.EnableResetStreamAt,
	}
}

func (l *connLog) state(s qlog.ConnectionState) {
	if l != nil {
		l.rec.RecordEvent(qlog.ConnectionStateUpdated{State: s})
	}
}

// streamState implements streamsParams.onStreamState. It is not called on nil.
func (l *connLog) streamState(id StreamID, s StreamState) {
	if s != StreamStateRetired {
		e := qlog.StreamStateUpdated{StreamID: id, State: s.String(), Side: qlog.DirectionSending}
		if s >= ReceiveStateRecv {
			e.Side = qlog.DirectionReceiving
		}
		l.rec.RecordEvent(e)
		return
	}
	// The draft knows no states of both halves at once.
	bidi, local := id.Type() == protocol.StreamTypeBidi, id.InitiatedBy() == l.c.perspective
	if bidi || local {
		l.rec.RecordEvent(qlog.StreamStateUpdated{StreamID: id, State: "destroyed", Side: qlog.DirectionSending})
	}
	if bidi || !local {
		l.rec.RecordEvent(qlog.StreamStateUpdated{StreamID: id, State: "destroyed", Side: qlog.DirectionReceiving})
	}
}

// priority implements streamsParams.onPriority: not only on the loop, not on nil.
func (l *connLog) priority(id StreamID, urgency int8, incremental bool) {
	l.rec.RecordEvent(qlog.StreamPriorityUpdated{StreamID: id, Urgency: urgency, Incremental: incremental})
}

// keyTypes are the keys of clients and servers by level.
var keyTypes = [...][protocol.NumEncryptionLevels]qlog.KeyType{
	protocol.PerspectiveClient: {
		protocol.EncryptionInitial:   qlog.KeyTypeClientInitial,
		protocol.Encryption0RTT:      qlog.KeyTypeClient0RTT,
		protocol.EncryptionHandshake: qlog.KeyTypeClientHandshake,
		protocol.Encryption1RTT:      qlog.KeyTypeClient1RTT,
	},
	protocol.PerspectiveServer: {
		protocol.EncryptionInitial:   qlog.KeyTypeServerInitial,
		protocol.Encryption0RTT:      qlog.KeyTypeServer0RTT,
		protocol.EncryptionHandshake: qlog.KeyTypeServerHandshake,
		protocol.Encryption1RTT:      qlog.KeyTypeServer1RTT,
	},
}

func (l *connLog) keyUpdated(trigger qlog.KeyUpdateTrigger, level protocol.EncryptionLevel, sender protocol.Perspective) {
	l.rec.RecordEvent(qlog.KeyUpdated{Trigger: trigger, KeyType: keyTypes[sender][level], KeyPhase: qlog.KeyPhase(l.phase)})
}

// keyPhase notes the key phase of a packet.
func (l *connLog) keyPhase(phase protocol.KeyPhase, trigger qlog.KeyUpdateTrigger) {
	if phase <= l.phase {
		return
	}
	old := qlog.KeyPhase(l.phase)
	l.phase = phase
	for _, sender := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		l.keyUpdated(trigger, protocol.Encryption1RTT, sender)
	}
	// The keys of the peer are kept for late packets.
	l.rec.RecordEvent(qlog.KeyDiscarded{KeyType: keyTypes[l.c.perspective][protocol.Encryption1RTT], KeyPhase: old})
}

// keysDropped is called before the keys are gone.
func (l *connLog) keysDropped(level protocol.EncryptionLevel) {
	if l == nil {
		return
	}
	if l.c.keys.sealers[level] != nil {
		l.rec.RecordEvent(qlog.KeyDiscarded{KeyType: keyTypes[l.c.perspective][level]})
	}
	if l.c.keys.openers[level] != nil {
		l.rec.RecordEvent(qlog.KeyDiscarded{KeyType: keyTypes[l.c.perspective.Opposite()][level]})
	}
}

// tlsEvent is called before the event is handled.
func (l *connLog) tlsEvent(e *handshake.Event) {
	if l == nil {
		return
	}
	switch e.Kind {
	case handshake.EventReadKeys:
		l.keyUpdated(qlog.KeyUpdateTLS, e.Level, l.c.perspective.Opposite())
	case handshake.EventWriteKeys:
		l.keyUpdated(qlog.KeyUpdateTLS, e.Level, l.c.perspective)
	case handshake.EventPeerParameters:
		if tp, err := wire.ParseTransportParameters(e.Data, l.c.perspective.Opposite()); err == nil {
			l.rec.RecordEvent(parametersSet(tp, qlog.InitiatorRemote, l.c.perspective.Opposite()))
		}
	case handshake.EventSessionRestored:
		if tp, err := wire.ParseTicketParameters(e.Data); err == nil {
			l.rec.RecordEvent(parametersRestored(tp))
		}
	case handshake.EventHandshakeComplete:
		l.rec.RecordEvent(qlog.ALPNInformation{ChosenALPN: l.c.tls.ConnectionState().NegotiatedProtocol})
		l.state(qlog.ConnectionStateHandshakeComplete)
	case handshake.EventNone, handshake.EventCryptoReady, handshake.EventTransportParametersRequired,
		handshake.EventEarlyDataRejected:
	}
}

// lost records the packets that an ACK frame or a timeout has shown to be lost.
func (l *connLog) lost(res *recovery.Result) {
	if l == nil {
		return
	}
	for i := range res.LostDetails {
		p := &res.LostDetails[i]
		e := qlog.PacketLost{
			Header:  qlog.PacketHeader{PacketType: packetTypes[p.Level], PacketNumber: p.PN},
			Trigger: qlog.PacketLossReorderingThreshold,
		}
		if p.Reason == recovery.TimeThreshold {
			e.Trigger = qlog.PacketLossTimeThreshold
		}
		l.rec.RecordEvent(e)
	}
}

// spurious records the packets that an ACK frame of the level has shown not to be lost.
func (l *connLog) spurious(level protocol.EncryptionLevel, res *recovery.Result) {
	if l == nil {
		return
	}
	for _, p := range res.SpuriousDetails {
		l.rec.RecordEvent(qlog.SpuriousLoss{
			EncryptionLevel: spaceLevels[level.Space()], PacketNumber: p.PN,
			PacketReordering: uint64(p.Packets), TimeReordering: p.Delay,
		})
	}
}

// datagramDropped records that a DATAGRAM frame is not sent or not given to the application.
func (l *connLog) datagramDropped(dir qlog.Direction, size int, trigger string) {
	if l != nil {
		l.rec.RecordEvent(qlog.DatagramDropped{
			Direction: dir, Raw: qlog.RawInfo{Length: qlog.OmitLength, PayloadLength: size}, Trigger: trigger,
		})
	}
}

// turnDone records what the turn of the loop has changed.
func (l *connLog) turnDone(now monotime.Time) {
	if l == nil || l.c.end != nil {
		return
	}
	l.metricsDone()
	r := l.c.recovery
	if s := r.ECNState(); s != l.ecn {
		l.ecn = s
		if s != recovery.ECNDisabled {
			l.rec.RecordEvent(qlog.ECNStateUpdated{State: qlog.ECNState(s.String())})
		}
	}
	if n := r.PTOCount(); n != l.ptoCount {
		l.ptoCount = n
		l.rec.RecordEvent(qlog.PTOCountUpdated{PTOCount: uint32(n)})
	}
	if mtu := (qlog.MTUUpdated{Value: int(l.c.maxPacketSize), Done: l.c.mtu.Done()}); mtu != l.mtu {
		l.mtu = mtu
		l.rec.RecordEvent(mtu)
	}
	l.timerDone(now)
}

func (l *connLog) metricsDone() {
	r := l.c.recovery
	m := qlog.MetricsUpdated{
		CongestionWindow: int(r.Controller().Window()),
		BytesInFlight:    int(r.InFlight()),
		PacketsInFlight:  r.PacketsInFlight(),
	}
	if rtt := r.RTT(); rtt.HasSample() {
		m.MinRTT, m.SmoothedRTT, m.LatestRTT, m.RTTVariance = rtt.Min(), rtt.Smoothed(), rtt.Latest(), rtt.MeanDeviation()
	}
	if m != l.metrics {
		l.metrics = m
		recordLent(l, &l.metrics)
	}
	if s := qlog.CongestionState(r.Controller().Metrics().State.String()); s != l.congestion {
		l.congestion = s
		l.rec.RecordEvent(qlog.CongestionStateUpdated{State: s})
	}
}

// timerDone records that the timer of loss detection was set, has expired or was cancelled.
func (l *connLog) timerDone(now monotime.Time) {
	timer := l.c.recovery.Timer()
	if timer.At == l.deadline {
		return
	}
	if !l.deadline.IsZero() && !now.Before(l.deadline) {
		l.timer.Type = qlog.TimerEventTypeExpired
		recordLent(l, &l.timer)
	}
	l.deadline = timer.At
	if timer.At.IsZero() {
		l.rec.RecordEvent(qlog.TimerUpdated{Type: qlog.TimerEventTypeCancelled})
		return
	}
	l.timer = qlog.TimerUpdated{
		Type: qlog.TimerEventTypeSet, TimerType: qlog.TimerTypeACK, EncLevel: spaceLevels[timer.Space], Time: timer.At.ToTime(),
	}
	if timer.PTO {
		l.timer.TimerType = qlog.TimerTypePTO
	}
	recordLent(l, &l.timer)
}

// closed records the end of the connection.
func (l *connLog) closed() {
	if l == nil {
		return
	}
	l.rec.RecordEvent(connectionClosed(l.c.end))
	l.state(qlog.ConnectionStateClosed)
	_ = l.rec.Close()
}

func connectionClosed(err error) qlog.ConnectionClosed {
	e := qlog.ConnectionClosed{Initiator: qlog.InitiatorLocal}
	if app, ok := errors.AsType[*ApplicationError](err); ok {
		e.Initiator, e.ApplicationError, e.Reason = initiator(app.Remote), &app.ErrorCode, app.ErrorMessage
		return e
	}
	switch err := err.(type) {
	case *IdleTimeoutError, *HandshakeTimeoutError:
		e.Trigger = qlog.ConnectionCloseTriggerIdleTimeout
	case *StatelessResetError:
		e.Initiator, e.Trigger = qlog.InitiatorRemote, qlog.ConnectionCloseTriggerStatelessReset
	case *errVersionNegotiated:
		e.Initiator, e.Trigger = qlog.InitiatorRemote, qlog.ConnectionCloseTriggerVersionMismatch
	default:
		if errors.Is(err, ErrTransportClosed) {
			e.Trigger = qlog.ConnectionCloseTriggerApplication
			break
		}
		t := qerr.CauseOf(err)
		e.Initiator, e.ConnectionError, e.Reason = initiator(t.Remote), &t.ErrorCode, t.ErrorMessage
	}
	return e
}

func initiator(remote bool) qlog.Initiator {
	if remote {
		return qlog.InitiatorRemote
	}
	return qlog.InitiatorLocal
}
