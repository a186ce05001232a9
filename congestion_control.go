package quic

import (
	"fmt"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/protocol"
)

// CongestionControl is an algorithm that decides how much a connection sends.
type CongestionControl int

// Congestion control algorithms.
const (
	// CongestionCUBIC is CUBIC (RFC 9438) with HyStart++ (RFC 9406). It suits most paths.
	CongestionCUBIC CongestionControl = iota
	// CongestionNewReno is NewReno (RFC 9002, Section 7) with HyStart++ (RFC 9406). It is the most
	// careful one, and slow to use paths of much bandwidth and delay.
	CongestionNewReno
	// CongestionBBRv3 is BBRv3 (draft-ietf-ccwg-bbr-06, an experiment). It keeps queues short, and
	// sends on where packets are lost for other reasons than congestion.
	CongestionBBRv3
)

// String returns the name of the algorithm.
func (c CongestionControl) String() string {
	switch c {
	case CongestionCUBIC:
		return "CUBIC"
	case CongestionNewReno:
		return "NewReno"
	case CongestionBBRv3:
		return "BBRv3"
	}
	return fmt.Sprintf("unknown congestion control %d", int(c))
}

func (c CongestionControl) valid() bool { return c >= CongestionCUBIC && c <= CongestionBBRv3 }

// newController returns the constructor of controllers for the paths of a connection.
func (c CongestionControl) newController(random func() int) func(mtu protocol.ByteCount) congestion.Controller {
	switch c {
	case CongestionNewReno:
		return congestion.NewNewReno
	case CongestionBBRv3:
		return func(mtu protocol.ByteCount) congestion.Controller { return congestion.NewBBR(mtu, random) }
	case CongestionCUBIC:
	}
	return congestion.NewCubic
}
