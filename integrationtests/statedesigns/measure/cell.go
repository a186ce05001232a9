package measure

import (
	"fmt"
	"strings"
	"time"
)

// A Kind says where a cell is played and what of it is measured.
type Kind string

const (
	Counts  Kind = "counts"  // simulated network, virtual time, logs
	Latency Kind = "latency" // loopback, real time, logs
	Cost    Kind = "cost"    // loopback, real time, no logs: they would cost more than what is measured
)

// The workloads.
const (
	Normal           = "normal"
	ResetNeverRead   = "reset, never read"
	StopNeverWritten = "stop, never written"
	DatagramLoad     = "close under datagrams"
	ConnectionClose  = "connection close"
	Churn            = "churn"
	TwoLayers        = "two layers"
	EarlyRejected    = "0-RTT rejected"
	SlowObserver     = "slow observer"
)

// The designs, and two controls.
const (
	None          = "none" // nobody observes: what the library costs alone
	Wrapper       = "wrapper"
	Channel       = "channel"
	ChannelUnread = "channel unread"
	Callback      = "callback"
	CallbackConn  = "callback, Conn.SendDatagram" // without the help of Stream.SendDatagram
	Completion    = "completion rule"
)

// A Cell is one measurement that is to be made.
type Cell struct {
	Kind     Kind
	Workload string
	Arm      string
	Streams  int
	Loss     float64 // probability that a datagram is lost; Counts only
	RTT      time.Duration
	Seed     uint64
}

// String names the cell in one line.
func (c Cell) String() string {
	s := fmt.Sprintf("%s: %s, %s, %d streams", c.Kind, c.Workload, c.Arm, c.Streams)
	if c.Kind == Counts {
		s += fmt.Sprintf(", loss %g %%, RTT %v", 100*c.Loss, c.RTT)
	}
	return s
}

// A Count compares reports with what happened.
type Count struct{ Expected, Missed, Duplicate, Misordered int }

func (c *Count) add(d Count) {
	c.Expected += d.Expected
	c.Missed += d.Missed
	c.Duplicate += d.Duplicate
	c.Misordered += d.Misordered
}

// A Row is the result of a cell.
type Row struct {
	Cell
	Build   string // the module that was measured: "native" or "v0.65.0"
	Failure string // why the cell has no result

	Closings Count // "closed for sending" and "closed for receiving", once per stream and layer
	States   Count // all states of RFC 9000, Section 3 and the extensions; of designs that report them
	P50, P99 time.Duration

	Datagrams      int // that the layer gave to the library
	SentAfter      int // of these, how many left in a packet behind the FIN or RESET_STREAM
	Delivered      int // that the layer gave to the application
	DeliveredAfter int // of these, how many arrived in a packet behind what closed the receive half

	Leaked     int    // streams that are over and still in the layer's map
	NextStream string // whether the peer can open one stream more than the limit: yes, no, or empty

	Goroutines   int           // with all streams open, before the close, without those of the application
	Peak         int           // most goroutines during the close
	Mallocs      uint64        // from before the first stream to before the close
	CloseMallocs uint64        // during the close
	CloseCPU     time.Duration // processor time of the close
	Heap         int64         // bytes more after the streams than before them
	CPU          time.Duration // processor time of the streams
}

// Name is String without kind and numbers, for tests and errors.
func (r Row) Name() string { return strings.Join([]string{r.Workload, r.Arm, r.Build}, ", ") }
