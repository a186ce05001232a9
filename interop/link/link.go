package link

import (
	"log"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	quicproxy "github.com/quic-go/quic-go/integrationtests/tools/proxy"
)

// maxDatagramSize is what fits in a packet of an Ethernet. Larger datagrams vanish, as on the runner's network.
const maxDatagramSize = 1472

// queueLimit is how many datagrams wait at a bottleneck, as in the runner.
const queueLimit = 25

// maxBurst is how many datagrams in a row are lost or corrupted at most.
const maxBurst = 3

// Options are the faults of a link. Those that are zero do not occur.
type Options struct {
	Seed      uint64
	Delay     time.Duration // in each direction
	Rate      int           // of the bottleneck of each direction, in bit/s
	Loss      float64       // share of datagrams that are lost
	Corrupt   float64       // share of datagrams whose bytes are changed
	On, Off   time.Duration // the link works and is dead in turns
	DropFirst int           // how many datagrams of a client are lost behind its first one

	// The NAT gives a client another port after RebindAfter, and again after each RebindEvery.
	RebindAfter, RebindEvery time.Duration
	// RebindAddrs are addresses of this machine that the NAT takes in turn; only the port changes without them.
	RebindAddrs []net.IP
}

// A Link forwards datagrams.
type Link struct {
	options Options
	proxy   *quicproxy.Proxy
	start   time.Time

	mu         sync.Mutex
	random     *rand.Rand
	up, down   direction
	fromClient int       // datagrams
	nextRebind time.Time // zero for never
	rebound    int
}

// A direction is one way of the link. Guarded by Link.mu.
type direction struct {
	lost, corrupted int       // in a row
	free            time.Time // when the bottleneck has sent what waits
}

// New starts a link that listens on conn, which it takes over.
func New(conn *net.UDPConn, server *net.UDPAddr, o Options) (*Link, error) {
	l := &Link{
		options: o, start: time.Now(), random: rand.New(rand.NewPCG(o.Seed, 0)),
	}
	l.proxy = &quicproxy.Proxy{Conn: conn, ServerAddr: server, DropPacket: l.drop, DelayPacket: l.delay}
	if o.RebindAfter > 0 {
		l.nextRebind = l.start.Add(o.RebindAfter)
	}
	if err := l.proxy.Start(); err != nil {
		return nil, err
	}
	return l, nil
}

// Addr returns the address that clients send to.
func (l *Link) Addr() net.Addr { return l.proxy.LocalAddr() }

// Rebound returns how often the NAT has given a client another address.
func (l *Link) Rebound() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rebound
}

// Close ends the link.
func (l *Link) Close() error { return l.proxy.Close() }

func (l *Link) direction(dir quicproxy.Direction) *direction {
	if dir == quicproxy.DirectionIncoming {
		return &l.up
	}
	return &l.down
}

// drop implements quicproxy.DropCallback. It also corrupts, and gives clients other addresses.
func (l *Link) drop(dir quicproxy.Direction, from, _ net.Addr, packet []byte) bool {
	if len(packet) > maxDatagramSize {
		return true
	}
	now := time.Now()
	if client, ok := from.(*net.UDPAddr); ok && dir == quicproxy.DirectionIncoming {
		l.rebindIfDue(client, now)
	}
	return l.loses(dir, now, packet)
}

func (l *Link) loses(dir quicproxy.Direction, now time.Time, packet []byte) bool {
	o := &l.options
	l.mu.Lock()
	defer l.mu.Unlock()
	if dir == quicproxy.DirectionIncoming {
		l.fromClient++
		if l.fromClient > 1 && l.fromClient <= 1+o.DropFirst {
			return true
		}
	}
	if o.Off > 0 && now.Sub(l.start)%(o.On+o.Off) >= o.On {
		return true
	}
	d := l.direction(dir)
	if l.strikes(o.Loss, &d.lost) {
		return true
	}
	if l.strikes(o.Corrupt, &d.corrupted) {
		packet[l.random.IntN(len(packet))] ^= byte(1 + l.random.IntN(255))
	}
	return o.Rate > 0 && d.free.Sub(now) > queueLimit*l.transmission(packet)
}

// strikes reports whether a fault of the given probability hits a datagram. It counts those that are hit in a row.
func (l *Link) strikes(probability float64, inRow *int) bool {
	if *inRow == maxBurst || l.random.Float64() >= probability {
		*inRow = 0
		return false
	}
	*inRow++
	return true
}

// transmission is how long the bottleneck takes for a datagram.
func (l *Link) transmission(packet []byte) time.Duration {
	return time.Duration(len(packet)) * 8 * time.Second / time.Duration(l.options.Rate)
}

// delay implements quicproxy.DelayCallback.
func (l *Link) delay(dir quicproxy.Direction, _, _ net.Addr, packet []byte) time.Duration {
	if l.options.Rate == 0 {
		return l.options.Delay
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.direction(dir)
	if d.free.Before(now) {
		d.free = now
	}
	d.free = d.free.Add(l.transmission(packet))
	return d.free.Sub(now) + l.options.Delay
}

// rebindIfDue gives a client that sends another address. That its NAT has forgotten it would not show before.
func (l *Link) rebindIfDue(client *net.UDPAddr, now time.Time) {
	l.mu.Lock()
	if l.nextRebind.IsZero() || now.Before(l.nextRebind) {
		l.mu.Unlock()
		return
	}
	l.nextRebind = time.Time{}
	if l.options.RebindEvery > 0 {
		l.nextRebind = now.Add(l.options.RebindEvery)
	}
	ip := l.proxy.LocalAddr().(*net.UDPAddr).IP
	if addrs := l.options.RebindAddrs; len(addrs) > 0 {
		ip = addrs[l.rebound%len(addrs)]
	}
	l.rebound++
	l.mu.Unlock()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: ip})
	if err == nil {
		err = l.proxy.SwitchConn(client, conn)
	}
	if err != nil {
		log.Printf("link: no other address: %v", err)
	}
}
