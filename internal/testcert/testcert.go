package testcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"
)

type authority struct {
	pool           *x509.CertPool
	server, client tls.Certificate
}

var shared = sync.OnceValue(newAuthority)

// ServerConfig returns the TLS config of a server for localhost, 127.0.0.1 and ::1.
func ServerConfig(protos ...string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{shared().server}, NextProtos: protos, MinVersion: tls.VersionTLS13}
}

// ClientConfig returns the TLS config of a client that trusts the certificate of ServerConfig.
func ClientConfig(protos ...string) *tls.Config {
	return &tls.Config{RootCAs: shared().pool, ServerName: "localhost", NextProtos: protos, MinVersion: tls.VersionTLS13}
}

// ClientCertificate returns a certificate for clients, of the authority in Pool.
func ClientCertificate() tls.Certificate { return shared().client }

// Pool returns the authority that has issued all certificates.
func Pool() *x509.CertPool { return shared().pool }

func newAuthority() *authority {
	key := newKey()
	root := template("test authority")
	root.IsCA = true
	root.KeyUsage = x509.KeyUsageCertSign
	root.BasicConstraintsValid = true
	a := &authority{pool: x509.NewCertPool()}
	a.pool.AddCert(sign(root, root, key, key))

	server := template("localhost")
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	a.server = leaf(server, root, key)

	client := template("test client")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	a.client = leaf(client, root, key)
	return a
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic("BUG: no serial number: " + err.Error())
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("BUG: no key: " + err.Error())
	}
	return key
}

func leaf(t, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) tls.Certificate {
	key := newKey()
	cert := sign(t, parent, key, parentKey)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func sign(t, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, parentKey)
	if err != nil {
		panic("BUG: certificate: " + err.Error())
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic("BUG: certificate: " + err.Error())
	}
	return cert
}
