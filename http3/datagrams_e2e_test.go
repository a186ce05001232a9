package http3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// tunnel opens an extended CONNECT stream and returns both ends of it.
func (w *world) tunnel(conn *http3.ClientConn) (client *http3.RequestStream, server *http3.Stream) {
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
	return str, <-w.tunnels
}

// serveTunnels starts a server that hands out the streams of its requests.
func (w *world) serveTunnels() {
	w.tunnels = make(chan *http3.Stream, 100)
	w.serve(func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(200)
		str, err := rw.(http3.HTTPStreamer).HTTPStream()
		if err != nil {
			w.t.Error(err)
			return
		}
		w.tunnels <- str
	})
}

func TestDatagramsBothWays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		conn := w.clientConn()
		for range 3 {
			client, server := w.tunnel(conn)
			for _, payload := range []string{"a datagram", ""} {
				if err := client.SendDatagram([]byte(payload)); err != nil {
					t.Fatalf("client: %v", err)
				}
				got, err := server.ReceiveDatagram(t.Context())
				if err != nil || string(got) != payload {
					t.Errorf("the server got %q, %v", got, err)
				}
				if err := server.SendDatagram([]byte(payload)); err != nil {
					t.Fatalf("server: %v", err)
				}
				if got, err = client.ReceiveDatagram(t.Context()); err != nil || string(got) != payload {
					t.Errorf("the client got %q, %v", got, err)
				}
			}
		}
	})
}

func TestDatagramTooLarge(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		client, server := w.tunnel(w.clientConn())
		var tooLarge *quic.DatagramTooLargeError
		err := client.SendDatagram(make([]byte, 5000))
		if !errors.As(err, &tooLarge) {
			t.Fatalf("got %v, want a *quic.DatagramTooLargeError", err)
		}
		n := tooLarge.MaxDatagramPayloadSize
		if err := client.SendDatagram(make([]byte, n)); err != nil {
			t.Errorf("a datagram of %d bytes: %v", n, err)
		}
		if got, err := server.ReceiveDatagram(t.Context()); err != nil || int64(len(got)) != n {
			t.Errorf("got %d bytes, %v, want %d", len(got), err, n)
		}
		if err := client.SendDatagram(make([]byte, n+1)); !errors.As(err, &tooLarge) {
			t.Errorf("a datagram of %d bytes: %v", n+1, err)
		}
	})
}

func TestSendDatagramNeedsBothSettings(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		inWorld(t, func(t *testing.T, w *world) {
			w.server.EnableDatagrams = side != "server"
			w.client.EnableDatagrams = side != "client"
			w.serveTunnels()
			client, server := w.tunnel(w.clientConn())
			for name, err := range map[string]error{"client": client.SendDatagram(nil), "server": server.SendDatagram(nil)} {
				if err == nil || err.Error() != "datagram support disabled" {
					t.Errorf("without the setting of the %s: the %s got %v", side, name, err)
				}
			}
		})
	}
}

func TestSendDatagramWaitsForSettings(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		conn := w.rawConn()
		str, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		str.Write(headers(":method", "CONNECT", ":protocol", "test", ":scheme", "https", ":authority", "a", ":path", "/"))
		server := <-w.tunnels
		sent := make(chan time.Duration, 1)
		start := time.Now()
		go func() {
			if err := server.SendDatagram([]byte("d")); err != nil {
				t.Error(err)
			}
			sent <- time.Since(start)
		}()
		time.Sleep(time.Second)
		openControl(t, conn)
		if waited := <-sent; waited < time.Second {
			t.Errorf("a datagram was sent after %v, without SETTINGS", waited)
		}
		// Without SETTINGS, the end of the stream ends the wait.
		conn = w.rawConn()
		str, err = conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		str.Write(headers(":method", "CONNECT", ":protocol", "test", ":scheme", "https", ":authority", "a", ":path", "/"))
		server = <-w.tunnels
		time.AfterFunc(time.Second, func() { str.CancelRead(0x42) })
		if err := server.SendDatagram([]byte("d")); !isStreamError(err, 0x42) {
			t.Errorf("got %v, want the client's STOP_SENDING", err)
		}
	})
}

// No datagram leaves once the send half is closed, whoever has closed it.
func TestNoDatagramAfterTheSendHalfIsClosed(t *testing.T) {
	tests := []struct {
		name  string
		close func(client *http3.RequestStream, server *http3.Stream)
		check func(error) bool
	}{
		{"Close", func(_ *http3.RequestStream, s *http3.Stream) { s.Close() }, func(err error) bool { return err == quic.ErrStreamClosed }},
		{"CancelWrite", func(_ *http3.RequestStream, s *http3.Stream) { s.CancelWrite(7) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 7}) }},
		{"STOP_SENDING", func(c *http3.RequestStream, _ *http3.Stream) { c.CancelRead(8) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 8, Remote: true}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveTunnels()
				client, server := w.tunnel(w.clientConn())
				test.close(client, server)
				time.Sleep(time.Second)
				if err := server.SendDatagram([]byte("late")); !test.check(err) {
					t.Errorf("SendDatagram: %v", err)
				}
				if st, _ := server.SendState(); !st.Closed() {
					t.Errorf("SendState: %v", st)
				}
			})
		})
	}
}

