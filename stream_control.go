package quic

import (
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
)

// A controlMask is a set of frames that a stream wants to send besides STREAM.
type controlMask uint8

const (
	controlReset         controlMask = 1 << iota // RESET_STREAM or RESET_STREAM_AT
	controlStopSending                           // STOP_SENDING
	controlMaxStreamData                         // MAX_STREAM_DATA
	controlDataBlocked                           // STREAM_DATA_BLOCKED
)

// controlLink makes controlList intrusive: a stream is at most once in it, however many frames
// it wants, so a peer cannot make the list longer than the number of its streams.
type controlLink struct {
	next   *streamRecord
	wanted controlMask
	queued bool
}

// controlList holds the streams that want to send control frames, first come, first served.
// What a frame says, and whether it is still wanted, is decided when it is packed.
type controlList struct {
	mu         sync.Mutex // rank 4
	head, tail *streamRecord
}

// want adds a frame.
func (l *controlList) want(r *streamRecord, frame controlMask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.controlLink.wanted |= frame
	if r.controlLink.queued {
		return
	}
	r.controlLink.queued = true
	if l.tail == nil {
		l.head = r
	} else {
		l.tail.controlLink.next = r
	}
	l.tail = r
}

// pop removes the first stream and what it wants.
func (l *controlList) pop() (*streamRecord, controlMask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.head
	if r == nil {
		return nil, 0
	}
	l.head = r.controlLink.next
	if l.head == nil {
		l.tail = nil
	}
	wanted := r.controlLink.wanted
	r.controlLink = controlLink{}
	return r, wanted
}

// putBack makes r the first stream again: these frames did not fit.
func (l *controlList) putBack(r *streamRecord, frames controlMask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.controlLink.wanted |= frames
	if r.controlLink.queued {
		return
	}
	r.controlLink.queued = true
	r.controlLink.next = l.head
	if l.head == nil {
		l.tail = r
	}
	l.head = r
}

func (l *controlList) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head == nil
}

// A frameSink collects the frames of a packet and the records of what they carry.
type frameSink struct {
	b     []byte
	limit int // len(b) never exceeds it
	recs  []recovery.Record
}

func (k *frameSink) space() int { return k.limit - len(k.b) }

func (k *frameSink) fits(n protocol.ByteCount) bool { return int(n) <= k.space() }

func (k *frameSink) record(r recovery.Record) { k.recs = append(k.recs, r) }
