package quic

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

const testPacketSize = 1200

// A testPacket is what one side has packed: bytes as on the wire, and the records for its fate.
type testPacket struct {
	data []byte
	recs []recovery.Record
}

// A testSide is one end of a testLink. Its loop is the goroutine of the test, or testLink.serve.
type testSide struct {
	t      testing.TB
	m      *streamsMap
	parser wire.Parser
	wakes  atomic.Int32
	sent   []wire.Decoded // every frame that was packed, without data
}

// pack packs one packet, nil if there is nothing to send.
func (s *testSide) pack() *testPacket {
	s.t.Helper()
	b, recs := s.m.appendControlFrames(nil, testPacketSize, nil, 1, 0)
	b, recs = s.m.appendStreamFrames(b, testPacketSize, recs)
	if len(b) > testPacketSize {
		s.t.Fatalf("packet of %d bytes, limit %d", len(b), testPacketSize)
	}
	if len(b) == 0 {
		return nil
	}
	p := &testPacket{data: b, recs: recs}
	for _, f := range s.parse(p) {
		f.Data = nil
		s.sent = append(s.sent, f)
	}
	return p
}

// packAll packs until there is nothing left to send.
func (s *testSide) packAll() (packets []*testPacket) {
	s.t.Helper()
	for p := s.pack(); p != nil; p = s.pack() {
		packets = append(packets, p)
		if len(packets) > 100_000 {
			s.t.Fatal("no end of packets")
		}
	}
	return packets
}

// parse returns the frames of a packet.
func (s *testSide) parse(p *testPacket) (frames []wire.Decoded) {
	s.t.Helper()
	parser := wire.Parser{ResetStreamAt: true}
	for b := p.data; len(b) > 0; {
		var f wire.Decoded
		n, err := parser.Next(b, protocol.Encryption1RTT, &f)
		if err != nil {
			s.t.Fatalf("parsing a packet: %v", err)
		}
		frames = append(frames, f)
		b = b[n:]
	}
	return frames
}

// handle passes a frame to the streams, as the loop does.
func (s *testSide) handle(f *wire.Decoded) error {
	switch f.Type {
	case wire.FrameTypeStream:
		return s.m.handleStreamFrame(1, f)
	case wire.FrameTypeResetStream, wire.FrameTypeResetStreamAt:
		return s.m.handleResetStream(f)
	case wire.FrameTypeStopSending:
		return s.m.handleStopSending(f)
	case wire.FrameTypeMaxData:
		return s.m.handleMaxData(f)
	case wire.FrameTypeMaxStreamData:
		return s.m.handleMaxStreamData(f)
	case wire.FrameTypeMaxStreamsBidi, wire.FrameTypeMaxStreamsUni:
		return s.m.handleMaxStreams(f)
	case wire.FrameTypeStreamDataBlocked:
		return s.m.handleStreamDataBlocked(f)
	case wire.FrameTypeStreamsBlockedBidi, wire.FrameTypeStreamsBlockedUni:
		return s.m.handleStreamsBlocked(f)
	case wire.FrameTypeDataBlocked:
		return nil
	}
	return errors.New("unexpected frame " + f.Type.String())
}

func (s *testSide) receive(p *testPacket) {
	s.t.Helper()
	for _, f := range s.parse(p) {
		if err := s.handle(&f); err != nil {
			s.t.Fatalf("handling %s: %v", f.Type, err)
		}
	}
}

func (s *testSide) acked(p *testPacket) {
	for i := range p.recs {
		s.m.onAcked(&p.recs[i])
	}
}

func (s *testSide) lost(p *testPacket) {
	for i := range p.recs {
		s.m.onLost(&p.recs[i])
	}
}

// count returns how many frames of a type were packed.
func (s *testSide) count(t wire.FrameType) (n int) {
	for _, f := range s.sent {
		if f.Type == t {
			n++
		}
	}
	return n
}

// last returns the frame of a type that was packed last.
func (s *testSide) last(t wire.FrameType) wire.Decoded {
	s.t.Helper()
	for _, f := range slices.Backward(s.sent) {
		if f.Type == t {
			return f
		}
	}
	s.t.Fatalf("no %s was sent", t)
	return wire.Decoded{}
}

