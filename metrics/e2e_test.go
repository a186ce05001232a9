package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/qlog"
)

// ends are a client and a server on a simulated network, each with a Collector.
type ends struct {
	client, server     *Collector
	clientTr, serverTr *quic.Transport
	network            *netsim.Net
}

func newEnds(way netsim.Direction) *ends {
	clientPC, serverPC, network := netsim.Pair(1, netsim.Options{Up: way, Down: way})
	e := &ends{client: New(Options{}), server: New(Options{}), network: network}
	e.clientTr = &quic.Transport{Conn: clientPC, Tracer: e.client.TransportTracer(nil)}
	e.serverTr = &quic.Transport{Conn: serverPC, Tracer: e.server.TransportTracer(nil)}
	return e
}

func (e *ends) close() {
	e.clientTr.Close()
	e.serverTr.Close()
	e.clientTr.Conn.Close()
	e.serverTr.Conn.Close()
	e.network.Close()
}

func config(c *Collector) *quic.Config {
	return &quic.Config{EnableDatagrams: true, Tracer: qlog.WithStreamStates(c.Tracer(nil))}
}

func (e *ends) dial(t *testing.T, protocol string) *quic.Conn {
	t.Helper()
	conn, err := e.clientTr.Dial(t.Context(), e.serverTr.Conn.LocalAddr(), testcert.ClientConfig(protocol), config(e.client))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// atLeast checks that series have at least a value.
func atLeast(t *testing.T, who string, got, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if got[name] < v {
			t.Errorf("%s: %s = %v, want %v at least", who, name, got[name], v)
		}
	}
}

func exactly(t *testing.T, who string, got, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s: %s = %v, want %v", who, name, got[name], v)
		}
	}
}

func TestHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(netsim.Direction{Delay: 20 * time.Millisecond, Loss: 0.02, Rate: 1_000_000, QueueBytes: 30_000})
		ln, err := e.serverTr.ListenEarly(http3.ConfigureTLSConfig(testcert.ServerConfig()), config(e.server))
		if err != nil {
			t.Fatal(err)
		}
		srv := &http3.Server{EnableDatagrams: true, Handler: http.HandlerFunc(serve)}
		var serving sync.WaitGroup
		serving.Go(func() { srv.ServeListener(ln) })
		conn := e.dial(t, http3.NextProtoH3)
		client := (&http3.Transport{EnableDatagrams: true}).NewClientConn(conn)
		download(t, client)
		connect(t, client, func() {
			open := map[string]float64{"quic_connections_active{client}": 1, "quic_streams{send,send}": 2, "quic_streams{receive,receive}": 2}
			exactly(t, "client, while the stream is open", values(t, e.client), open)
		})
		conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
		checkHTTP(t, "client", "sent", "received", "local", values(t, e.client))
		checkHTTP(t, "server", "received", "sent", "remote", values(t, e.server))
		srv.Close()
		serving.Wait()
		e.close()
	})
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		w.Write(make([]byte, 100_000))
		return
	}
	w.WriteHeader(http.StatusOK)
	stream, err := w.(http3.HTTPStreamer).HTTPStream()
	if err != nil {
		return
	}
	io.Copy(io.Discard, stream)
	stream.Close()
}

