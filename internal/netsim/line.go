package netsim

import (
	"bytes"
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/quic-go/quic-go/testutils/simnet"
)

// maxInFlight bounds the datagrams on their way in one direction. At the limit the newest is dropped and
// counted as QueueFull.
const maxInFlight = 1 << 16

// A line is one direction: a path, and the datagrams on their way.
type line struct {
	net         *Net
	onDelivered Hook

	mu      sync.Mutex
	path    path
	flights flights
	count   uint64 // of flights so far
	timer   *time.Timer
	running bool // deliverDue is at work and will set the timer
	closed  bool
	run     sync.WaitGroup
}

func (l *line) init(n *Net, d Direction, src rand.Source, onDelivered Hook) {
	l.net, l.onDelivered = n, onDelivered
	l.path = path{opts: d, rand: rand.New(src), start: n.start}
}

func (l *line) set(d Direction) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.path.opts = d
}

func (l *line) statistics() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path.stats
}

// send takes over p.
func (l *line) send(now time.Time, p simnet.Packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.path.send(now, len(p.Data))
	if f.dropped || l.closed {
		return
	}
	if len(l.flights) >= maxInFlight {
		l.path.stats.QueueFull++
		return
	}
	if f.flip {
		p.Data = bytes.Clone(p.Data)
		bit := f.bit % uint64(8*len(p.Data))
		p.Data[bit/8] ^= 1 << (bit % 8)
	}
	for i := range f.copies {
		if i > 0 {
			p.Data = bytes.Clone(p.Data) // receivers own what they get
		}
		heap.Push(&l.flights, flight{p: p, due: f.due, seq: l.count})
		l.count++
	}
	l.armLocked(now)
}

// armLocked sets the timer to the first arrival.
func (l *line) armLocked(now time.Time) {
	if l.running || l.closed || len(l.flights) == 0 {
		return
	}
	d := l.flights[0].due.Sub(now)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.deliverDue)
		return
	}
	l.timer.Reset(d)
}

// deliverDue is called by the timer, on a goroutine of its own. It may wait for a reader to make room.
func (l *line) deliverDue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running || l.closed {
		return
	}
	l.running = true
	l.run.Add(1)
	defer l.run.Done()
	for !l.closed && len(l.flights) > 0 && !l.flights[0].due.After(time.Now()) {
		p := heap.Pop(&l.flights).(flight).p
		l.mu.Unlock()
		ok := l.deliver(p)
		l.mu.Lock()
		if ok {
			l.path.stats.Delivered++
		} else {
			l.path.stats.Unroutable++
		}
	}
	l.running = false
	l.armLocked(time.Now())
}

func (l *line) deliver(p simnet.Packet) bool {
	node, p := l.net.route(p)
	if node == nil {
		return false
	}
	if l.onDelivered != nil {
		l.onDelivered(time.Now(), p.From, p.To, p.Data)
	}
	node.RecvPacket(p)
	return true
}

// close waits for a delivery that is under way. The nodes must not block any more.
func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.flights = nil
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	l.run.Wait()
}

// A flight is a datagram on its way.
type flight struct {
	p   simnet.Packet
	due time.Time
	seq uint64 // order of those that are due at the same time
}

// flights implements heap.Interface.
type flights []flight

func (f flights) Len() int      { return len(f) }
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f flights) Less(i, j int) bool {
	if c := f[i].due.Compare(f[j].due); c != 0 {
		return c < 0
	}
	return f[i].seq < f[j].seq
}

// Push implements heap.Interface.
func (f *flights) Push(x any) { *f = append(*f, x.(flight)) }

// Pop implements heap.Interface.
func (f *flights) Pop() any {
	n := len(*f) - 1
	x := (*f)[n]
	(*f)[n] = flight{}
	*f = (*f)[:n]
	return x
}
