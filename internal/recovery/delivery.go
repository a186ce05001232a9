package recovery

import (
	"time"

	"github.com/quic-go/quic-go/internal/congestion"
	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

// A delivery measures the delivery rate of a path for congestion controllers that want it
// (draft-ietf-ccwg-bbr-06, Section 4.1).
type delivery struct {
	delivered   protocol.ByteCount // packets that were taken for lost included
	lost        protocol.ByteCount
	deliveredAt monotime.Time
	firstSentAt monotime.Time // of the packets that the current sampling interval covers
	// appLimited is how much will have been delivered when what was in flight during the last gap in
	// the sending is acknowledged; 0 if it is already.
	appLimited protocol.ByteCount
}

// A deliverySnapshot is the state of a delivery when a packet was sent.
type deliverySnapshot struct {
	delivery
	inFlight protocol.ByteCount // with the packet itself
}

// setAppLimited notes that the sender could have sent more than what is in flight but had nothing.
func (d *delivery) setAppLimited(inFlight protocol.ByteCount) {
	d.appLimited = max(d.delivered+inFlight, 1)
}

func (d *delivery) onSent(now monotime.Time, inFlight protocol.ByteCount, p *sentPacket) {
	if inFlight == 0 {
		d.deliveredAt, d.firstSentAt = now, now
	}
	p.snapshot.delivery = *d
}

// onLost adds p to the packets lost together.
func (d *delivery) onLost(p *sentPacket, sum *congestion.Congestion) {
	d.lost += p.size
	sum.LostPackets++
	sum.LostBytes += p.size
	sum.SentAt = p.sentAt
	sum.Lost = append(sum.Lost, congestion.LostPacket{
		Size: p.size, SentInFlight: p.snapshot.inFlight, LostSinceSent: d.lost - p.snapshot.lost,
		AppLimited: p.snapshot.appLimited != 0,
	})
}

// onAcked fills in what the newest acknowledged packet p tells of the rate.
func (d *delivery) onAcked(p *sentPacket, batch *congestion.AckedBatch) {
	if d.delivered > d.appLimited {
		d.appLimited = 0
	}
	d.deliveredAt = batch.Now
	d.firstSentAt = p.sentAt
	batch.RateAppLimited = p.snapshot.appLimited != 0
	batch.PriorDelivered = p.snapshot.delivered
	batch.Delivered = d.delivered
	batch.DeliveryInterval = max(p.sentAt.Sub(p.snapshot.firstSentAt), batch.Now.Sub(p.snapshot.deliveredAt), time.Duration(0))
	batch.SentInFlight = p.snapshot.inFlight
	batch.LostSinceSent = d.lost - p.snapshot.lost
}
