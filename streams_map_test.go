package quic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

func TestStreamIDs(t *testing.T) {
	for _, pers := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		l := newTestLink(t, testParams{})
		side, first := l.client, StreamID(0)
		if pers == protocol.PerspectiveServer {
			side, first = l.server, 1
		}
		for i := range StreamID(3) {
			bidi, err := side.m.openStream()
			if err != nil || bidi.StreamID() != first+4*i {
				t.Errorf("%s: stream %d, %v, want %d", pers, bidi.StreamID(), err, first+4*i)
			}
			uni, err := side.m.openUniStream()
			if err != nil || uni.StreamID() != first+2+4*i {
				t.Errorf("%s: stream %d, %v, want %d", pers, uni.StreamID(), err, first+2+4*i)
			}
		}
	}
}

// Opening a stream puts nothing on the wire.
func TestOpenStreamSendsNothing(t *testing.T) {
	l := newTestLink(t, testParams{})
	l.open(t)
	if l.client.m.hasFramesToSend() || l.client.pack() != nil {
		t.Error("a stream without data has something to send")
	}
}

// What a frame may not say about a stream. The client has opened streams 0 and 2 and is allowed 10 of
// each type; so is the server.
func TestStreamFrameErrors(t *testing.T) {
	const (
		own, ownUni, ownNext, ownUniNext = StreamID(0), StreamID(2), StreamID(4), StreamID(6)
		peer, peerUni                    = StreamID(1), StreamID(3)
		overLimit, overLimitUni          = peer + 4*10, peerUni + 4*10
	)
	frame := func(typ wire.FrameType, id StreamID) *wire.Decoded { return &wire.Decoded{Type: typ, StreamID: id} }
	tests := []struct {
		name string
		f    *wire.Decoded
		code qerr.TransportErrorCode
	}{
		{"T-133 RESET_STREAM for a send-only stream", resetFrame(ownUni, 0, 0), StreamStateError},
		{"RESET_STREAM_AT for a send-only stream", resetAtFrame(ownUni, 1, 1, 0), StreamStateError},
		{"T-138 RESET_STREAM above the limit", resetFrame(overLimit, 0, 0), StreamLimitError},
		{"RESET_STREAM for a stream that we did not open", resetFrame(ownNext, 0, 0), StreamStateError},
		{"T-139 STOP_SENDING for a receive-only stream", stopFrame(peerUni, 0), StreamStateError},
		{"T-140 STOP_SENDING for a stream that we did not open", stopFrame(ownNext, 0), StreamStateError},
		{"STOP_SENDING for a unidirectional stream that we did not open", stopFrame(ownUniNext, 0), StreamStateError},
		{"T-141 STOP_SENDING above the limit", stopFrame(overLimit, 0), StreamLimitError},
		{"T-151 STREAM for a stream that we did not open", streamFrame(ownNext, 0, "x", false), StreamStateError},
		{"T-152 STREAM for a send-only stream", streamFrame(ownUni, 0, "x", false), StreamStateError},
		{"T-165 MAX_STREAM_DATA for a receive-only stream", frame(wire.FrameTypeMaxStreamData, peerUni), StreamStateError},
		{"T-166 MAX_STREAM_DATA for a stream that we did not open", frame(wire.FrameTypeMaxStreamData, ownNext), StreamStateError},
		{"T-167 MAX_STREAM_DATA above the limit", frame(wire.FrameTypeMaxStreamData, overLimit), StreamLimitError},
		{"T-171 STREAM_DATA_BLOCKED for a send-only stream", frame(wire.FrameTypeStreamDataBlocked, ownUni), StreamStateError},
		{"T-172 STREAM_DATA_BLOCKED above the limit", frame(wire.FrameTypeStreamDataBlocked, overLimitUni), StreamLimitError},
		{"T-174 STREAM above the bidirectional limit", streamFrame(overLimit, 0, "x", false), StreamLimitError},
		{"T-175 STREAM above the unidirectional limit", streamFrame(overLimitUni, 0, "x", false), StreamLimitError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTestLink(t, testParams{})
			l.client.t = t
			l.open(t)
			if _, err := l.client.m.openUniStream(); err != nil {
				t.Fatal(err)
			}
			l.client.mustFail(tt.f, tt.code)
		})
	}
	l := newTestLink(t, testParams{})
	l.open(t)
	for _, f := range []*wire.Decoded{
		stopFrame(own, 0), frame(wire.FrameTypeMaxStreamData, peer), frame(wire.FrameTypeStreamDataBlocked, peerUni),
		streamFrame(overLimit-4, 0, "", false), streamFrame(overLimitUni-4, 0, "", true), resetFrame(peer, 0, 0),
	} {
		if err := l.client.handle(f); err != nil {
			t.Errorf("%s of stream %d = %v", f.Type, f.StreamID, err)
		}
	}
}

