package quic

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/recovery"
	"github.com/quic-go/quic-go/internal/wire"
)

// The reference machine: for each state, what an event leads to. It is written from RFC 9000, Sections 3.1
// and 3.2, without a look at the tables that it is compared with; an event that is missing changes
// nothing.
var referenceMachine = map[StreamState]map[string]StreamState{
	SendStateReady: {
		"packed": SendStateSend, "close": SendStateFinQueued, "reset": SendStateResetQueued,
		"at packed": SendStateDataSent, "over": SendStateAbandoned,
	},
	SendStateSend: {
		"close": SendStateFinQueued, "reset": SendStateResetQueued, "at packed": SendStateDataSent, "over": SendStateAbandoned,
	},
	SendStateFinQueued: {
		"fin packed": SendStateDataSent, "reset": SendStateResetQueued, "at packed": SendStateDataSent, "over": SendStateAbandoned,
	},
	SendStateDataSent: {
		"acked": SendStateDataRecvd, "reset": SendStateResetQueued, "over": SendStateAbandoned,
	},
	SendStateResetQueued: {"reset packed": SendStateResetSent, "over": SendStateAbandoned},
	SendStateResetSent:   {"reset acked": SendStateResetRecvd, "over": SendStateAbandoned},

	ReceiveStateRecv: {
		"size": ReceiveStateSizeKnown, "reset": ReceiveStateResetRecvd, "stop": ReceiveStateStopped, "over": ReceiveStateAbandoned,
	},
	ReceiveStateSizeKnown: {
		"complete": ReceiveStateDataRecvd, "reset": ReceiveStateResetRecvd, "stop": ReceiveStateDiscarded, "over": ReceiveStateAbandoned,
	},
	ReceiveStateDataRecvd: {
		"consumed": ReceiveStateDataRead, "reset": ReceiveStateResetRecvd, "stop": ReceiveStateDiscarded, "over": ReceiveStateAbandoned,
	},
	ReceiveStateResetRecvd: {"seen": ReceiveStateResetRead, "stop": ReceiveStateResetRead, "over": ReceiveStateAbandoned},
	ReceiveStateStopped:    {"size": ReceiveStateDiscarded, "reset": ReceiveStateDiscarded, "over": ReceiveStateAbandoned},
}

// A referenceHalf is one half as the reference machine sees it.
type referenceHalf struct {
	exists  bool
	state   StreamState
	history []StreamState
}

func newReferenceHalf(first StreamState) referenceHalf {
	return referenceHalf{exists: true, state: first, history: []StreamState{first}}
}

func (h *referenceHalf) event(name string) {
	if next, ok := referenceMachine[h.state][name]; ok {
		h.state = next
		h.history = append(h.history, next)
	}
}

func (h *referenceHalf) over() bool { return !h.exists || referenceMachine[h.state] == nil }

// walkSize bounds the bytes of a stream of a walk.
const walkSize = 24

type walkPacket struct {
	frames []wire.Decoded
	recs   []recovery.Record
	acked  bool
}

// A walk drives one stream of a streams map by a string of bytes and compares it with the reference machine
// after every step. What happens to bytes is known from the frames that go in and come out.
type walk struct {
	t       *testing.T
	script  []byte
	pos     int
	trace   []string
	side    *testSide
	rec     *streamRecord
	send    *SendStream
	receive *ReceiveStream
	logs    []*stateLog
	ended   bool

	ref struct{ send, receive referenceHalf }

	// send half
	written, boundary int
	reliable          int // of RESET_STREAM_AT, 0 if there is none
	canceled          bool
	ackedBytes        [walkSize]bool
	finAcked, atAcked bool
	packets           []walkPacket

	// receive half
	final, promised, highest, consumed int // final is -1 if it is not known
	received                           [walkSize]bool
}

func runWalk(t *testing.T, script []byte) *walk {
	w := &walk{t: t, script: script, final: -1, promised: walkSize}
	w.start()
	for w.pos < len(w.script) && !w.ended && !t.Failed() {
		w.step()
		w.check()
	}
	if !w.ended {
		w.settle()
		w.connectionOver()
	}
	w.check()
	if t.Failed() {
		t.Logf("script %x:", script)
		for _, s := range w.trace {
			t.Log(s)
		}
	}
	return w
}

