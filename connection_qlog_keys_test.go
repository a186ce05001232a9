package quic

import (
	"slices"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

func TestLogOfKeyUpdates(t *testing.T) {
	var rec events.Recorder
	log := newConnLog(&Conn{perspective: protocol.PerspectiveClient}, &rec)
	log.keyPhase(0, qlog.KeyUpdateLocal)
	log.keyPhase(1, qlog.KeyUpdateLocal)
	log.keyPhase(1, qlog.KeyUpdateRemote) // the peer follows
	log.keyPhase(0, qlog.KeyUpdateRemote) // a late packet
	log.keyPhase(2, qlog.KeyUpdateRemote)
	want := []qlogwriter.Event{
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateLocal, KeyType: qlog.KeyTypeClient1RTT, KeyPhase: 1},
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateLocal, KeyType: qlog.KeyTypeServer1RTT, KeyPhase: 1},
		qlog.KeyDiscarded{KeyType: qlog.KeyTypeClient1RTT, KeyPhase: 0},
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateRemote, KeyType: qlog.KeyTypeClient1RTT, KeyPhase: 2},
		qlog.KeyUpdated{Trigger: qlog.KeyUpdateRemote, KeyType: qlog.KeyTypeServer1RTT, KeyPhase: 2},
		qlog.KeyDiscarded{KeyType: qlog.KeyTypeClient1RTT, KeyPhase: 1},
	}
	if got := rec.Events(); !slices.Equal(got, want) {
		t.Errorf("recorded\n%+v, want\n%+v", got, want)
	}
}

// BenchmarkNoLog is what the hooks cost a connection without a trace.
func BenchmarkNoLog(b *testing.B) {
	var log *connLog
	packet := make([]byte, 1200)
	b.ReportAllocs()
	for b.Loop() {
		log.datagram(packet)
		log.shortReceived(packet, nil, protocol.ECNNon)
		log.sealing(packet)
		log.packetsSent(packet)
		log.turnDone(0)
	}
}
