package quic_test

import (
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// versionInfo returns version_information with that Chosen Version and these Available Versions.
func versionInfo(chosen protocol.Version, available ...protocol.Version) *wire.VersionInformation {
	return &wire.VersionInformation{Chosen: chosen, Available: available}
}

// TestVersionInformation is about the checks of RFC 9368, Section 4 on a connection of version 1.
func TestVersionInformation(t *testing.T) {
	const (
		server, client = protocol.PerspectiveServer, protocol.PerspectiveClient // the endpoint under test
		other          = protocol.Version(0xfaceb00c)
	)
	for _, tt := range []struct {
		name string
		role protocol.Perspective
		info *wire.VersionInformation
		code qerr.TransportErrorCode // 0: the handshake completes
	}{
		{"a client without", server, nil, 0},
		{"a client's other versions", server, versionInfo(v1, 0x1a2a3a4a, v1, other), 0},
		{"a client that has chosen the other version", server, versionInfo(v2, v1, v2), qerr.VersionNegotiationFailure},
		{"a client that has chosen an unknown version", server, versionInfo(other, other, v1), qerr.VersionNegotiationFailure},
		{"a client's chosen version is not available", server, versionInfo(v1, v2), qerr.TransportParameterError},
		{"a client with version 0", server, versionInfo(v1, v1, 0), qerr.TransportParameterError},
		{"a server without", client, nil, 0},
		{"a server without available versions", client, versionInfo(v1), 0},
		{"a server with other versions", client, versionInfo(v1, v2, other), 0},
		{"a server that has chosen the other version", client, versionInfo(v2, v1, v2), qerr.VersionNegotiationFailure},
		{"a server that has chosen a version that was not offered", client, versionInfo(other, other), qerr.VersionNegotiationFailure},
		{"a server with chosen version 0", client, versionInfo(0, v1), qerr.TransportParameterError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, tt.role)
				s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.VersionInformation = tt.info }
				if tt.code == 0 {
					s.connect()
					s.works()
					return
				}
				s.start()
				s.peer.Start()
				s.expectCode(tt.code)
			})
		})
	}
}

// TestVersionInformationAfterNegotiation: the client has followed a Version Negotiation packet.
func TestVersionInformationAfterNegotiation(t *testing.T) {
	for _, tt := range []struct {
		name     string
		versions []quic.Version // of the client
		info     *wire.VersionInformation
		code     qerr.TransportErrorCode // 0: the handshake completes
	}{
		{"only the version that was offered", []quic.Version{v2, v1}, versionInfo(v1, v1), 0},
		{"a version that is being removed", []quic.Version{v2, v1}, versionInfo(v1, 0xfaceb00c), 0},
		{"missing, version 1", []quic.Version{v2, v1}, nil, 0}, // RFC 9368, Section 8
		{"missing, version 2", []quic.Version{v1, v2}, nil, qerr.VersionNegotiationFailure},
		{"empty", []quic.Version{v2, v1}, versionInfo(v1), qerr.VersionNegotiationFailure},
		{"with a version that the client prefers", []quic.Version{v2, v1}, versionInfo(v1, v1, v2), qerr.VersionNegotiationFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, protocol.PerspectiveClient)
				s.config.Versions = tt.versions
				s.peerOptions.Version, s.peerOptions.HoldHandshake = tt.versions[0], true
				s.start()
				s.peer.ExpectType(protocol.PacketTypeInitial)
				first := s.peer
				s.peerOptions.Version, s.peerOptions.HoldHandshake = tt.versions[1], false
				s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.VersionInformation = tt.info }
				s.peer = quictest.NewServer(s.t, s.net.Listen(s.serverAddr), s.peerOptions)
				first.SendVersionNegotiation(tt.versions[1])
				if tt.code != 0 {
					s.expectCode(tt.code)
					return
				}
				s.connect()
				s.works()
			})
		})
	}
}

// otherInitial returns a datagram with an Initial packet of version 2 from the peer, which speaks version 1.
func (s *scene) otherInitial(pn protocol.PacketNumber, frames ...wire.Frame) []byte {
	sealer, _ := protect.InitialKeys(v2, s.peer.OriginalDstCID(), s.role.Opposite())
	b, lengthAt := wire.AppendLongHeader(nil, protocol.PacketTypeInitial, v2, s.peer.DstCID(), s.peer.SrcCID(), nil, pn, 2)
	payload := len(b)
	b = append(b, quictest.Encode(frames...)...)
	b = append(b, make([]byte, protocol.MinInitialPacketSize-protect.Overhead-len(b))...)
	wire.SetLongHeaderLength(b, lengthAt, 2+len(b)-payload+protect.Overhead)
	return sealer.Seal(b, 0, payload, pn, 2)
}

// A client follows the server's switch to a version that it has offered, until the server has sent CRYPTO data.
func TestClientFollowsVersion(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offered []quic.Version
		before  func(s *scene)
		follows bool
	}{
		{"first packet", nil, (*scene).begun, true},
		{"after an acknowledgment in the original version", nil, func(s *scene) {
			s.begun()
			s.peer.AckAll(initial)
			s.settle()
		}, true},
		{"version was not offered", []quic.Version{v1}, (*scene).begun, false},
		{"after CRYPTO data in the original version", nil, (*scene).half, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, protocol.PerspectiveClient)
				s.config.Versions = tt.offered
				tt.before(s)
				if !tt.follows {
					s.peer.SendRaw(s.otherInitial(1000, poison))
					s.complete()
					return
				}
				s.peer.SendRaw(s.otherInitial(1000, &wire.PingFrame{}))
				time.Sleep(2 * time.Second)
				packets := s.peer.Packets()
				if len(packets) == 0 {
					t.Fatal("no packets")
				}
				for _, r := range packets {
					if r.Version != v2 {
						t.Errorf("after the switch: %s", r)
					}
				}
				// The rest of the original version is ignored.
				s.peer.SendCryptoAt(initial, 0, []byte("not TLS"))
				s.peer.Send(initial, poison)
				s.settle()
				select {
				case err := <-s.dialErr:
					t.Errorf("Dial: %v", err)
				default:
				}
			})
		})
	}
}