// T-176: a stream opens those below it; they are accepted in order. They are made only when they are needed.
func TestImplicitlyOpenedStreams(t *testing.T) {
	l := newTestLink(t, testParams{})
	l.server.mustHandle(streamFrame(16, 0, "fifth", true))
	if n := l.server.size(); n != 1 {
		t.Errorf("%d streams in the map, want 1", n)
	}
	l.server.mustHandle(streamFrame(8, 0, "third", true), streamFrame(20, 0, "sixth", true))
	for i := range StreamID(6) {
		if s := l.accept(t); s.StreamID() != 4*i {
			t.Errorf("accepted stream %d, want %d", s.StreamID(), 4*i)
		}
	}
	if s, err := l.server.m.acceptStream(deadContext()); !errors.Is(err, context.Canceled) {
		t.Errorf("a stream too many: %v, %v", s, err)
	}
	if n := l.server.size(); n != 6 {
		t.Errorf("%d streams in the map, want 6", n)
	}
}

// T-177: late frames for a stream that is over are ignored, and nothing is resurrected, whether it
// was accepted or not.
func TestLateFrames(t *testing.T) {
	l := newTestLink(t, testParams{})
	l.server.mustHandle(streamFrame(2, 0, "x", false), resetFrame(2, 1, 7)) // retires at once
	late := []*wire.Decoded{
		streamFrame(2, 0, "x", false), resetFrame(2, 1, 7),
		{Type: wire.FrameTypeStreamDataBlocked, StreamID: 2},
	}
	l.server.mustHandle(late...)
	if n := l.server.size(); n != 0 {
		t.Errorf("%d streams in the map before it is accepted", n)
	}
	s, err := l.server.m.acceptUniStream(t.Context())
	if err != nil {
		t.Fatalf("acceptUniStream: %v", err)
	}
	want := &StreamError{StreamID: 2, ErrorCode: 7, Remote: true}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, want) {
		t.Errorf("Read = %v, want %v", err, want)
	}
	l.server.mustHandle(late...)
	if n := l.server.size(); n != 0 {
		t.Errorf("%d streams in the map after it was accepted", n)
	}
	if _, err := l.server.m.acceptUniStream(deadContext()); err == nil {
		t.Error("the stream is accepted twice")
	}
}

func TestAcceptWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{})
		ids := make(chan StreamID, 10)
		for range 3 {
			go func() {
				if s, err := l.server.m.acceptStream(t.Context()); err == nil {
					ids <- s.StreamID()
				}
			}()
		}
		synctest.Wait()
		l.server.mustHandle(streamFrame(8, 0, "x", false)) // three streams with one frame
		synctest.Wait()
		if len(ids) != 3 {
			t.Errorf("%d streams were accepted, want 3", len(ids))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.server.m.acceptStream(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("acceptStream = %v, want %v", err, context.DeadlineExceeded)
		}
		// A stream that waits is returned even if the context has ended.
		l.server.mustHandle(streamFrame(12, 0, "x", false))
		if s, err := l.server.m.acceptStream(ctx); err != nil || s.StreamID() != 12 {
			t.Errorf("acceptStream with an ended context = %v, %v", s, err)
		}
		errs := make(chan error, 3)
		for range 3 {
			go func() { errs <- second(l.server.m.acceptUniStream(t.Context())) }()
		}
		synctest.Wait()
		l.server.m.close(errTest)
		for range 3 {
			if err := <-errs; !errors.Is(err, errTest) {
				t.Errorf("acceptUniStream = %v, want %v", err, errTest)
			}
		}
	})
}

