package measure

import (
	"slices"
	"testing"
	"time"
)

const testGrace = time.Second

// exchanged is a stream that was opened, had a request and response, and is over; and what an observer says of it.
func exchanged() (*truth, []report) {
	events := script(
		event{kind: receivedStream, n: 10, fin: true}, event{kind: calledRead, n: 10}, event{kind: sentStream, pn: 1, n: 5},
		event{kind: calledClose}, event{kind: sentStream, pn: 2, offset: 5, fin: true}, event{kind: receivedAck, pn: 1, largest: 2},
	)
	t := derive(events)[key{id: testID}]
	var reports []report
	for s := State(1); s < numStates; s++ {
		if t.demands[s] == required {
			reports = append(reports, report{s, t.at[s].Add(time.Microsecond)})
		}
	}
	return t, reports
}

func TestCompareFindsEachDiscrepancy(t *testing.T) {
	index := func(reports []report, s State) int {
		return slices.IndexFunc(reports, func(r report) bool { return r.state == s })
	}
	tests := []struct {
		name   string
		change func([]report) []report
		want   Count // besides Expected
	}{
		{"none", func(r []report) []report { return r }, Count{}},
		{"a missing state", func(r []report) []report {
			i := index(r, SendFinQueued)
			return slices.Delete(r, i, i+1)
		}, Count{Missed: 1}},
		{"nothing", func([]report) []report { return nil }, Count{Missed: 10}},
		{"a late state", func(r []report) []report {
			r[index(r, Retired)].at = r[0].at.Add(time.Hour)
			return r
		}, Count{Missed: 1}},
		{"a state twice", func(r []report) []report { return slices.Insert(r, 2, r[1]) }, Count{Duplicate: 1}},
		{"two states in the wrong order", func(r []report) []report {
			i := index(r, ReceiveSizeKnown)
			r[i], r[i+1] = r[i+1], r[i]
			return r
		}, Count{Misordered: 1}},
		{"a state before its cause", func(r []report) []report {
			r[index(r, SendDataRecvd)].at = time.Unix(0, 0)
			return r
		}, Count{Misordered: 1}},
		{"a state that was not entered", func(r []report) []report {
			return slices.Insert(r, index(r, SendDataRecvd), report{SendResetSent, r[0].at.Add(time.Minute)})
		}, Count{Misordered: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			truth, reports := exchanged()
			got, _ := truth.compare(tt.change(reports), states, testGrace)
			tt.want.Expected = 10
			if got != tt.want {
				t.Errorf("compare() = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestCompareClosings(t *testing.T) {
	truth, reports := exchanged()
	got, delays := truth.compare(reports, closings, testGrace)
	if want := (Count{Expected: 2}); got != want || len(delays) != 2 || delays[0] != time.Microsecond {
		t.Errorf("compare() = %+v, %v, want %+v and two delays of 1 µs", got, delays, want)
	}
	// What the design says of other states does not count.
	for i := range reports {
		if reports[i].state == ReceiveClosed {
			reports[i].state = ReceiveDataRecvd
		}
	}
	if got, _ = truth.compare(reports, closings, testGrace); got.Missed != 1 {
		t.Errorf("compare() = %+v, want one closing missed", got)
	}
}

// An optional state is neither demanded nor forbidden.
func TestCompareOptional(t *testing.T) {
	truth := derive(script(event{kind: calledClose}, event{kind: sentStream, at: sameInstant, pn: 1, n: 1}))[key{id: testID}]
	at := truth.at[SendFinQueued]
	with := []report{{SendReady, at}, {SendSend, at}, {SendFinQueued, at}, {ReceiveRecv, at}}
	without := []report{{SendReady, at}, {SendFinQueued, at}, {ReceiveRecv, at}}
	for _, reports := range [][]report{with, without} {
		if got, _ := truth.compare(reports, states, testGrace); got != (Count{Expected: 3}) {
			t.Errorf("compare(%v) = %+v, want no discrepancy", reports, got)
		}
	}
}

func TestLateDatagrams(t *testing.T) {
	const size = firstSize
	events := script(
		event{kind: opened},
		event{kind: sentDatagram, pn: 1, n: size}, event{kind: receivedDatagram, n: size},
		event{kind: calledClose},
		event{kind: sentDatagram, pn: 2, n: size},                          // queued before
		event{kind: sentStream, pn: 3, fin: true},                          //
		event{kind: sentDatagram, pn: 3, n: size},                          // in the packet of the FIN
		event{kind: sentDatagram, pn: 4, n: size},                          // late
		event{kind: sentDatagram, pn: 4, n: size + 1},                      // of another stream
		event{kind: receivedDatagram, n: size}, event{kind: receivedReset}, //
		event{kind: receivedDatagram, n: size}, // late
	)
	sentAfter, inTime := lateDatagrams(events, map[int64]key{size: {id: testID}})
	if sentAfter != 1 || inTime[key{id: testID}] != 2 {
		t.Errorf("%d datagrams sent after the close, %d received in time, want 1 and 2", sentAfter, inTime[key{id: testID}])
	}
}

func TestPercentile(t *testing.T) {
	delays := []time.Duration{5, 1, 4, 2, 3}
	for p, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := percentile(delays, p); got != want {
			t.Errorf("percentile(%g) = %d, want %d", p, got, want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing = %d", got)
	}
}
