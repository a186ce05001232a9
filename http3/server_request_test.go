package http3_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// Request.RemoteAddr follows a client that migrates.
func TestRemoteAddrAfterMigration(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, r.RemoteAddr) })
		qc := w.rawConn()
		client := w.client.NewClientConn(qc)
		get := func(want net.Addr) {
			t.Helper()
			for range 2 {
				rsp, err := client.RoundTrip(w.request(http.MethodGet, "/", nil))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(rsp.Body); string(got) != want.String() || err != nil {
					t.Errorf("RemoteAddr = %s, %v, want %s", got, err, want)
				}
			}
		}
		get(w.clientQT.Conn.LocalAddr())
		pc := w.net.Listen(&net.UDPAddr{IP: net.IPv4(10, 9, 9, 9), Port: 999})
		tr := &quic.Transport{Conn: pc}
		defer tr.Close()
		path, err := qc.AddPath(tr)
		if err != nil {
			t.Fatal(err)
		}
		if err := path.Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := path.Switch(); err != nil {
			t.Fatal(err)
		}
		get(pc.LocalAddr())
	})
}

// The Date of a response is that of its second.
func TestDateAdvances(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serve(func(http.ResponseWriter, *http.Request) {})
		for range 5 {
			before := time.Now().Truncate(time.Second)
			rsp, _ := w.get("/")
			date, err := http.ParseTime(rsp.Header.Get("Date"))
			if err != nil || date.Before(before) || date.After(time.Now()) {
				t.Errorf("Date = %v, %v, now it is %v", date, err, time.Now())
			}
			time.Sleep(700 * time.Millisecond)
		}
	})
}

// The context of a request is made when it is asked for, also if that is after the end of the stream.
func TestContextAfterTheRequest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		requests := make(chan *http.Request, 1)
		w.serve(func(_ http.ResponseWriter, r *http.Request) { requests <- r })
		w.get("/")
		time.Sleep(time.Second)
		r := <-requests
		child, cancel := context.WithCancel(r.Context())
		defer cancel()
		select {
		case <-child.Done():
		default:
			t.Error("the context of a request that is over is not done")
		}
		if r.Context().Err() != context.Canceled || context.Cause(child) != quic.ErrStreamClosed {
			t.Errorf("Err = %v, the cause is %v", r.Context().Err(), context.Cause(child))
		}
		if _, ok := r.Context().Deadline(); ok {
			t.Error("the context has a deadline")
		}
		if r.Context().Value(http.LocalAddrContextKey) == nil {
			t.Error("the context has no local address")
		}
	})
}