// A call of before the rejection of 0-RTT takes no stream of afterwards, also if it has not heard of the rejection by then.
func TestAcceptOfBeforeRejection(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			l := newTestLink(t, testParams{})
			m := l.client.m
			before, after := make(chan error, 1), make(chan error, 1)
			go func() { before <- second(m.acceptUniStream(t.Context())) }()
			synctest.Wait()
			m.rejectEarlyData()
			m.setPeerParameters(&wire.TransportParameters{})
			m.useAfterReject()
			l.client.mustHandle(streamFrame(3, 0, "x", false))
			if err := <-before; !errors.Is(err, Err0RTTRejected) {
				t.Errorf("acceptUniStream of before = %v, want %v", err, Err0RTTRejected)
			}
			go func() { after <- second(m.acceptUniStream(t.Context())) }()
			synctest.Wait()
			if len(after) != 1 || <-after != nil {
				t.Error("acceptUniStream of afterwards has got no stream")
			}
			m.close(errTest)
		})
	}
}

func TestOpenStreamLimit(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 2})
	l.open(t)
	l.open(t)
	var limit *StreamLimitReachedError
	for range 3 {
		if _, err := l.client.m.openStream(); !errors.As(err, &limit) || err.Error() != "too many open streams" {
			t.Errorf("openStream = %v, want %v", err, limit)
		}
		l.run()
	}
	if _, err := l.client.m.openUniStream(); err != nil {
		t.Errorf("openUniStream = %v", err)
	}
	l.run()
	// RFC 9000, Section 4.6: "An endpoint that is unable to open a new stream due to the peer's limits SHOULD send
	// a STREAMS_BLOCKED frame". Once per limit.
	if n := l.client.count(wire.FrameTypeStreamsBlockedBidi); n != 1 {
		t.Errorf("%d STREAMS_BLOCKED, want 1", n)
	}
	if f := l.client.last(wire.FrameTypeStreamsBlockedBidi); f.Limit != 2 {
		t.Errorf("STREAMS_BLOCKED %d, want 2", f.Limit)
	}
	// T-170: lower limits are ignored.
	maxStreams := func(n uint64) *wire.Decoded {
		return &wire.Decoded{Type: wire.FrameTypeMaxStreamsBidi, StreamType: protocol.StreamTypeBidi, Limit: n}
	}
	l.client.mustHandle(maxStreams(1))
	if _, err := l.client.m.openStream(); err == nil {
		t.Error("openStream works after MAX_STREAMS 1")
	}
	l.client.mustHandle(maxStreams(3))
	l.open(t)
}

// Those who wait for the limit are served in order and by one frame; who gives up does not stand in the way.
func TestOpenStreamSyncWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLink(t, testParams{maxStreams: 1})
		l.open(t)
		type result struct {
			waiter int
			id     StreamID
			err    error
		}
		results := make(chan result, 10)
		ctxs := make([]context.CancelFunc, 5)
		for i := range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			ctxs[i] = cancel
			go func() {
				s, err := l.client.m.openStreamSync(ctx)
				if err != nil {
					results <- result{i, -1, err}
					return
				}
				results <- result{i, s.StreamID(), nil}
			}()
			synctest.Wait()
		}
		ctxs[1]()
		if r := <-results; r.waiter != 1 || !errors.Is(r.err, context.Canceled) {
			t.Errorf("the one that gave up: %+v", r)
		}
		if _, err := l.client.m.openStream(); err == nil {
			t.Error("openStream overtakes those who wait")
		}
		l.client.mustHandle(&wire.Decoded{Type: wire.FrameTypeMaxStreamsBidi, StreamType: protocol.StreamTypeBidi, Limit: 3})
		got := map[int]StreamID{}
		for range 2 {
			r := <-results
			got[r.waiter] = r.id
		}
		if got[0] != 4 || got[2] != 8 {
			t.Errorf("streams by waiter %v, want 0: 4, 2: 8", got)
		}
		l.client.m.close(errTest)
		for range 2 {
			if r := <-results; !errors.Is(r.err, errTest) {
				t.Errorf("after the end: %+v", r)
			}
		}
		if _, err := l.client.m.openStreamSync(t.Context()); !errors.Is(err, errTest) {
			t.Errorf("openStreamSync = %v, want %v", err, errTest)
		}
	})
}

