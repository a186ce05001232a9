package goodput

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
)

// A row of the table holds for some controllers, which have to reach at least the given part of the link, and the
// given fairness. Others only print what they reach.
type row struct {
	scenario
	asserted     []quic.CongestionControl
	share, index float64
}

var all = []quic.CongestionControl{quic.CongestionCUBIC, quic.CongestionNewReno, quic.CongestionBBRv3}

var bbr = []quic.CongestionControl{quic.CongestionBBRv3}

// fast is the link of the table: 100 Mbit/s and 50 ms, with a queue of a bandwidth-delay product.
var fast = link{rate: 12_500_000, rtt: 50 * time.Millisecond, queue: 1}

func (l link) with(loss float64) link {
	l.loss = loss
	return l
}

// measure runs a row for the controllers.
func (r row) measure(t *testing.T, controllers []quic.CongestionControl) {
	for _, cc := range controllers {
		got := r.run(t, cc)
		line := fmt.Sprintf("%-36s %-8s %5.1f %% of the link", r.name, cc, 100*got.share())
		if r.flows > 1 {
			line += fmt.Sprintf("  Jain index %.3f", got.jain())
		}
		t.Logf("%-82s %5.2f %% lost", line, 100*got.lossRate())
		if r.warmUp == 0 && got.share() > 1 {
			t.Errorf("%s with %s uses more than the link", r.name, cc)
		}
		for _, a := range r.asserted {
			if a == cc && (got.share() < r.share || got.jain() < r.index) {
				t.Errorf("%s with %s: want %.0f %% of the link and a Jain index of %.2f at least", r.name, cc, 100*r.share, r.index)
			}
		}
	}
}

// TestTable prints and asserts the whole table. It takes a minute or two, so that it runs only if it is asked for by name.
func TestTable(t *testing.T) {
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "Table") {
		t.Skip("runs with -run Table")
	}
	flow := scenario{name: "one flow", link: fast, flows: 1, duration: 15 * time.Second}
	long := flow.on("one flow, 200 ms, from 5 s on", link{fast.rate, 200 * time.Millisecond, 1, 0}, 20*time.Second)
	long.warmUp = 5 * time.Second
	four := scenario{name: "four flows that begin together", link: fast, flows: 4, duration: 20 * time.Second}
	for _, r := range []row{
		{flow, all, 0.9, 0},
		{flow.on("one flow, 1 % loss", fast.with(0.01), 30*time.Second), bbr, 0.7, 0},
		{four, all, 0.9, 0.9},
		{four.apart(500*time.Millisecond, time.Minute), all, 0.9, 0.9},
		{four.on("four flows, 1 % loss", fast.with(0.01), 20*time.Second), bbr, 0.7, 0},
		{flow.on("one flow, a tenth of the queue", link{fast.rate, fast.rtt, 0.1, 0}, 15*time.Second), nil, 0, 0},
		{flow.on("one flow, ten times the queue", link{fast.rate, fast.rtt, 10, 0}, 15*time.Second), all, 0.9, 0},
		{long, all, 0.9, 0},
		{flow.on("one flow, 1 Mbit/s", link{125_000, fast.rtt, 1, 0}, 30*time.Second), nil, 0, 0},
	} {
		r.measure(t, all)
	}
}

// on returns the scenario on another link.
func (s scenario) on(name string, l link, d time.Duration) scenario {
	s.name, s.link, s.duration = name, l, d
	return s
}

// apart lets the flows begin one after the other, and measures them when they have had d to come to terms.
func (s scenario) apart(stagger, d time.Duration) scenario {
	s.name = fmt.Sprintf("%d flows, one each %v", s.flows, stagger)
	s.stagger, s.warmUp, s.duration = stagger, d, d
	return s
}

func slow() bool { return raceEnabled || testing.Short() }

// short is fast, or a slower link if packets cost much.
func short() link {
	l := fast
	if slow() {
		l.rate /= 5
	}
	return l
}

func TestCleanLink(t *testing.T) {
	s := scenario{name: "one flow", link: short(), flows: 1, warmUp: time.Second, duration: 4 * time.Second}
	row{s, all, 0.9, 0}.measure(t, all)
}

// One percent of random loss is for BBR alone: CUBIC and NewReno take it for congestion, as they must.
func TestRandomLoss(t *testing.T) {
	s := scenario{name: "one flow, 1 % loss", link: short().with(0.01), flows: 1, warmUp: time.Second, duration: 7 * time.Second}
	row{s, bbr, 0.7, 0}.measure(t, bbr)
}

func TestFairness(t *testing.T) {
	index := 0.9
	if slow() {
		index = 0.8 // each of the few packets in a window of the slower link counts for more
	}
	s := scenario{name: "four flows that begin together", link: short(), flows: 4, warmUp: time.Second, duration: 6 * time.Second}
	row{s, all, 0.9, index}.measure(t, all)
}

// A time in which the application has little to send says nothing about the path: what comes after it is up to
// speed within a second.
func TestAppLimitedBegin(t *testing.T) {
	s := scenario{
		name: "one flow after a trickle", link: short(), flows: 1, trickle: 3 * time.Second, warmUp: 4 * time.Second,
		duration: 2 * time.Second,
	}
	row{s, all, 0.85, 0}.measure(t, all)
}
