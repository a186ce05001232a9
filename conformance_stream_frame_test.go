package quic_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// streamFrameCases are the rows about streams and flow control.
var streamFrameCases = map[string]conformanceCase{
	"T-133": onSendOnly(wire.FrameTypeResetStream, func(id protocol.StreamID) wire.Frame { return &wire.ResetStreamFrame{StreamID: id} }),
	"T-134": onTheirs(qerr.FinalSizeError, wire.FrameTypeResetStream, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{streamData(id, 0, 10), &wire.ResetStreamFrame{StreamID: id, FinalSize: 5}}
	}),
	"T-135": changedByReset,
	"T-136": beyondStreamWindow(wire.FrameTypeResetStream, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{&wire.ResetStreamFrame{StreamID: id, FinalSize: smallStreamWindow + 1}}
	}),
	"T-137": beyondConnectionWindow(wire.FrameTypeResetStream, func(first, second protocol.StreamID) []wire.Frame {
		return []wire.Frame{
			&wire.ResetStreamFrame{StreamID: first, FinalSize: smallStreamWindow},
			&wire.ResetStreamFrame{StreamID: second, FinalSize: smallConnWindow - smallStreamWindow + 1},
		}
	}),
	"T-138": aboveLimit(wire.FrameTypeResetStream, func(id protocol.StreamID) wire.Frame { return &wire.ResetStreamFrame{StreamID: id} }),
	"T-139": onReceiveOnly(wire.FrameTypeStopSending, func(id protocol.StreamID) wire.Frame { return &wire.StopSendingFrame{StreamID: id} }),
	"T-140": onNotCreated(wire.FrameTypeStopSending, func(id protocol.StreamID) wire.Frame { return &wire.StopSendingFrame{StreamID: id} }),
	"T-141": bidiAboveLimit(wire.FrameTypeStopSending, func(id protocol.StreamID) wire.Frame { return &wire.StopSendingFrame{StreamID: id} }),
	"T-142": stopSending,
	"T-143": stopSendingRepeated,

	"T-151": onNotCreated(wire.FrameTypeStream, func(id protocol.StreamID) wire.Frame { return streamData(id, 0, 1) }),
	"T-152": onSendOnly(wire.FrameTypeStream, func(id protocol.StreamID) wire.Frame { return streamData(id, 0, 1) }),
	"T-153": streamBeyondMaximum,
	"T-154": streamWithoutLength,
	"T-155": emptyStreamFrame,
	"T-156": standaloneFin,
	"T-157": onTheirs(qerr.FinalSizeError, wire.FrameTypeStream, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{streamFin(id, 0, 10), streamData(id, 10, 1)}
	}),
	"T-158": onTheirs(qerr.FinalSizeError, wire.FrameTypeStream, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{streamFin(id, 5, 5), streamFin(id, 0, 9)}
	}),
	"T-159": onTheirs(qerr.FinalSizeError, wire.FrameTypeStream, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{streamData(id, 5, 5), streamFin(id, 0, 9)}
	}),
	"T-160": overlap,
	"T-161": beyondConnectionWindow(wire.FrameTypeStream, func(first, second protocol.StreamID) []wire.Frame {
		return []wire.Frame{streamData(first, smallStreamWindow-1, 1), streamData(second, smallConnWindow-smallStreamWindow, 1)}
	}),
	"T-162": beyondStreamWindow(wire.FrameTypeStream, func(id protocol.StreamID) []wire.Frame {
		return []wire.Frame{streamData(id, smallStreamWindow, 1)}
	}),
	"T-163": earlyDataBeyondLimit,
	"T-164": lowerLimit(
		func(tp *wire.TransportParameters) { tp.InitialMaxData = 1000 },
		func(_ protocol.StreamID, n protocol.ByteCount) wire.Frame { return &wire.MaxDataFrame{MaximumData: n} }),
	"T-165": onReceiveOnly(wire.FrameTypeMaxStreamData, func(id protocol.StreamID) wire.Frame { return &wire.MaxStreamDataFrame{StreamID: id} }),
	"T-166": onNotCreated(wire.FrameTypeMaxStreamData, func(id protocol.StreamID) wire.Frame { return &wire.MaxStreamDataFrame{StreamID: id} }),
	"T-167": bidiAboveLimit(wire.FrameTypeMaxStreamData, func(id protocol.StreamID) wire.Frame { return &wire.MaxStreamDataFrame{StreamID: id} }),
	"T-168": lowerLimit(
		func(tp *wire.TransportParameters) { tp.InitialMaxStreamDataBidiRemote = 1000 },
		func(id protocol.StreamID, n protocol.ByteCount) wire.Frame {
			return &wire.MaxStreamDataFrame{StreamID: id, MaximumStreamData: n}
		}),
	"T-169": streamCountTooLarge(wire.FrameTypeMaxStreamsBidi, qerr.FrameEncodingError),
	"T-170": lowerStreamLimit,
	"T-171": onSendOnly(wire.FrameTypeStreamDataBlocked, func(id protocol.StreamID) wire.Frame { return &wire.StreamDataBlockedFrame{StreamID: id} }),
	"T-172": aboveLimit(wire.FrameTypeStreamDataBlocked, func(id protocol.StreamID) wire.Frame { return &wire.StreamDataBlockedFrame{StreamID: id} }),
	"T-173": streamCountTooLarge(wire.FrameTypeStreamsBlockedBidi, qerr.StreamLimitError, qerr.FrameEncodingError),
	"T-174": bidiAboveLimit(wire.FrameTypeStream, func(id protocol.StreamID) wire.Frame { return streamData(id, 0, 1) }),
	"T-175": uniAboveLimit(wire.FrameTypeStream, func(id protocol.StreamID) wire.Frame { return streamData(id, 0, 1) }),
	"T-176": streamsOpenedImplicitly,
	"T-177": lateStreamFrame,
}

