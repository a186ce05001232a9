package goodput

import (
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
)

var controllers = []quic.CongestionControl{quic.CongestionCUBIC, quic.CongestionNewReno, quic.CongestionBBRv3}

var base = link{rate: 12_500_000, rtt: 50 * time.Millisecond, queue: 1}

func lossy(l link, loss float64) link { l.loss = loss; return l }

func TestTable(t *testing.T) {
	for _, s := range []scenario{
		{"one flow, no loss", base, 1, 0, 10 * time.Second},
		{"one flow, 1 % loss", lossy(base, 0.01), 1, 0, 20 * time.Second},
		{"four flows, no loss", base, 4, 100 * time.Millisecond, 20 * time.Second},
	} {
		for _, cc := range controllers {
			start := time.Now()
			r := s.run(t, cc)
			t.Logf("%-22s %-8s %6.1f %% of the link, Jain index %.3f, %.2f %% lost, %d packets, took %v",
				s.name, cc, 100*r.share(), r.jain(), 100*r.lossRate(), r.stats.Sent, time.Since(start).Round(10*time.Millisecond))
		}
	}
}
