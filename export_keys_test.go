package quic

import (
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
)

// SetKeyLimits lowers the limits of 1-RTT keys of the connections that t makes from now on.
func SetKeyLimits(t *Transport, limits protect.Limits) { t.keyLimits = limits }

// KeyPhase returns the key phase of a connection that rests.
func KeyPhase(c *Conn) protocol.KeyPhase { return c.keys.oneRTT.Phase() }
