package quic_test

import (
	"context"
	"io"
	"math/rand/v2"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A soakScenario is a network and what two applications do with it. All of it follows from the seed.
type soakScenario struct {
	seed    uint64
	net     netsim.Options
	changes []netChange
	rebinds []time.Duration // after the connection was made
	// harsh: the network may end the connection. dead: it does, from deadAt on.
	harsh, dead bool
	deadAt      time.Duration
	lossless    bool

	config      [2]*quic.Config // of the client and the server
	congestion  [2]quic.CongestionControl
	dontFrag    bool
	retry       bool
	resume      bool    // there was a connection before, of which the client remembers the session for 0-RTT
	sendErrors  float64 // probability
	readErrors  float64
	maxSend     int              // longer datagrams are refused by the system; 0: none are
	updateAfter uint64           // packets, of the keys; 0: the default
	migrateAt   time.Duration    // the client migrates; 0: it does not
	streams     [2][]*soakStream // opened by the client, by the server
	datagrams   [2]int
	end         soakEnd
}

// A netChange makes both directions carry datagrams of at most mtu bytes.
type netChange struct {
	at  time.Duration
	mtu int
}

// An endWay says how the connection ends.
type endWay int

const (
	endAfterWork endWay = iota // one side closes when all is done
	endEarly                   // one side closes at any time
	endBoth                    // both sides close at the same time
	endIdle                    // nobody closes
	endTransport               // one side goes without a word
	endWays
)

type soakEnd struct {
	way  endWay
	side int
	at   time.Duration // after the connection was made
	code quic.ApplicationErrorCode
}

// early reports whether the end may come before the work is done.
func (e soakEnd) early() bool { return e.way == endEarly || e.way == endBoth || e.way == endTransport }

// A soakStream is the life of a stream.
type soakStream struct {
	typ        protocol.StreamType
	wait       time.Duration // before it is opened
	there      soakHalf      // from the side that opens it
	back       soakHalf      // bidirectional streams only
	urgency    int8
	background bool // not incremental
}

// A soakHalf is the life of one direction of a stream.
type soakHalf struct {
	salt int // of its content
	size int

	writeChunk int
	writePause time.Duration // after some of the chunks
	reset      bool          // the writer cancels after size bytes
	resetCode  quic.StreamErrorCode
	boundary   int // the writer calls SetReliableBoundary there; 0: never

	readChunk int
	readPause time.Duration
	stopAt    int // the reader cancels after so many bytes; -1: never
	stopCode  quic.StreamErrorCode
	deadlines bool // both sides have deadlines that pass
	peek      bool
}

const (
	// soakDuration is in which virtual time things happen to a connection.
	soakDuration = 20 * time.Second
	// harshLoss is up to which loss, in either direction, timeouts are not to be expected. harshLossWithHoles is that for a
	// network with black holes: few probes are left when it is back.
	harshLoss          = 0.2
	harshLossWithHoles = 0.1
	longestHole        = 4 * time.Second
)

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// upTo returns a duration below d.
func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }

func newSoakScenario(seed uint64) *soakScenario {
	r := rand.New(rand.NewPCG(seed, 0x50a1))
	s := &soakScenario{seed: seed}
	s.end = soakEnd{way: endWay(r.IntN(int(endWays))), side: r.IntN(2), at: upTo(r, 3*time.Second), code: quic.ApplicationErrorCode(r.Uint64N(1 << 20))}
	s.makeNet(r)
	s.makeConfigs(r)
	for side := range s.streams {
		for range r.IntN(pick(r, 7, 7, 7, 7, 40)) {
			s.streams[side] = append(s.streams[side], newSoakStream(r))
		}
		if n := len(s.streams[side]); n > 0 && s.config[side].KeepAlivePeriod > 0 && chance(r, 0.2) {
			s.streams[side][n-1].wait = upTo(r, 20*time.Minute)
		}
		if chance(r, 0.5) {
			s.datagrams[side] = r.IntN(200)
		}
	}
	return s
}

