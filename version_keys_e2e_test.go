package quic_test

import (
	"bytes"
	"encoding/hex"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

// Both sides could be wrong in the same way. So this opens a 1-RTT packet of the client from what is known of QUIC versions.
func TestKeysAreThoseOfTheNegotiatedVersion(t *testing.T) {
	for _, tt := range versionNegotiations {
		inSetup(t, func(t *testing.T, s *setup) {
			var (
				mu    sync.Mutex
				first []byte
				log   bytes.Buffer
			)
			s.net.OnSent = func(_ time.Time, from, _ net.Addr, data []byte) {
				mu.Lock()
				defer mu.Unlock()
				if first == nil && data[0]&0x80 == 0 && from.(*net.UDPAddr).Port == 1000 {
					first = bytes.Clone(data)
				}
			}
			s.clientConfig.Versions, s.serverConfig.Versions = tt.client, tt.server
			s.clientTLS.KeyLogWriter = &log
			c, server, err := s.dial(t)
			if err != nil {
				t.Fatal(err)
			}
			testTransfer(t, c, server, []byte("data"))
			_, line, _ := strings.Cut(log.String(), "CLIENT_TRAFFIC_SECRET_0 ")
			line, _, _ = strings.Cut(line, "\n")
			secret, err := hex.DecodeString(line[strings.LastIndex(line, " ")+1:])
			if err != nil {
				t.Fatal(err)
			}
			keys := protect.NewOneRTT(tt.want, protect.Limits{})
			if err := keys.SetReadSecret(c.ConnectionState().TLS.CipherSuite, secret); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if _, err := keys.Open(monotime.Now(), first, 1+protocol.DefaultConnectionIDLength, protocol.InvalidPacketNumber, time.Second); err != nil {
				t.Errorf("%s: first 1-RTT packet of the client: %v", tt, err)
			}
		})
	}
}

// RFC 9369, Section 4.1: "The server MUST NOT discard its original version Initial receive keys until it successfully processes a
// Handshake packet with the negotiated version."
func TestServerKeepsOriginalInitialKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveServer)
		s.config.Versions = []quic.Version{v2, v1}
		s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.VersionInformation = versionInfo(v1, v1, v2) }
		s.start()
		s.peer.Start()
		s.settle() // the peer does not follow the switch
		pn := s.peer.Send(initial, &wire.PingFrame{})
		time.Sleep(50 * time.Millisecond)
		_, opener := protect.InitialKeys(v2, s.peer.OriginalDstCID(), protocol.PerspectiveClient)
		for _, r := range s.peer.Packets() {
			h, err := wire.ParseLongHeader(r.Datagram)
			if err != nil || h.Type != protocol.PacketTypeInitial || h.Version != v2 {
				continue
			}
			o, err := opener.Open(bytes.Clone(r.Datagram[:h.PacketLen]), h.PNOffset, protocol.InvalidPacketNumber)
			if err != nil {
				continue
			}
			var (
				parser wire.Parser
				frame  wire.Decoded
			)
			if _, err := parser.Next(o.Payload, initial, &frame); err == nil && frame.Type == wire.FrameTypeAck && frame.Ack.Ranges[0].Largest == pn {
				return
			}
		}
		t.Error("an Initial of the original version is not acknowledged")
	})
}

// The Handshake packets of the negotiated version may overtake the Initial that tells the client of it.
func TestHandshakeOvertakesVersion(t *testing.T) {
	inSetup(t, func(t *testing.T, s *setup) {
		s.serverConfig.Versions = []quic.Version{v2, v1}
		client, server, n := netsim.Pair(1, s.net)
		defer n.Close()
		clientTr, serverTr := &quic.Transport{Conn: &swapper{PacketConn: client}}, &quic.Transport{Conn: server}
		defer clientTr.Close()
		defer serverTr.Close()
		l, err := serverTr.Listen(s.serverTLS, s.serverConfig)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		c, err := clientTr.Dial(t.Context(), l.Addr(), s.clientTLS, s.clientConfig)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > 30*time.Millisecond || c.ConnectionState().Version != v2 {
			t.Errorf("handshake with version %s took %s, want no more than the round trip", c.ConnectionState().Version, d)
		}
	})
}

// A swapper delivers the first two datagrams in reverse order.
type swapper struct {
	net.PacketConn
	held []byte
	from net.Addr
	done bool
}

func (s *swapper) ReadFrom(b []byte) (int, net.Addr, error) {
	if s.done && s.held != nil {
		n := copy(b, s.held)
		s.held = nil
		return n, s.from, nil
	}
	n, from, err := s.PacketConn.ReadFrom(b)
	if err != nil || s.done {
		return n, from, err
	}
	s.held, s.from, s.done = bytes.Clone(b[:n]), from, true
	return s.PacketConn.ReadFrom(b)
}