func download(t *testing.T, client *http3.ClientConn) {
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://localhost/", nil)
	rsp, err := client.RoundTrip(req)
	if err != nil {
		t.Error(err)
		return
	}
	if n, err := io.Copy(io.Discard, rsp.Body); n != 100_000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// connect opens a stream, calls while, and closes the stream.
func connect(t *testing.T, client *http3.ClientConn, while func()) {
	stream, err := client.OpenRequestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = stream.SendRequestHeader(&http.Request{Method: http.MethodConnect, Proto: "x", Host: "localhost", URL: &url.URL{Scheme: "https", Host: "localhost", Path: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.ReadResponse(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		stream.SendDatagram(make([]byte, 20))
		time.Sleep(10 * time.Millisecond)
	}
	while()
	stream.Close()
	io.Copy(io.Discard, stream)
	time.Sleep(500 * time.Millisecond)
}

func checkHTTP(t *testing.T, role, requests, responses, closer string, got map[string]float64) {
	t.Helper()
	exactly(t, role, got, map[string]float64{
		"quic_connections_started_total{" + role + "}": 1, "quic_connections_active{" + role + "}": 0, "quic_handshake_duration_seconds{" + role + "}": 1,
		"quic_connection_closed_total{" + closer + ",application," + role + "}": 1,
		"http3_frames_total{" + requests + "," + role + ",headers}":             2, "http3_frames_total{" + responses + "," + role + ",headers}": 2,
		"http3_frames_total{" + requests + "," + role + ",settings}": 1, "http3_frames_total{" + responses + "," + role + ",settings}": 1,
	})
	atLeast(t, role, got, map[string]float64{
		"http3_datagrams_total{" + requests + "," + role + "}": 10, "quic_datagram_frames_total{" + requests + "," + role + "}": 10,
		"quic_packets_sent_total{" + role + ",1RTT}": 20, "quic_packets_received_total{" + role + ",initial}": 1, "quic_rtt_seconds{" + role + "}": 5,
		"quic_sent_bytes_total{" + role + "}": 3000, "quic_received_bytes_total{" + role + "}": 3000,
		"quic_stream_transitions_total{send,data_received}": 2, "quic_stream_transitions_total{receive,data_read}": 2, "quic_stream_transitions_total{send,abandoned}": 1,
	})
	if role == "server" {
		atLeast(t, role, got, map[string]float64{"quic_sent_bytes_total{server}": 100_000, "quic_packets_lost_total{reordering_threshold,server}": 1})
	}
	for _, q := range []string{"send,ready", "send,send", "send,data_received", "send,abandoned", "receive,receive", "receive,data_read", "receive,abandoned"} {
		if n := got["quic_streams{"+q+"}"]; n != 0 {
			t.Errorf("%s: %v halves are in state %s after the end", role, n, q)
		}
	}
}

func TestRetryVersionNegotiationAndStatelessReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(netsim.Direction{Delay: 5 * time.Millisecond})
		e.serverTr.VerifySourceAddress = func(net.Addr) bool { return true }
		e.serverTr.StatelessResetKey = &quic.StatelessResetKey{1}
		ln, err := e.serverTr.Listen(testcert.ServerConfig("x"), config(e.server))
		if err != nil {
			t.Fatal(err)
		}
		conn := e.dial(t, "x")
		if _, err := ln.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.clientTr.WriteTo(append([]byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0}, make([]byte, 1200)...), e.serverTr.Conn.LocalAddr())
		time.Sleep(100 * time.Millisecond)
		exactly(t, "server", values(t, e.server), map[string]float64{
			"quic_packets_sent_total{transport,retry}": 1, "quic_packets_sent_total{transport,version_negotiation}": 1, "quic_connections_started_total{server}": 1,
		})
		exactly(t, "client", values(t, e.client), map[string]float64{"quic_packets_received_total{client,retry}": 1})
		// A server that has forgotten everything but its key resets the connection.
		reset := New(Options{})
		addr := e.serverTr.Conn.LocalAddr().(*net.UDPAddr)
		e.network.SetDown(netsim.Direction{Loss: 1})
		e.serverTr.Close()
		e.serverTr.Conn.Close()
		time.Sleep(time.Second)
		e.network.SetDown(netsim.Direction{})
		pc := e.network.Listen(addr)
		again := &quic.Transport{Conn: pc, StatelessResetKey: &quic.StatelessResetKey{1}, Tracer: reset.TransportTracer(nil)}
		if _, err := again.Listen(testcert.ServerConfig("x"), nil); err != nil {
			t.Fatal(err)
		}
		conn.SendDatagram(make([]byte, 500))
		<-conn.Context().Done()
		if err := context.Cause(conn.Context()); !errors.Is(err, &quic.StatelessResetError{}) {
			t.Errorf("the connection ended with %v", err)
		}
		atLeast(t, "server", values(t, reset), map[string]float64{"quic_packets_sent_total{transport,stateless_reset}": 1})
		exactly(t, "client", values(t, e.client), map[string]float64{"quic_connection_closed_total{remote,stateless_reset,client}": 1})
		again.Close()
		pc.Close()
		e.close()
	})
}

func TestHandshakeThatNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(netsim.Direction{Loss: 1})
		if _, err := e.clientTr.Dial(t.Context(), e.serverTr.Conn.LocalAddr(), testcert.ClientConfig("x"), config(e.client)); err == nil {
			t.Error("Dial has worked")
		}
		time.Sleep(time.Second)
		got := values(t, e.client)
		exactly(t, "client", got, map[string]float64{
			"quic_connections_started_total{client}": 1, "quic_connections_active{client}": 0, "quic_connection_closed_total{local,handshake_timeout,client}": 1,
			"quic_handshake_duration_seconds{client}": 0,
		})
		atLeast(t, "client", got, map[string]float64{"quic_probe_timeouts_total{client}": 2})
		e.close()
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(netsim.Direction{Delay: 5 * time.Millisecond})
		ln, err := e.serverTr.Listen(testcert.ServerConfig("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := e.clientTr.Dial(t.Context(), e.serverTr.Conn.LocalAddr(), testcert.ClientConfig("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := ln.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := New(Options{})
		stream, _ := conn.OpenStream()
		other, _ := conn.OpenUniStream()
		stream.Write([]byte("hello"))
		other.Write([]byte("hello"))
		time.Sleep(100 * time.Millisecond)
		c.Watch(stream) // what was before counts
		c.Watch(other)
		theirs, _ := peer.AcceptStream(t.Context())
		if b, err := io.ReadAll(io.LimitReader(theirs, 5)); !bytes.Equal(b, []byte("hello")) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		check(t, c, map[string]float64{
			"quic_streams{send,send}": 2, "quic_streams{receive,receive}": 1,
			"quic_stream_transitions_total{send,ready}": 2, "quic_stream_transitions_total{send,send}": 2, "quic_stream_transitions_total{receive,receive}": 1,
		})
		theirs.CancelWrite(1)
		theirs.CancelRead(1)
		time.Sleep(100 * time.Millisecond)
		conn.CloseWithError(0, "")
		time.Sleep(100 * time.Millisecond)
		check(t, c, map[string]float64{
			"quic_stream_transitions_total{send,ready}": 2, "quic_stream_transitions_total{send,send}": 2, "quic_stream_transitions_total{receive,receive}": 1,
			"quic_stream_transitions_total{send,reset_queued}": 1, "quic_stream_transitions_total{send,reset_sent}": 1, "quic_stream_transitions_total{send,reset_received}": 1,
			"quic_stream_transitions_total{receive,reset_received}": 1, "quic_stream_transitions_total{receive,reset_read}": 1, "quic_stream_transitions_total{send,abandoned}": 1,
		})
		e.close()
	})
}
