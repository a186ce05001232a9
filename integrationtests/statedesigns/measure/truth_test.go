package measure

import (
	"slices"
	"testing"
	"time"
)

const testID = 4

// at gives each event of a script its own instant, unless it is to share that of the one before.
func script(events ...event) []event {
	now := time.Unix(1000, 0)
	for i := range events {
		if events[i].at.IsZero() {
			now = now.Add(time.Millisecond)
		}
		events[i].at = now
		if events[i].kind != receivedAck && events[i].kind != over && events[i].kind != rejected {
			events[i].key.id = testID
		}
	}
	return events
}

// sameInstant marks an event of a script that happens at the time of the one before.
var sameInstant = time.Unix(1, 0)

func TestTruth(t *testing.T) {
	tests := []struct {
		name     string
		events   []event
		required []State
		optional []State
	}{
		{"nothing happens", []event{{kind: opened}}, []State{SendReady, ReceiveRecv}, nil},
		{"request and response", []event{
			{kind: receivedStream, n: 10, fin: true}, {kind: calledRead, n: 10}, {kind: sentStream, pn: 1, n: 5},
			{kind: calledClose}, {kind: sentStream, pn: 2, offset: 5, fin: true}, {kind: receivedAck, pn: 1, largest: 2},
		}, []State{
			SendReady, SendSend, SendFinQueued, SendDataSent, SendDataRecvd, ReceiveRecv, ReceiveSizeKnown, ReceiveDataRecvd,
			ReceiveDataRead, Retired, SendClosed, ReceiveClosed,
		}, nil},
		{"a lost packet is sent again, and only that is acknowledged", []event{
			{kind: sentStream, pn: 1, n: 5}, {kind: calledClose}, {kind: sentStream, pn: 2, offset: 5, fin: true},
			{kind: receivedAck, pn: 2, largest: 2}, {kind: sentStream, pn: 3, n: 5},
		}, []State{SendReady, SendSend, SendFinQueued, SendDataSent, ReceiveRecv, SendClosed}, nil},
		{"bytes are missing behind the FIN", []event{{kind: receivedStream, offset: 5, n: 5, fin: true}},
			[]State{SendReady, ReceiveRecv, ReceiveSizeKnown}, nil},
		{"the application has not read", []event{{kind: receivedStream, n: 10, fin: true}, {kind: calledRead, n: 9}},
			[]State{SendReady, ReceiveRecv, ReceiveSizeKnown, ReceiveDataRecvd, ReceiveClosed}, nil},
		{"a reset that nobody reads waits for the send half", []event{{kind: receivedReset}},
			[]State{SendReady, ReceiveRecv, ReceiveResetRecvd, ReceiveClosed}, nil},
		{"a reset that nobody reads, and the send half is over", []event{
			{kind: receivedReset}, {kind: calledClose}, {kind: sentStream, pn: 1, fin: true}, {kind: receivedAck, pn: 1, largest: 1},
		}, []State{
			SendReady, SendFinQueued, SendDataSent, SendDataRecvd, ReceiveRecv, ReceiveResetRecvd, ReceiveResetRead, Retired,
			SendClosed, ReceiveClosed,
		}, nil},
		{"a reset that the application reads", []event{{kind: receivedReset}, {kind: calledRead, failed: true}},
			[]State{SendReady, ReceiveRecv, ReceiveResetRecvd, ReceiveResetRead, ReceiveClosed}, nil},
		{"a reset behind a complete stream that was read", []event{
			{kind: receivedStream, n: 1, fin: true}, {kind: calledRead, n: 1}, {kind: receivedReset},
		}, []State{SendReady, ReceiveRecv, ReceiveSizeKnown, ReceiveDataRecvd, ReceiveDataRead, ReceiveClosed}, nil},
		{"STOP_SENDING", []event{{kind: receivedStop}, {kind: sentReset, pn: 1}, {kind: receivedAck, pn: 0, largest: 1}},
			[]State{SendReady, SendResetQueued, SendResetSent, SendResetRecvd, ReceiveRecv, SendClosed}, nil},
		{"STOP_SENDING for a half that is over", []event{
			{kind: calledClose}, {kind: sentStream, pn: 1, fin: true}, {kind: receivedAck, pn: 1, largest: 1}, {kind: receivedStop},
		}, []State{SendReady, SendFinQueued, SendDataSent, SendDataRecvd, ReceiveRecv, SendClosed}, nil},
		{"a Close that fails", []event{{kind: receivedStop}, {kind: calledClose, failed: true}},
			[]State{SendReady, SendResetQueued, ReceiveRecv, SendClosed}, nil},
		{"CancelRead, then the final size", []event{{kind: calledCancelRead}, {kind: receivedStream, n: 9, fin: true}},
			[]State{SendReady, ReceiveRecv, ReceiveStopped, ReceiveDiscarded, ReceiveClosed}, nil},
		{"the final size, then CancelRead", []event{{kind: receivedStream, offset: 1, n: 9, fin: true}, {kind: calledCancelRead}},
			[]State{SendReady, ReceiveRecv, ReceiveSizeKnown, ReceiveDiscarded, ReceiveClosed}, nil},
		{"Close at the instant of the first frame", []event{{kind: calledClose}, {kind: sentStream, at: sameInstant, pn: 1, n: 1}},
			[]State{SendReady, SendFinQueued, ReceiveRecv, SendClosed}, []State{SendSend}},
		{"Close long before the first frame", []event{{kind: calledClose}, {kind: sentStream, pn: 1, n: 1}},
			[]State{SendReady, SendFinQueued, ReceiveRecv, SendClosed}, nil},
		{"Close at the instant of a STOP_SENDING", []event{{kind: receivedStop}, {kind: calledClose, at: sameInstant}},
			[]State{SendReady, SendResetQueued, ReceiveRecv, SendClosed}, []State{SendFinQueued}},
		{"the connection ends", []event{{kind: opened}, {kind: over}},
			[]State{SendReady, SendAbandoned, ReceiveRecv, ReceiveAbandoned, Retired, SendClosed, ReceiveClosed}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := derive(script(tt.events...))[key{id: testID}]
			for s := State(1); s < numStates; s++ {
				want := impossible
				if slices.Contains(tt.required, s) {
					want = required
				} else if slices.Contains(tt.optional, s) {
					want = optional
				}
				if got.demands[s] != want {
					t.Errorf("%s (%d): demand %d, want %d", s, s, got.demands[s], want)
				}
			}
		})
	}
}

