package quic

import (
	"crypto/rand"
	"encoding/binary"
	"slices"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// Version negotiation within a connection (RFC 9368, Section 2.3 and RFC 9369, Section 4.1). Conn.version is the version in
// use, at first connParams.version, which the client has chosen. All versions that we know are compatible with each other.

// selectVersion returns the first of ours that is among theirs, 0 if there is none.
func selectVersion(ours, theirs []protocol.Version) protocol.Version {
	for _, v := range ours {
		if slices.Contains(theirs, v) {
			return v
		}
	}
	return 0
}

// versionInformation returns what we tell the peer. RFC 9368, Section 3: endpoints "MAY both include versions following
// the pattern 0x?a?a?a?a in their Available Versions list".
func (c *Conn) versionInformation() *wire.VersionInformation {
	var random [5]byte
	rand.Read(random[:])
	reserved := protocol.Version(binary.BigEndian.Uint32(random[1:])&0xf0f0f0f0 | 0x0a0a0a0a)
	available := slices.Clone(c.config.Versions)
	available = slices.Insert(available, int(random[0])%(len(available)+1), reserved)
	return &wire.VersionInformation{Chosen: c.version, Available: available}
}

// handleVersionInformation handles what the peer tells about its versions, if it does.
func (c *Conn) handleVersionInformation(info *wire.VersionInformation) error {
	if c.perspective == protocol.PerspectiveServer {
		return c.negotiateVersion(info)
	}
	if info == nil && c.params.versionNegotiated && c.params.version == protocol.Version1 {
		// RFC 9368, Section 8: "the client SHALL proceed as if the server's transport parameters contained a
		// version_information transport parameter with a Chosen Version set to 0x00000001 and an Available Version list
		// containing exactly one version set to 0x00000001."
		info = &wire.VersionInformation{Chosen: protocol.Version1, Available: []protocol.Version{protocol.Version1}}
	}
	if info == nil {
		if c.params.versionNegotiated || c.version != c.params.version {
			// RFC 9368, Section 4: "Clients MUST NOT complete the handshake if they are reacting to a Version Negotiation
			// packet and the Version Information is missing".
			return versionError("version_information is missing")
		}
		return nil
	}
	// RFC 9368, Section 4: "clients MUST validate that the server's Chosen Version is equal to the Negotiated Version; if
	// they do not match, the client MUST close the connection with a version negotiation error." The version in use is
	// one of those that we offered.
	if info.Chosen != c.version {
		return versionError("chosen version is not the one in use")
	}
	if !c.params.versionNegotiated {
		return nil
	}
	// RFC 9368, Section 4: "if the client reacted to a Version Negotiation packet and the server's Available Versions field
	// is empty, the client MUST close the connection with a version negotiation error", and likewise "If the client would
	// have selected a different version".
	theirs := append(slices.Clip(info.Available), c.version)
	if len(info.Available) == 0 || selectVersion(c.config.Versions, theirs) != c.params.version {
		return versionError("version negotiation was tampered with")
	}
	return nil
}

func versionError(reason string) error {
	return qerr.FrameError(qerr.VersionNegotiationFailure, 0, reason)
}

// negotiateVersion makes a server choose the version of the connection.
func (c *Conn) negotiateVersion(info *wire.VersionInformation) error {
	if info == nil {
		return nil
	}
	// RFC 9368, Section 4: "the server MUST validate that the client's Chosen Version matches the version in use for the
	// connection. If the two differ, the server MUST close the connection with a version negotiation error."
	if info.Chosen != c.version {
		return versionError("chosen version is not the one in use")
	}
	// RFC 9369, Section 4.1: "The server MUST send all CRYPTO frames using the negotiated version." A HelloRetryRequest is
	// sent before the client's offer is known.
	if c.tls.Crypto(protocol.EncryptionInitial).Sent() > 0 {
		return nil
	}
	if v := selectVersion(c.params.preferredVersions, info.Available); v != 0 {
		c.switchVersion(v)
	}
	return nil
}

// switchVersion makes v the version of the connection. That happens at most once.
func (c *Conn) switchVersion(v protocol.Version) {
	if v == c.version {
		return
	}
	c.version, c.life.versionSettled = v, true
	c.log.versionSwitched()
	if c.perspective == protocol.PerspectiveServer {
		// RFC 9369, Section 4.1: "The server MUST NOT discard its original version Initial receive keys until it
		// successfully processes a Handshake packet with the negotiated version."
		c.keys.originalInitial = c.keys.openers[protocol.EncryptionInitial]
	}
	c.deriveInitialKeys(c.initialDstCID())
	c.keys.oneRTT = c.newOneRTT()
	c.tls.SetVersion(v)
	c.publishFacts()
}

// initialDstCID returns the connection ID from which the Initial keys are derived.
func (c *Conn) initialDstCID() protocol.ConnectionID {
	if c.life.retried {
		return c.life.retrySrc
	}
	return c.params.clientDstCID()
}

// openerOf returns the keys for a packet with a long header, nil if they are not there. known is false if the packet is
// of a version that it cannot have.
func (c *Conn) openerOf(level protocol.EncryptionLevel, v protocol.Version) (_ *protect.Opener, known bool) {
	switch {
	case level == protocol.Encryption0RTT:
		// RFC 9369, Section 4.1: "The client MUST NOT send 0-RTT packets using the negotiated version".
		return c.keys.openers[level], v == c.params.version
	case v == c.version:
		return c.keys.openers[level], true
	case v == c.params.version:
		// RFC 9369, Section 4.1: "Both endpoints MUST send Handshake and 1-RTT packets using the negotiated version. An
		// endpoint MUST drop packets using any other version."
		return c.keys.originalInitial, level == protocol.EncryptionInitial && c.keys.originalInitial != nil
	case !c.mayFollow(v):
		return nil, false
	case level == protocol.EncryptionInitial:
		_, opener := protect.InitialKeys(v, c.initialDstCID(), c.perspective)
		return opener, true
	}
	return nil, true // an Initial of that version may be on its way
}

// versionOf returns the version of the packets of a level that we send, and of those of the peer but for Initials.
func (c *Conn) versionOf(level protocol.EncryptionLevel) protocol.Version {
	if level == protocol.Encryption0RTT {
		return c.params.version
	}
	return c.version
}

// mayFollow reports whether a client has offered v and the server may still switch to it. RFC 9369, Section 4.1: "If the
// client receives a CRYPTO frame from the server in the original version, it indicates that the negotiated version is equal
// to the original version."
func (c *Conn) mayFollow(v protocol.Version) bool {
	return c.perspective == protocol.PerspectiveClient && !c.life.versionSettled && slices.Contains(c.config.Versions, v)
}
