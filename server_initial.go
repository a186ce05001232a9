package quic

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/udp"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

const (
	// maxHandshakes bounds the accepted connections whose handshake is not complete. At the limit clients are
	// refused.
	maxHandshakes = 1024
	// retryHandshakes is the number of such connections from which on clients have to prove their
	// addresses, unless the application decides that by VerifySourceAddress.
	retryHandshakes = 128
	// connectionIDTries is how often a connection ID is made anew that is in use.
	connectionIDTries = 3
)

// handlePacket handles a datagram with a long header and an unknown Destination Connection ID. It is called by the
// worker, and reports whether it has taken over the Buffer.
func (l *listener) handlePacket(p *udp.Packet) bool {
	t := l.transport
	version, dst, src, _, err := wire.ParseInvariantHeader(p.Data)
	if err != nil {
		t.logDropped(p.Data, qlog.PacketDropHeaderParseError)
		return false
	}
	// RFC 9000, Section 6.1: "An endpoint MUST NOT send a Version Negotiation packet in response to receiving
	// a Version Negotiation packet."
	if version == 0 {
		t.logDropped(p.Data, qlog.PacketDropUnexpectedPacket)
		return false
	}
	if !protocol.IsSupportedVersion(l.config.Versions, version) {
		l.negotiateVersion(p, dst, src)
		return false
	}
	h, err := wire.ParseLongHeader(p.Data)
	// The fixed bit may be 0 if the client shows a token of an earlier connection (RFC 9287, Section 3.1).
	if err != nil && !(errors.Is(err, wire.ErrFixedBit) && l.transport.greases()) {
		t.logDropped(p.Data, qlog.PacketDropHeaderParseError)
		return false
	}
	switch h.Type {
	case protocol.PacketTypeInitial:
		return l.handleInitial(p, &h)
	case protocol.PacketType0RTT:
		if l.config.Allow0RTT && l.zeroRTT.push(h.DstCID, p) {
			return true
		}
	case protocol.PacketTypeHandshake, protocol.PacketTypeRetry, protocol.PacketTypeVersionNegotiation,
		protocol.PacketType1RTT:
	}
	t.logDropped(p.Data, qlog.PacketDropUnknownConnectionID)
	return false
}

// negotiateVersion answers a datagram of a version that is not supported.
func (l *listener) negotiateVersion(p *udp.Packet, dst, src []byte) {
	// RFC 9000, Section 5.2.2: "If a server receives a packet that indicates an unsupported version and if the
	// packet is large enough to initiate a new connection for any supported version, the server SHOULD send a
	// Version Negotiation packet".
	t := l.transport
	if len(p.Data) < protocol.MinInitialPacketSize || t.DisableVersionNegotiationPackets {
		t.logDropped(p.Data, qlog.PacketDropUnsupportedVersion)
		return
	}
	b := wire.AppendVersionNegotiation(nil, src, dst, l.config.Versions)
	t.logSent(b)
	t.reply(p, b)
}

// An attempt is a client's Initial that may open a connection.
type attempt struct {
	p           *udp.Packet
	h           *wire.LongHeader
	addr        net.Addr
	validated   bool
	origDstCID  protocol.ConnectionID
	retrySrcCID *protocol.ConnectionID // of the Retry, if there was one
	rtt         time.Duration          // of the connection that the token is from, if there was one
	keys        initialKeys            // of the client's version
}

// errRetryToken reports a token of a Retry that does not validate the client's address.
var errRetryToken = errors.New("invalid token of a Retry")

func (l *listener) handleInitial(p *udp.Packet, h *wire.LongHeader) bool {
	// RFC 9000, Section 14.1: "A server MUST discard an Initial packet that is carried in a UDP datagram with a
	// payload that is smaller than the smallest allowed maximum datagram size of 1200 bytes."
	if len(p.Data) < protocol.MinInitialPacketSize {
		l.transport.logDropped(p.Data, qlog.PacketDropUnexpectedPacket)
		return false
	}
	a := &attempt{p: p, h: h, addr: p.Remote.NetAddr(), origDstCID: h.DstCID}
	errToken := l.checkToken(a)
	// RFC 9000, Section 7.2: "This Destination Connection ID MUST be at least 8 bytes in length."
	if errToken == nil && a.retrySrcCID == nil && h.DstCID.Len() < protocol.MinInitialDestinationConnectionIDLen {
		l.transport.logDropped(p.Data, qlog.PacketDropProtocolViolation)
		return false
	}
	if errToken == nil && !a.validated && l.asksForAddress(a) {
		return false
	}
	if !l.authentic(a) {
		l.transport.logDropped(p.Data, qlog.PacketDropPayloadDecryptError)
		return false
	}
	if errToken != nil {
		// RFC 9000, Section 8.1.2: "the server SHOULD immediately close (Section 10.2) the connection with an
		// INVALID_TOKEN error."
		l.refuse(a, qerr.InvalidToken)
		return false
	}
	if l.transport.handshakes() >= maxHandshakes {
		l.refuse(a, qerr.ConnectionRefused)
		return false
	}
	c, err := l.newConn(a)
	if err != nil {
		logf(logInfos, "connection refused: %v", err)
		l.refuse(a, qerr.ConnectionRefused)
		return false
	}
	c.handlePacket(*p)
	for _, early := range l.zeroRTT.take(h.DstCID) {
		c.handlePacket(early)
	}
	c.start()
	return true
}

