package quictest

import (
	"cmp"
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// waitLocked waits until done, which is called with the lock held, is true or the time is over.
func (p *Peer) waitLocked(limit time.Duration, done func() bool) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		p.mu.Lock()
		ok, changed := done(), p.changed
		p.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		}
	}
}

// ExpectPacket waits for a packet that match accepts, among those that it has not returned before.
func (p *Peer) ExpectPacket(match func(*Received) bool) *Received {
	p.t.Helper()
	var found *Received
	ok := p.waitLocked(p.Timeout, func() bool {
		for _, r := range p.log {
			if !r.noticed && match(r) {
				found, r.noticed = r, true
				return true
			}
		}
		return false
	})
	if !ok {
		p.t.Fatalf("%s: expected packet was not received within %s", p.pers, p.Timeout)
	}
	return found
}

// ExpectType waits for a packet of a type.
func (p *Peer) ExpectType(t protocol.PacketType) *Received {
	p.t.Helper()
	return p.ExpectPacket(func(r *Received) bool { return r.Type == t })
}

// takeFrameLocked returns the first frame of type F that match accepts and that was not returned before.
func takeFrameLocked[F wire.Frame](p *Peer, match func(F) bool) (f F, r *Received) {
	for _, r := range p.log {
		for i := range r.Frames {
			f, ok := r.Frames[i].(F)
			if ok && !r.taken[i] && (match == nil || match(f)) {
				r.taken[i] = true
				return f, r
			}
		}
	}
	return f, nil
}

// Expect waits for a frame that match, if it is not nil, accepts, and returns it. Each frame is returned once.
func Expect[F wire.Frame](p *Peer, match func(F) bool) F {
	p.t.Helper()
	f, _ := ExpectIn(p, match)
	return f
}

// ExpectIn is Expect, and also returns the packet with the frame.
func ExpectIn[F wire.Frame](p *Peer, match func(F) bool) (F, *Received) {
	p.t.Helper()
	var (
		f F
		r *Received
	)
	ok := p.waitLocked(p.Timeout, func() bool {
		f, r = takeFrameLocked(p, match)
		return r != nil
	})
	if !ok {
		p.t.Fatalf("%s: expected %T was not received within %s", p.pers, f, p.Timeout)
	}
	return f, r
}

// ExpectNone fails the test if a frame of type F that match accepts has come or comes within d. Frames that were
// expected before do not count.
func ExpectNone[F wire.Frame](p *Peer, d time.Duration, match func(F) bool) {
	p.t.Helper()
	var (
		f F
		r *Received
	)
	if p.waitLocked(d, func() bool { f, r = takeFrameLocked(p, match); return r != nil }) {
		p.t.Fatalf("%s: unexpected %s", p.pers, describe(f))
	}
}

// Frames returns all frames of type F that were received since the last Forget.
func Frames[F wire.Frame](p *Peer) (frames []F) {
	p.set(func() {
		for _, r := range p.log {
			for _, f := range r.Frames {
				if f, ok := f.(F); ok {
					frames = append(frames, f)
				}
			}
		}
	})
	return frames
}

// Packets returns the packets that were received since the last Forget.
func (p *Peer) Packets() (log []*Received) {
	p.set(func() { log = append(log, p.log...) })
	return log
}

// Forget makes the Expect functions ignore what has been received so far.
func (p *Peer) Forget() { p.set(func() { p.log = nil }) }

// closeFrame returns the CONNECTION_CLOSE frame that was received, or nil.
func (p *Peer) closeFrame() *wire.ConnectionCloseFrame {
	frames := Frames[*wire.ConnectionCloseFrame](p)
	if len(frames) == 0 {
		return nil
	}
	return frames[len(frames)-1] // of the highest level
}

// WaitClose waits for a CONNECTION_CLOSE frame. It returns nil if none comes.
func (p *Peer) WaitClose() *wire.ConnectionCloseFrame {
	p.waitLocked(p.Timeout, func() bool { return p.closed })
	return p.closeFrame()
}

// ExpectClose waits for a CONNECTION_CLOSE of type 0x1c with one of the codes.
func (p *Peer) ExpectClose(codes ...qerr.TransportErrorCode) *wire.ConnectionCloseFrame {
	p.t.Helper()
	f := p.WaitClose()
	if f == nil {
		p.t.Fatalf("%s: connection was not closed within %s, want %s", p.pers, p.Timeout, codes)
	}
	for _, code := range codes {
		if !f.IsApplicationError && f.ErrorCode == uint64(code) {
			return f
		}
	}
	p.t.Fatalf("%s: connection closed with %s, want %s", p.pers, describe(f), codes)
	return nil
}

// ExpectCloseFrom is ExpectClose for an error that a frame of the given type has caused.
func (p *Peer) ExpectCloseFrom(frameType wire.FrameType, codes ...qerr.TransportErrorCode) {
	p.t.Helper()
	if f := p.ExpectClose(codes...); f.FrameType != uint64(frameType) {
		p.t.Errorf("%s: connection closed because of frame type %#x, want %#x", p.pers, f.FrameType, uint64(frameType))
	}
}

// ExpectApplicationClose waits for a CONNECTION_CLOSE of type 0x1d with the code.
func (p *Peer) ExpectApplicationClose(code qerr.ApplicationErrorCode) *wire.ConnectionCloseFrame {
	p.t.Helper()
	f := p.WaitClose()
	if f == nil || !f.IsApplicationError || f.ErrorCode != uint64(code) {
		p.t.Fatalf("%s: got %s, want CONNECTION_CLOSE of type 0x1d with %#x", p.pers, describe(f), uint64(code))
	}
	return f
}

// ExpectSilence fails the test if any packet comes within d.
func (p *Peer) ExpectSilence(d time.Duration) {
	p.t.Helper()
	var before int
	p.set(func() { before = len(p.log) })
	if p.waitLocked(d, func() bool { return len(p.log) > before }) {
		p.t.Fatalf("%s: unexpected packet: %s", p.pers, p.Packets()[before])
	}
}

// ExpectStream waits for all data of a stream, up to its FIN.
func (p *Peer) ExpectStream(id protocol.StreamID) []byte {
	p.t.Helper()
	var data []byte
	if !p.waitLocked(p.Timeout, func() (ok bool) { data, ok = p.streamLocked(id); return ok }) {
		p.t.Fatalf("%s: stream %d is not complete within %s, got %d bytes", p.pers, id, p.Timeout, len(data))
	}
	return data
}

// streamLocked returns the data of a stream as far as it has come without a gap, and whether that is all.
func (p *Peer) streamLocked(id protocol.StreamID) (data []byte, complete bool) {
	var frames []*wire.StreamFrame
	for _, r := range p.log {
		for _, f := range r.Frames {
			if f, ok := f.(*wire.StreamFrame); ok && f.StreamID == id {
				frames = append(frames, f)
			}
		}
	}
	slices.SortFunc(frames, func(a, b *wire.StreamFrame) int { return cmp.Compare(a.Offset, b.Offset) })
	for _, f := range frames {
		have, end := protocol.ByteCount(len(data)), f.Offset+protocol.ByteCount(len(f.Data))
		if f.Offset <= have && end > have {
			data = append(data, f.Data[have-f.Offset:]...)
		}
		complete = complete || f.Fin && end == protocol.ByteCount(len(data))
	}
	return data, complete
}