// size returns the number of streams in the map.
func (s *testSide) size() int {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return len(s.m.streams)
}

// A testLink is two streams maps and what is between them.
type testLink struct {
	client, server *testSide
	wake           chan struct{}
}

// testParams are what tests change; the zero value means a default.
type testParams struct {
	maxStreams   protocol.StreamNum // 10
	window       protocol.ByteCount // of a stream, 64 KiB; of the connection 4 times as much
	connWindow   protocol.ByteCount
	maxWindow    protocol.ByteCount
	noParameters bool // the sides do not know each other's limits

	edit func(p *streamsParams)
}

func newTestSide(t testing.TB, pers protocol.Perspective, o testParams, wake func()) *testSide {
	s := &testSide{t: t}
	window := max(o.window, 0)
	if window == 0 {
		window = 64 << 10
	}
	n := o.maxStreams
	if n == 0 {
		n = 10
	}
	p := streamsParams{
		perspective:     pers,
		ctx:             t.Context(),
		maxIncoming:     [2]protocol.StreamNum{n, n},
		streamWindow:    window,
		maxStreamWindow: max(window, o.maxWindow),
		connWindow:      4 * window,
		resetStreamAt:   true,
	}
	if o.connWindow > 0 {
		p.connWindow = o.connWindow
	}
	p.maxConnWindow = max(p.connWindow, 4*o.maxWindow)
	p.wake = func() {
		s.wakes.Add(1)
		wake()
	}
	if o.edit != nil {
		o.edit(&p)
	}
	s.m = newStreamsMap(p)
	return s
}