// checkToken evaluates the token of an Initial. The error says that the connection is to be closed with INVALID_TOKEN.
func (l *listener) checkToken(a *attempt) error {
	if len(a.h.Token) == 0 {
		return nil
	}
	t := l.transport
	// Tokens are compared with those of other processes, so it is the wall clock that counts.
	now := time.Now()
	tok, err := t.tokens.Decode(a.h.Token)
	switch {
	case err != nil:
		// RFC 9000, Section 8.1.3: "If the token is invalid, then the server SHOULD proceed as if the client did
		// not have a validated address".
		return nil
	case !tok.IsRetry:
		// RFC 9000, Section 8.1.4: "servers SHOULD ensure that replay of tokens is prevented or limited."
		a.validated = tok.ValidNew(now, a.h.Version, a.addr, t.tokenAge) && t.usedTokens.FirstUse(tok.ID, tok.Issued)
		if a.validated {
			a.rtt = tok.RTT
		}
		return nil
	case !tok.ValidRetry(now, a.h.Version, a.addr, a.h.DstCID):
		return errRetryToken
	}
	a.validated = true
	a.origDstCID, a.retrySrcCID = tok.OriginalDstCID, &tok.RetrySrcCID
	return nil
}

// asksForAddress reports whether the client has to prove its address, and asks for that, once for all Initials of its first flight.
func (l *listener) asksForAddress(a *attempt) bool {
	if l.retries.has(a.p.Time, a.h.DstCID) {
		return true
	}
	if !l.wantsRetry(a.addr) {
		return false
	}
	l.sendRetry(a)
	l.retries.add(a.p.Time, a.h.DstCID)
	return true
}

func (l *listener) wantsRetry(addr net.Addr) bool {
	if verify := l.transport.VerifySourceAddress; verify != nil {
		return verify(addr)
	}
	return l.transport.handshakes() >= retryHandshakes
}

// authentic reports whether the Initial is protected with the keys that it should be. No state is
// made for others. It makes the keys for an answer.
func (l *listener) authentic(a *attempt) bool {
	a.keys = newInitialKeys(a.h.Version, a.h.DstCID, protocol.PerspectiveServer)
	// A copy, as the connection opens the packet again.
	l.scratch = append(l.scratch[:0], a.p.Data[:a.h.PacketLen]...)
	_, err := a.keys.opener.Open(l.scratch, a.h.PNOffset, protocol.InvalidPacketNumber)
	return err == nil
}

// sendRetry asks the client to prove its address (RFC 9000, Section 8.1.2).
func (l *listener) sendRetry(a *attempt) {
	t, v := l.transport, a.h.Version
	src, err := t.retryConnectionID()
	if err != nil {
		logf(logErrors, "no connection ID for a Retry: %v", err)
		return
	}
	token, err := t.tokens.NewRetryToken(time.Now(), v, a.addr, a.h.DstCID, src)
	if err != nil {
		logf(logErrors, "no token for a Retry: %v", err)
		return
	}
	b := wire.AppendRetry(nil, v, a.h.SrcCID, src, token)
	tag := protect.RetryTag(v, a.h.DstCID, b)
	b = append(b, tag[:]...)
	t.logSent(b)
	t.reply(a.p, b)
}

// retryConnectionID returns the Source Connection ID of a Retry. It is never empty: the Initial keys depend on it,
// and RFC 9000, Section 17.2.5.1 wants another one than the client has chosen.
func (t *Transport) retryConnectionID() (protocol.ConnectionID, error) {
	if t.cidLen == 0 {
		return protocol.RandomConnectionID(protocol.MinInitialDestinationConnectionIDLen)
	}
	return t.generateConnectionID()
}

