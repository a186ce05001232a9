package quic

import (
	"context"
	"fmt"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A Config says how connections behave. The zero value, and nil, mean the defaults. A Config may be
// used by several Listen and Dial calls but not be changed while it is in use.
//
// Listen and Dial write values that exceed a limit back to the Config, clipped to the limit.
type Config struct {
	// GetConfigForClient returns the Config for one incoming connection; nil means this one. An error
	// refuses the connection. It is called before the handshake, and must not block for long as no
	// other connection is accepted meanwhile.
	GetConfigForClient func(info *ClientInfo) (*Config, error)
	// Versions are the QUIC versions to use, the preferred one first. The default is all that
	// SupportedVersions returns. A server moves clients to the first of them that they offer (RFC 9368);
	// with the default it leaves the choice to the client.
	Versions []Version
	// HandshakeIdleTimeout ends a connection if nothing is received for that long before the
	// handshake is complete. The whole handshake may take twice as long. The default is 5 seconds.
	HandshakeIdleTimeout time.Duration
	// MaxIdleTimeout ends a connection if nothing is received for that long. If the peer's is
	// shorter it counts. The default is 30 seconds.
	MaxIdleTimeout time.Duration
	// TokenStore keeps the address validation tokens of servers. Without it they are not kept.
	TokenStore TokenStore
	// InitialStreamReceiveWindow is how much of a stream the peer may send before the application
	// reads. It grows up to MaxStreamReceiveWindow if it limits throughput. The default is 512 KiB.
	InitialStreamReceiveWindow uint64
	// MaxStreamReceiveWindow limits the receive window of a stream. The default is 6 MiB. An initial
	// value above it is used as it is.
	MaxStreamReceiveWindow uint64
	// InitialConnectionReceiveWindow is the receive window of all streams together. It grows up to
	// MaxConnectionReceiveWindow. The default is 768 KiB.
	InitialConnectionReceiveWindow uint64
	// MaxConnectionReceiveWindow limits the receive window of a connection. The default is 15 MiB.
	// An initial value above it is used as it is.
	MaxConnectionReceiveWindow uint64
	// AllowConnectionWindowIncrease is asked before the receive window of a connection grows by delta
	// bytes; it stays if the answer is false. It must not block and not use the Conn's methods
	// that block.
	AllowConnectionWindowIncrease func(conn *Conn, delta uint64) bool
	// MaxIncomingStreams is how many bidirectional streams the peer may have open. The default is 100;
	// a negative value means none, values above 2^60 mean 2^60.
	MaxIncomingStreams int64
	// MaxIncomingUniStreams is MaxIncomingStreams for unidirectional streams.
	MaxIncomingUniStreams int64
	// RequireStreamCreditRelease lets the peer open another stream in place of one that ended only
	// after the application has called ReleaseStreamCredit on it.
	RequireStreamCreditRelease bool
	// KeepAlivePeriod is how long a connection is silent before it sends a packet to keep itself
	// alive, at most half the idle timeout. Zero sends none.
	KeepAlivePeriod time.Duration
	// InitialPacketSize is the size of packets before the path's MTU is known, 1200 to 1452 bytes.
	// The default is 1280, and 1200 if that turns out to be too much.
	InitialPacketSize uint16
	// DisablePathMTUDiscovery keeps packets at their initial size.
	DisablePathMTUDiscovery bool
	// Allow0RTT lets a server accept 0-RTT. Data of 0-RTT can be replayed by an attacker.
	Allow0RTT bool
	// EnableDatagrams enables DATAGRAM frames (RFC 9221).
	EnableDatagrams bool
	// EnableStreamResetPartialDelivery enables RESET_STREAM_AT frames, by which a stream that is
	// reset can deliver its start (draft-ietf-quic-reliable-stream-reset-07).
	EnableStreamResetPartialDelivery bool
	// Tracer returns where a new connection records its events, or nil. It gets the Destination
	// Connection ID of the client's first packet.
	Tracer func(ctx context.Context, isClient bool, connID ConnectionID) qlogwriter.Trace
}

// Clone returns a shallow copy.
func (c *Config) Clone() *Config {
	clone := *c
	return &clone
}

// validateConfig reports what cannot be used, and clips what exceeds a limit in place. A value that
// needs no clipping is not written, so that calls with the same Config may run at the same time.
func validateConfig(c *Config) error {
	if c == nil {
		return nil
	}
	for _, v := range c.Versions {
		if !protocol.IsSupportedVersion(protocol.SupportedVersions, v) {
			return fmt.Errorf("invalid QUIC version: %s", v)
		}
	}
	clip(&c.MaxIncomingStreams, int64(protocol.MaxStreamCount))
	clip(&c.MaxIncomingUniStreams, int64(protocol.MaxStreamCount))
	clip(&c.InitialStreamReceiveWindow, uint64(protocol.MaxByteCount))
	clip(&c.MaxStreamReceiveWindow, uint64(protocol.MaxByteCount))
	clip(&c.InitialConnectionReceiveWindow, uint64(protocol.MaxByteCount))
	clip(&c.MaxConnectionReceiveWindow, uint64(protocol.MaxByteCount))
	clip(&c.InitialPacketSize, protocol.MaxConfiguredPacketSize)
	if c.InitialPacketSize > 0 && c.InitialPacketSize < protocol.MinInitialPacketSize {
		c.InitialPacketSize = protocol.MinInitialPacketSize
	}
	return nil
}

func clip[T int64 | uint64 | uint16](v *T, limit T) {
	if *v > limit {
		*v = limit
	}
}

// populateConfig returns the effective Config: a copy of a validated one in which every value is what
// it means, and that nobody changes any more.
func populateConfig(c *Config) *Config {
	e := &Config{}
	if c != nil {
		*e = *c
	}
	if len(e.Versions) == 0 {
		e.Versions = protocol.SupportedVersions
	}
	e.Versions = append([]Version(nil), e.Versions...)
	orDefault(&e.HandshakeIdleTimeout, protocol.DefaultHandshakeIdleTimeout)
	orDefault(&e.MaxIdleTimeout, protocol.DefaultMaxIdleTimeout)
	orDefault(&e.InitialStreamReceiveWindow, uint64(protocol.DefaultInitialStreamReceiveWindow))
	orDefault(&e.MaxStreamReceiveWindow, uint64(protocol.DefaultMaxStreamReceiveWindow))
	orDefault(&e.InitialConnectionReceiveWindow, uint64(protocol.DefaultInitialConnectionReceiveWindow))
	orDefault(&e.MaxConnectionReceiveWindow, uint64(protocol.DefaultMaxConnectionReceiveWindow))
	orDefault(&e.InitialPacketSize, protocol.DefaultInitialPacketSize)
	e.MaxStreamReceiveWindow = max(e.MaxStreamReceiveWindow, e.InitialStreamReceiveWindow)
	e.MaxConnectionReceiveWindow = max(e.MaxConnectionReceiveWindow, e.InitialConnectionReceiveWindow)
	e.MaxIncomingStreams = streamLimit(e.MaxIncomingStreams, protocol.DefaultMaxIncomingStreams)
	e.MaxIncomingUniStreams = streamLimit(e.MaxIncomingUniStreams, protocol.DefaultMaxIncomingUniStreams)
	e.KeepAlivePeriod = max(e.KeepAlivePeriod, 0)
	return e
}

func orDefault[T time.Duration | uint64 | uint16](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

func streamLimit(v, def int64) int64 {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0
	}
	return v
}
