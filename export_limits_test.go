package quic

import (
	"fmt"
	"reflect"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// Held is how much a connection holds of what its peer can make it hold.
type Held struct {
	Streams       int
	EarlyStreams  int // over, and not accepted yet
	StreamGaps    int
	StreamMemory  int // blocks of received data, in bytes
	CryptoMemory  int
	CryptoGaps    int
	Undecryptable int
	// UndecryptableBytes is the memory that those pin.
	UndecryptableBytes int

	Datagrams, DatagramBytes int

	Paths         int
	PathResponses int // of all paths

	AckRanges  int
	Tracked    int // sent packets
	Remembered int // lost packets

	IssuedIDs, RetiredIDs             int // ours
	PeerIDs, OwedRetirements, SeenIDs int // the peer's
}

// HeldBy asks the loop of c, so that everything that has arrived is handled.
func HeldBy(c *Conn) (h Held) {
	<-c.ask(func(monotime.Time) error {
		h = c.held()
		return nil
	})
	return h
}

// blockBytes is the size of a block of package reassembly.
const blockBytes = 4 << 10

func (c *Conn) held() (h Held) {
	c.streams.mu.Lock()
	h.Streams = len(c.streams.streams)
	for t := range c.streams.incoming {
		h.EarlyStreams += len(c.streams.incoming[t].early)
	}
	for _, r := range c.streams.streams {
		if r.receive != nil {
			gaps, memory := buffered(r.receive, "buf")
			h.StreamGaps += gaps
			h.StreamMemory += memory
		}
	}
	c.streams.mu.Unlock()
	for lvl := range int(protocol.NumEncryptionLevels) {
		gaps, memory := buffered(field(c.tls, "levels").Index(lvl), "recv")
		h.CryptoGaps += gaps
		h.CryptoMemory += memory
	}
	h.Undecryptable = len(c.undecryptable)
	for i := range c.undecryptable {
		h.UndecryptableBytes += c.undecryptable[i].Buffer.Size()
	}
	h.Datagrams, h.DatagramBytes = ReceivedDatagrams(c), int(field(&c.datagrams, "receivedBytes").Int())
	paths := field(c.paths.manager, "paths")
	for i := range paths.Len() {
		if paths.Index(i).FieldByName("used").Bool() {
			h.Paths++
		}
		h.PathResponses += paths.Index(i).FieldByName("responses").Len()
	}
	space := field(c.recovery, "spaces").Index(int(protocol.SpaceAppData))
	h.AckRanges = field(space, "received", "ranges", "ranges").Len()
	h.Tracked, h.Remembered = ringLen(field(space, "packets")), ringLen(field(space, "lost", "ring"))
	h.IssuedIDs, h.RetiredIDs = field(c.issued, "active").Len(), field(c.issued, "retired").Len()
	h.PeerIDs, h.OwedRetirements = field(c.received, "active").Len(), field(c.received, "owed").Len()
	h.SeenIDs = field(c.received, "seen", "sparse").Len()
	return h
}

// field returns a field of a struct of another package, to look at.
func field(v any, names ...string) reflect.Value {
	r, ok := v.(reflect.Value)
	if !ok {
		r = reflect.ValueOf(v)
	}
	for _, name := range names {
		f := reflect.Indirect(r).FieldByName(name)
		if !f.IsValid() {
			panic(fmt.Sprintf("BUG: %s has no field %s", r.Type(), name))
		}
		r = f
	}
	return r
}

// ringLen returns the length of a ring of package recovery.
func ringLen(r reflect.Value) int { return int(field(r, "tail").Int() - field(r, "head").Int()) }

// buffered returns how many gaps a reassembly.Buffer has and how much memory it holds.
func buffered(v any, name string) (gaps, memory int) {
	b := field(v, name)
	list := field(b, "blocks", "list")
	for i := range list.Len() {
		if !list.Index(i).IsNil() {
			memory += blockBytes
		}
	}
	return field(b, "ahead", "ranges").Len(), memory
}

// Conns returns the connections of t, also those whose handshake goes on.
func Conns(t *Transport) (conns []*Conn) {
	t.table.mu.RLock()
	defer t.table.mu.RUnlock()
	for c := range t.table.conns {
		conns = append(conns, c)
	}
	return conns
}

// Block keeps the loop of c from doing anything until release is called.
func Block(c *Conn) (release func()) {
	blocked, end := make(chan struct{}), make(chan struct{})
	c.ask(func(monotime.Time) error {
		close(blocked)
		<-end
		return nil
	})
	<-blocked
	return func() { close(end) }
}

// Received returns how many datagrams wait for the loop of c, and their bytes.
func Received(c *Conn) (packets, bytes int) {
	c.packets.mu.Lock()
	defer c.packets.mu.Unlock()
	q := &c.packets.ring
	for range q.len() {
		p := q.pop()
		packets, bytes = packets+1, bytes+len(p.Data)
		q.push(p)
	}
	return packets, bytes
}