// MAX_STREAMS is sent in time: a peer that keeps all its streams but one open is not held up, and one that
// uses few of them does not cost a frame per stream.
func TestMaxStreams(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 100})
	for range 1000 {
		a, b := l.pair(t)
		endNormally(t, l, a, b)
	}
	if n := l.server.count(wire.FrameTypeMaxStreamsBidi); n < 10 || n > 1000 {
		t.Errorf("%d MAX_STREAMS for 1000 streams", n)
	}
	few := newTestLink(t, testParams{maxStreams: 2})
	few.pair(t) // stays open
	for range 10 {
		a, b := few.pair(t)
		endNormally(t, few, a, b)
	}
	if f := few.server.last(wire.FrameTypeMaxStreamsBidi); f.Limit != 12 {
		t.Errorf("MAX_STREAMS %d, want 12", f.Limit)
	}
}

// T-169: MAX_STREAMS never exceeds 2^60.
func TestMaxStreamsIsCapped(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 10})
	in := &l.server.m.incoming[protocol.StreamTypeBidi]
	in.limit, in.opened, in.accepted, in.credit = protocol.MaxStreamCount-1, protocol.MaxStreamCount-1, protocol.MaxStreamCount-1, 5
	l.server.packAll()
	if f := l.server.last(wire.FrameTypeMaxStreamsBidi); f.Limit != uint64(protocol.MaxStreamCount) {
		t.Errorf("MAX_STREAMS %d, want 2^60", f.Limit)
	}
	in.credit = 5
	if l.server.m.hasFramesToSend() {
		t.Error("MAX_STREAMS above 2^60 is due")
	}
}

// Lost control frames are sent again, with the newest content, unless they are out of date.
func TestLostControlFrames(t *testing.T) {
	l := newTestLink(t, testParams{maxStreams: 1, window: 100, connWindow: 100})
	a, b := l.pair(t)
	l.client.m.openStream() // STREAMS_BLOCKED
	if _, err := a.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	for _, p := range l.client.packAll() {
		l.server.receive(p)
	}
	if n, err := b.Read(make([]byte, 1000)); n != 99 || err != nil {
		t.Fatalf("Read = %d, %v", n, err)
	}
	for _, side := range []*testSide{l.client, l.server} {
		for range 2 {
			if side == l.client {
				side.m.openStream()
			}
			before := len(side.sent)
			for _, p := range side.packAll() {
				side.lost(p)
			}
			if len(side.sent) == before && side == l.server {
				t.Error("lost frames are not sent again")
			}
		}
	}
	for _, typ := range []wire.FrameType{wire.FrameTypeMaxData, wire.FrameTypeMaxStreamData} {
		if n := l.server.count(typ); n != 2 {
			t.Errorf("%d %s, want 2", n, typ)
		}
	}
	for _, p := range l.server.packAll() {
		l.client.receive(p)
		l.server.acked(p)
	}
	if l.server.pack() != nil {
		t.Error("something is sent after everything arrived")
	}
	// The lost MAX_STREAM_DATA of an earlier limit is not repeated.
	id := a.StreamID()
	l.server.m.onLost(&recovery.Record{Kind: recordMaxStreamData, StreamID: id, Value: 100})
	l.server.m.onLost(&recovery.Record{Kind: recordMaxData, Value: 100})
	l.server.m.onLost(&recovery.Record{Kind: recordMaxStreamsBidi, Value: 0})
	if p := l.server.pack(); p != nil {
		t.Errorf("frames that are out of date: %+v", l.server.parse(p))
	}
}

// Frames of a stream that does not exist (any more) have no fate.
func TestFateOfUnknownStreams(t *testing.T) {
	l := newTestLink(t, testParams{})
	for kind := range recordDatagram + 2 {
		r := &recovery.Record{Kind: kind, StreamID: 400, Value: 3}
		l.client.m.onAcked(r)
		l.client.m.onLost(r)
		l.client.m.requeue(r)
	}
	if l.client.pack() != nil {
		t.Error("something is sent")
	}
}
