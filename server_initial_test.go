package quic

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/testutils/simnet"
)

// unknownVersion returns a datagram of a version that nobody knows.
func unknownVersion(version uint32, dst, src []byte, size int) []byte {
	b := []byte{0x80, byte(version >> 24), byte(version >> 16), byte(version >> 8), byte(version)}
	b = append(append(b, byte(len(dst))), dst...)
	b = append(append(b, byte(len(src))), src...)
	return append(b, make([]byte, size-len(b))...)
}

// T-001, T-004, T-005.
func TestVersionNegotiationSent(t *testing.T) {
	for _, tc := range []struct {
		name     string
		dst, src []byte
		version  uint32
	}{
		{"short connection IDs", []byte("dest"), []byte("s"), 0x57414954},
		{"no connection IDs", nil, nil, 0xfacade},
		{"reserved version", []byte("destination"), nil, 0x1a2a3a4a},
		{"long connection IDs", bytes.Repeat([]byte("d"), 255), bytes.Repeat([]byte("s"), 255), 0x57414954},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
				n.listen(t, &Config{Versions: []Version{Version2}})
				n.send(t, unknownVersion(tc.version, tc.dst, tc.src, 1200))
				dst, src, versions, err := wire.ParseVersionNegotiation(n.receive(t))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(dst, tc.src) || !bytes.Equal(src, tc.dst) {
					t.Errorf("connection IDs are %x and %x, want %x and %x", dst, src, tc.src, tc.dst)
				}
				versions = slices.DeleteFunc(versions, protocol.IsReservedVersion)
				if !slices.Equal(versions, []Version{Version2}) {
					t.Errorf("versions = %v, want [v2]", versions)
				}
				n.wantNothing(t, "the rest of the datagram")
				if len(n.transport.table.conns) != 0 {
					t.Error("a connection was made")
				}
			})
		})
	}
}

// T-002, T-003 and others that are dropped without an answer or state.
func TestDatagramsThatAreDropped(t *testing.T) {
	i := defaultInitial()
	short, shortID, damaged, fixedBit, handshake := i, i, i.packet(), i.packet(), i.packet()
	short.size = 1199
	shortID.dst = cid("seven b")
	damaged[1199] ^= 1
	fixedBit[0] &^= 0x40
	handshake[0] = handshake[0]&^0x30 | 0x20
	for _, tc := range []struct {
		name string
		b    []byte
	}{
		{"a short datagram of an unknown version", unknownVersion(0xfacade, []byte("d"), []byte("s"), 1199)},
		{"a Version Negotiation packet", unknownVersion(0, []byte("d"), []byte("s"), 1200)},
		{"an Initial of 1199 bytes", short.packet()},
		{"an Initial with 7 bytes of Destination Connection ID", shortID.packet()},
		{"an Initial that is not authentic", damaged},
		{"an Initial without the fixed bit", fixedBit},
		{"a Handshake packet", handshake},
		{"a truncated Initial", i.packet()[:600]},
		{"a connection ID of 21 bytes", unknownVersion(1, bytes.Repeat([]byte("d"), 21), []byte("s"), 1200)},
		{"a short header", shortPacket(cid("aaaa"), 1200)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
				n.listen(t, nil)
				n.send(t, tc.b)
				n.wantNothing(t, tc.name)
				if len(n.transport.table.conns) != 0 {
					t.Error("a connection was made")
				}
			})
		})
	}
}

func TestVersionNegotiationCanBeDisabled(t *testing.T) {
	inBubble(t, &Transport{DisableVersionNegotiationPackets: true}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		n.send(t, unknownVersion(0xfacade, []byte("dest"), []byte("src"), 1200))
		n.wantNothing(t, "an unknown version")
	})
}

func TestNothingIsAcceptedWithoutListener(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		l := n.listen(t, nil)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		n.send(t, defaultInitial().packet())
		n.send(t, unknownVersion(0xfacade, []byte("dest"), []byte("src"), 1200))
		n.wantNothing(t, "an Initial")
	})
}

// onlyConn returns the connection of the Transport, which must be the only one.
func onlyConn(t *testing.T, tr *Transport) *Conn {
	t.Helper()
	tr.table.mu.RLock()
	defer tr.table.mu.RUnlock()
	if len(tr.table.conns) != 1 {
		t.Fatalf("there are %d connections, want 1", len(tr.table.conns))
	}
	for c := range tr.table.conns {
		return c
	}
	return nil
}