func (s *soakScenario) makeNet(r *rand.Rand) {
	s.net.Up, s.net.Down = newSoakDirection(r), newSoakDirection(r)
	if chance(r, 0.2) {
		s.net.Up, s.net.Down = netsim.Direction{Delay: upTo(r, 50*time.Millisecond)}, netsim.Direction{Delay: upTo(r, 50*time.Millisecond)}
	}
	loss := max(s.net.Up.Loss+s.net.Up.Corrupt, s.net.Down.Loss+s.net.Down.Corrupt)
	holes := s.makeHoles(r)
	s.harsh = loss > harshLoss || holes && loss > harshLossWithHoles
	s.lossless = loss == 0 && !holes && s.net.Up.Rate == 0 && s.net.Down.Rate == 0
	if chance(r, 0.2) {
		mtu := 1200 + r.IntN(300)
		s.net.Up.MTU, s.net.Down.MTU = mtu, mtu
	}
	for range r.IntN(3) {
		s.changes = append(s.changes, netChange{at: upTo(r, soakDuration), mtu: 1200 + r.IntN(300)})
		s.lossless = false
	}
	if chance(r, 0.2) {
		for range 1 + r.IntN(3) {
			s.rebinds = append(s.rebinds, upTo(r, soakDuration))
		}
		s.lossless = false
	}
	if chance(r, 0.1) {
		// A NAT that forgets its bindings faster than an address can be validated.
		from := upTo(r, 3*time.Second)
		for range 2 + r.IntN(10) {
			s.rebinds = append(s.rebinds, from+upTo(r, 500*time.Millisecond))
		}
		s.lossless = false
	}
	if chance(r, 0.1) {
		s.dead, s.harsh, s.lossless, s.deadAt = true, true, false, upTo(r, 5*time.Second)
		hole := netsim.Window{Start: s.deadAt, End: 1000 * time.Hour}
		which := r.IntN(3)
		if which != 0 {
			s.net.Up.BlackHoles = append(s.net.Up.BlackHoles, hole)
		}
		if which != 1 {
			s.net.Down.BlackHoles = append(s.net.Down.BlackHoles, hole)
		}
	}
}

func newSoakDirection(r *rand.Rand) (d netsim.Direction) {
	d.Delay = upTo(r, 100*time.Millisecond)
	d.Jitter = upTo(r, d.Delay/2+1)
	d.Loss = pick(r, 0, 0, 0.01, 0.03, 0.08, 0.25, 0.5) * r.Float64()
	d.Corrupt = pick(r, 0, 0, 0, 0.01, 0.05) * r.Float64()
	d.Duplicate = pick(r, 0, 0, 0.02, 0.3) * r.Float64()
	d.Reorder = pick(r, 0, 0, 0.02, 0.2) * r.Float64()
	d.ReorderBy = 1 + upTo(r, 50*time.Millisecond)
	if chance(r, 0.3) {
		d.Rate = 100_000 + r.IntN(10_000_000)
		d.QueueBytes = 20_000 + r.IntN(d.Rate)
	}
	return d
}

// makeHoles adds windows in which nothing passes.
func (s *soakScenario) makeHoles(r *rand.Rand) (any bool) {
	for _, d := range []*netsim.Direction{&s.net.Up, &s.net.Down} {
		if !chance(r, 0.2) {
			continue
		}
		// One at a time, so that the connection can recover.
		at := upTo(r, soakDuration)
		d.BlackHoles = append(d.BlackHoles, netsim.Window{Start: at, End: at + upTo(r, longestHole)})
		any = true
	}
	return any
}

