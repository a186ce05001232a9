package http3_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/quicvarint"
)

// A bareTunnel is an extended CONNECT stream to a server without HTTP/3, which counts the datagrams that arrive,
// also those that HTTP/3 would drop.
type bareTunnel struct {
	client  *http3.RequestStream
	server  *quic.Stream
	arrived atomic.Int64
}

func (w *world) bareTunnel() *bareTunnel {
	w.t.Helper()
	b := &bareTunnel{}
	w.serveRaw(func(conn *quic.Conn) {
		openControl(w.t, conn)
		b.server = answer(w.t, conn, headers(":status", "200"), false)
		for {
			if _, err := conn.ReceiveDatagram(context.Background()); err != nil {
				return
			}
			b.arrived.Add(1)
		}
	})
	b.client = w.connect(w.clientConn())
	time.Sleep(time.Second)
	return b
}

// connect opens an extended CONNECT stream.
func (w *world) connect(conn *http3.ClientConn) *http3.RequestStream {
	w.t.Helper()
	str, err := conn.OpenRequestStream(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	req := w.request(http.MethodConnect, "/", nil)
	req.Proto = "test"
	if err := str.SendRequestHeader(req); err != nil {
		w.t.Fatal(err)
	}
	if rsp, err := str.ReadResponse(); err != nil || rsp.StatusCode != 200 {
		w.t.Fatalf("ReadResponse: %v, %v", rsp, err)
	}
	return str
}

// Datagrams that wait in the queue of the connection do not leave once their stream is closed, and calls that wait for
// room in it return the stream's error. In quic-go v0.65.0 up to 32 more datagrams left (failure F4).
func TestQueuedDatagramsOfAClosedStreamDoNotLeave(t *testing.T) {
	const calls = 60
	tests := []struct {
		name  string
		close func(b *bareTunnel)
		check func(error) bool
		more  int64 // datagrams that may share the packet with the end of the stream
	}{
		{"Close", func(b *bareTunnel) { b.client.Close() }, func(err error) bool { return err == quic.ErrStreamClosed }, 1},
		{"CancelWrite", func(b *bareTunnel) { b.client.CancelWrite(7) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 7}) }, 0},
		{"STOP_SENDING", func(b *bareTunnel) { b.server.CancelRead(8) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 8, Remote: true}) }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				b := w.bareTunnel()
				// Without acknowledgements the congestion window is used up.
				w.net.SetDown(netsim.Direction{Loss: 1})
				results := make(chan error, calls)
				for range calls {
					go func() { results <- b.client.SendDatagram(make([]byte, 1000)) }()
				}
				time.Sleep(20 * time.Millisecond)
				before, queued := b.arrived.Load(), len(results)-int(b.arrived.Load())
				if before == 0 || queued < 20 || len(results) == calls {
					t.Fatalf("%d datagrams have arrived, %d calls have returned", before, len(results))
				}
				w.net.SetDown(netsim.Direction{})
				test.close(b)
				for range calls {
					if err := <-results; err != nil && !test.check(err) {
						t.Errorf("SendDatagram: %v", err)
					}
				}
				if err := b.client.SendDatagram(nil); !test.check(err) {
					t.Errorf("SendDatagram after the end: %v", err)
				}
				time.Sleep(10 * time.Second)
				if n := b.arrived.Load() - before; n > test.more {
					t.Errorf("%d datagrams have left after the end of the stream, want at most %d", n, test.more)
				}
			})
		})
	}
}