// Stream IDs start again after a rejection, and what comes then is not about the streams of before.
func TestTruthOfTwoEpochs(t *testing.T) {
	l := &log{watchRejection: true}
	l.add(event{kind: opened, key: key{id: testID}})
	l.add(event{kind: rejected})
	l.add(event{kind: opened, key: key{epoch: l.currentEpoch(), id: testID}})
	l.add(event{kind: receivedReset, key: key{id: testID}})
	all := derive(l.all())
	first, second := all[key{0, testID}], all[key{1, testID}]
	if first == nil || !first.over() || first.demands[ReceiveResetRecvd] != impossible {
		t.Errorf("first stream: %+v", first)
	}
	if second == nil || second.over() || second.demands[ReceiveResetRecvd] != required {
		t.Errorf("second stream: %+v", second)
	}
}

func TestRanges(t *testing.T) {
	var r ranges
	steps := []struct {
		from, to, covered int64
	}{{5, 10, 0}, {20, 30, 0}, {0, 3, 3}, {3, 5, 10}, {8, 8, 10}, {9, 21, 30}, {40, 50, 30}, {0, 100, 100}}
	for _, s := range steps {
		r.add(s.from, s.to)
		if !r.covers(s.covered) || r.covers(s.covered+1) {
			t.Errorf("after [%d, %d): %v does not end at %d", s.from, s.to, r, s.covered)
		}
	}
}
