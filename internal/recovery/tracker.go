package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// Params configures a Tracker.
type Params struct {
	Perspective   protocol.Perspective
	MTU           protocol.ByteCount
	NewController func(mtu protocol.ByteCount) congestion.Controller
	// AddressValidated is set if a token has proved the client's address. A client never
	// is bound by the amplification limit.
	AddressValidated bool
	MaxTracked       int // 0: protocol.MaxTrackedSentPackets
	// Skip returns a random number that is not negative; when the next packet number is
	// skipped is derived from it. Nil: no number is skipped.
	Skip      func() (packets int)
	EnableECN bool
	// InitialRTT is the estimate before the first sample on the first path; 0: 333 ms.
	InitialRTT time.Duration
}

// A Tracker knows the fate of the packets of one connection. Loop goroutine only.
type Tracker struct {
	// immutable
	perspective   protocol.Perspective
	newController func(mtu protocol.ByteCount) congestion.Controller
	maxTracked    int
	random        func() int

	spaces    [protocol.NumPacketNumberSpaces]space
	handshake handshake
	pto       pto
	skipIn    int // packets until the next skipped number
	stats     Stats
	lost      []congestion.LostPacket // memory of detectLoss

	// the path
	mtu            protocol.ByteCount
	rtt            RTT
	firstSampleAt  monotime.Time
	controller     congestion.Controller
	pacer          *congestion.Pacer
	pacingDeadline monotime.Time // found by the last SendMode
	inFlight       protocol.ByteCount
	recoveryEntry  bool          // one packet may exceed the window
	starvedFrom    monotime.Time // since when the application could have sent more; zero if it had data in the last turn
	delivery       delivery
	persistent     persistentCongestion
	ecn            pathECN
	amplification  amplification
	pathStart      protocol.PacketNumber // the first 1-RTT packet on this path
	request        ackRequest
}

// handshake is how far the handshake has come.
type handshake struct {
	complete  bool
	confirmed bool
	writeKeys bool // a client has Handshake keys
	acked     bool // the peer acknowledged a Handshake packet
}

// New returns a Tracker for a new connection.
func New(p Params) *Tracker {
	t := &Tracker{
		perspective:   p.Perspective,
		newController: p.NewController,
		maxTracked:    p.MaxTracked,
		random:        p.Skip,
		amplification: amplification{validated: p.AddressValidated || p.Perspective == protocol.PerspectiveClient},
	}
	if t.maxTracked == 0 {
		t.maxTracked = protocol.MaxTrackedSentPackets
	}
	for i := range t.spaces {
		t.spaces[i] = newSpace()
	}
	t.SetPeerMaxAckDelay(protocol.DefaultMaxAckDelay)
	t.startPath(p.MTU)
	if p.InitialRTT > 0 {
		t.rtt.smoothed, t.rtt.dev = p.InitialRTT, p.InitialRTT/2
	}
	if p.EnableECN {
		t.ecn.state = ECNTesting
	}
	t.scheduleSkip()
	return t
}

// startPath sets up what depends on the path only.
func (t *Tracker) startPath(mtu protocol.ByteCount) {
	t.mtu = mtu
	t.rtt = newRTT(t.rtt.maxAckDelay)
	t.firstSampleAt = 0
	t.controller = t.newController(mtu)
	t.pacer = congestion.NewPacer()
	t.recoveryEntry, t.starvedFrom = false, 0
	t.delivery = delivery{}
	t.persistent = persistentCongestion{}
	t.ecn = t.ecn.restarted()
}

// ResetPath starts over on a new path. "On confirming a peer's ownership of its new address, an
// endpoint MUST immediately reset the congestion controller and round-trip time estimator for
// the new path to initial values". RFC 9000, Section 9.4. Packets of the old path stay tracked so that
// their loss is noticed, but no longer influence either.
func (t *Tracker) ResetPath(_ monotime.Time, mtu protocol.ByteCount) {
	for i := range t.spaces {
		s := &t.spaces[i]
		for pn := s.packets.head; pn < s.packets.tail; pn++ {
			s.packets.at(pn).inFlight = false
		}
		s.lost = lostMemory{}
	}
	t.inFlight = 0
	t.pto.reset()
	t.startPath(mtu)
	t.pathStart = t.spaces[protocol.SpaceAppData].next()
	t.restartAcks()
}

// SetMTU changes the size of the largest packets.
func (t *Tracker) SetMTU(mtu protocol.ByteCount) {
	t.mtu = mtu
	t.controller.SetMTU(mtu)
}

// SetHandshakeKeys tells that Handshake packets can be sent. A client then probes with them.
func (t *Tracker) SetHandshakeKeys() { t.handshake.writeKeys = true }

// SetHandshakeComplete tells that the handshake is complete (RFC 9001, Section 4.1.1).
func (t *Tracker) SetHandshakeComplete() { t.handshake.complete = true }

// SetHandshakeConfirmed tells that the handshake is confirmed (RFC 9001, Section 4.1.2).
func (t *Tracker) SetHandshakeConfirmed() { t.handshake.complete, t.handshake.confirmed = true, true }

// RTT returns the estimate for the current path. It stays valid and is updated in place.
func (t *Tracker) RTT() *RTT { return &t.rtt }

// Controller returns the congestion controller of the current path.
func (t *Tracker) Controller() congestion.Controller { return t.controller }

// InFlight returns bytes_in_flight.
func (t *Tracker) InFlight() protocol.ByteCount { return t.inFlight }

// PacketsInFlight returns how many ack-eliciting packets wait for their fate.
func (t *Tracker) PacketsInFlight() (n int) {
	for i := range t.spaces {
		n += t.spaces[i].eliciting
	}
	return n
}

// HasInFlight reports whether ack-eliciting packets of the space wait for their fate.
func (t *Tracker) HasInFlight(space protocol.PacketNumberSpace) bool {
	return t.spaces[space].eliciting > 0
}

// LargestAcked returns the largest packet number that the peer acknowledged, -1 if none.
func (t *Tracker) LargestAcked(space protocol.PacketNumberSpace) protocol.PacketNumber {
	return t.spaces[space].largestAcked
}

// LargestSent returns the largest packet number that was sent, -1 if none.
func (t *Tracker) LargestSent(space protocol.PacketNumberSpace) protocol.PacketNumber {
	return t.spaces[space].largestSent
}