// next returns the next byte of the script, reduced to 0..n-1.
func (w *walk) next(n int) int {
	if w.pos >= len(w.script) {
		return 0
	}
	b := w.script[w.pos]
	w.pos++
	return int(b) % n
}

func (w *walk) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *walk) start() {
	w.side = newTestSide(w.t, protocol.PerspectiveClient, testParams{}, func() {})
	m := w.side.m
	m.setPeerParameters(&wire.TransportParameters{
		InitialMaxData: 1 << 20, MaxBidiStreamNum: 1, MaxUniStreamNum: 1, EnableResetStreamAt: true,
		InitialMaxStreamDataBidiLocal: 4, InitialMaxStreamDataBidiRemote: 4, InitialMaxStreamDataUni: 4,
	})
	id := StreamID(w.next(4)) // each of the four types
	if id.InitiatedBy() == protocol.PerspectiveClient {
		w.rec, _ = m.open(id.Type())
	} else {
		w.side.mustHandle(streamFrame(id, 0, "", false))
		w.rec, _ = m.accept(deadContext(), id.Type())
	}
	w.note("stream %d", w.rec.id)
	w.send, w.receive = w.rec.send, w.rec.receive
	if w.send != nil {
		w.ref.send = newReferenceHalf(SendStateReady)
	}
	if w.receive != nil {
		w.ref.receive = newReferenceHalf(ReceiveStateRecv)
	}
	w.subscribe()
}

// step does one thing.
func (w *walk) step() {
	sendSteps := []func(){w.write, w.write, w.close, w.setBoundary, w.cancelWrite, w.stopSending, w.raiseLimit, w.pack, w.pack, w.pack, w.fate, w.fate, w.fate}
	receiveSteps := []func(){w.data, w.data, w.data, w.read, w.read, w.reset, w.resetAt, w.cancelRead}
	steps := []func(){w.deliver, w.deliver, w.subscribe}
	if w.send != nil {
		steps = append(steps, sendSteps...)
	}
	if w.receive != nil {
		steps = append(steps, receiveSteps...)
	}
	i := w.next(len(steps) * 4)
	switch {
	case i == 4*len(steps)-1:
		w.connectionOver()
	case i == 4*len(steps)-2 && w.receive != nil:
		w.violate()
	default:
		steps[i%len(steps)]()
	}
}

func (w *walk) subscribe() {
	log := &stateLog{}
	log.stop = w.rec.subscribe(&observer{onState: func(s StreamState) { log.states = append(log.states, s) }})
	w.logs = append(w.logs, log)
}

func (w *walk) write() {
	n := min(1+w.next(5), walkSize-w.written)
	p := make([]byte, n)
	for i := range p {
		p[i] = byte('a' + w.written + i)
	}
	got, err := w.send.Write(p)
	w.note("Write(%d) = %d, %v", n, got, err)
	closed := w.canceled || w.ref.send.state.Closed()
	if closed != (err != nil) || !closed && got != n {
		w.t.Errorf("Write(%d bytes) = %d, %v; closed: %t", n, got, err, closed)
	}
	w.written += got
}

func (w *walk) close() {
	err := w.send.Close()
	w.note("Close = %v", err)
	if !w.canceled {
		w.ref.send.event("close")
	}
}

func (w *walk) setBoundary() {
	w.send.SetReliableBoundary()
	w.note("SetReliableBoundary at %d", w.written)
	if !w.canceled && !w.ref.send.over() {
		w.boundary = w.written
	}
}

func (w *walk) cancelWrite() {
	w.send.CancelWrite(1)
	w.note("CancelWrite")
	if w.canceled || w.ref.send.over() {
		return
	}
	w.canceled = true
	if w.reliable = w.boundary; w.reliable == 0 {
		w.ref.send.event("reset")
	}
}

