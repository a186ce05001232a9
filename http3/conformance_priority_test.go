package http3_test

import (
	"io"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// priorityCases are the rows about priorities.
var priorityCases = map[string]conformanceCase{
	"T-558": priorityUpdateOnRequestStream,
	"T-559": badControlFrames(http3.ErrCodeIDError, priorityUpdate(1, "u=1"), priorityUpdate(2, "u=1"), priorityUpdate(3, ""), priorityUpdate(4*99+1, "u=1"), priorityUpdate(1<<62-1, "u=1")),
	"T-560": priorityUpdateBeyondTheLimit,
	"T-561": badControlFrames(http3.ErrCodeIDError, pushPriorityUpdate(0), pushPriorityUpdate(4), pushPriorityUpdate(1<<62-1), with(frame(0xd, []byte{10}), pushPriorityUpdate(0))),
	"T-562": badControlFrames(http3.ErrCodeFrameUnexpected, priorityUpdate(0, "u=1"), priorityUpdate(2, "u=1"), pushPriorityUpdate(0)),
	"T-563": ignoredPriorities(`u=9`, `u=8`, `u=-1`, `u=1.0`, `u=?1`, `u="1"`, `u=a`, `u=01`, `u`, `u=()`, `u=(1)`, `foo`, `foo=1`, `foo="a,u=1,b"`, `foo=("a,u=1" b);u=1`, `U=1`, `foo;u=1`,
		`i="x"`, `i=1, foo=7`, `u=1, u=9`, `u=1, u`, ``),
	// "MAY": what cannot be parsed is ignored.
	"T-564": ignoredPriorities(`!`, `=`, `u=`, `u==1`, `;u=1`, `,`, `"u=1"`, `"`, `"u=1, u=1`, `u=1x`, `{"u": 1}`, `u=1 u=2`, "(u=1", "\xff"),
	"T-565": manyPriorityUpdates,
}

func priorityUpdate(id uint64, value string) []byte {
	return frame(0xf0700, append(quicvarint.Append(nil, id), value...))
}

func pushPriorityUpdate(id uint64) []byte {
	return frame(0xf0701, append(quicvarint.Append(nil, id), "u=1"...))
}

// badControlFrames is for frames that close the connection when they come on a control stream.
func badControlFrames(code http3.ErrCode, frames ...[]byte) conformanceCase {
	return func(_ *testing.T, r *rogue) {
		p := newPeers(r)
		for _, b := range frames {
			c := p.dial()
			control := openUni(r.t, c.conn, settings)
			c.works()
			control.Write(b)
			wantClosed(r.t, c.conn, code)
		}
	}
}

func priorityUpdateOnRequestStream(t *testing.T, r *rogue) {
	p := newPeers(r)
	for _, update := range [][]byte{priorityUpdate(0, "u=1"), priorityUpdate(4, ""), pushPriorityUpdate(0), frame(0xf0700, nil), frame(0xf0700, make([]byte, 100_000))} {
		for i, request := range [][]byte{update, with(postHeaders(), update), with(postHeaders(), frame(0, []byte("x")), update), with(postHeaders(), headers("a", "b"), update)} {
			c := p.dial()
			k := c.send(request)
			if called := k.head != nil; called != (i > 0) {
				t.Errorf("request %d: the handler is called: %t", i, called)
			}
			if i > 0 {
				wantErrorCode(t, k.tail.err, http3.ErrCodeFrameUnexpected, false)
			}
			wantClosed(t, c.conn, http3.ErrCodeFrameUnexpected)
		}
	}
}

func priorityUpdateBeyondTheLimit(t *testing.T, r *rogue) {
	r.w.serverQUIC.MaxIncomingStreams = 10
	c := onePeer(r)
	control := openUni(t, c.conn, with(settings, priorityUpdate(4*9, "u=1"), priorityUpdate(0, "u=0")))
	for range 3 { // streams that are over make room for others
		c.works()
	}
	for range 100 {
		control.Write(priorityUpdate(4*12, "u=1"))
	}
	control.Write(priorityUpdate(4*0, "u=1")) // over
	wantOpen(t, c.conn)
	control.Write(priorityUpdate(4*13, "u=1"))
	wantClosed(t, c.conn, http3.ErrCodeIDError)
	c = c.dial()
	openUni(t, c.conn, with(settings, priorityUpdate(1<<62-4, "u=1")))
	wantClosed(t, c.conn, http3.ErrCodeIDError)
}

// ignoredPriorities is for values of the Priority field that leave a response at the default, urgency 3.
func ignoredPriorities(values ...string) conformanceCase {
	return func(t *testing.T, r *rogue) {
		p := newPeers(r)
		if r.role == roleClient {
			c := p.dial()
			for _, v := range slices.DeleteFunc(values, func(v string) bool { return v == "\xff" }) {
				c.accepted(c.sendAll(headers(":status", "200", "priority", v), frame(0, []byte("x"))), "x")
			}
			return
		}
		start := make(chan struct{})
		p.reply = func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("X") != "" { // from works
				return
			}
			n := 200_000
			if req.Header.Get("Priority") != "u=0" {
				<-start
				n = 20_000
			}
			w.Write(make([]byte, n))
		}
		c := p.dial()
		control := openUni(t, c.conn, settings)
		c.works()
		for _, v := range values {
			for _, update := range []bool{false, true} {
				if got := c.finishing(control, start, v, update); !slices.Equal(got, []string{"u=2", v, "u=4"}) {
					t.Errorf("%q, in a PRIORITY_UPDATE frame: %t: the responses end in the order %q", v, update, got)
				}
			}
		}
	}
}