func TestInitialOpensConnection(t *testing.T) {
	for _, v := range SupportedVersions() {
		inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
			n.listen(t, nil)
			i := defaultInitial()
			i.version = v
			n.send(t, i.packet())
			c := onlyConn(t, n.transport)
			p := &c.params
			if p.version != v || p.dstCID != i.src || p.origDstCID != i.dst || p.retrySrcCID != nil || p.addressValidated {
				t.Errorf("the connection has %v, %s, %s, %v, %t", p.version, p.dstCID, p.origDstCID, p.retrySrcCID, p.addressValidated)
			}
			for _, id := range []protocol.ConnectionID{i.dst, p.srcCID} {
				if n.transport.lookup(id) != packetHandler(c) {
					t.Errorf("%s does not lead to the connection", id)
				}
			}
			if n.transport.handshakes() != 1 {
				t.Errorf("%d handshakes, want 1", n.transport.handshakes())
			}
			n.send(t, i.packet())
			onlyConn(t, n.transport)
		})
	}
}

// retry makes the server send a Retry and returns it.
func (n *rawNet) retry(t *testing.T, i initial) wire.LongHeader {
	t.Helper()
	n.send(t, i.packet())
	b := n.receive(t)
	h, err := wire.ParseLongHeader(b)
	if err != nil || h.Type != protocol.PacketTypeRetry {
		t.Fatalf("the answer is %x (%v, %v), want a Retry", b, h.Type, err)
	}
	if tag := protect.RetryTag(i.version, i.dst, b[:len(b)-16]); tag != h.RetryTag {
		t.Fatalf("the tag is %x, want %x", h.RetryTag, tag)
	}
	if h.DstCID != i.src || h.SrcCID == i.dst || h.SrcCID.Len() == 0 {
		t.Fatalf("the connection IDs are %s and %s, want %s and a new one", h.DstCID, h.SrcCID, i.src)
	}
	return h
}

func retryTransport() *Transport {
	return &Transport{VerifySourceAddress: func(net.Addr) bool { return true }}
}

func TestRetry(t *testing.T) {
	for _, ids := range []ConnectionIDGenerator{nil, randomConnectionIDs(0), randomConnectionIDs(20)} {
		for _, v := range SupportedVersions() {
			tr := retryTransport()
			tr.ConnectionIDGenerator = ids
			inBubble(t, tr, func(t *testing.T, n *rawNet) {
				n.listen(t, nil)
				i := defaultInitial()
				i.version = v
				h := n.retry(t, i)
				if len(tr.table.conns) != 0 {
					t.Fatal("a connection was made for a Retry")
				}
				second := i
				second.dst, second.token = h.SrcCID, bytes.Clone(h.Token)
				n.send(t, second.packet())
				c := onlyConn(t, tr)
				p := &c.params
				if !p.addressValidated || p.origDstCID != i.dst || p.retrySrcCID == nil || *p.retrySrcCID != h.SrcCID {
					t.Errorf("the connection has %t, %s, %v", p.addressValidated, p.origDstCID, p.retrySrcCID)
				}
				if tr.lookup(h.SrcCID) != packetHandler(c) || tr.lookup(p.srcCID) != packetHandler(c) {
					t.Error("the connection IDs do not lead to the connection")
				}
			})
		}
	}
}

// closeCode returns the error code of a CONNECTION_CLOSE in an Initial for i.
func closeCode(t *testing.T, i initial, b []byte) qerr.TransportErrorCode {
	t.Helper()
	h, err := wire.ParseLongHeader(b)
	if err != nil || h.Type != protocol.PacketTypeInitial || h.DstCID != i.src {
		t.Fatalf("the answer is %x (%v, %v), want an Initial", b, h.Type, err)
	}
	_, opener := protect.InitialKeys(i.version, i.dst, protocol.PerspectiveClient)
	opened, err := opener.Open(b, h.PNOffset, protocol.InvalidPacketNumber)
	if err != nil {
		t.Fatal(err)
	}
	var p wire.Parser
	var f wire.Decoded
	if _, err := p.Next(opened.Payload, protocol.EncryptionInitial, &f); err != nil || f.Type != wire.FrameTypeConnectionClose {
		t.Fatalf("the frame is %v, %v, want CONNECTION_CLOSE", f.Type, err)
	}
	return qerr.TransportErrorCode(f.ErrorCode)
}