func streamData(id protocol.StreamID, off protocol.ByteCount, n int) *wire.StreamFrame {
	return &wire.StreamFrame{StreamID: id, Offset: off, Data: make([]byte, n), DataLenPresent: true}
}

func streamFin(id protocol.StreamID, off protocol.ByteCount, n int) *wire.StreamFrame {
	f := streamData(id, off, n)
	f.Fin = true
	return f
}

// onTheirs is a case in which frames for a stream of the peer close the connection.
func onTheirs(code qerr.TransportErrorCode, frameType wire.FrameType, frames func(protocol.StreamID) []wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.noEcho = true
		typ := []protocol.StreamType{bidi, uni}[s.pick(2)]
		s.connect()
		s.peer.Send(oneRTT, frames(s.theirs(typ, 1))...)
		s.expectClose(frameType, code)
	}
}

// onSendOnly is a case in which a frame for a stream on which only the endpoint under test sends closes the connection.
func onSendOnly(frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.connect()
		str, err := s.conn.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := str.Write([]byte("data")); err != nil {
			t.Fatal(err)
		}
		quictest.Expect[*wire.StreamFrame](s.peer, nil)
		s.peer.Send(oneRTT, frame(s.ours(uni, 1)))
		s.expectClose(frameType, qerr.StreamStateError)
	}
}

// onReceiveOnly is a case in which a frame for a stream on which only the peer sends closes the connection.
func onReceiveOnly(frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.peer.Send(oneRTT, streamData(s.theirs(uni, 1), 0, 10), frame(s.theirs(uni, 1)))
		s.expectClose(frameType, qerr.StreamStateError)
	}
}

// onNotCreated is a case in which a frame for a stream closes the connection that the endpoint under test could
// have opened.
func onNotCreated(frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.peer.Send(oneRTT, frame(s.ours(bidi, 1)))
		s.expectClose(frameType, qerr.StreamStateError)
	}
}

const fewStreams = 3

func aboveLimitOf(types []protocol.StreamType, frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		typ := types[s.pick(len(types))]
		s.config.MaxIncomingStreams, s.config.MaxIncomingUniStreams = fewStreams, fewStreams
		s.connect()
		// In one packet, as the end of a stream permits another one.
		s.peer.Send(oneRTT, frame(s.theirs(typ, fewStreams)), frame(s.theirs(typ, fewStreams+1)))
		s.expectClose(frameType, qerr.StreamLimitError)
	}
}

func aboveLimit(frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return aboveLimitOf([]protocol.StreamType{bidi, uni}, frameType, frame)
}

func bidiAboveLimit(frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return aboveLimitOf([]protocol.StreamType{bidi}, frameType, frame)
}

func uniAboveLimit(frameType wire.FrameType, frame func(protocol.StreamID) wire.Frame) conformanceCase {
	return aboveLimitOf([]protocol.StreamType{uni}, frameType, frame)
}

const (
	smallStreamWindow = 1000
	smallConnWindow   = 1500
)

// smallWindows limits what the peer may send.
func (s *scene) smallWindows() {
	s.noEcho = true
	s.config.InitialStreamReceiveWindow, s.config.MaxStreamReceiveWindow = smallStreamWindow, smallStreamWindow
	s.config.InitialConnectionReceiveWindow, s.config.MaxConnectionReceiveWindow = smallConnWindow, smallConnWindow
}