// finishing sends requests of three priorities, one of them value, whose responses start at a time, while a large one is
// being sent. It returns the priorities in the order in which the responses end.
func (c *peer) finishing(control *quic.SendStream, start chan struct{}, value string, update bool) (order []string) {
	ended := make(chan string, 4)
	request := func(v string, header []byte) {
		str, err := c.conn.OpenStream()
		if err != nil {
			c.t.Fatal(err)
		}
		str.OnStateTransition(func(st quic.StreamState) {
			if st == quic.ReceiveStateDataRecvd {
				ended <- v
			}
		})
		if update {
			control.Write(priorityUpdate(uint64(str.StreamID()), v))
			time.Sleep(50 * time.Millisecond)
		}
		str.Write(header)
		str.Close()
		go io.Copy(io.Discard, str)
	}
	for _, v := range []string{"u=4", value, "u=2"} {
		if update {
			request(v, getHeaders())
		} else {
			request(v, getHeaders("priority", v))
		}
	}
	time.Sleep(50 * time.Millisecond)
	update = false
	request("u=0", getHeaders("priority", "u=0"))
	time.Sleep(6 * time.Millisecond) // the large response has begun
	for range 3 {
		start <- struct{}{}
	}
	for range 4 {
		order = append(order, <-ended)
	}
	for range 4 {
		c.follow(&talk{})
	}
	if order[0] != "u=0" {
		c.t.Errorf("the large response is not the first: %q", order)
	}
	return order[1:]
}

// manyPriorityUpdates are sent to a server that does not know its stream limit: it remembers those of 100 streams.
func manyPriorityUpdates(t *testing.T, r *rogue) {
	r.w.serverQUIC.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) { return nil, nil }
	c := onePeer(r)
	control := openUni(t, c.conn, settings)
	c.works()
	updates := uint64(1_000_000)
	if raceEnabled {
		updates /= 10
	}
	before := heldBytes()
	var round []byte
	for quarter := range updates {
		round = append(round, priorityUpdate(4*quarter, "")...)
		if len(round) < 1<<16 && quarter < updates-1 {
			continue
		}
		if _, err := control.Write(round); err != nil {
			t.Fatal(err)
		}
		round = round[:0]
	}
	time.Sleep(time.Second)
	if n := heldBytes() - before; n > 10<<20 { // what is sent has 9 MB, and one entry of a map 16 bytes and more
		t.Errorf("%d bytes are held", n)
	}
	c.works()
	wantOpen(t, c.conn)
}

// heldBytes returns the size of the objects in use.
func heldBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