// T-259, T-262: a Retry token that is too old, of another address or for another connection ID.
func TestInvalidRetryToken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(n *rawNet, i *initial) *simnet.SimConn
	}{
		{"too old", func(n *rawNet, i *initial) *simnet.SimConn {
			time.Sleep(11 * time.Second)
			return n.client
		}},
		{"other connection ID", func(n *rawNet, i *initial) *simnet.SimConn {
			i.dst = cid("another connection")
			return n.client
		}},
		{"other address", func(n *rawNet, i *initial) *simnet.SimConn {
			return simnet.NewSimConn(rawOtherAddr, &n.router)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, retryTransport(), func(t *testing.T, n *rawNet) {
				n.listen(t, nil)
				i := defaultInitial()
				h := n.retry(t, i)
				i.dst, i.token = h.SrcCID, bytes.Clone(h.Token)
				from := tc.change(n, &i)
				n.sendFrom(t, from, i.packet())
				if got := closeCode(t, i, n.receiveAt(t, from)); got != qerr.InvalidToken {
					t.Errorf("the error is %v, want %v", got, qerr.InvalidToken)
				}
				if len(n.transport.table.conns) != 0 {
					t.Error("a connection was made")
				}
			})
		})
	}
}

// T-260, T-261: other tokens that are not valid count as none.
func TestTokensThatCountAsNone(t *testing.T) {
	foreign := &Transport{Conn: simnet.NewSimConn(rawOtherAddr, &simnet.PerfectRouter{})}
	if err := foreign.init(); err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	other, err := foreign.tokens.NewToken(time.Now(), Version1, rawClientAddr, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range [][]byte{{1}, bytes.Repeat([]byte("x"), 70), bytes.Repeat([]byte("x"), 1000), other} {
		inBubble(t, retryTransport(), func(t *testing.T, n *rawNet) {
			n.listen(t, nil)
			i := defaultInitial()
			i.token = token
			n.retry(t, i)
		})
	}
}

// A-15, T-260, T-263, T-264: a token of a NEW_TOKEN frame.
func TestTokenOfEarlierConnection(t *testing.T) {
	for _, tc := range []struct {
		name      string
		age       time.Duration
		from      *net.UDPAddr
		version   Version
		validated bool
	}{
		{"from the same address", time.Hour, rawClientAddr, Version1, true},
		{"from another port", time.Hour, &net.UDPAddr{IP: rawClientAddr.IP, Port: 7}, Version1, true},
		{"from another address", time.Hour, rawOtherAddr, Version1, false},
		{"too old", 25 * time.Hour, rawClientAddr, Version1, false},
		{"of another version", time.Hour, rawClientAddr, Version2, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
				n.listen(t, nil)
				token, err := n.transport.newToken(tc.version, rawClientAddr, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(tc.age)
				i := defaultInitial()
				i.token = token
				from := n.client
				if tc.from != rawClientAddr {
					from = simnet.NewSimConn(tc.from, &n.router)
				}
				n.sendFrom(t, from, i.packet())
				if got := onlyConn(t, n.transport).params.addressValidated; got != tc.validated {
					t.Errorf("the address is validated: %t, want %t", got, tc.validated)
				}
			})
		})
	}
}

func TestTokenIsUsedOnce(t *testing.T) {
	inBubble(t, retryTransport(), func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		token, err := n.transport.newToken(Version1, rawClientAddr, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		i := defaultInitial()
		i.token = token
		n.send(t, i.packet())
		if !onlyConn(t, n.transport).params.addressValidated {
			t.Error("the token does not validate the address")
		}
		for n.receive(t) != nil {
		}
		i.dst = cid("second connection")
		n.retry(t, i)
	})
}

// refusedBy checks that a client is refused.
func refusedBy(t *testing.T, tr *Transport, conf *Config) {
	t.Helper()
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		n.listen(t, conf)
		i := defaultInitial()
		n.send(t, i.packet())
		if got := closeCode(t, i, n.receive(t)); got != qerr.ConnectionRefused {
			t.Errorf("the error is %v, want %v", got, qerr.ConnectionRefused)
		}
		if len(tr.table.conns) != 0 || len(tr.table.byID) != 0 {
			t.Error("a connection was made")
		}
	})
}

func TestConnectionRefused(t *testing.T) {
	errNo := errors.New("no")
	refusedBy(t, &Transport{}, &Config{GetConfigForClient: func(*ClientInfo) (*Config, error) { return nil, errNo }})
	refusedBy(t, &Transport{}, &Config{GetConfigForClient: func(*ClientInfo) (*Config, error) {
		return &Config{Versions: []Version{0x1234}}, nil
	}})
	refusedBy(t, &Transport{ConnContext: func(context.Context, *ClientInfo) (context.Context, error) { return nil, errNo }}, nil)
	refusedBy(t, &Transport{ConnContext: func(context.Context, *ClientInfo) (context.Context, error) { return nil, nil }}, nil)
	refusedBy(t, &Transport{ConnectionIDGenerator: lyingGenerator{}}, nil)
}