// Datagrams that are queued stay readable when the receive half is closed, later ones are dropped,
// and whoever waits is woken.
func TestReceiveDatagramAfterTheReceiveHalfIsClosed(t *testing.T) {
	tests := []struct {
		name  string
		close func(client *http3.RequestStream, server *http3.Stream)
		check func(error) bool
	}{
		{"FIN", func(c *http3.RequestStream, _ *http3.Stream) { c.Close() }, func(err error) bool { return err == io.EOF }},
		{"RESET_STREAM", func(c *http3.RequestStream, _ *http3.Stream) { c.CancelWrite(7) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 7, Remote: true}) }},
		{"CancelRead", func(_ *http3.RequestStream, s *http3.Stream) { s.CancelRead(8) },
			func(err error) bool { return errors.Is(err, &http3.Error{ErrorCode: 8}) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.serveTunnels()
				qc := w.rawConn()
				client, server := w.tunnel(w.client.NewClientConn(qc))
				client.SendDatagram([]byte("early"))
				time.Sleep(time.Second)
				woken := make(chan error, 1)
				go func() {
					if got, err := server.ReceiveDatagram(t.Context()); err != nil || string(got) != "early" {
						t.Errorf("got %q, %v", got, err)
					}
					_, err := server.ReceiveDatagram(t.Context())
					woken <- err
				}()
				time.Sleep(time.Second)
				test.close(client, server)
				if err := <-woken; !test.check(err) {
					t.Errorf("ReceiveDatagram: %v", err)
				}
				qc.SendDatagram(append(quicvarint.Append(nil, uint64(server.StreamID()/4)), "late"...))
				time.Sleep(time.Second)
				if got, err := server.ReceiveDatagram(t.Context()); !test.check(err) {
					t.Errorf("got %q, %v after the end", got, err)
				}
			})
		})
	}
}

func TestReceiveDatagramEndsWithTheConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		client, server := w.tunnel(w.clientConn())
		results := make(chan error, 2)
		go func() { _, err := server.ReceiveDatagram(context.Background()); results <- err }()
		go func() { _, err := client.ReceiveDatagram(context.Background()); results <- err }()
		time.Sleep(time.Second)
		w.server.Close()
		for range 2 {
			if err := <-results; !errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeNoError, Remote: true}) && !errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeNoError}) {
				t.Errorf("got %v, want the end of the connection", err)
			}
		}
	})
}

func TestDatagramsBeforeTheStream(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		conn := w.rawConn()
		openControl(t, conn)
		for i := range 100 {
			conn.SendDatagram([]byte{0, byte(i)}) // stream 0
		}
		conn.SendDatagram([]byte{1, 200}) // stream 4
		time.Sleep(100 * time.Millisecond)
		str, err := conn.OpenStream()
		if err != nil {
			t.Fatal(err)
		}
		str.Write(headers(":method", "CONNECT", ":protocol", "test", ":scheme", "https", ":authority", "a", ":path", "/"))
		server := <-w.tunnels
		var got []byte
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			b, err := server.ReceiveDatagram(ctx)
			cancel()
			if err != nil {
				break
			}
			got = append(got, b...)
		}
		if len(got) != 15 || got[14] != 99 || !slices.IsSorted(got) {
			t.Errorf("got datagrams %d, want the last 15 of 100", got)
		}
		// What has waited too long is dropped.
		conn.SendDatagram([]byte{1, 201})
		time.Sleep(10 * time.Second)
		if str, err = conn.OpenStream(); err != nil {
			t.Fatal(err)
		}
		str.Write(headers(":method", "CONNECT", ":protocol", "test", ":scheme", "https", ":authority", "a", ":path", "/"))
		server = <-w.tunnels
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if b, err := server.ReceiveDatagram(ctx); err != context.DeadlineExceeded {
			t.Errorf("got %d, %v, want nothing", b, err)
		}
	})
}

func TestUnreadDatagramsAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		client, server := w.tunnel(w.clientConn())
		for i := range 1500 {
			if err := client.SendDatagram([]byte(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		n := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := server.ReceiveDatagram(ctx)
			cancel()
			if err != nil {
				break
			}
			n++
		}
		if n != 1024 {
			t.Errorf("%d datagrams were kept, want 1024", n)
		}
	})
}

// What nobody has read of streams that are over does not keep others from receiving.
func TestUnreadDatagramsOfEndedStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		conn := w.clientConn()
		for range 40 {
			client, server := w.tunnel(conn)
			for range 32 { // in all, more than the budget of a connection
				if err := client.SendDatagram(make([]byte, 1000)); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(100 * time.Millisecond)
			client.Close()
			server.Close()
			time.Sleep(100 * time.Millisecond)
			io.Copy(io.Discard, server)
			io.Copy(io.Discard, client)
		}
		client, server := w.tunnel(conn)
		client.SendDatagram(make([]byte, 1001))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := server.ReceiveDatagram(ctx); len(got) != 1001 {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
	})
}

func TestStreamStates(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.serveTunnels()
		client, server := w.tunnel(w.clientConn())
		var states []quic.StreamState
		retired := make(chan struct{})
		server.OnStateTransition(func(st quic.StreamState) {
			states = append(states, st)
			if st == quic.StreamStateRetired {
				close(retired)
			}
		})
		client.CancelWrite(7)
		time.Sleep(time.Second)
		st, err := server.ReceiveState()
		if st != quic.ReceiveStateResetRecvd {
			t.Errorf("ReceiveState: %v", st)
		}
		wantErrorCode(t, err, 7, true)
		client.CancelRead(8)
		time.Sleep(time.Second)
		_, err = server.SendState()
		wantErrorCode(t, err, 8, true)
		<-retired
		if !slices.Contains(states, quic.ReceiveStateResetRecvd) || !slices.Contains(states, quic.SendStateResetSent) {
			t.Errorf("states: %v", states)
		}
	})
}