func (w *walk) stopSending() {
	w.note("STOP_SENDING")
	w.side.mustHandleQuietly(stopFrame(w.rec.id, 2))
	w.ref.send.event("reset")
	if !w.ref.send.over() && w.ref.send.state >= SendStateResetQueued {
		w.canceled, w.reliable = true, 0
	}
}

func (w *walk) raiseLimit() {
	limit := uint64(w.next(walkSize + 1))
	w.note("MAX_STREAM_DATA %d", limit)
	w.side.mustHandleQuietly(&wire.Decoded{Type: wire.FrameTypeMaxStreamData, StreamID: w.rec.id, Limit: limit})
}

// pack packs one packet and looks what is in it.
func (w *walk) pack() {
	p := w.side.pack()
	if p == nil {
		return
	}
	frames := w.side.parse(p)
	w.packets = append(w.packets, walkPacket{frames: frames, recs: p.recs})
	for i := range frames {
		f := &frames[i]
		w.note("packed %s %d..%d fin %t", f.Type, f.Offset, int(f.Offset)+len(f.Data), f.Fin)
		switch f.Type {
		case wire.FrameTypeStream:
			w.packedStream(f)
		case wire.FrameTypeStreamDataBlocked:
			w.ref.send.event("packed")
		case wire.FrameTypeResetStreamAt:
			if w.reliable == 0 || int(f.ReliableSize) != w.reliable || f.FinalSize < f.ReliableSize || f.ErrorCode != 1 {
				w.t.Errorf("RESET_STREAM_AT %+v, reliable size %d", f, w.reliable)
			}
			w.ref.send.event("at packed")
		case wire.FrameTypeResetStream:
			if st := w.ref.send.state; st != SendStateResetQueued && st != SendStateResetSent {
				w.t.Errorf("RESET_STREAM in state %s", st)
			}
			w.ref.send.event("reset packed")
		}
	}
}

func (w *walk) packedStream(f *wire.Decoded) {
	if w.ref.send.over() || resetStates.has(w.ref.send.state) {
		w.t.Errorf("STREAM in state %s", w.ref.send.state)
	}
	for i, c := range f.Data {
		if want := byte('a' + int(f.Offset) + i); c != want {
			w.t.Errorf("byte %d is %q, want %q", int(f.Offset)+i, c, want)
		}
	}
	w.ref.send.event("packed")
	if f.Fin {
		if end := int(f.Offset) + len(f.Data); end != w.written || w.reliable > 0 {
			w.t.Errorf("FIN at %d, written %d, reliable size %d", end, w.written, w.reliable)
		}
		w.ref.send.event("fin packed")
	}
}

// fate acknowledges, loses or repeats one of the packets that were sent. Lost packets stay in the
// list: the loss may be spurious.
func (w *walk) fate() {
	if len(w.packets) == 0 {
		return
	}
	p := &w.packets[w.next(len(w.packets))]
	what := w.next(4)
	for i := range p.recs {
		switch what {
		case 0:
			w.side.m.onLost(&p.recs[i])
		case 1:
			w.side.m.requeue(&p.recs[i])
		default:
			w.side.m.onAcked(&p.recs[i])
		}
	}
	if what < 2 {
		w.note("lost a packet with %s", p.frames[0].Type)
		return
	}
	p.acked = true
	for i := range p.frames {
		w.note("acknowledged %s", p.frames[i].Type)
		w.acked(&p.frames[i])
	}
}

func (w *walk) acked(f *wire.Decoded) {
	switch f.Type {
	case wire.FrameTypeStream:
		for i := range f.Data {
			w.ackedBytes[int(f.Offset)+i] = true
		}
		w.finAcked = w.finAcked || f.Fin
	case wire.FrameTypeResetStreamAt:
		w.atAcked = true
	case wire.FrameTypeResetStream:
		w.ref.send.event("reset acked")
	}
	end := w.written
	if w.reliable > 0 {
		end = w.reliable
	}
	done := w.finAcked && w.reliable == 0 || w.atAcked && w.reliable > 0
	for _, b := range w.ackedBytes[:end] {
		done = done && b
	}
	if done {
		w.ref.send.event("acked")
	}
}

