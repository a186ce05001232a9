package testcert

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestCertificatesVerify(t *testing.T) {
	for _, now := range []time.Time{time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Now()} {
		opts := x509.VerifyOptions{Roots: Pool(), DNSName: "localhost", CurrentTime: now}
		if _, err := ServerConfig().Certificates[0].Leaf.Verify(opts); err != nil {
			t.Errorf("server certificate at %s: %v", now, err)
		}
		opts = x509.VerifyOptions{Roots: Pool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := ClientCertificate().Leaf.Verify(opts); err != nil {
			t.Errorf("client certificate at %s: %v", now, err)
		}
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if _, err := ClientCertificate().Leaf.Verify(opts); err == nil {
			t.Errorf("client certificate passes for a server at %s", now)
		}
	}
}
