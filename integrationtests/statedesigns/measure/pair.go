package measure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"sync"
	"time"

	quic "github.com/quic-go/quic-go"
)

const protocolName = "statedesigns"

// shortestDelay is that of the network with a round trip time of zero: it keeps an answer from being at the instant of
// its question, and a handshake from being over before the next call.
const shortestDelay = time.Microsecond

// certificate makes a certificate that is valid in bubbles too, whose clocks start in the year 2000.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, err
})

// tlsConfigs returns the configs of a client, which keeps sessions, and a server.
func tlsConfigs() (client, server *tls.Config, err error) {
	cert, err := certificate()
	if err != nil {
		return nil, nil, err
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	client = &tls.Config{
		RootCAs: pool, ServerName: "localhost", NextProtos: []string{protocolName},
		ClientSessionCache: tls.NewLRUClientSessionCache(10),
	}
	return client, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocolName}}, nil
}

// A pair is a client and a server, each with its transport.
type pair struct {
	client, server       *quic.Transport
	clientTLS, serverTLS *tls.Config
	sockets              [2]net.PacketConn
}

// newPair connects a client and a server, in a simulated network if the cell asks for it.
func newPair(c Cell) (*pair, error) {
	p := &pair{}
	var err error
	if p.clientTLS, p.serverTLS, err = tlsConfigs(); err != nil {
		return nil, err
	}
	if c.Kind == Counts {
		client, server := newLink(c.Seed, c.Loss, max(c.RTT/2, shortestDelay))
		p.sockets = [2]net.PacketConn{client, server}
	} else {
		for i := range p.sockets {
			s, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				p.close()
				return nil, err
			}
			p.sockets[i] = s
		}
	}
	p.client = &quic.Transport{Conn: p.sockets[0]}
	p.server = &quic.Transport{Conn: p.sockets[1]}
	return p, nil
}

// connect makes a connection with the given configs.
func (p *pair) connect(ctx context.Context, client, server *quic.Config) (c, s *quic.Conn, err error) {
	ln, err := p.server.Listen(p.serverTLS, server)
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	c, err = p.client.Dial(ctx, p.server.Conn.LocalAddr(), p.clientTLS, client)
	if err != nil {
		return nil, nil, err
	}
	if s, err = ln.Accept(ctx); err != nil {
		return nil, nil, err
	}
	return c, s, nil
}

// connectEarly makes a connection whose 0-RTT will be rejected: the session is from a listener that permits it.
func (p *pair) connectEarly(ctx context.Context, client, server *quic.Config) (c *quic.Conn, ln *quic.EarlyListener, err error) {
	permit := server.Clone()
	permit.Allow0RTT = true
	ln, err = p.server.ListenEarly(p.serverTLS, permit)
	if err != nil {
		return nil, nil, err
	}
	first := client.Clone()
	first.Tracer = nil
	c, err = p.client.Dial(ctx, p.server.Conn.LocalAddr(), p.clientTLS, first)
	if err != nil {
		return nil, nil, err
	}
	if _, err = ln.Accept(ctx); err != nil {
		return nil, nil, err
	}
	time.Sleep(5 * time.Second) // for the ticket
	if err := errors.Join(c.CloseWithError(0, ""), ln.Close()); err != nil {
		return nil, nil, err
	}
	time.Sleep(5 * time.Second)
	if ln, err = p.server.ListenEarly(p.serverTLS, server); err != nil {
		return nil, nil, err
	}
	c, err = p.client.DialEarly(ctx, p.server.Conn.LocalAddr(), p.clientTLS, client)
	return c, ln, err
}

func (p *pair) close() {
	for _, t := range []*quic.Transport{p.client, p.server} {
		if t != nil {
			t.Close()
		}
	}
	for _, s := range p.sockets {
		if s != nil {
			s.Close()
		}
	}
}
