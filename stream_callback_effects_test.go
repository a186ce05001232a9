package quic

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

// A stateCause is something that changes the state of a client's stream, and what has happened by the time that the new
// state is reported.
type stateCause struct {
	name    string
	cause   func(l *testLink, a *Stream)
	state   StreamState
	err     error // beside the state
	blocked error // what the calls that were blocked return
	writing bool  // a Write is blocked; otherwise nothing is unsent
	frames  bool  // a frame tells the peer
}

var stateCauses = []stateCause{
	{name: "Close", cause: func(_ *testLink, a *Stream) { a.Close() }, state: SendStateFinQueued, frames: true},
	{name: "Close with a blocked Write", cause: func(_ *testLink, a *Stream) { a.Close() },
		state: SendStateFinQueued, blocked: ErrStreamClosed, writing: true},
	{name: "CancelWrite", cause: func(_ *testLink, a *Stream) { a.CancelWrite(1) },
		state: SendStateResetQueued, err: &StreamError{ErrorCode: 1}, blocked: &StreamError{ErrorCode: 1}, writing: true, frames: true},
	{name: "STOP_SENDING", cause: func(l *testLink, a *Stream) { l.client.handle(stopFrame(a.StreamID(), 2)) },
		state: SendStateResetQueued, err: &StreamError{ErrorCode: 2, Remote: true}, blocked: &StreamError{ErrorCode: 2, Remote: true},
		writing: true, frames: true},
	{name: "CancelRead", cause: func(_ *testLink, a *Stream) { a.CancelRead(3) },
		state: ReceiveStateStopped, err: &StreamError{ErrorCode: 3}, blocked: &StreamError{ErrorCode: 3}, frames: true},
	{name: "RESET_STREAM", cause: func(l *testLink, a *Stream) { l.client.handle(resetFrame(a.StreamID(), 1, 4)) },
		state: ReceiveStateResetRecvd, err: &StreamError{ErrorCode: 4, Remote: true}, blocked: &StreamError{ErrorCode: 4, Remote: true}},
	{name: "FIN", cause: func(l *testLink, a *Stream) { l.client.handle(streamFrame(a.StreamID(), 1, "", true)) },
		state: ReceiveStateDataRead, blocked: io.EOF},
	{name: "connection over, send half", cause: func(l *testLink, _ *Stream) { l.client.m.close(errTest) },
		state: SendStateAbandoned, err: errTest, blocked: errTest, writing: true},
	{name: "connection over, receive half", cause: func(l *testLink, _ *Stream) { l.client.m.close(errTest) },
		state: ReceiveStateAbandoned, err: errTest, blocked: errTest},
	{name: "0-RTT rejected, send half", cause: func(l *testLink, _ *Stream) { l.client.m.rejectEarlyData() },
		state: SendStateAbandoned, err: Err0RTTRejected, blocked: Err0RTTRejected, writing: true},
	{name: "0-RTT rejected, receive half", cause: func(l *testLink, _ *Stream) { l.client.m.rejectEarlyData() },
		state: ReceiveStateAbandoned, err: Err0RTTRejected, blocked: Err0RTTRejected},
}

// Guarantee 5 for each cause: the state and its error are set, the frame is queued, blocked calls are on their way when the
// callback runs.
func TestGuarantee05AfterEachCause(t *testing.T) {
	for _, tt := range stateCauses {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newTestLink(t, testParams{window: 10})
				a, _ := l.pair(t)
				results := make(chan error, 1)
				go func() {
					var err error
					if tt.writing {
						_, err = a.Write(make([]byte, 10_000))
					} else {
						_, err = a.Read(make([]byte, 1))
					}
					results <- err
				}()
				synctest.Wait()
				l.run()
				if l.client.m.hasFramesToSend() || len(results) > 0 {
					t.Fatal("the stream is not at rest")
				}
				a.Context()
				reports := 0
				a.OnStateTransition(func(st StreamState) {
					if st == tt.state {
						reports++
						tt.expect(t, l, a, results)
					}
				})
				l.client.m.deliver()
				tt.cause(l, a)
				l.client.m.deliver()
				if reports != 1 {
					t.Errorf("%s was reported %d times", stateName(tt.state), reports)
				}
				l.client.m.close(errTest) // whoever still waits
			})
		})
	}
}

// expect is called in the callback.
func (c *stateCause) expect(t *testing.T, l *testLink, a *Stream, results <-chan error) {
	state, isSend := a.ReceiveState, c.state <= SendStateAbandoned
	if isSend {
		state = a.SendState
	}
	if st, err := state(); st < c.state || !sameStreamError(err, c.err) {
		t.Errorf("state %s, error %v, want %s or later, %v", stateName(st), err, stateName(c.state), c.err)
	}
	if c.frames && !l.client.m.hasFramesToSend() {
		t.Error("there is nothing to send")
	}
	if isSend && a.Context().Err() == nil {
		t.Error("the context is not cancelled")
	}
	if c.blocked == nil {
		return
	}
	// No other goroutine has to do anything for the blocked call to return.
	if err := <-results; !sameStreamError(err, c.blocked) {
		t.Errorf("the blocked call returns %v, want %v", err, c.blocked)
	}
}

// sameStreamError is errors.Is, whatever the stream.
func sameStreamError(err, want error) bool {
	var e, w *StreamError
	if errors.As(err, &e) && errors.As(want, &w) {
		return e.ErrorCode == w.ErrorCode && e.Remote == w.Remote
	}
	return errors.Is(err, want)
}

// Guarantee 5: the context is cancelled even if the loop comes before the goroutine that has closed the stream has got that far.
func TestGuarantee05ContextBeforeTheCloserCancelsIt(t *testing.T) {
	l := newTestLink(t, testParams{})
	a, _ := l.pair(t)
	told := false
	a.OnStateTransition(func(st StreamState) {
		if st == SendStateResetQueued {
			told = true
			if a.Context().Err() == nil {
				t.Error("the context is not cancelled")
			}
		}
	})
	a.Context()
	cancel := a.send.ctx.cancel
	var once bool
	a.send.ctx.cancel = func(cause error) {
		if !once { // the goroutine that has closed the stream is about to cancel, and the loop takes its turn
			once = true
			l.client.m.deliver()
		}
		cancel(cause)
	}
	l.client.m.pending.push(a.send.rec) // for another reason
	a.CancelWrite(1)
	if !told {
		t.Error("the state was not reported")
	}
}