func (s *soakScenario) makeConfigs(r *rand.Rand) {
	s.dontFrag, s.retry, s.resume = chance(r, 0.5), chance(r, 0.2), chance(r, 0.2)
	if chance(r, 0.1) {
		s.sendErrors, s.readErrors, s.lossless = 0.02, 0.02, false
	}
	if s.dontFrag && chance(r, 0.2) {
		s.maxSend = 1200 + r.IntN(10_000)
	}
	if chance(r, 0.2) {
		s.updateAfter = 1 + r.Uint64N(200)
	}
	if s.end.way != endTransport && chance(r, 0.2) {
		s.migrateAt = 1 + upTo(r, 5*time.Second)
	}
	versions := pick(r, nil, nil, []quic.Version{quic.Version1}, []quic.Version{quic.Version2, quic.Version1})
	// A NAT that has forgotten its binding lets nothing in before the client sends something.
	keepAlive := len(s.rebinds) > 0 || chance(r, 0.2)
	if keepAlive && s.end.way == endIdle {
		s.end.way = endAfterWork
	}
	for side := range s.config {
		s.congestion[side] = pick(r, quic.CongestionCUBIC, quic.CongestionNewReno, quic.CongestionBBRv3)
		c := &quic.Config{
			Versions:             versions,
			HandshakeIdleTimeout: 30 * time.Second,
			MaxIdleTimeout:       time.Minute,
			EnableDatagrams:      true,
			Allow0RTT:            true,

			DisablePathMTUDiscovery:          chance(r, 0.3),
			EnableStreamResetPartialDelivery: chance(r, 0.5),
			RequireStreamCreditRelease:       chance(r, 0.2),
		}
		if chance(r, 0.3) {
			c.InitialStreamReceiveWindow = 1000 + r.Uint64N(20_000)
			c.MaxStreamReceiveWindow = c.InitialStreamReceiveWindow * (1 + r.Uint64N(20))
			c.InitialConnectionReceiveWindow = 1000 + r.Uint64N(50_000)
			c.MaxConnectionReceiveWindow = c.InitialConnectionReceiveWindow * (1 + r.Uint64N(20))
		}
		if chance(r, 0.2) {
			c.MaxIncomingStreams, c.MaxIncomingUniStreams = 1+r.Int64N(3), 1+r.Int64N(3)
		}
		if chance(r, 0.2) {
			c.InitialPacketSize = uint16(1200 + r.IntN(253))
		}
		if keepAlive {
			c.KeepAlivePeriod = time.Second + upTo(r, 5*time.Second)
		}
		if chance(r, 0.1) {
			c.Tracer = discardTrace
		}
		s.config[side] = c
	}
}

// discardTrace records everything, for nobody.
func discardTrace(_ context.Context, isClient bool, id quic.ConnectionID) qlogwriter.Trace {
	f := qlogwriter.NewConnectionFileSeq(discardCloser{io.Discard}, isClient, id)
	go f.Run()
	return f
}

type discardCloser struct{ io.Writer }

func (discardCloser) Close() error { return nil }

func newSoakStream(r *rand.Rand) *soakStream {
	s := &soakStream{
		typ:        pick(r, protocol.StreamTypeBidi, protocol.StreamTypeUni),
		wait:       pick(r, 0, 0, upTo(r, 100*time.Millisecond), upTo(r, 5*time.Second)),
		there:      newSoakHalf(r),
		urgency:    int8(r.IntN(8)),
		background: chance(r, 0.5),
	}
	if s.typ == protocol.StreamTypeBidi {
		s.back = newSoakHalf(r)
	}
	return s
}

func newSoakHalf(r *rand.Rand) soakHalf {
	h := soakHalf{
		salt:       r.IntN(len(soakContent)),
		size:       pick(r, 0, 1, r.IntN(100), r.IntN(5000), r.IntN(50_000), r.IntN(50_000), r.IntN(300_000), r.IntN(pick(r, 1, 1, 2_000_000))+1),
		writeChunk: 1 + r.IntN(pick(r, 100, 2000, 50_000)),
		readChunk:  1 + r.IntN(pick(r, 100, 2000, 50_000)),
		resetCode:  quic.StreamErrorCode(r.Uint64N(1 << 30)),
		stopCode:   quic.StreamErrorCode(r.Uint64N(1 << 30)),
		stopAt:     -1,
		deadlines:  chance(r, 0.1),
		peek:       chance(r, 0.1),
	}
	// Not more than some hundred pauses and system calls each.
	h.writeChunk = max(h.writeChunk, h.size/300)
	h.readChunk = max(h.readChunk, h.size/300)
	if chance(r, 0.3) {
		h.writePause = upTo(r, 30*time.Millisecond)
	}
	if chance(r, 0.3) {
		h.readPause = upTo(r, 30*time.Millisecond)
	}
	if chance(r, 0.2) {
		h.reset = true
		if chance(r, 0.5) {
			h.boundary = r.IntN(h.size + 1)
		}
	}
	if chance(r, 0.2) {
		h.stopAt = r.IntN(h.size + 1)
	}
	return h
}

// soakContent is what streams carry, from their salt on.
var soakContent = randomBytes(1, 1<<16+1)

// at returns what a half carries from offset off on, at most n bytes.
func (h *soakHalf) at(off, n int) []byte {
	from := (h.salt + off) % len(soakContent)
	return soakContent[from:min(from+n, len(soakContent))]
}
