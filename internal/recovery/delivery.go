package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A delivery measures the delivery rate of a path for congestion controllers that want it
// (draft-ietf-ccwg-bbr, Section 4.1).
type delivery struct {
	delivered   protocol.ByteCount
	lost        protocol.ByteCount
	deliveredAt monotime.Time
	firstSentAt monotime.Time // of the packets that the current sampling interval covers
}

// A deliverySnapshot is the state of a delivery when a packet was sent.
type deliverySnapshot struct {
	delivery
	inFlight protocol.ByteCount // with the packet itself
}

func (d *delivery) onSent(now monotime.Time, inFlight protocol.ByteCount, p *sentPacket) {
	if inFlight == 0 {
		d.deliveredAt, d.firstSentAt = now, now
	}
	p.snapshot.delivery = *d
}

// onAcked counts bytes and fills in what the newest acknowledged packet p tells of the rate.
func (d *delivery) onAcked(p *sentPacket, batch *congestion.AckedBatch) {
	d.delivered += batch.Bytes
	d.deliveredAt = batch.Now
	d.firstSentAt = p.sentAt
	batch.PriorDelivered = p.snapshot.delivered
	batch.Delivered = d.delivered
	batch.DeliveryInterval = max(p.sentAt.Sub(p.snapshot.firstSentAt), batch.Now.Sub(p.snapshot.deliveredAt), time.Duration(0))
	batch.SentInFlight = p.snapshot.inFlight
	batch.LostSinceSent = d.lost - p.snapshot.lost
}