func newTestLink(t testing.TB, o testParams) *testLink {
	t.Helper()
	l := &testLink{wake: make(chan struct{}, 1)}
	wake := func() {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	l.client = newTestSide(t, protocol.PerspectiveClient, o, wake)
	l.server = newTestSide(t, protocol.PerspectiveServer, o, wake)
	if !o.noParameters {
		l.client.m.setPeerParameters(l.server.parameters())
		l.server.m.setPeerParameters(l.client.parameters())
	}
	return l
}

// parameters returns the transport parameters that announce the side's limits.
func (s *testSide) parameters() *wire.TransportParameters {
	p := &s.m.p
	return &wire.TransportParameters{
		InitialMaxData:                 p.connWindow,
		InitialMaxStreamDataBidiLocal:  p.streamWindow,
		InitialMaxStreamDataBidiRemote: p.streamWindow,
		InitialMaxStreamDataUni:        p.streamWindow,
		MaxBidiStreamNum:               p.maxIncoming[protocol.StreamTypeBidi],
		MaxUniStreamNum:                p.maxIncoming[protocol.StreamTypeUni],
		EnableResetStreamAt:            p.resetStreamAt,
	}
}

// transfer moves everything that from has to send to to and acknowledges it. It reports whether there was
// something.
func (l *testLink) transfer(from, to *testSide) bool {
	l.client.t.Helper()
	packets := from.packAll()
	for _, p := range packets {
		to.receive(p)
		from.acked(p)
	}
	return len(packets) > 0
}

// run exchanges packets until nobody has anything to say.
func (l *testLink) run() {
	l.client.t.Helper()
	for range 100_000 {
		there := l.transfer(l.client, l.server)
		back := l.transfer(l.server, l.client)
		l.client.m.deliver()
		l.server.m.deliver()
		if !there && !back && !l.client.m.hasFramesToSend() && !l.server.m.hasFramesToSend() {
			return
		}
	}
	l.client.t.Fatal("the two sides do not come to rest")
}

// serve is the loop of both sides on a goroutine of its own: it runs whenever one of them is woken, until
// the returned function is called.
func (l *testLink) serve() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			l.run()
			select {
			case <-l.wake:
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// open opens a stream of the client.
func (l *testLink) open(t *testing.T) *Stream {
	t.Helper()
	s, err := l.client.m.openStream()
	if err != nil {
		t.Fatalf("openStream: %v", err)
	}
	return s
}

// pair opens a stream at the client, sends a byte on it both ways and returns both ends.
func (l *testLink) pair(t *testing.T) (client, server *Stream) {
	t.Helper()
	client = l.open(t)
	mustWrite(t, client, []byte{'x'})
	l.run()
	server = l.accept(t)
	mustWrite(t, server, []byte{'y'})
	l.run()
	for _, s := range []*Stream{client, server} {
		if n, err := s.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("Read of the first byte = %d, %v", n, err)
		}
	}
	return client, server
}

// accept returns a stream that waits at the server.
func (l *testLink) accept(t *testing.T) *Stream {
	t.Helper()
	s, err := l.server.m.acceptStream(deadContext())
	if err != nil {
		t.Fatalf("acceptStream: %v", err)
	}
	return s
}

// deadContext makes calls fail that would have to wait.
func deadContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func mustWrite(t *testing.T, s interface{ Write([]byte) (int, error) }, p []byte) {
	t.Helper()
	if n, err := s.Write(p); n != len(p) || err != nil {
		t.Fatalf("Write(%d bytes) = %d, %v", len(p), n, err)
	}
}

// A stateLog records what a subscriber was told.
type stateLog struct {
	states []StreamState
	stop   func() bool
}

func observe(s interface {
	OnStateTransition(func(StreamState)) func() bool
}) *stateLog {
	l := &stateLog{}
	l.stop = s.OnStateTransition(func(st StreamState) { l.states = append(l.states, st) })
	return l
}

// expect fails the test unless exactly these states were reported, those of each half in this order.
func (l *stateLog) expect(t *testing.T, what string, want ...StreamState) {
	t.Helper()
	isSend := func(s StreamState) bool { return s <= SendStateAbandoned }
	for _, half := range []func(StreamState) bool{isSend, func(s StreamState) bool { return !isSend(s) }} {
		g, w := filterStates(l.states, half), filterStates(want, half)
		if !slices.Equal(g, w) {
			t.Errorf("%s: states %s, want %s", what, stateNames(g), stateNames(w))
		}
	}
}

func filterStates(states []StreamState, keep func(StreamState) bool) (out []StreamState) {
	for _, s := range states {
		if keep(s) {
			out = append(out, s)
		}
	}
	return out
}

func stateNames(states []StreamState) (names []string) {
	for _, s := range states {
		names = append(names, stateName(s))
	}
	return names
}

// stateName is unique, unlike String.
func stateName(s StreamState) string {
	switch {
	case s == StreamStateRetired:
		return "retired"
	case s <= SendStateAbandoned:
		return "send:" + s.String()
	}
	return "receive:" + s.String()
}

// frame returns a STREAM frame as received.
func streamFrame(id StreamID, off protocol.ByteCount, data string, fin bool) *wire.Decoded {
	return &wire.Decoded{Type: wire.FrameTypeStream, StreamID: id, Offset: off, Data: []byte(data), Fin: fin}
}

func resetFrame(id StreamID, size protocol.ByteCount, code uint64) *wire.Decoded {
	return &wire.Decoded{Type: wire.FrameTypeResetStream, StreamID: id, FinalSize: size, ErrorCode: code}
}

func resetAtFrame(id StreamID, size, reliable protocol.ByteCount, code uint64) *wire.Decoded {
	return &wire.Decoded{
		Type: wire.FrameTypeResetStreamAt, StreamID: id, FinalSize: size, ReliableSize: reliable, ErrorCode: code,
	}
}

func stopFrame(id StreamID, code uint64) *wire.Decoded {
	return &wire.Decoded{Type: wire.FrameTypeStopSending, StreamID: id, ErrorCode: code}
}

// mustHandle passes frames to one side and lets it deliver.
func (s *testSide) mustHandle(frames ...*wire.Decoded) {
	s.t.Helper()
	for _, f := range frames {
		if err := s.handle(f); err != nil {
			s.t.Fatalf("handling %s: %v", f.Type, err)
		}
	}
	s.m.deliver()
}

// mustFail fails the test unless the frame is answered with this transport error.
func (s *testSide) mustFail(f *wire.Decoded, code qerr.TransportErrorCode) {
	s.t.Helper()
	err := s.handle(f)
	want := &TransportError{ErrorCode: code, FrameType: uint64(f.Type)}
	if !errors.Is(err, want) {
		s.t.Errorf("handling %s of stream %d = %v, want %v", f.Type, f.StreamID, err, want)
	}
}
