package measure

import (
	"slices"
	"time"
)

// A Plan is what is measured.
type Plan struct {
	Losses   []float64
	RTTs     []time.Duration
	Counted  []string // the workloads that are counted in each network
	Streams  map[string]int
	Latency  int // streams of the cells for latencies on loopback; 0 means none
	Closing  int // streams of the cells for the end of a connection; 0 means none
	Churning int // streams of the cells for churn; 0 means none
	Leaking  int // streams of the cells for leaked memory; 0 means none
	Repeat   int // how often the cells for latencies and the end of a connection are measured, after the first time
	Seed     uint64
}

// gridStreams is how many streams the counted cells have.
var gridStreams = map[string]int{
	Normal: 100, ResetNeverRead: 100, StopNeverWritten: 100, DatagramLoad: 8, ConnectionClose: 1000, Churn: 1000,
	TwoLayers: 99, EarlyRejected: 50, SlowObserver: 20,
}

// Workloads are those of the counted cells, in the order of the report.
var Workloads = []string{
	Normal, ResetNeverRead, StopNeverWritten, DatagramLoad, ConnectionClose, Churn, TwoLayers, EarlyRejected,
}

// FullPlan is the whole experiment.
func FullPlan(seed uint64) Plan {
	return Plan{
		Losses: []float64{0, 0.01, 0.05}, RTTs: []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond},
		Counted: Workloads, Streams: gridStreams,
		Latency: 500, Closing: 10_000, Churning: 100_000, Leaking: 2000, Repeat: 2, Seed: seed,
	}
}

// QuickPlan takes seconds. It says nothing of memory.
func QuickPlan(seed uint64) Plan {
	return Plan{
		Losses: []float64{0.05}, RTTs: []time.Duration{20 * time.Millisecond},
		Counted: Workloads,
		Streams: map[string]int{
			Normal: 20, ResetNeverRead: 20, StopNeverWritten: 20, DatagramLoad: 8, ConnectionClose: 100, Churn: 200,
			TwoLayers: 21, EarlyRejected: 10, SlowObserver: 10,
		},
		Latency: 50, Closing: 1000, Churning: 2000, Seed: seed,
	}
}

// Arms are the designs that a build can measure. Those of v0.65.0 are what an application can do there.
func Arms(build string) []string {
	if build == "native" {
		return []string{Wrapper, Channel, ChannelUnread, Callback}
	}
	return []string{Completion}
}

// A Network is a simulated network.
type Network struct {
	Loss float64
	RTT  time.Duration
}

// Networks returns those of the counted cells.
func (p Plan) Networks() (all []Network) {
	for _, loss := range p.Losses {
		for _, rtt := range p.RTTs {
			all = append(all, Network{loss, rtt})
		}
	}
	return all
}

// Grid returns the cells in virtual time for one build. Cells may be played in any order and several at a time.
func (p Plan) Grid(build string) (cells []Cell) {
	add := func(workload, arm string, n Network) {
		// The seed is that of the network: it is the same one for each arm.
		seed := p.Seed + uint64(n.Loss*1000)<<16 + uint64(n.RTT/time.Millisecond)<<32
		cells = append(cells, Cell{Counts, workload, arm, p.Streams[workload], n.Loss, n.RTT, seed})
	}
	for _, workload := range p.Counted {
		for _, n := range p.Networks() {
			for _, arm := range Arms(build) {
				add(workload, arm, n)
			}
		}
	}
	if build != "native" {
		return cells
	}
	for _, rtt := range p.RTTs {
		add(DatagramLoad, CallbackConn, Network{p.Losses[0], rtt})
	}
	for _, arm := range []string{Channel, Callback} {
		add(SlowObserver, arm, Network{RTT: 20 * time.Millisecond})
	}
	return cells
}

// Loopback returns the cells in real time. Nothing else should run at the same time.
func (p Plan) Loopback(build string) (cells []Cell) {
	add := func(kind Kind, workload, arm string, streams int) {
		if streams > 0 {
			cells = append(cells, Cell{Kind: kind, Workload: workload, Arm: arm, Streams: streams, Seed: p.Seed})
		}
	}
	for range 1 + p.Repeat {
		for _, arm := range Arms(build) {
			for _, workload := range []string{Normal, ResetNeverRead, StopNeverWritten} {
				add(Latency, workload, arm, p.Latency)
			}
		}
		for _, arm := range slices.Concat([]string{None}, Arms(build)) {
			add(Cost, ConnectionClose, arm, p.Closing)
		}
	}
	for _, arm := range slices.Concat([]string{None}, Arms(build)) {
		add(Cost, Churn, arm, p.Churning)
		add(Cost, ResetNeverRead, arm, p.Leaking)
		add(Cost, StopNeverWritten, arm, p.Leaking)
	}
	return cells
}
