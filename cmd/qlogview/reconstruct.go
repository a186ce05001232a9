package main

import (
	"cmp"
	"slices"
)

// Without stream_state_updated events the states are reconstructed from frames in packets, as far as these tell: nobody
// sees when the application reads, or which FIN waits to be sent.

// A sentFrame is a frame of a packet that waits for its acknowledgement.
type sentFrame struct {
	stream      int64
	offset, end int64
	reset       bool // RESET_STREAM
	last        bool // FIN or RESET_STREAM_AT
}

// An ackTracker knows the sent packets with frames of streams, by packet number space.
type ackTracker struct {
	sent map[string][]sentPacket // in the order of their numbers
	full bool                    // some packets were not followed
}

type sentPacket struct {
	pn     int64
	frames []sentFrame
}

func comparePN(p sentPacket, pn int64) int { return cmp.Compare(p.pn, pn) }

func (a *ackTracker) add(space string, pn int64, frames []sentFrame) {
	if len(frames) == 0 {
		return
	}
	sent := a.sent[space]
	if n := len(sent); n > 0 && pn <= sent[n-1].pn {
		return
	}
	if len(sent) >= maxTrackedPN {
		sent = slices.Delete(sent, 0, len(sent)/2)
		a.full = true
	}
	a.sent[space] = append(sent, sentPacket{pn, frames})
}

// take returns the packets of a range that were not taken before, and forgets them.
func (a *ackTracker) take(space string, r ackRange) []sentPacket {
	sent := a.sent[space]
	i, _ := slices.BinarySearchFunc(sent, r.first, comparePN)
	j, found := slices.BinarySearchFunc(sent, r.last, comparePN)
	if found {
		j++
	}
	if i >= j {
		return nil
	}
	taken := slices.Clone(sent[i:j])
	a.sent[space] = slices.Delete(sent, i, j)
	return taken
}

// framesSent follows the frames of a packet that was sent.
func (b *builder) framesSent(space string, pn int64, frames []frame) {
	var sent []sentFrame
	for i := range frames {
		f := &frames[i]
		if f.StreamID == nil {
			continue
		}
		s := b.streams.get(f.StreamID.or(-1))
		if s == nil {
			continue
		}
		switch f.Type {
		case "stream":
			sent = append(sent, b.streamSent(s, f))
		case "stream_data_blocked":
			b.opened(s, true)
			b.writes(s)
		case "reset_stream":
			b.opened(s, true)
			s.send.enter(b.now, "reset_sent", s.send.resetBy())
			sent = append(sent, sentFrame{stream: s.id, reset: true})
		case "reset_stream_at":
			b.opened(s, true)
			s.send.final, s.send.finalSet = f.ReliableSize.or(0), true
			s.send.enter(b.now, "data_sent", "RESET_STREAM_AT sent")
			sent = append(sent, sentFrame{stream: s.id, last: true})
		case "stop_sending":
			b.stopSent(s)
		}
	}
	b.acks.add(space, pn, sent)
}

// opened notes that there is a stream. A frame of the send half shows that it exists, and the other half of a
// bidirectional stream with it.
func (b *builder) opened(s *streamBuilder, sending bool) {
	b.streams.anyFrames = true
	if len(s.send.frames) == 0 && (sending || s.bidirectional()) {
		s.send.enter(b.now, "ready", "")
	}
	if len(s.recv.frames) == 0 && (!sending || s.bidirectional()) {
		s.recv.enter(b.now, "receive", "")
	}
}

func (b *builder) writes(s *streamBuilder) {
	if s.send.is("ready") {
		s.send.enter(b.now, "send", "")
	}
}

func (b *builder) streamSent(s *streamBuilder, f *frame) sentFrame {
	b.opened(s, true)
	if !f.Fin {
		b.writes(s)
	}
	end := f.Offset.or(0) + f.size()
	if f.Fin && s.send.is("ready", "send") {
		s.send.final, s.send.finalSet = end, true
		s.send.enter(b.now, "data_sent", "FIN sent")
	}
	return sentFrame{stream: s.id, offset: f.Offset.or(0), end: end, last: f.Fin}
}

// stopSent: the receive half wants no more. Its final size may be known.
func (b *builder) stopSent(s *streamBuilder) {
	b.opened(s, false)
	if s.recv.is("receive") {
		s.recv.enter(b.now, "stopped", "STOP_SENDING sent")
	}
}

func (h *halfBuilder) resetBy() string {
	if h.asked {
		return "STOP_SENDING received"
	}
	return "RESET_STREAM sent"
}

// framesAcked follows an ACK frame.
func (b *builder) framesAcked(space string, r ackRange) {
	for _, p := range b.acks.take(space, r) {
		for _, f := range p.frames {
			b.frameAcked(b.streams.byID[f.stream], f)
		}
	}
}

func (b *builder) frameAcked(s *streamBuilder, f sentFrame) {
	if f.reset {
		s.send.enter(b.now, "reset_received", "RESET_STREAM acknowledged")
		return
	}
	s.send.bytes.add(f.offset, f.end)
	s.send.lastAcked = s.send.lastAcked || f.last
	if s.send.is("data_sent") && s.send.lastAcked && s.send.complete() {
		s.send.enter(b.now, "data_received", "everything acknowledged")
	}
}

// framesReceived follows the frames of a packet that was received.
func (b *builder) framesReceived(space string, frames []frame) {
	for i := range frames {
		f := &frames[i]
		for _, r := range f.AckedRanges {
			b.framesAcked(space, r)
		}
		if f.StreamID == nil {
			continue
		}
		if s := b.streams.get(f.StreamID.or(-1)); s != nil {
			b.streamFrameReceived(s, f)
		}
	}
}

func (b *builder) streamFrameReceived(s *streamBuilder, f *frame) {
	switch f.Type {
	case "stream":
		b.opened(s, false)
		end := f.Offset.or(0) + f.size()
		s.recv.bytes.add(f.Offset.or(0), end)
		if f.Fin {
			b.finalSize(s, end, "FIN received")
		}
		if s.recv.is("size_known") && s.recv.complete() {
			s.recv.enter(b.now, "data_received", "everything received")
		}
	case "reset_stream":
		b.opened(s, false)
		if s.recv.is("receive", "size_known") {
			s.recv.enter(b.now, "reset_received", "RESET_STREAM received")
		}
		b.finalSize(s, f.FinalSize.or(0), "RESET_STREAM received")
	case "reset_stream_at":
		b.opened(s, false)
		b.finalSize(s, f.ReliableSize.or(0), "RESET_STREAM_AT received")
	case "stop_sending":
		b.opened(s, true)
		s.send.asked = true
	}
}

// finalSize notes that the size of the receive half is known.
func (b *builder) finalSize(s *streamBuilder, size int64, why string) {
	s.recv.final, s.recv.finalSet = size, true
	switch {
	case s.recv.is("receive"):
		s.recv.enter(b.now, "size_known", why)
	case s.recv.is("stopped"):
		s.recv.enter(b.now, "discarded", why)
	}
}
