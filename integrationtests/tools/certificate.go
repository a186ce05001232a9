package tools

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// ALPN is the protocol of the integration tests.
const ALPN = "quic-go integration tests"

// longChainLen is how many certificates make a chain that is longer than three datagrams.
const longChainLen = 17

func template() (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: serial.Text(16)}, // a name of its own, so that a chain is found quickly
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}, nil
}

// GenerateCA returns a new authority and its key.
func GenerateCA() (*x509.Certificate, crypto.PrivateKey, error) {
	t, err := authorityTemplate()
	if err != nil {
		return nil, nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	cert, err := sign(t, t, public, private)
	return cert, private, err
}

func authorityTemplate() (*x509.Certificate, error) {
	t, err := template()
	if err != nil {
		return nil, err
	}
	t.IsCA = true
	t.BasicConstraintsValid = true
	t.KeyUsage |= x509.KeyUsageCertSign
	return t, nil
}

// GenerateLeafCert returns a certificate for localhost, for clients and servers, and its key.
func GenerateLeafCert(ca *x509.Certificate, caPrivateKey crypto.PrivateKey) (*x509.Certificate, crypto.PrivateKey, error) {
	t, err := template()
	if err != nil {
		return nil, nil, err
	}
	t.DNSNames = []string{"localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	cert, err := sign(t, ca, public, caPrivateKey)
	return cert, private, err
}

// GenerateTLSConfigWithLongCertChain returns the configuration of a server whose chain of certificates, each issued by
// the next one and the last by ca, takes more than three datagrams.
func GenerateTLSConfigWithLongCertChain(ca *x509.Certificate, caPrivateKey crypto.PrivateKey) (*tls.Config, error) {
	chain := [][]byte{}
	issuer, issuerKey := ca, caPrivateKey
	for range longChainLen - 1 {
		t, err := authorityTemplate()
		if err != nil {
			return nil, err
		}
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		cert, err := sign(t, issuer, public, issuerKey)
		if err != nil {
			return nil, err
		}
		chain = append([][]byte{cert.Raw}, chain...)
		issuer, issuerKey = cert, private
	}
	leaf, leafKey, err := GenerateLeafCert(issuer, issuerKey)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: append([][]byte{leaf.Raw}, chain...), PrivateKey: leafKey, Leaf: leaf}},
		NextProtos:   []string{ALPN},
	}, nil
}

func sign(t, issuer *x509.Certificate, public crypto.PublicKey, issuerKey crypto.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, public, issuerKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