// refuse closes a connection that was never made. RFC 9000, Section 5.2.2: "it SHOULD send an Initial packet
// containing a CONNECTION_CLOSE frame with error code CONNECTION_REFUSED."
func (l *listener) refuse(a *attempt, code qerr.TransportErrorCode) {
	const pn, pnLen = 0, 2
	frame := wire.ConnectionCloseFrame{ErrorCode: uint64(code)}
	b, lengthAt := wire.AppendLongHeader(nil, protocol.PacketTypeInitial, a.h.Version, a.h.SrcCID, a.h.DstCID, nil, pn, pnLen)
	payload := len(b)
	b, err := frame.Append(b, a.h.Version)
	if err != nil {
		panic("BUG: CONNECTION_CLOSE frame: " + err.Error())
	}
	wire.SetLongHeaderLength(b, lengthAt, pnLen+len(b)-payload+protect.Overhead)
	b = a.keys.sealer.Seal(b, 0, payload, pn, pnLen)
	l.transport.logSent(b, qlog.Frame{Frame: &frame})
	l.transport.reply(a.p, b)
}

// newConn makes the connection that an Initial opens, and registers it. An error refuses it.
func (l *listener) newConn(a *attempt) (*Conn, error) {
	t := l.transport
	info := &ClientInfo{RemoteAddr: a.addr, AddrVerified: a.validated}
	conf, preferred, err := l.configFor(info)
	if err != nil {
		return nil, err
	}
	ctx, cancel, err := t.connContext(info)
	if err != nil {
		return nil, err
	}
	p := connParams{
		transport:        t,
		perspective:      protocol.PerspectiveServer,
		version:          a.h.Version,
		config:           conf,
		tls:              l.tls,
		ctx:              ctx,
		early:            l.early,
		remote:           a.p.Remote,
		local:            a.p.Local,
		ifIndex:          a.p.IfIndex,
		dstCID:           a.h.SrcCID,
		origDstCID:       a.origDstCID,
		retrySrcCID:      a.retrySrcCID,
		addressValidated: a.validated,
		onHandshake:      l.offer,
		initialRTT:       a.rtt,
		newToken:         t.newToken,
		serverTLS:        serverTLS{config: l.shared, replay: t.earlyHellos},
		initialKeys:      a.keys,

		preferredVersions: preferred,
	}
	c, err := t.registeredConn(&p, stageHandshake, a.h.DstCID)
	if cancel == nil {
		return c, err
	}
	if err != nil {
		cancel(err)
		return nil, err
	}
	context.AfterFunc(c.Context(), func() { cancel(context.Cause(c.Context())) })
	return c, nil
}

// newToken makes a token for a NEW_TOKEN frame.
func (t *Transport) newToken(v protocol.Version, addr net.Addr, rtt time.Duration) ([]byte, error) {
	return t.tokens.NewToken(time.Now(), v, addr, rtt)
}

// configFor returns the effective Config for a client and connParams.preferredVersions.
func (l *listener) configFor(info *ClientInfo) (conf *Config, preferred []Version, err error) {
	if l.config.GetConfigForClient == nil {
		return l.config, l.preferred, nil
	}
	conf, err = l.config.GetConfigForClient(info)
	if err != nil {
		return nil, nil, err
	}
	if conf == nil {
		return l.config, l.preferred, nil
	}
	if err := validateConfig(conf); err != nil {
		return nil, nil, err
	}
	return populateConfig(conf), preferredVersions(conf), nil
}

// preferredVersions returns a copy of the versions that an application has chosen: nil, if it leaves the choice to us.
func preferredVersions(c *Config) []Version {
	if c == nil {
		return nil
	}
	return slices.Clone(c.Versions)
}

var errNoConnContext = errors.New("ConnContext returned no context")

// connContext returns the parent of the context of an accepted connection and, if the application has made it, what
// ends the context from which it was derived.
func (t *Transport) connContext(info *ClientInfo) (context.Context, context.CancelCauseFunc, error) {
	if t.ConnContext == nil {
		return context.Background(), nil, nil
	}
	parent, cancel := context.WithCancelCause(context.Background())
	ctx, err := t.ConnContext(parent, info)
	if err == nil && ctx == nil {
		err = errNoConnContext
	}
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	return ctx, cancel, nil
}

// registeredConn makes a connection with a new Source Connection ID and registers it under that one and others.
func (t *Transport) registeredConn(p *connParams, stage connStage, others ...protocol.ConnectionID) (*Conn, error) {
	var err error
	for range connectionIDTries {
		if p.srcCID, err = t.generateConnectionID(); err != nil {
			return nil, err
		}
		c := newConn(*p)
		if err = t.register(c, stage, append(others, p.srcCID)...); err == nil {
			return c, nil
		}
		if !errors.Is(err, errConnectionIDUse) {
			return nil, err
		}
	}
	return nil, err
}
