package utils

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/quic-go/quic-go"
)

func TestGetSSLKeyLog(t *testing.T) {
	t.Setenv("SSLKEYLOGFILE", "")
	if w, err := GetSSLKeyLog(); w != nil || err != nil {
		t.Errorf("GetSSLKeyLog = %v, %v; want nil", w, err)
	}
	name := filepath.Join(t.TempDir(), "keys")
	t.Setenv("SSLKEYLOGFILE", name)
	for range 2 {
		w, err := GetSSLKeyLog()
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("line\n"))
		w.Close()
	}
	if b, err := os.ReadFile(name); string(b) != "line\nline\n" || err != nil {
		t.Errorf("the file has %q, %v", b, err)
	}
	t.Setenv("SSLKEYLOGFILE", filepath.Join(name, "no directory"))
	if w, err := GetSSLKeyLog(); w != nil || err == nil {
		t.Errorf("GetSSLKeyLog = %v, %v; want an error", w, err)
	}
}

func TestNewQLOGConnectionTracer(t *testing.T) {
	t.Setenv("QLOGDIR", "")
	if trace := NewQLOGConnectionTracer(context.Background(), true, quic.ConnectionID{}); trace != nil {
		t.Errorf("NewQLOGConnectionTracer = %v, want nil", trace)
	}
	t.Setenv("QLOGDIR", t.TempDir())
	trace := NewQLOGConnectionTracer(context.Background(), true, quic.ConnectionIDFromBytes([]byte{1}))
	if trace == nil {
		t.Fatal("NewQLOGConnectionTracer = nil with QLOGDIR")
	}
	trace.AddProducer().Close()
}