func beyondStreamWindow(frameType wire.FrameType, frames func(protocol.StreamID) []wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		typ := []protocol.StreamType{bidi, uni}[s.pick(2)]
		s.smallWindows()
		s.connect()
		s.peer.Send(oneRTT, streamData(s.theirs(typ, 1), smallStreamWindow-1, 1))
		s.alive()
		s.peer.Send(oneRTT, frames(s.theirs(typ, 1))...)
		s.expectClose(frameType, qerr.FlowControlError)
	}
}

// beyondConnectionWindow is a case in which the last of the frames is one byte too much for the connection.
func beyondConnectionWindow(frameType wire.FrameType, frames func(first, second protocol.StreamID) []wire.Frame) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.smallWindows()
		s.connect()
		s.peer.Send(oneRTT, frames(s.theirs(bidi, 1), s.theirs(uni, 1))...)
		s.expectClose(frameType, qerr.FlowControlError)
	}
}

func changedByReset(_ *testing.T, s *scene) {
	s.noEcho = true
	variant := s.pick(2)
	s.connect()
	id := s.theirs(bidi, 1)
	first := []wire.Frame{streamFin(id, 0, 10), &wire.ResetStreamFrame{StreamID: id, FinalSize: 10}}[variant]
	s.peer.Send(oneRTT, first)
	s.alive()
	s.peer.Send(oneRTT, &wire.ResetStreamFrame{StreamID: id, FinalSize: 11})
	s.expectClose(wire.FrameTypeResetStream, qerr.FinalSizeError)
}

func stopSending(t *testing.T, s *scene) {
	inSend := s.pick(2) == 1
	s.connect()
	str, err := s.conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	size := protocol.ByteCount(0)
	if inSend {
		if _, err := str.Write([]byte("data")); err != nil {
			t.Fatal(err)
		}
		size = 4
		quictest.Expect[*wire.StreamFrame](s.peer, nil)
	}
	s.peer.Send(oneRTT, &wire.StopSendingFrame{StreamID: s.ours(bidi, 1), ErrorCode: 77})
	f := quictest.Expect[*wire.ResetStreamFrame](s.peer, nil)
	if f.StreamID != s.ours(bidi, 1) || f.ErrorCode != 77 || f.FinalSize != size {
		t.Errorf("answered with %+v, want code 77 and final size %d", f, size)
	}
	s.works()
}

func stopSendingRepeated(t *testing.T, s *scene) {
	s.connect()
	str, err := s.conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		s.peer.Send(oneRTT, &wire.StopSendingFrame{StreamID: s.ours(bidi, 1), ErrorCode: 1})
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	s.works()
	if got := len(quictest.Frames[*wire.ResetStreamFrame](s.peer)); got != 1 {
		t.Errorf("%d RESET_STREAM frames, want 1", got)
	}
}

func streamBeyondMaximum(_ *testing.T, s *scene) {
	s.connect()
	// OFF and LEN
	s.peer.Send(oneRTT, append(varints(0x0e, uint64(s.theirs(bidi, 1)), maxVarint, 1), 'x'))
	s.peer.ExpectClose(qerr.FrameEncodingError, qerr.FlowControlError)
}

func streamWithoutLength(t *testing.T, s *scene) {
	s.connect()
	id := s.theirs(bidi, 1)
	s.peer.Send(oneRTT, &wire.PingFrame{}, &wire.StreamFrame{StreamID: id, Data: []byte("to the end"), Fin: true})
	if got := s.peer.ExpectStream(id); string(got) != "to the end" {
		t.Errorf("echo = %q", got)
	}
}

func (s *scene) acceptStream() protocol.StreamID {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	str, err := s.conn.AcceptStream(ctx)
	if err != nil {
		s.t.Fatalf("AcceptStream: %v", err)
	}
	return str.StreamID()
}

func emptyStreamFrame(t *testing.T, s *scene) {
	s.noEcho = true
	s.connect()
	s.peer.Send(oneRTT, streamData(s.theirs(bidi, 1), 0, 0))
	if got, want := s.acceptStream(), s.theirs(bidi, 1); got != want {
		t.Errorf("accepted stream %d, want %d", got, want)
	}
	s.works()
}

func standaloneFin(t *testing.T, s *scene) {
	s.connect()
	id := s.theirs(bidi, 1)
	s.peer.Send(oneRTT, &wire.StreamFrame{StreamID: id, Data: []byte("data"), DataLenPresent: true})
	s.alive()
	s.peer.Send(oneRTT, streamFin(id, 4, 0))
	if got := s.peer.ExpectStream(id); string(got) != "data" {
		t.Errorf("echo = %q, want data", got)
	}
}

