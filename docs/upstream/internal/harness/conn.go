package harness

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"time"

	"github.com/quic-go/quic-go"
)

// TLS returns the configs of a server for localhost and of a client that trusts it.
func TLS(alpn string) (server, client *tls.Config) {
	key := Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der := Must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	pool := x509.NewCertPool()
	pool.AddCert(Must(x509.ParseCertificate(der)))
	protos := []string{alpn}
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: protos}
	return server, &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: protos}
}

// Pair returns the two ends of a connection.
func Pair(alpn string, serverConf, clientConf *quic.Config) (server, client *quic.Conn) {
	ctx := context.Background()
	serverTLS, clientTLS := TLS(alpn)
	ln := Must(quic.Listen(Socket(), serverTLS, serverConf))
	client = Must(quic.DialAddr(ctx, ln.Addr().String(), clientTLS, clientConf))
	return Must(ln.Accept(ctx)), client
}

// Socket returns a UDP socket on loopback.
func Socket() net.PacketConn { return Must(net.ListenPacket("udp", "127.0.0.1:0")) }
