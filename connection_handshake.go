package quic

import (
	"context"

	"github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

// usualParameters is more than encoded transport parameters need.
const usualParameters = 256

// deriveInitialKeys derives the Initial keys from the client's Destination Connection ID (RFC 9001, Section 5.2).
func (c *Conn) deriveInitialKeys(dst protocol.ConnectionID) {
	c.setInitialKeys(newInitialKeys(c.version, dst, c.perspective))
}

func (c *Conn) setInitialKeys(k initialKeys) {
	c.keys.sealers[protocol.EncryptionInitial] = k.sealer
	c.keys.openers[protocol.EncryptionInitial] = k.opener
}

func (c *Conn) newTLS() {
	params := c.localParameters()
	c.ourParams = params
	hp := handshake.Params{
		Perspective:     c.perspective,
		TLS:             c.params.tls,
		ServerName:      c.params.serverName,
		Version:         c.version,
		EnableEarlyData: c.params.early,
		LocalAddr:       c.LocalAddr(),
		RemoteAddr:      c.params.remote.NetAddr(),
	}
	if c.perspective == protocol.PerspectiveClient || len(c.params.preferredVersions) == 0 {
		// Else a server can tell the version only when it has seen the client's offer. To wait for that costs two switches
		// to the goroutine of TLS and back.
		hp.TransportParameters = c.encodedParameters()
	}
	if c.perspective == protocol.PerspectiveServer {
		hp.Server = c.params.serverTLS.config
		hp.EnableEarlyData = c.config.Allow0RTT
		hp.Replay = c.params.serverTLS.replay
		hp.TicketData = func() []byte { return params.AppendForTicket(make([]byte, 0, usualParameters)) }
		hp.AcceptEarlyData = func(ticket []byte) bool {
			remembered, err := wire.ParseTicketParameters(ticket)
			return err == nil && params.ValidFor0RTT(remembered)
		}
	}
	c.tls = handshake.New(hp)
	c.keys.oneRTT = c.newOneRTT()
}

func (c *Conn) newOneRTT() *protect.OneRTT {
	return protect.NewOneRTT(c.version, c.transport.keyLimits)
}

// encodedParameters returns our transport parameters as the version is known now.
func (c *Conn) encodedParameters() []byte {
	c.ourParams.VersionInformation = c.versionInformation()
	return c.ourParams.Append(make([]byte, 0, usualParameters), c.perspective)
}

// handshakeContext is what the TLS callbacks of the application see.
func (c *Conn) handshakeContext() context.Context {
	return context.WithValue(c.ctx, QUICVersionContextKey, c.version)
}

// localParameters returns the transport parameters that we send.
func (c *Conn) localParameters() *wire.TransportParameters {
	cfg := c.config
	minAckDelay := protocol.MinAckDelay
	tp := &wire.TransportParameters{
		InitialSourceConnectionID:      c.params.srcCID,
		MaxIdleTimeout:                 cfg.MaxIdleTimeout,
		MaxUDPPayloadSize:              protocol.MaxDatagramSize,
		InitialMaxData:                 protocol.ByteCount(cfg.InitialConnectionReceiveWindow),
		InitialMaxStreamDataBidiLocal:  protocol.ByteCount(cfg.InitialStreamReceiveWindow),
		InitialMaxStreamDataBidiRemote: protocol.ByteCount(cfg.InitialStreamReceiveWindow),
		InitialMaxStreamDataUni:        protocol.ByteCount(cfg.InitialStreamReceiveWindow),
		MaxBidiStreamNum:               protocol.StreamNum(max(cfg.MaxIncomingStreams, 0)),
		MaxUniStreamNum:                protocol.StreamNum(max(cfg.MaxIncomingUniStreams, 0)),
		AckDelayExponent:               protocol.AckDelayExponent,
		MaxAckDelay:                    protocol.MaxAckDelay + protocol.TimerGranularity,
		MinAckDelay:                    &minAckDelay,
		ActiveConnectionIDLimit:        protocol.MaxActiveConnectionIDs,
		EnableResetStreamAt:            cfg.EnableStreamResetPartialDelivery,
		GreaseQuicBit:                  c.transport.greases(),
	}
	if cfg.EnableDatagrams {
		tp.MaxDatagramFrameSize = protocol.MaxDatagramFrameSize
	}
	if c.perspective == protocol.PerspectiveServer {
		tp.OriginalDestinationConnectionID = c.params.origDstCID
		tp.RetrySourceConnectionID = c.params.retrySrcCID
		token := c.transport.statelessResetToken(c.params.srcCID)
		tp.StatelessResetToken = &token
	}
	c.parser.Datagrams = cfg.EnableDatagrams
	c.parser.ResetStreamAt = cfg.EnableStreamResetPartialDelivery
	c.parser.AckFrequency = true
	c.parser.AckDelayExponent = protocol.DefaultAckDelayExponent
	return tp
}

// handleTLS handles the events of the handshake. It is called when all frames of a packet have been handled, as keys
// may vanish here.
func (c *Conn) handleTLS(now monotime.Time) {
	newKeys := false
	for c.end == nil {
		e := c.tls.NextEvent()
		if e.Kind == handshake.EventNone {
			break
		}
		if e.Kind == handshake.EventReadKeys {
			newKeys = true
		}
		if err := c.handleTLSEvent(now, &e); err != nil {
			c.fail(err)
		}
	}
	if newKeys && len(c.undecryptable) > 0 {
		c.retryUndecryptable(now)
	}
}

func (c *Conn) handleTLSEvent(now monotime.Time, e *handshake.Event) error {
	c.log.tlsEvent(e)
	switch e.Kind {
	case handshake.EventReadKeys:
		return c.setReadKeys(e)
	case handshake.EventWriteKeys:
		return c.setWriteKeys(now, e)
	case handshake.EventPeerParameters:
		return c.handlePeerParameters(e.Data)
	case handshake.EventHandshakeComplete:
		return c.handleComplete(now)
	case handshake.EventEarlyDataRejected:
		c.rejectEarlyData(now)
	case handshake.EventSessionRestored:
		return c.restoreParameters(e.Data)
	case handshake.EventTransportParametersRequired:
		return c.tls.SetTransportParameters(c.encodedParameters())
	case handshake.EventCryptoReady:
		if c.perspective == protocol.PerspectiveClient && e.Level == protocol.EncryptionInitial {
			c.scrambleHello()
		}
	case handshake.EventNone:
	}
	return nil
}

func (c *Conn) setReadKeys(e *handshake.Event) error {
	if e.Level == protocol.Encryption1RTT {
		return c.keys.oneRTT.SetReadSecret(e.Suite, e.Secret)
	}
	opener, err := protect.NewOpener(e.Suite, c.versionOf(e.Level), e.Secret)
	if err != nil {
		return err
	}
	c.keys.openers[e.Level] = opener
	if e.Level == protocol.Encryption0RTT {
		c.life.used0RTT = true
		c.publishFacts()
	}
	return nil
}

func (c *Conn) setWriteKeys(now monotime.Time, e *handshake.Event) error {
	if e.Level == protocol.Encryption1RTT {
		if err := c.keys.oneRTT.SetWriteSecret(e.Suite, e.Secret); err != nil {
			return err
		}
		// RFC 9001, Section 4.9.3: "a client SHOULD discard 0-RTT keys as soon as it installs 1-RTT keys".
		if c.perspective == protocol.PerspectiveClient {
			c.dropKeys(protocol.Encryption0RTT)
			return nil
		}
		return c.announce(true)
	}
	if e.Level == protocol.Encryption0RTT && c.life.remembered == nil {
		return nil // it is not known what the server permits
	}
	sealer, err := protect.NewSealer(e.Suite, c.versionOf(e.Level), e.Secret)
	if err != nil {
		return err
	}
	c.keys.sealers[e.Level] = sealer
	switch e.Level {
	case protocol.EncryptionHandshake:
		c.recovery.SetHandshakeKeys()
	case protocol.Encryption0RTT:
		c.life.used0RTT = true
		c.usePeerParameters(c.life.remembered)
		c.becomeUsable()
	case protocol.EncryptionInitial, protocol.Encryption1RTT:
	}
	return nil
}

// becomeUsable makes DialEarly return.
func (c *Conn) becomeUsable() {
	if !c.life.usable {
		c.life.usable = true
		close(c.earlyReady)
	}
}

// announce makes a server's connection known to the listener: an early one as soon as 1-RTT packets can be sent,
// another one when the handshake is complete.
func (c *Conn) announce(early bool) error {
	if c.life.announced || early != c.params.early {
		return nil
	}
	c.life.announced = true
	if early {
		c.becomeUsable()
	}
	if c.params.onHandshake != nil && !c.params.onHandshake(c) {
		return qerr.FrameError(qerr.ConnectionRefused, 0, "")
	}
	return nil
}

// restoreParameters notes the server's transport parameters of the connection that issued the ticket for 0-RTT.
func (c *Conn) restoreParameters(data []byte) error {
	tp, err := wire.ParseTicketParameters(data)
	if err != nil {
		return nil // a ticket of another version of this package: 0-RTT keys are not used
	}
	c.life.remembered = tp
	return nil
}

// handlePeerParameters handles the peer's transport parameters.
func (c *Conn) handlePeerParameters(data []byte) error {
	tp, err := wire.ParseTransportParameters(data, c.perspective.Opposite())
	if err != nil {
		return err
	}
	if err := c.checkConnectionIDs(tp); err != nil {
		return err
	}
	if err := c.handleVersionInformation(tp.VersionInformation); err != nil {
		return err
	}
	c.peerParams = tp
	// RFC 9287, Section 3.1: "Endpoints that receive the grease_quic_bit transport parameter from a peer SHOULD set the QUIC Bit
	// to an unpredictable value".
	c.out.greased = tp.GreaseQuicBit
	if tp.StatelessResetToken != nil {
		c.applyTokenChange(c.received.SetResetToken(*tp.StatelessResetToken))
	}
	if tp.PreferredAddress != nil {
		if err := c.received.AddPreferred(tp.PreferredAddress.ConnectionID, tp.PreferredAddress.StatelessResetToken); err != nil {
			return err
		}
	}
	if c.perspective == protocol.PerspectiveClient {
		c.tls.StoreTicketData(tp.AppendForTicket(make([]byte, 0, usualParameters)))
	}
	if c.perspective == protocol.PerspectiveClient && c.life.used0RTT {
		return nil // whether 0-RTT was accepted decides how they are used
	}
	c.life.remembered = nil // the session was resumed without 0-RTT
	c.usePeerParameters(tp)
	return nil
}

// checkConnectionIDs authenticates the connection IDs of the handshake. RFC 9000, Section 7.3: "An endpoint MUST treat
// [...] the absence of [...] or a mismatch between values received from a peer in these transport parameters and the
// value sent in the corresponding Destination or Source Connection ID fields of Initial packets" as an error of type
// TRANSPORT_PARAMETER_ERROR.
func (c *Conn) checkConnectionIDs(tp *wire.TransportParameters) error {
	if tp.InitialSourceConnectionID != c.life.peerSrc {
		return qerr.FrameError(qerr.TransportParameterError, 0, "initial_source_connection_id does not match")
	}
	if c.perspective == protocol.PerspectiveServer {
		return nil
	}
	if tp.OriginalDestinationConnectionID != c.params.origDstCID {
		return qerr.FrameError(qerr.TransportParameterError, 0, "original_destination_connection_id does not match")
	}
	if (tp.RetrySourceConnectionID != nil) != c.life.retried {
		return qerr.FrameError(qerr.TransportParameterError, 0, "retry_source_connection_id without Retry or vice versa")
	}
	if c.life.retried && *tp.RetrySourceConnectionID != c.life.retrySrc {
		return qerr.FrameError(qerr.TransportParameterError, 0, "retry_source_connection_id does not match")
	}
	return nil
}

// usePeerParameters applies transport parameters of the peer: remembered ones first, if there is 0-RTT.
func (c *Conn) usePeerParameters(tp *wire.TransportParameters) {
	if c.peerParams == nil {
		c.peerParams = tp
		defer func() { c.peerParams = nil }()
	}
	c.mtu.Restrict(min(c.maxPacketSize, tp.MaxUDPPayloadSize))
	c.applyMTU()
	c.parser.AckDelayExponent = tp.AckDelayExponent
	c.recovery.SetPeerMaxAckDelay(tp.MaxAckDelay)
	if tp.MinAckDelay != nil {
		c.recovery.SetPeerMinAckDelay(*tp.MinAckDelay)
	}
	c.streams.setPeerParameters(tp)
	c.updateMaxDatagramPayload()
	c.publishFacts()
}

func (c *Conn) publishFacts() {
	f := &connFacts{used0RTT: c.life.used0RTT, version: c.version}
	if c.peerParams != nil {
		f.peerDatagrams = c.peerParams.MaxDatagramFrameSize > 0
		f.peerResetAt = c.peerParams.EnableResetStreamAt
	}
	c.facts.Store(f)
}

// rejectEarlyData gives up what was sent in 0-RTT packets.
func (c *Conn) rejectEarlyData(now monotime.Time) {
	if !c.life.used0RTT {
		return
	}
	c.life.used0RTT, c.life.remembered = false, nil
	c.early.rejected.Store(true)
	c.dropKeys(protocol.Encryption0RTT)
	c.streams.rejectEarlyData()
	c.datagrams.forget()
	c.recovery.RejectEarlyData(now, &c.result)
	c.onRecoveryResult()
	if c.peerParams != nil {
		c.usePeerParameters(c.peerParams)
	}
}

// handleComplete handles the completion of the handshake (RFC 9001, Section 4.1.1).
func (c *Conn) handleComplete(now monotime.Time) error {
	if c.life.remembered != nil {
		// RFC 9000, Section 7.4.1: "If 0-RTT data is accepted by the server, the server MUST NOT reduce any limits or alter
		// any values that might be violated by the client with its 0-RTT data."
		if !c.peerParams.ValidFor0RTT(c.life.remembered) {
			return qerr.FrameError(qerr.ProtocolViolation, 0, "limits are smaller than those of 0-RTT")
		}
		c.usePeerParameters(c.peerParams)
	}
	c.life.complete = true
	c.publishFacts()
	c.timers.stop(timerHandshake)
	c.recovery.SetHandshakeComplete()
	c.setNegotiatedTimeout()
	c.publishStats() // who waits for the handshake finds the first round trip in them
	close(c.handshakeDone)
	if c.perspective == protocol.PerspectiveClient {
		c.becomeUsable()
		return nil
	}
	return c.completeServer(now)
}

func (c *Conn) completeServer(now monotime.Time) error {
	c.control.handshakeDone = true
	pto := c.recovery.RTT().PTO(true)
	c.issued.RetireOrigDst(now.Add(3 * pto))
	if c.keys.openers[protocol.Encryption0RTT] != nil {
		// RFC 9001, Section 4.9.3: "servers MAY temporarily retain 0-RTT keys [...] for a period of three times the PTO".
		c.timers.set(timerKeyDiscard, now.Add(3*pto))
	}
	c.confirm(now)
	return c.announce(false)
}

// makeOffers makes what the peer can use after the handshake: more connection IDs and, on a server, a session ticket and a token.
// That takes time and nobody waits for it, so it is done just before sending: then many a short connection is over already.
// A client does not wait for the confirmation: its frames keep a server answering that has missed nothing but has lost its way.
func (c *Conn) makeOffers(now monotime.Time) error {
	c.life.offered = true
	added, err := c.issued.SetPeerLimit(c.peerParams.ActiveConnectionIDLimit)
	if err != nil {
		return err
	}
	c.routeConnectionIDs(added)
	if c.perspective == protocol.PerspectiveClient {
		return nil
	}
	if err := c.tls.SendSessionTicket(); err != nil {
		return err
	}
	c.handleTLS(now)
	c.tls.ReleaseTLS()
	c.queueNewToken()
	return nil
}

// queueNewToken queues a NEW_TOKEN frame. If no token can be made, the client goes without.
func (c *Conn) queueNewToken() {
	if c.params.newToken == nil {
		return
	}
	if token, err := c.params.newToken(c.version, c.RemoteAddr(), c.recovery.RTT().Smoothed()); err == nil {
		c.control.newToken = token
	}
}

// confirm handles the confirmation of the handshake (RFC 9001, Section 4.1.2).
func (c *Conn) confirm(now monotime.Time) {
	if c.life.confirmed {
		return
	}
	c.life.confirmed = true
	c.log.state(qlog.ConnectionStateHandshakeConfirmed)
	c.dropLevel(now, protocol.EncryptionInitial)
	c.dropLevel(now, protocol.EncryptionHandshake)
	c.recovery.SetHandshakeConfirmed()
	c.mtu.Search(c.mtuLimit())
	c.mtu.Defer(now.Add(c.recovery.RTT().PTO(true)), c.recovery.Stats().BytesSent)
	c.beginPending(now)
	c.probePreferredAddress(now)
}

// dropLevel discards the keys and the packet number space of Initial or Handshake packets (RFC 9001, Section 4.9).
func (c *Conn) dropLevel(now monotime.Time, level protocol.EncryptionLevel) {
	if c.keys.dropped[level] {
		return
	}
	c.dropKeys(level)
	c.tls.DropLevel(level)
	c.recovery.DropSpace(now, level.Space())
}

func (c *Conn) dropKeys(level protocol.EncryptionLevel) {
	c.log.keysDropped(level)
	c.keys.dropped[level] = true
	c.keys.sealers[level], c.keys.openers[level] = nil, nil
	if level == protocol.EncryptionInitial {
		c.keys.originalInitial = nil
	}
}

// handleRetry handles a Retry packet (RFC 9000, Section 17.2.5).
func (c *Conn) handleRetry(now monotime.Time, packet []byte, hdr *wire.LongHeader) {
	// RFC 9000, Section 17.2.5.2: "A client MUST accept and process at most one Retry packet for each connection attempt.
	// After the client has received and processed an Initial or Retry packet from the server, it MUST discard any
	// subsequent Retry packets that it receives."
	if c.perspective == protocol.PerspectiveServer || c.life.retried || c.life.authenticated > 0 || len(hdr.Token) == 0 {
		c.log.dropped(packet, qlog.PacketDropUnexpectedPacket)
		return
	}
	// RFC 9000, Section 17.2.5.1: "A client MUST discard a Retry packet that contains a Source Connection ID field that is
	// identical to the Destination Connection ID field of its Initial packet."
	if hdr.SrcCID == c.params.origDstCID {
		c.log.dropped(packet, qlog.PacketDropUnexpectedPacket)
		return
	}
	if protect.RetryTag(c.params.version, c.params.origDstCID, packet[:len(packet)-len(hdr.RetryTag)]) != hdr.RetryTag {
		c.log.dropped(packet, qlog.PacketDropUnexpectedPacket)
		return
	}
	c.log.retryReceived(hdr)
	c.life.retried, c.life.retrySrc = true, hdr.SrcCID
	c.life.token = append([]byte(nil), hdr.Token...)
	c.received.SetInitial(hdr.SrcCID)
	c.deriveInitialKeys(hdr.SrcCID)
	c.recovery.ResetInitial(now, &c.result)
	c.onRecoveryResult()
}

// handleVersionNegotiation handles a Version Negotiation packet (RFC 9000, Section 6.2).
func (c *Conn) handleVersionNegotiation(packet []byte) {
	if c.perspective == protocol.PerspectiveServer || c.life.authenticated > 0 || c.life.retried || c.params.versionNegotiated {
		c.log.dropped(packet, qlog.PacketDropUnexpectedPacket)
		return
	}
	dst, src, versions, err := wire.ParseVersionNegotiation(packet)
	if err != nil || string(dst) != string(c.params.srcCID.Bytes()) || string(src) != string(c.params.origDstCID.Bytes()) {
		c.log.dropped(packet, qlog.PacketDropUnexpectedPacket)
		return
	}
	c.log.versionsReceived(dst, src, versions)
	for _, v := range versions {
		if v == c.version {
			// "A client MUST discard a Version Negotiation packet that lists the QUIC version selected by the client."
			return
		}
	}
	c.endWith(&errVersionNegotiated{theirs: versions}, endSilent)
}
