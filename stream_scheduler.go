package quic

import (
	"math/bits"
	"sync"
)

const (
	numUrgencies           = 8 // RFC 9218, Section 4.1
	defaultUrgency   uint8 = 3
	lowestUrgency          = numUrgencies - 1
	incrementalShift       = numUrgencies
)

// A schedulerQueue says what a stream waits for.
type schedulerQueue uint8

const (
	queueNone    schedulerQueue = iota
	queueFree                   // lost data or a FIN: needs no credit of the connection and goes first
	queueActive                 // new data, and the flow control of the stream permits some
	queueStarved                // Write waits for the credit of the connection
)

// schedulerNode is a stream's place in the scheduler. Guarded by scheduler.mu.
type schedulerNode struct {
	prev, next  *SendStream
	queue       schedulerQueue
	urgency     uint8
	incremental bool
}

// streamList is a doubly linked list through SendStream.node.
type streamList struct{ head, tail *SendStream }

func (l *streamList) pushBack(s *SendStream) {
	s.node.prev, s.node.next = l.tail, nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.node.next = s
	}
	l.tail = s
}

func (l *streamList) remove(s *SendStream) {
	if s.node.prev == nil {
		l.head = s.node.next
	} else {
		s.node.prev.node.next = s.node.next
	}
	if s.node.next == nil {
		l.tail = s.node.prev
	} else {
		s.node.next.node.prev = s.node.prev
	}
	s.node.prev, s.node.next = nil, nil
}

// The scheduler decides which stream sends next: retransmissions first, then by urgency. Among
// streams of one urgency, those that are not incremental are served one after the other, the
// incremental ones in turns, and the two kinds alternate (RFC 9218, Section 10). All
// operations take constant time.
type scheduler struct {
	mu      sync.Mutex // rank 4
	free    streamList
	starved streamList
	// active has a list for each urgency of streams that are served one after the other and,
	// incrementalShift further on, one of those that take turns. Bit i of nonEmpty
	// tells that list i is not empty.
	active   [2 * numUrgencies]streamList
	nonEmpty uint16
	// turn has bit u set if the incremental streams of urgency u are next.
	turn uint8
}

func (n *schedulerNode) activeIndex() int {
	if n.incremental {
		return int(n.urgency) + incrementalShift
	}
	return int(n.urgency)
}

func (c *scheduler) insert(s *SendStream, q schedulerQueue) {
	s.node.queue = q
	switch q {
	case queueFree:
		c.free.pushBack(s)
	case queueStarved:
		c.starved.pushBack(s)
	case queueActive:
		i := s.node.activeIndex()
		c.active[i].pushBack(s)
		c.nonEmpty |= 1 << i
	case queueNone:
	}
}

func (c *scheduler) unlink(s *SendStream) {
	switch s.node.queue {
	case queueFree:
		c.free.remove(s)
	case queueStarved:
		c.starved.remove(s)
	case queueActive:
		i := s.node.activeIndex()
		c.active[i].remove(s)
		if c.active[i].head == nil {
			c.nonEmpty &^= 1 << i
		}
	case queueNone:
	}
	s.node.queue = queueNone
}

// place puts s at the end of queue q, unless it is in q already.
func (c *scheduler) place(s *SendStream, q schedulerQueue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.node.queue != q {
		c.unlink(s)
		c.insert(s, q)
	}
}

// remove takes s out of all queues.
func (c *scheduler) remove(s *SendStream) { c.place(s, queueNone) }

func (c *scheduler) setPriority(s *SendStream, urgency int8, incremental bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := s.node.queue
	c.unlink(s)
	s.node.urgency = uint8(min(max(urgency, 0), lowestUrgency))
	s.node.incremental = incremental
	c.insert(s, q)
}

// next returns the stream to serve. New data counts only if the connection has credit for it.
func (c *scheduler) next(credit bool) *SendStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.free.head != nil || !credit || c.nonEmpty == 0 {
		return c.free.head
	}
	urgency := bits.TrailingZeros8(uint8(c.nonEmpty) | uint8(c.nonEmpty>>incrementalShift))
	inOrder, inTurns := c.active[urgency].head, c.active[urgency+incrementalShift].head
	switch {
	case inOrder == nil, inTurns != nil && c.turn&(1<<urgency) != 0:
		return inTurns
	}
	return inOrder
}

// served tells that s was in a packet, so that others of its urgency get their turn.
func (c *scheduler) served(s *SendStream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.node.queue == queueFree {
		return
	}
	if !s.node.incremental {
		c.turn |= 1 << s.node.urgency
		return
	}
	c.turn &^= 1 << s.node.urgency
	if s.node.queue == queueActive && s.node.next != nil {
		c.unlink(s)
		c.insert(s, queueActive)
	}
}

// popStarved removes the first stream whose writer waits for credit of the connection.
func (c *scheduler) popStarved() *SendStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.starved.head
	if s != nil {
		c.unlink(s)
	}
	return s
}

// state reports whether there are streams that can send without and with credit of the
// connection, and whether any stream needs some.
func (c *scheduler) state() (free, active, hungry bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free.head != nil, c.nonEmpty != 0, c.nonEmpty != 0 || c.starved.head != nil
}