// data is a STREAM frame that respects what the peer has said before.
func (w *walk) data() {
	off := w.next(walkSize)
	end := off + w.next(walkSize-off+1)
	fin := w.next(4) == 0
	if w.final >= 0 {
		off, end = min(off, w.final), min(end, w.final)
		fin = fin && end == w.final
	}
	fin = fin && end >= w.highest
	w.note("STREAM %d..%d fin %t", off, end, fin)
	p := make([]byte, end-off)
	for i := range p {
		p[i] = byte('a' + off + i)
		w.received[off+i] = true
	}
	w.highest = max(w.highest, end)
	w.side.mustHandleQuietly(streamFrame(w.rec.id, protocol.ByteCount(off), string(p), fin))
	if fin {
		w.sizeIs(end)
	}
	w.advance()
}

func (w *walk) sizeIs(n int) {
	w.final = n
	w.highest = max(w.highest, n)
	w.promised = min(w.promised, n)
	w.ref.receive.event("size")
}

// contiguous returns the number of bytes that can be read in order.
func (w *walk) contiguous() (n int) {
	for n < w.promised && w.received[n] {
		n++
	}
	return n
}

func (w *walk) advance() {
	if w.final >= 0 && w.contiguous() >= w.promised {
		w.ref.receive.event("complete")
		if w.consumed >= w.promised {
			w.ref.receive.event("consumed")
		}
	}
}

func (w *walk) size() int {
	if w.final >= 0 {
		return w.final
	}
	return max(w.highest, w.next(walkSize+1))
}

func (w *walk) reset() {
	n := w.size()
	w.note("RESET_STREAM, size %d", n)
	w.side.mustHandleQuietly(resetFrame(w.rec.id, protocol.ByteCount(n), 3))
	w.final, w.highest = n, n
	w.ref.receive.event("reset")
}

func (w *walk) resetAt() {
	n := w.size()
	reliable := 1 + w.next(walkSize)
	if reliable > n {
		return
	}
	w.note("RESET_STREAM_AT %d, size %d", reliable, n)
	w.side.mustHandleQuietly(resetAtFrame(w.rec.id, protocol.ByteCount(n), protocol.ByteCount(reliable), 3))
	w.promised = min(w.promised, reliable)
	w.sizeIs(n)
	w.advance()
}

// violate announces another final size, which ends the connection.
func (w *walk) violate() {
	if w.final < 0 || w.ref.receive.over() {
		return
	}
	w.note("final size violation")
	w.side.mustFail(resetFrame(w.rec.id, protocol.ByteCount(w.final)+1, 3), FinalSizeError)
	w.connectionOver()
}

// read reads unless that would block.
func (w *walk) read() {
	open := !w.ref.receive.over() && w.ref.receive.state < ReceiveStateResetRecvd
	n := max(w.contiguous()-w.consumed, 0)
	if open && n == 0 {
		return
	}
	p := make([]byte, 1+w.next(walkSize))
	got, err := w.receive.Read(p)
	w.note("Read(%d) = %d, %v", len(p), got, err)
	if !open {
		n = 0
		w.ref.receive.event("seen")
	}
	if got != min(n, len(p)) || open && err != nil && err != io.EOF || !open && err == nil {
		w.t.Errorf("Read(%d bytes) = %d, %v, want %d", len(p), got, err, min(n, len(p)))
	}
	for i := range got {
		if want := byte('a' + w.consumed + i); p[i] != want {
			w.t.Errorf("byte %d is %q, want %q", w.consumed+i, p[i], want)
		}
	}
	w.consumed += got
	w.advance()
}

func (w *walk) cancelRead() {
	w.note("CancelRead")
	w.receive.CancelRead(4)
	w.ref.receive.event("stop")
}

func (w *walk) deliver() {
	w.note("deliver")
	if w.receive != nil && w.ref.send.over() {
		w.ref.receive.event("seen")
	}
	w.side.m.deliver()
	var want []StreamState
	want = append(want, w.ref.send.history...)
	want = append(want, w.ref.receive.history...)
	if w.ref.send.over() && w.ref.receive.over() {
		want = append(want, StreamStateRetired)
		if w.side.m.holds(w.rec) {
			w.t.Error("the stream is over and still in the map")
		}
	}
	for i, log := range w.logs {
		log.expect(w.t, fmt.Sprintf("subscriber %d", i), want...)
	}
}

