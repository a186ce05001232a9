package congestion

import (
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
)

const (
	testMTU protocol.ByteCount = 1200
	testRTT                    = 100 * time.Millisecond
)

// A flow drives a controller whose window is always full.
type flow struct {
	t   *testing.T
	c   Controller
	now monotime.Time
}

func newFlow(t *testing.T, c Controller) *flow {
	return &flow{t: t, c: c, now: monotime.Time(time.Hour)}
}

// ack acknowledges n bytes that were sent one RTT ago.
func (f *flow) ack(n protocol.ByteCount) {
	f.c.OnAcked(f.batch(n))
}

func (f *flow) batch(n protocol.ByteCount) AckedBatch {
	return AckedBatch{
		Now: f.now, Bytes: n, LargestSentAt: f.now.Add(-testRTT), InFlightBefore: f.c.Window(),
		RTT: testRTT, MinRTT: testRTT, SmoothedRTT: testRTT,
	}
}

// round lets one RTT pass in which the whole window is acknowledged packet by packet.
func (f *flow) round() {
	start, packets := f.now, int(f.c.Window()/testMTU)
	for i := range packets {
		f.now = start.Add(testRTT * time.Duration(i+1) / time.Duration(packets))
		f.ack(testMTU)
	}
}

// growTo acknowledges packets until the window has the given size.
func (f *flow) growTo(size protocol.ByteCount) {
	f.t.Helper()
	for range 10000 {
		if f.c.Window() >= size {
			return
		}
		f.now = f.now.Add(testRTT / 10)
		f.ack(testMTU)
	}
	f.t.Fatalf("Window() = %d, does not grow to %d", f.c.Window(), size)
}

// lose reports the loss of a packet that was sent just now and lets an RTT pass, so that
// what is acknowledged next was sent after the recovery period began.
func (f *flow) lose() {
	f.c.OnCongestion(Congestion{Kind: Loss, Now: f.now, SentAt: f.now, LostBytes: testMTU, LostPackets: 1, InFlight: f.c.Window()})
	f.now = f.now.Add(testRTT + time.Microsecond)
}

func (f *flow) wantWindow(want protocol.ByteCount) {
	f.t.Helper()
	if got := f.c.Window(); got != want {
		f.t.Errorf("Window() = %d, want %d", got, want)
	}
}

func (f *flow) wantState(want State) {
	f.t.Helper()
	if got := f.c.Metrics().State; got != want {
		f.t.Errorf("Metrics().State = %s, want %s", got, want)
	}
}

// controllers are run through every test of what RFC 9002 asks of any controller.
var controllers = []struct {
	name string
	new  func(protocol.ByteCount) Controller
	beta protocol.ByteCount // in tenths
}{
	{"NewReno", NewNewReno, 5},
	{"CUBIC", NewCubic, 7},
}

// allControllers are those, and those that go their own ways.
var allControllers = append(controllers[:2:2], struct {
	name string
	new  func(protocol.ByteCount) Controller
	beta protocol.ByteCount
}{name: "BBRv3", new: func(mtu protocol.ByteCount) Controller { return NewBBR(mtu, func() int { return 3 }) }})

func forEachController(t *testing.T, test func(t *testing.T, f *flow, beta protocol.ByteCount)) {
	for _, c := range controllers {
		t.Run(c.name, func(t *testing.T) { test(t, newFlow(t, c.new(testMTU)), c.beta) })
	}
}
