package http3_test

import (
	"io"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// streamCases: unidirectional streams, the control stream and QPACK streams.
var streamCases = map[string]conformanceCase{
	"T-361": func(t *testing.T, r *rogue) {
		// A Transport permits no streams of the server unless its QUICConfig does.
		if _, err := r.connect().OpenStream(); !isLimit(err) {
			t.Errorf("the server's OpenStream: got %v, want a *quic.StreamLimitReachedError", err)
		}
		r.wantUsable()
		r.conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
		r.w.client = &http3.Transport{TLSClientConfig: r.w.clientTLS, QUICConfig: &quic.Config{MaxIncomingStreams: 10}, Dial: r.w.dial}
		defer r.w.client.Close()
		for _, send := range []func(str *quic.Stream){
			func(str *quic.Stream) { str.Write([]byte{1}) },
			func(str *quic.Stream) { str.Close() },
			func(str *quic.Stream) { str.CancelWrite(0x100) },
		} {
			str, err := r.connect().OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			send(str)
			r.wantConnError(0x103)
		}
	},
	"T-362": closesOnUni(0x10a, with([]byte{0}, frame(0, []byte("x"))), with([]byte{0}, frame(0, nil))),
	"T-363": closesOnUni(0x10a, with([]byte{0}, frame(7, []byte{0}))),
	"T-364": closesOnUni(0x10a, with([]byte{0}, frame(0xd, []byte{0}))),
	"T-365": closesOnUni(0x10a, with([]byte{0}, frame(3, []byte{0}))),
	"T-366": closesOnUni(0x10a, with([]byte{0}, frame(0x21, nil)), with([]byte{0}, frame(0x1f*1000+0x21, []byte("xyz"))),
		with([]byte{0}, frame(0x40, []byte("x")), frame(4, nil))),
	"T-367": func(t *testing.T, r *rogue) {
		for _, second := range [][]byte{{0}, settings} {
			r.connect()
			r.uni(settings, second)
			r.wantConnError(0x103)
		}
	},
	"T-368": inTurn(criticalEnds(finish, []byte{0}, settings, with(settings, []byte{7})),
		criticalEnds(finishLater, []byte{0}, settings, with(settings, []byte{7}))),
	"T-369": criticalEnds(reset, []byte{0}, settings, with(settings, []byte{7})),
	"T-370": func(t *testing.T, r *rogue) {
		for _, code := range []quic.StreamErrorCode{0x100, 0x103, 0} {
			r.connect()
			r.ourControl().CancelRead(code)
			r.wantConnError(0x104)
		}
	},
	"T-371": closesOnUni(0x103, []byte{1}, []byte{1, 0}, with([]byte{1, 0}, headers(":status", "200"))),
	"T-372": func(t *testing.T, r *rogue) {
		closesOnUni(0x108, []byte{1}, []byte{1, 0}, with([]byte{1, 0}, headers(":status", "200")))(t, r)
		// We never send MAX_PUSH_ID: there is a SETTINGS frame on our control stream, and no more.
		r.connect()
		control := r.ourControl()
		control.SetReadDeadline(time.Now().Add(5 * time.Second))
		b, _ := io.ReadAll(control)
		if len(b) < 3 || b[0] != 0 || b[1] != 4 || len(b) != 3+int(b[2]) {
			t.Errorf("on our control stream is %x", b)
		}
		r.wantUsable()
	},
	// As no push is allowed each push ID is too large.
	"T-373": closesOnUni(0x108, quicvarint.Append([]byte{1}, 1), quicvarint.Append([]byte{1}, 1<<62-1)),
	"T-374": func(t *testing.T, r *rogue) {
		r.connect()
		r.uni([]byte{1, 0}, []byte{1, 0})
		r.wantConnError(0x108)
	},
	"T-375": tolerates(discarded(0x04, 0x40, 0x54, 1<<62-1)),
	"T-376": tolerates(discarded(0x21, 0x1f*1+0x21, 0x1f*1000+0x21, (1<<62-1-0x21)/0x1f*0x1f+0x21)),
	"T-377": tolerates(func(t *testing.T, r *rogue) {
		for _, part := range [][]byte{nil, {0x40}, {0x80, 0}, {0xc0, 0, 0, 0, 0, 0, 0}} {
			for _, end := range []streamEnd{finish, finishLater, reset} {
				end(r.uni(part)[0])
			}
		}
	}),
	"T-378": func(t *testing.T, r *rogue) {
		slowly := func(typ byte) *quic.SendStream {
			str := r.uni(nil)[0]
			for _, b := range []byte{0xc0, 0, 0, 0, 0, 0, 0, typ} {
				str.Write([]byte{b})
				time.Sleep(20 * time.Millisecond)
			}
			return str
		}
		for typ := range byte(4) {
			r.connect()
			if typ == 1 {
				slowly(typ)
				r.wantConnError(map[role]uint64{roleServer: 0x103, roleClient: 0x108}[r.role])
				continue
			}
			slowly(typ)
			r.wantUsable()
			r.roundTripAgain()
			r.uni([]byte{typ}) // so it was the first one of its type
			r.wantConnError(0x103)
		}
		r.connect()
		wantStopped(t, slowly(0x21), 0x103)
		r.wantUsable()
	},
	"T-379": func(t *testing.T, r *rogue) {
		r.connect()
		control := r.uni(settings, []byte{2}, []byte{3})[0]
		// What is aborted makes room for others.
		for range 200 {
			str, err := r.conn.OpenUniStreamSync(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			str.Write([]byte{0x21, 1, 2, 3})
		}
		time.Sleep(time.Second)
		// What is not known to be unknown stays.
		n := 0
		for ; ; n++ {
			str, err := r.conn.OpenUniStream()
			if isLimit(err) {
				break
			}
			str.Write([]byte{0x40})
		}
		if n < 80 || n > 97 {
			t.Errorf("%d streams without type are open beside three critical ones, want at most 97", n)
		}
		r.wantUsable()
		wantSilent(t, control)
		r.roundTripAgain()
		control.Write(frame(4, nil))
		r.wantConnError(0x105)
	},
	"T-380": secondQPACKStream(2),
	"T-381": secondQPACKStream(3),
	"T-382": inTurn(criticalEnds(finish, []byte{2}, []byte{2, 0x20}), criticalEnds(reset, []byte{2}, []byte{2, 0x20})),
	"T-383": inTurn(criticalEnds(finish, []byte{3}, []byte{3, 0x40}, []byte{3, 0x7f}), criticalEnds(reset, []byte{3}, []byte{3, 0x40})),
	// We open no QPACK streams, so none can be stopped.
	"T-384": tolerates(func(t *testing.T, r *rogue) {
		if b, err := quicvarint.Read(quicvarint.NewReader(r.ourControl())); b != 0 || err != nil {
			t.Errorf("the first stream has type %#x, %v, want a control stream", b, err)
		}
		go func() {
			if str, err := r.conn.AcceptUniStream(t.Context()); err == nil {
				t.Errorf("there is another unidirectional stream %d", str.StreamID())
			}
		}()
		time.Sleep(time.Second)
	}),
	"T-385": tolerates(func(t *testing.T, r *rogue) {
		encoder, decoder := r.uni([]byte{2})[0], r.uni([]byte{3})[0]
		encoder.Write([]byte{0x20})             // capacity 0
		decoder.Write([]byte{0x40, 0x7f, 0x00}) // Stream Cancellations
		wantSilent(t, encoder)
		wantSilent(t, decoder)
	}),
}

// A streamEnd ends the sending of a stream.
type streamEnd func(str *quic.SendStream)

func finish(str *quic.SendStream)      { str.Close() }
func finishLater(str *quic.SendStream) { time.Sleep(50 * time.Millisecond); str.Close() }

// reset lets the peer read what was sent.
func reset(str *quic.SendStream) { time.Sleep(50 * time.Millisecond); str.CancelWrite(0x100) }

// criticalEnds is the case that a critical stream ends after any of bs.
func criticalEnds(end streamEnd, bs ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, b := range bs {
			t.Logf("after %x", b)
			r.connect()
			end(r.uni(b)[0])
			r.wantConnError(0x104)
		}
	}
}

// tolerates is the case that the connection is usable after f.
func tolerates(f conformanceCase) conformanceCase {
	return func(t *testing.T, r *rogue) {
		r.connect()
		f(t, r)
		wantOpen(t, r.conn)
		r.wantUsable()
	}
}

// discarded sends streams of some types, which have to be stopped.
func discarded(types ...uint64) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, typ := range types {
			b := quicvarint.Append(nil, typ)
			wantStopped(t, r.uni(b)[0], http3.ErrCodeStreamCreationError)
			wantStopped(t, r.uni(with(b, frame(4, nil), frame(4, nil)))[0], http3.ErrCodeStreamCreationError)
			large := r.uni(b)[0]
			if _, err := large.Write(make([]byte, 4<<20)); !isStreamError(err, 0x103) {
				t.Errorf("writing 4 MiB: got %v", err)
			}
			finish(r.uni(b)[0])
			finishLater(r.uni(b)[0])
			reset(r.uni(b)[0])
		}
	}
}

func secondQPACKStream(typ byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		r.connect()
		r.uni([]byte{typ}, []byte{typ})
		r.wantConnError(0x103)
	}
}
