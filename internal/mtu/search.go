package mtu

import "github.com/quic-go/quic-go/internal/protocol"

// Sizes of UDP payloads on common kinds of links, ascending.
var (
	// steps are tried first, one after the other: Ethernet with IPv6 and with IPv4, jumbo frames with IPv6. The limit, which
	// is that of the loopback interface, follows.
	steps = [...]protocol.ByteCount{1452, 1472, 8952}
	// commonSizes are tried, the largest first, when a step has failed: the least size of IPv6 links, what many
	// implementations use, WireGuard, and the loopback interface of other systems.
	commonSizes = [...]protocol.ByteCount{1232, 1280, 1350, 1392, 16336}
)

// The search is over when the size is known to 1/fine of it, or to 1/coarse where links of unusual sizes are rare.
const (
	fine   = 32
	coarse = 8
)

// next chooses the size of the next probe.
func (d *Discoverer) next() {
	d.probe = probe{size: d.candidate(), sentBytes: d.probe.sentBytes}
}

// candidate returns a size between the current one and the ceiling, 0 if the search is over.
func (d *Discoverer) candidate() protocol.ByteCount {
	if !d.searching || d.current >= d.limit {
		return 0
	}
	for _, size := range steps {
		if d.current < size && size <= d.limit && size < d.ceiling {
			return size
		}
	}
	if d.limit < d.ceiling {
		return d.limit
	}
	gap := d.ceiling - d.current
	if gap <= d.precision() {
		return 0
	}
	for i := len(commonSizes) - 1; i >= 0; i-- {
		if size := commonSizes[i]; d.current < size && size < d.ceiling {
			return size
		}
	}
	return min(d.current+gap/2, 2*d.current)
}

func (d *Discoverer) precision() protocol.ByteCount {
	if d.ceiling <= cheap {
		return d.current / fine
	}
	return d.current / coarse
}
