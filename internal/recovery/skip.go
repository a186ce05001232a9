package recovery

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// minSkipPeriod is the longest time between skipped numbers for a small window, in packets.
	minSkipPeriod = 64
	// maxSkipped is how many skipped numbers are remembered; a window holds fewer.
	maxSkipped = 16
)

// A skipped list holds the newest packet numbers that were skipped on purpose: a peer that
// acknowledges one acknowledges what it did not receive, to be sent more than it should.
// (RFC 9000, Section 21.4)
type skipped struct {
	numbers [maxSkipped]protocol.PacketNumber // the last n, ascending
	n       int
}

func (s *skipped) add(pn protocol.PacketNumber) {
	copy(s.numbers[:], s.numbers[1:])
	s.numbers[maxSkipped-1] = pn
	s.n = min(s.n+1, maxSkipped)
}

func (s *skipped) list() []protocol.PacketNumber { return s.numbers[maxSkipped-s.n:] }

// in reports whether one of the numbers is in ranges, which are descending.
func (s *skipped) in(ranges []wire.AckRange) bool {
	list := s.list()
	i := len(list) - 1
	for _, r := range ranges {
		for i >= 0 && list[i] > r.Largest {
			i--
		}
		if i < 0 {
			return false
		}
		if list[i] >= r.Smallest {
			return true
		}
	}
	return false
}

// threshold returns the largest number that is packetThreshold packets or more before largest.
// Skipped numbers are no packets.
func (s *skipped) threshold(largest protocol.PacketNumber) protocol.PacketNumber {
	limit := largest - packetThreshold
	list := s.list()
	for i := len(list) - 1; i >= 0 && list[i] > limit; i-- {
		if list[i] < largest {
			limit--
		}
	}
	return limit
}

// maybeSkip is called after each packet that was sent.
func (t *Tracker) maybeSkip(space protocol.PacketNumberSpace) {
	if t.random == nil || space != protocol.SpaceAppData {
		return
	}
	if t.skipIn--; t.skipIn > 0 {
		return
	}
	s := &t.spaces[space]
	s.skipped.add(s.next())
	*s.packets.push() = sentPacket{records: s.records.tail}
	t.scheduleSkip()
}

// scheduleSkip draws when to skip next: after more packets than a quarter of the window holds, or
// 32, and at most twice as many, so that the acknowledgement of a window cannot be guessed and the
// gaps cost the peer few ranges.
func (t *Tracker) scheduleSkip() {
	if t.random == nil {
		return
	}
	period := max(int(t.controller.Window()/t.mtu/2), minSkipPeriod)
	t.skipIn = period/2 + t.random()%(period/2) + 1
}