func TestGetConfigForClient(t *testing.T) {
	var got ClientInfo
	conf := &Config{
		MaxIncomingStreams: 7,
		GetConfigForClient: func(info *ClientInfo) (*Config, error) {
			got = *info
			if info.AddrVerified {
				return nil, nil
			}
			return &Config{MaxIncomingStreams: 8, InitialPacketSize: 1}, nil
		},
	}
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		l := n.listen(t, conf)
		n.send(t, defaultInitial().packet())
		c := onlyConn(t, n.transport)
		if c.params.config.MaxIncomingStreams != 8 || c.params.config.InitialPacketSize != 1200 || c.params.config.MaxIncomingUniStreams != 100 {
			t.Errorf("the connection has %+v", c.params.config)
		}
		if got.RemoteAddr.String() != rawClientAddr.String() || got.AddrVerified {
			t.Errorf("ClientInfo = %+v, want %v, not verified", got, rawClientAddr)
		}
		if got, _, err := l.base.configFor(&ClientInfo{AddrVerified: true}); got.MaxIncomingStreams != 7 || err != nil {
			t.Errorf("no Config means %+v, %v, want that of the listener", got, err)
		}
	})
}

type connContextKey struct{}

func TestConnContext(t *testing.T) {
	var parent context.Context
	tr := &Transport{ConnContext: func(ctx context.Context, info *ClientInfo) (context.Context, error) {
		parent = ctx
		return context.WithValue(ctx, connContextKey{}, info.RemoteAddr.String()), nil
	}}
	inBubble(t, tr, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		n.send(t, defaultInitial().packet())
		c := onlyConn(t, tr)
		if got := c.Context().Value(connContextKey{}); got != rawClientAddr.String() {
			t.Errorf("value = %v, want %v", got, rawClientAddr)
		}
		if parent.Err() != nil {
			t.Error("the context has ended before the connection")
		}
		tr.Close()
		synctest.Wait()
		if parent.Err() == nil {
			t.Error("the context does not end with the connection")
		}
		wantCause(t, c, ErrTransportClosed)
	})
}

// from retryHandshakes on addresses are verified, at maxHandshakes clients are refused.
func TestHandshakesAreLimited(t *testing.T) {
	inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
		n.listen(t, nil)
		setHandshakes := func(count int) {
			n.transport.table.mu.Lock()
			n.transport.table.handshakes = count
			n.transport.table.mu.Unlock()
		}
		i := defaultInitial()
		setHandshakes(retryHandshakes)
		h := n.retry(t, i)
		setHandshakes(maxHandshakes)
		i.dst, i.token = h.SrcCID, bytes.Clone(h.Token)
		n.send(t, i.packet())
		if got := closeCode(t, i, n.receive(t)); got != qerr.ConnectionRefused {
			t.Errorf("the error is %v, want %v", got, qerr.ConnectionRefused)
		}
		setHandshakes(0)
	})
}

// zeroRTT returns a datagram that looks like a 0-RTT packet.
func zeroRTT(dst protocol.ConnectionID) []byte {
	b, at := wire.AppendLongHeader(nil, protocol.PacketType0RTT, Version1, dst, cid("client"), nil, 0, 2)
	wire.SetLongHeaderLength(b, at, 2+100)
	return append(b, make([]byte, 100)...)
}

func TestZeroRTTBeforeInitial(t *testing.T) {
	for _, allow := range []bool{true, false} {
		inBubble(t, &Transport{}, func(t *testing.T, n *rawNet) {
			l := n.listen(t, &Config{Allow0RTT: allow})
			i := defaultInitial()
			n.send(t, zeroRTT(i.dst))
			n.send(t, zeroRTT(i.dst))
			want := 0
			if allow {
				want = 1
			}
			if got, _ := zeroRTTSizes(&l.base.zeroRTT); got != want {
				t.Errorf("0-RTT packets are kept for %d connections, want %d", got, want)
			}
			n.send(t, i.packet())
			onlyConn(t, n.transport)
			if conns, bytes := zeroRTTSizes(&l.base.zeroRTT); conns != 0 || bytes != 0 {
				t.Error("the connection does not get its 0-RTT packets")
			}
		})
	}
}

func BenchmarkRefusedInitial(b *testing.B) {
	tr := &Transport{Conn: simnet.NewSimConn(rawServerAddr, &simnet.PerfectRouter{})}
	l := &listener{transport: tr, config: populateConfig(nil)}
	if err := tr.init(); err != nil {
		b.Fatal(err)
	}
	defer tr.Close()
	i := defaultInitial().packet()
	i[1199] ^= 1
	p := received(i)
	b.ReportAllocs()
	for b.Loop() {
		l.handlePacket(&p)
	}
}
