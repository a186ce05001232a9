package http3_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// frameCases: frames where they do not belong, frames with another length than they say, and the order of messages.
var frameCases = map[string]conformanceCase{
	"T-386": closesOnControl(0x105, frame(0, nil), frame(0, []byte("x"))),
	"T-387": closesOnControl(0x105, frame(1, nil), headers(":status", "200"), getHeaders()),
	"T-388": closesOnControl(0x105, frame(5, nil), frame(5, with([]byte{0}, []byte{0, 0}))),
	"T-389": closesOnRequest(0x105, frame(3, []byte{0}), frame(3, nil)),
	"T-390": closesOnPush(frame(3, []byte{0})),
	"T-391": closesOnRequest(0x105, frame(4, nil), frame(4, []byte{0x33, 1})),
	"T-392": closesOnPush(frame(4, nil)),
	"T-393": closesOnRequest(0x105, frame(0xd, []byte{0}), frame(0xd, nil)),
	"T-394": closesOnPush(frame(0xd, []byte{0})),
	"T-395": closesOnRequest(0x105, frame(7, []byte{0}), frame(7, nil)),
	"T-396": closesOnPush(frame(7, []byte{0})),
	"T-397": closesOnPush(frame(5, []byte{0, 0, 0})),
	"T-398": closesOnControl(0x105, frame(4, nil), with(frame(0x21, nil), frame(4, nil)), frame(4, []byte{0x33, 1})),
	"T-399": inTurn(closesOnRequest(0x105, frame(5, []byte{0, 0, 0}), frame(5, nil)), closesOnControl(0x105, frame(5, []byte{0, 0, 0}))),
	"T-400": inTurn(closesOnControl(0x105, frame(0xd, []byte{0}), frame(0xd, []byte{0x40, 0x64})), closesOnRequest(0x105, frame(0xd, []byte{0}))),
	"T-401": closesAnywhere(0x105, frame(2, nil), frame(2, []byte("12345"))),
	"T-402": closesAnywhere(0x105, frame(6, nil), frame(6, []byte("12345678"))),
	"T-403": closesAnywhere(0x105, frame(8, nil), frame(8, []byte("1234"))),
	"T-404": closesAnywhere(0x105, frame(9, nil), frame(9, []byte("x"))),
	"T-405": unknownFramesAreSkipped,
	"T-406": closesOnUni(0x106, with([]byte{0}, frame(4, []byte{0x40})), with([]byte{0}, frame(4, []byte{0x21})),
		with([]byte{0}, frame(4, []byte{0x21, 0x40})), with([]byte{0}, frame(4, []byte{0x33, 1, 0xc0, 0, 0, 0, 0, 0, 0}))),
	"T-407": closesOnControl(0x106, frame(7, nil), frame(7, []byte{0, 0}), frame(7, []byte{0x40}), frame(7, make([]byte, 100))),
	"T-408": closesOnControl(0x106, frame(3, nil), frame(3, []byte{0, 0}), frame(3, []byte{0x40}), frame(3, make([]byte, 100))),
	"T-409": closesOnControl(0x106, frame(0xd, nil), frame(0xd, []byte{0, 0}), frame(0xd, []byte{0x40}), frame(0xd, make([]byte, 100))),
	"T-410": closesOnRequest(0x106, frame(5, nil), frame(5, []byte{0x40}), frame(5, []byte{0xc0, 0, 0, 0, 0, 0, 0})),
	"T-411": closesAtEnd(4, []byte{0}, []byte{1}, []byte{0x21}, []byte{0x40}, []byte{0x21, 0x40}, []byte{0xc0, 0, 0, 0, 0, 0, 0, 0}),
	"T-412": closesAtEnd(3, []byte{1, 9}, with([]byte{1, 9}, []byte{0, 0, 0x23})),
	"T-413": func(t *testing.T, r *rogue) {
		// A DATA frame must not come first.
		for _, part := range [][]byte{{0, 9}, {0, 9, 'x'}, with([]byte{0, 0x7f, 0xff}, make([]byte, 0x3ffe)), {0x21, 9}, {0x21, 9, 'x'}} {
			for _, before := range r.beginnings()[1:3] {
				r.closesAtEnd(before, part)
			}
		}
	},
	"T-414": tolerates(func(t *testing.T, r *rogue) {
		for _, before := range r.beginnings()[:3] {
			for _, part := range [][]byte{{0x21}, {0x40}, {1, 9}, {1, 9, 0, 0, 0x23}, {0x21, 9}, {0x21, 9, 'x'}} {
				r.resetWithin(before, part)
			}
			if before != nil {
				r.resetWithin(before, []byte{0, 9})
				r.resetWithin(before, []byte{0, 9, 'x'})
			}
		}
	}),
	"T-415": func(t *testing.T, r *rogue) {
		r.connect()
		r.sendMuch(r.uni(with(settings, quicvarint.Append([]byte{0x21}, 1<<62-1)))[0])
		wantOpen(t, r.conn)
		r.wantUsable()
	},
	"T-416": func(t *testing.T, r *rogue) {
		for _, b := range [][]byte{frame(0, []byte("x")), frame(0, nil), with(frame(0x21, nil), frame(0, []byte("x"))), with(frame(0, nil), r.header())} {
			r.connect()
			r.message(b)
			r.wantMessageError(0x105, false)
		}
	},
	"T-417": afterTrailers(headers("a", "b"), frame(1, nil)),
	"T-418": afterTrailers(frame(0, nil), frame(0, []byte("x")), with(frame(0x21, nil), frame(0, []byte("x")))),
	// A second header section would be the trailers, which must not have pseudo-headers: malformed (RFC 9114, Section 4.3).
	"T-419": func(t *testing.T, r *rogue) {
		for _, before := range r.beginnings()[1:3] {
			r.connect()
			str := r.message(with(before, r.header()))
			wantReset(t, str, http3.ErrCodeMessageError)
			wantStopped(t, str, http3.ErrCodeMessageError)
			if m := <-r.handled; m.err == nil {
				t.Error("the handler sees a complete request")
			}
			r.wantUsable()
		}
		afterTrailers(getHeaders())(t, r)
	},
	"T-420": func(t *testing.T, r *rogue) {
		for _, before := range r.beginnings()[1:3] {
			r.message(with(before, r.header()))
			if res := <-r.result; res.err == nil {
				t.Error("the client sees a complete response")
			}
			r.wantUsable()
			r.roundTripAgain()
		}
		str := r.message(with(r.header(), r.header()))
		<-r.result
		wantStopped(t, str, http3.ErrCodeMessageError)
		r.wantUsable()
		r.conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
		afterTrailers(headers(":status", "200"))(t, r)
	},
	"T-421": func(t *testing.T, r *rogue) {
		// We accept 5 of them.
		interim := headers(":status", "103", "link", "</a>")
		r.message(with(bytes.Repeat(interim, 5), r.header(), frame(0, []byte("ok")))).Close()
		r.wantResult("ok")
		r.roundTripAgain()
		str := r.message(with(bytes.Repeat(interim, 50), r.header()))
		if res := <-r.result; res.err == nil || !strings.Contains(res.err.Error(), "too many 1xx") {
			t.Errorf("RoundTrip: got %v", res.err)
		}
		wantStopped(t, str, http3.ErrCodeExcessiveLoad)
		r.wantUsable()
		// Each of them may be as large as a response header.
		r.conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
		r.w.client.MaxResponseHeaderBytes = 1000
		r.connect()
		str = r.message(with(interim, headers(":status", "103", "link", strings.Repeat("x", 1000))))
		if res := <-r.result; res.err == nil {
			t.Error("RoundTrip accepts a large 1xx response")
		}
		wantStopped(t, str, http3.ErrCodeExcessiveLoad)
		r.wantUsable()
	},
	"T-422": func(t *testing.T, r *rogue) {
		for _, data := range [][]byte{frame(0, nil), frame(0, []byte("x"))} {
			r.connect()
			r.message(with(headers(":status", "103"), data))
			r.wantConnError(0x105)
		}
	},
	"T-423": tolerates(func(t *testing.T, r *rogue) {
		for _, b := range [][]byte{nil, frame(0x21, nil), frame(0x21, []byte("x"))} {
			wantReset(t, rawRequest(t, r.conn, b), http3.ErrCodeRequestIncomplete)
		}
		r.wantHandled(false, 0)
	}),
}

