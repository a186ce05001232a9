package tools

import (
	"bytes"
	"context"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

func TestCertificates(t *testing.T) {
	ca, caKey, err := GenerateCA()
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, err := GenerateLeafCert(ca, caKey)
	if err != nil {
		t.Fatal(err)
	}
	long, err := GenerateTLSConfigWithLongCertChain(ca, caKey)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	chain := long.Certificates[0]
	intermediates := x509.NewCertPool()
	size := 0
	for _, der := range chain.Certificate {
		size += len(der)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		intermediates.AddCert(cert)
	}
	if size < 3*1200 {
		t.Errorf("the long chain has %d bytes, want more than three datagrams", size)
	}
	if len(long.NextProtos) != 1 || long.NextProtos[0] != ALPN {
		t.Errorf("protocols %q, want %q", long.NextProtos, ALPN)
	}
	for _, name := range []string{"localhost", "127.0.0.1"} {
		for _, now := range []time.Time{time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Now()} {
			o := x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
			if _, err := leaf.Verify(o); err != nil {
				t.Errorf("certificate for %s at %s: %v", name, now, err)
			}
			o.Intermediates = intermediates
			if _, err := chain.Leaf.Verify(o); err != nil {
				t.Errorf("long chain for %s at %s: %v", name, now, err)
			}
		}
	}
}

func TestQlog(t *testing.T) {
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	tracer := NewQlogConnectionTracer(&out)
	for _, isClient := range []bool{true, false} {
		tracer(context.Background(), isClient, quic.ConnectionIDFromBytes([]byte{1, 2})).AddProducer().Close()
	}
	QlogTracer(&out).AddProducer().Close()
	for _, name := range []string{"log_0102_client.qlog", "log_0102_server.qlog", "log_1_transport.qlog"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
		if !strings.Contains(out.String(), name) {
			t.Errorf("%s was not announced: %q", name, out.String())
		}
	}
	if err := os.Mkdir("log_2_transport.qlog", 0o700); err != nil {
		t.Fatal(err)
	}
	if trace := QlogTracer(&out); trace != nil {
		t.Error("QlogTracer returns a trace although it cannot create the file")
	}
}