// settle loses what was not acknowledged and then lets everything arrive: a send half that is closed ends.
func (w *walk) settle() {
	if w.send == nil {
		return
	}
	w.side.mustHandleQuietly(&wire.Decoded{Type: wire.FrameTypeMaxStreamData, StreamID: w.rec.id, Limit: 1 << 20})
	for i := range w.packets {
		for j := range w.packets[i].recs {
			if !w.packets[i].acked {
				w.side.m.onLost(&w.packets[i].recs[j])
			}
		}
	}
	for n := len(w.packets); ; n++ {
		if w.pack(); len(w.packets) == n || w.t.Failed() {
			break
		}
		if n > 10_000 {
			w.t.Fatal("no end of packets")
		}
		for i := range w.packets[n].recs {
			w.side.m.onAcked(&w.packets[n].recs[i])
		}
		for i := range w.packets[n].frames {
			w.acked(&w.packets[n].frames[i])
		}
	}
	w.check()
	if closed := w.canceled || w.ref.send.state.Closed(); closed && !w.ref.send.over() {
		w.t.Errorf("the send half stays in state %s", w.ref.send.state)
	}
}

func (w *walk) connectionOver() {
	w.note("connection over")
	w.ended = true
	w.side.m.close(errTest)
	w.ref.send.event("over")
	w.ref.receive.event("over")
	w.deliver()
	w.subscribe()
	w.deliver()
	if n := w.side.size(); n != 0 {
		w.t.Errorf("%d streams are left", n)
	}
	if n := w.side.m.gaps.Load(); n != 0 {
		w.t.Errorf("%d gaps are counted after the end", n)
	}
}

// check compares the states as the application sees them.
func (w *walk) check() {
	w.t.Helper()
	if w.send != nil {
		st, err := w.send.SendState()
		reset := st == SendStateResetQueued || st == SendStateResetSent || st == SendStateResetRecvd
		if st != w.ref.send.state || (w.canceled || reset || st == SendStateAbandoned) != (err != nil) {
			w.t.Errorf("SendState = %s, %v, want %s", st, err, w.ref.send.state)
		}
		if st == SendStateAbandoned && !errors.Is(err, errTest) {
			w.t.Errorf("SendState = %s, %v", st, err)
		}
	}
	if w.receive != nil {
		if st, err := w.receive.ReceiveState(); st != w.ref.receive.state {
			w.t.Errorf("ReceiveState = %s, %v, want %s", st, err, w.ref.receive.state)
		}
	}
}

// mustHandleQuietly is mustHandle without a deliver.
func (s *testSide) mustHandleQuietly(f *wire.Decoded) {
	s.t.Helper()
	if err := s.handle(f); err != nil {
		s.t.Fatalf("handling %s: %v", f.Type, err)
	}
}

func TestStreamRandomWalks(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	taken := map[[2]StreamState]bool{}
	for i := range 5000 {
		script := make([]byte, rng.IntN(200))
		for j := range script {
			script[j] = byte(rng.Uint32())
		}
		w := runWalk(t, script)
		if t.Failed() {
			t.Fatalf("walk %d of seed %d", i, seed)
		}
		for _, history := range [][]StreamState{w.ref.send.history, w.ref.receive.history} {
			for i := 1; i < len(history); i++ {
				taken[[2]StreamState{history[i-1], history[i]}] = true
			}
		}
	}
	// A RESET_STREAM_AT follows at least one byte of its prefix.
	taken[[2]StreamState{SendStateReady, SendStateDataSent}] = true
	for from := range allStates {
		for to := range allStates {
			if successors[from].has(to) != taken[[2]StreamState{from, to}] {
				t.Errorf("%s to %s: in the table %t, taken by a walk %t", stateName(from), stateName(to),
					successors[from].has(to), taken[[2]StreamState{from, to}])
			}
		}
	}
}