// overlap sends different bytes for the same offsets: the first ones count, or the connection ends.
func overlap(t *testing.T, s *scene) {
	variant := s.pick(2)
	s.connect()
	id := s.theirs(bidi, 1)
	a := &wire.StreamFrame{StreamID: id, Data: []byte("aaaa"), DataLenPresent: true}
	b := &wire.StreamFrame{StreamID: id, Offset: 2, Data: []byte("bbbb"), DataLenPresent: true, Fin: true}
	frames, want := []wire.Frame{a, b}, "aaaabb"
	if variant == 1 {
		frames, want = []wire.Frame{b, a}, "aabbbb"
	}
	for _, f := range frames {
		s.peer.Send(oneRTT, f)
	}
	if got := s.peer.ExpectStream(id); string(got) != want {
		t.Errorf("echo = %q, want %q", got, want)
	}
}

// lowerLimit is a case in which the peer takes back a limit of 1000 bytes, in vain.
func lowerLimit(parameters func(*wire.TransportParameters), limit func(protocol.StreamID, protocol.ByteCount) wire.Frame) conformanceCase {
	return func(t *testing.T, s *scene) {
		s.peerOptions.Parameters = parameters
		s.connect()
		str, err := s.conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		id := s.ours(bidi, 1)
		s.peer.Send(oneRTT, limit(id, 500))
		s.alive()
		data := randomBytes(1, 2000)
		go func() {
			_, _ = str.Write(data)
			_ = str.Close()
		}()
		end := func(f *wire.StreamFrame) bool { return f.Offset+protocol.ByteCount(len(f.Data)) == 1000 }
		quictest.Expect(s.peer, end)
		quictest.ExpectNone(s.peer, time.Second, func(f *wire.StreamFrame) bool { return f.Offset >= 1000 })
		s.peer.Send(oneRTT, limit(id, 999))
		s.peer.Send(oneRTT, limit(id, 2000))
		if got := s.peer.ExpectStream(id); !bytes.Equal(got, data) {
			t.Errorf("got %d bytes that differ", len(got))
		}
	}
}

func streamCountTooLarge(bidiType wire.FrameType, codes ...qerr.TransportErrorCode) conformanceCase {
	return func(_ *testing.T, s *scene) {
		frameType := bidiType + wire.FrameType(s.pick(2))
		s.connect()
		s.peer.Send(oneRTT, varints(uint64(frameType), 1<<60))
		s.alive()
		s.peer.Send(oneRTT, varints(uint64(frameType), 1<<60+1))
		s.expectClose(frameType, codes...)
	}
}

func lowerStreamLimit(t *testing.T, s *scene) {
	s.peerOptions.Parameters = func(tp *wire.TransportParameters) { tp.MaxBidiStreamNum, tp.MaxUniStreamNum = 2, 2 }
	s.connect()
	s.peer.Send(oneRTT, &wire.MaxStreamsFrame{Type: bidi, MaxStreamNum: 1}, &wire.MaxStreamsFrame{Type: uni, MaxStreamNum: 0})
	s.alive()
	for range 2 {
		if _, err := s.conn.OpenStream(); err != nil {
			t.Error(err)
		}
		if _, err := s.conn.OpenUniStream(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.conn.OpenStream(); err == nil {
		t.Error("opened three streams, want two")
	}
}

func streamsOpenedImplicitly(t *testing.T, s *scene) {
	s.noEcho = true
	s.connect()
	s.peer.Send(oneRTT, streamData(s.theirs(bidi, 4), 0, 1))
	for n := protocol.StreamNum(1); n <= 4; n++ {
		if got, want := s.acceptStream(), s.theirs(bidi, n); got != want {
			t.Errorf("accepted stream %d, want %d", got, want)
		}
	}
	s.works()
}

func lateStreamFrame(_ *testing.T, s *scene) {
	s.connect()
	id := s.theirs(bidi, 1)
	s.sendStream(id, []byte("data"))
	s.peer.ExpectStream(id)
	s.settle()
	f := &wire.StreamFrame{StreamID: id, Data: []byte("data"), Fin: true, DataLenPresent: true}
	s.peer.Send(oneRTT, f)
	s.peer.Send(oneRTT, streamData(id, 100, 10), &wire.ResetStreamFrame{StreamID: id, FinalSize: 4}, &wire.StopSendingFrame{StreamID: id})
	quictest.ExpectNone(s.peer, time.Second, func(f *wire.StreamFrame) bool { return f.StreamID == id })
	s.works()
}

func earlyDataBeyondLimit(_ *testing.T, s *scene) {
	s.smallWindows()
	s.resumeServer()
	id := s.theirs(bidi, 1)
	s.peer.Send(zeroRTT, streamData(id, smallStreamWindow-1, 1))
	s.peer.Send(zeroRTT, streamData(id, smallStreamWindow, 1))
	s.peer.ExpectCloseFrom(wire.FrameTypeStream, qerr.FlowControlError)
}