func closesAnywhere(code uint64, frames ...[]byte) conformanceCase {
	return inTurn(closesOnControl(code, frames...), closesOnRequest(code, frames...))
}

// closesOnPush is the case of a frame on a push stream. As we never allow pushes, the stream itself is an error of type
// H3_ID_ERROR, before the frame can be one.
func closesOnPush(f []byte) conformanceCase {
	return closesOnUni(0x108, with([]byte{1, 0}, f), with([]byte{1, 0}, headers(":status", "200"), f))
}

// afterTrailers is the case that any of bs comes after the trailers of a message.
func afterTrailers(bs ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, b := range bs {
			r.connect()
			r.message(with(r.beginnings()[3], b))
			r.wantMessageError(0x105, true)
			r.connect()
			r.message(with(r.header(), headers("x-end", "value"), b)) // without DATA
			r.wantMessageError(0x105, true)
		}
	}
}

// closesAtEnd is the case that a request stream ends after one of the parts of a frame, which comes at one of the first
// n places of a message.
func closesAtEnd(n int, parts ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, part := range parts {
			for _, before := range r.beginnings()[:n] {
				r.closesAtEnd(before, part)
			}
		}
	}
}

func (r *rogue) closesAtEnd(before, part []byte) {
	r.t.Helper()
	r.t.Logf("an end after %x and %.20x", before, part)
	r.connect()
	r.message(with(before, part)).Close()
	wantClosedCode(r.t, r.conn, 0x106)
	if r.role == roleServer && before == nil {
		r.wantHandled(false, 0)
		return
	}
	var err error
	if r.role == roleServer {
		err = (<-r.handled).err
	} else {
		err = (<-r.result).err
	}
	wantErrorCode(r.t, err, http3.ErrCodeFrameError, false)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		r.t.Errorf("the reader gets %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

// resetWithin resets a request stream, which must end nothing else.
func (r *rogue) resetWithin(before, part []byte) {
	r.t.Helper()
	if r.role == roleClient && !r.pending {
		r.roundTripAgain()
	}
	str := r.message(with(before, part))
	time.Sleep(50 * time.Millisecond)
	str.CancelWrite(0x10c)
	switch {
	case r.role == roleClient:
		wantErrorCode(r.t, (<-r.result).err, http3.ErrCodeRequestCanceled, true)
	case before == nil:
		wantReset(r.t, str, http3.ErrCodeRequestIncomplete)
		r.wantHandled(false, 0)
	default:
		wantErrorCode(r.t, (<-r.handled).err, http3.ErrCodeRequestCanceled, true)
	}
}

const muchBytes = 16 << 20

// sendMuch sends more of a frame than flow control permits at once, and checks that it is not kept.
func (r *rogue) sendMuch(str interface {
	io.Writer
	SetWriteDeadline(time.Time) error
}) {
	r.t.Helper()
	before := heap()
	str.SetWriteDeadline(time.Now().Add(time.Minute))
	part := make([]byte, 64<<10)
	for range muchBytes / len(part) {
		if _, err := str.Write(part); err != nil {
			r.t.Fatalf("writing a frame of unknown type: %v", err)
		}
	}
	time.Sleep(time.Second)
	if grown := heap() - before; grown > muchBytes/4 {
		r.t.Errorf("%d bytes of a frame of unknown type hold %d bytes", muchBytes, grown)
	}
}

func heap() int64 {
	for range 3 { // pools keep what they hold for two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func unknownFramesAreSkipped(t *testing.T, r *rogue) {
	for i, typ := range []uint64{0x21, 0x40, 0x1f*1000 + 0x21, 0xf0702, 1<<62 - 1} {
		for _, size := range [][]int{{0, 1, 1 << 20}, {0, 1}}[min(i, 1)] {
			unknown := frame(typ, make([]byte, size))
			control := r.uni(with(settings, unknown))[0]
			control.Write(unknown)
			str := r.message(with(unknown, r.header(), unknown, frame(0, []byte("da")), unknown, unknown, frame(0, []byte("ta")), unknown,
				headers("x-end", "value"), unknown))
			str.Close()
			wantReadThrough(t, r)
			r.wantUsable()
			r.conn.CloseWithError(0x100, "")
			time.Sleep(time.Second)
			r.connect()
		}
	}
	str := r.message(with(r.header(), quicvarint.Append([]byte{0x21}, muchBytes)))
	r.sendMuch(str)
	str.Write(frame(0, []byte("data")))
	str.Write(headers("x-end", "value"))
	str.Close()
	wantReadThrough(t, r)
}

// wantReadThrough checks that a message with the content "data" and a trailer was read.
func wantReadThrough(t *testing.T, r *rogue) {
	t.Helper()
	var body []byte
	var trailer http.Header
	if r.role == roleServer {
		m := <-r.handled
		body, trailer = m.body, m.req.Trailer
	} else {
		res := <-r.result
		if res.err != nil {
			t.Fatal(res.err)
		}
		body, trailer = res.body, res.rsp.Trailer
	}
	if string(body) != "data" || trailer.Get("X-End") != "value" {
		t.Errorf("got %q with trailers %v, want %q with one", body, trailer, "data")
	}
}
