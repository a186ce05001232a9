package utils

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// GetSSLKeyLog opens the file that the environment variable SSLKEYLOGFILE names, for tls.Config.KeyLogWriter.
// Without the variable it returns nil.
func GetSSLKeyLog() (io.WriteCloser, error) {
	name := os.Getenv("SSLKEYLOGFILE")
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("key log: %w", err)
	}
	return f, nil
}

// NewQLOGConnectionTracer is a quic.Config.Tracer that writes into the directory named by the environment
// variable QLOGDIR. Without the variable it returns nil.
func NewQLOGConnectionTracer(ctx context.Context, isClient bool, connID quic.ConnectionID) qlogwriter.Trace {
	return qlog.DefaultConnectionTracer(ctx, isClient, connID)
}