// A handler that waits for datagrams is woken by the reset of its stream and by the end of the connection, and
// Server.Close does not hang on it. In quic-go v0.65.0 the handler stayed, and Close hung (failure F6).
func TestHandlerThatWaitsForDatagramsIsWoken(t *testing.T) {
	tests := []struct {
		name  string
		end   func(w *world, client *http3.RequestStream)
		check func(error) bool
	}{
		{"RESET_STREAM", func(_ *world, c *http3.RequestStream) { c.CancelWrite(7) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 7, Remote: true}) }},
		{"Server.Close", func(w *world, _ *http3.RequestStream) {
			start := time.Now()
			if err := w.server.Close(); err != nil || time.Since(start) > 0 {
				w.t.Errorf("Close: %v after %v", err, time.Since(start))
			}
		}, func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeNoError}) }},
		{"silence", func(w *world, _ *http3.RequestStream) { w.net.SetUp(netsim.Direction{Loss: 1}) },
			func(err error) bool { return errors.Is(err, &quic.IdleTimeoutError{}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				woken := make(chan error, 1)
				w.serve(func(rw http.ResponseWriter, r *http.Request) {
					rw.WriteHeader(200)
					str, err := rw.(http3.HTTPStreamer).HTTPStream()
					if err != nil {
						t.Error(err)
						return
					}
					_, err = str.ReceiveDatagram(context.Background())
					woken <- err
				})
				client := w.connect(w.clientConn())
				test.end(w, client)
				select {
				case err := <-woken:
					if !test.check(err) {
						t.Errorf("ReceiveDatagram: %v", err)
					}
				case <-time.After(2 * time.Minute):
					t.Error("the handler still waits")
				}
			})
		})
	}
}

// "If either control stream is closed at any point, this MUST be treated as a connection error of type
// H3_CLOSED_CRITICAL_STREAM." (RFC 9114, Section 6.2.1) In quic-go v0.65.0 STOP_SENDING was ignored (failure F11).
func TestStoppedControlStreamClosesTheConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conns := make(chan *quic.Conn, 1)
		w.serveRaw(func(conn *quic.Conn) {
			openUni(t, conn, settings)
			control, err := conn.AcceptUniStream(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			control.CancelRead(0)
			conns <- conn
		})
		w.clientConn()
		wantClosed(t, <-conns, http3.ErrCodeClosedCriticalStream)
	})
}

// What arrives right behind a RESET_STREAM is not delivered, although nobody has read the reset, not even if the loop has not
// yet come to report it. In quic-go v0.65.0 it was delivered (failure F5).
func TestDatagramBehindAnUnreadResetIsDropped(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		qc := w.rawConn()
		conn := w.client.NewClientConn(qc)
		var clients [3]*http3.RequestStream
		var servers [3]*http3.Stream
		for i := range clients {
			clients[i], servers[i] = w.tunnel(conn)
		}
		// The reports of the first two hold up the loop of the server. During the first one the other resets and
		// the datagram arrive, during the second one they are handled and the third is not yet reported.
		for _, s := range servers[:2] {
			s.OnStateTransition(func(st quic.StreamState) {
				if st == quic.ReceiveStateResetRecvd {
					time.Sleep(time.Second)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		for _, c := range clients {
			c.CancelWrite(7)
			time.Sleep(100 * time.Millisecond)
		}
		qc.SendDatagram(append(quicvarint.Append(nil, uint64(servers[2].StreamID()/4)), "late"...))
		time.Sleep(5 * time.Second)
		if b, err := servers[2].ReceiveDatagram(t.Context()); !errors.Is(err, &http3.Error{ErrorCode: 7, Remote: true}) {
			t.Errorf("got %q, %v, want the reset", b, err)
		}
		if st, _ := servers[2].ReceiveState(); st != quic.ReceiveStateResetRecvd {
			t.Errorf("state %s, the reset should be unread", st)
		}
	})
}

// Close may be called while Write blocks: the frame cannot be completed, so the stream is reset.
func TestCloseDuringWrite(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		b := w.bareTunnel()
		written := make(chan error)
		go func() {
			_, err := b.client.Write(make([]byte, 8<<20)) // more than the windows
			written <- err
		}()
		time.Sleep(time.Second)
		if err := b.client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-written; !errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeRequestCanceled}) {
			t.Errorf("Write: %v", err)
		}
		wantReset(t, b.server, http3.ErrCodeRequestCanceled)
	})
}
