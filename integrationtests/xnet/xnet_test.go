package xnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/testcert"
	xquic "golang.org/x/net/quic"
)

const proto = "xnet-test"

// ends are the two ends of one connection.
type ends struct {
	ours   *quic.Conn
	theirs *xquic.Conn
}

func TestOurClient(t *testing.T) { runAll(t, dialThem) }
func TestOurServer(t *testing.T) { runAll(t, acceptThem) }

func runAll(t *testing.T, connect func(*testing.T) ends) {
	t.Run("transfer to them", func(t *testing.T) { testToThem(t, connect(t)) })
	t.Run("transfer from them", func(t *testing.T) { testFromThem(t, connect(t)) })
	t.Run("bidirectional stream", func(t *testing.T) { testEcho(t, connect(t)) })
	t.Run("we reset", func(t *testing.T) { testWeReset(t, connect(t)) })
	t.Run("they reset", func(t *testing.T) { testTheyReset(t, connect(t)) })
	t.Run("we stop", func(t *testing.T) { testWeStop(t, connect(t)) })
	t.Run("they stop", func(t *testing.T) { testTheyStop(t, connect(t)) })
	t.Run("we close", func(t *testing.T) { testWeClose(t, connect(t)) })
	t.Run("they close", func(t *testing.T) { testTheyClose(t, connect(t)) })
}

func dialThem(t *testing.T) ends {
	t.Helper()
	ep, err := xquic.Listen("udp", "127.0.0.1:0", &xquic.Config{TLSConfig: testcert.ServerConfig(proto)})
	if err != nil {
		t.Fatal(err)
	}
	closeEndpoint(t, ep)
	ch := make(chan *xquic.Conn, 1)
	go func() {
		c, err := ep.Accept(t.Context())
		if err != nil {
			t.Errorf("Accept: %v", err)
		}
		ch <- c
	}()
	ours, err := quic.DialAddr(t.Context(), ep.LocalAddr().String(), testcert.ClientConfig(proto), nil)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { ours.CloseWithError(0, "") })
	return ends{ours: ours, theirs: <-ch}
}

func acceptThem(t *testing.T) ends {
	t.Helper()
	ln, err := quic.ListenAddr("127.0.0.1:0", testcert.ServerConfig(proto), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	ep, err := xquic.Listen("udp", "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	closeEndpoint(t, ep)
	ch := make(chan *quic.Conn, 1)
	go func() {
		c, err := ln.Accept(t.Context())
		if err != nil {
			t.Errorf("Accept: %v", err)
		}
		ch <- c
	}()
	theirs, err := ep.Dial(t.Context(), "udp", ln.Addr().String(), &xquic.Config{TLSConfig: testcert.ClientConfig(proto)})
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	ours := <-ch
	t.Cleanup(func() { ours.CloseWithError(0, "") })
	return ends{ours: ours, theirs: theirs}
}

func closeEndpoint(t *testing.T, ep *xquic.Endpoint) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		ep.Close(ctx)
	})
}

// payload is 10 MiB of random bytes.
func payload() []byte {
	b := make([]byte, 10<<20)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testToThem(t *testing.T, e ends) {
	data := payload()
	go func() {
		s, err := e.ours.OpenUniStream()
		if err != nil {
			t.Errorf("OpenUniStream: %v", err)
			return
		}
		if _, err := s.Write(data); err != nil {
			t.Errorf("Write: %v", err)
		}
		s.Close()
	}()
	s, err := e.theirs.AcceptStream(t.Context())
	check(t, err)
	got, err := io.ReadAll(s)
	check(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("they got %d bytes that differ", len(got))
	}
}

func testFromThem(t *testing.T, e ends) {
	data := payload()
	go func() {
		s, err := e.theirs.NewSendOnlyStream(t.Context())
		if err != nil {
			t.Errorf("NewSendOnlyStream: %v", err)
			return
		}
		if _, err := s.Write(data); err != nil {
			t.Errorf("Write: %v", err)
		}
		s.CloseWrite()
	}()
	s, err := e.ours.AcceptUniStream(t.Context())
	check(t, err)
	got, err := io.ReadAll(s)
	check(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("we got %d bytes that differ", len(got))
	}
	waitState(t, s.OnStateTransition, quic.ReceiveStateDataRead)
}

func testEcho(t *testing.T, e ends) {
	data := payload()[:1<<20]
	go func() {
		s, err := e.theirs.AcceptStream(t.Context())
		if err != nil {
			t.Errorf("AcceptStream: %v", err)
			return
		}
		io.Copy(s, s)
		s.CloseWrite()
	}()
	s, err := e.ours.OpenStream()
	check(t, err)
	go func() {
		s.Write(data)
		s.Close()
	}()
	got, err := io.ReadAll(s)
	check(t, err)
	if !bytes.Equal(got, data) {
		t.Errorf("echo of %d bytes differs", len(got))
	}
	waitState(t, s.OnStateTransition, quic.StreamStateRetired)
}

func testWeReset(t *testing.T, e ends) {
	s, err := e.ours.OpenUniStream()
	check(t, err)
	_, err = s.Write([]byte("hello"))
	check(t, err)
	theirs, err := e.theirs.AcceptStream(t.Context())
	check(t, err)
	s.CancelWrite(7)
	_, err = io.ReadAll(theirs)
	if code, ok := errors.AsType[xquic.StreamError](err); !ok || code != 7 {
		t.Errorf("they read %v, want error code 7", err)
	}
	waitState(t, s.OnStateTransition, quic.SendStateResetRecvd)
}

func testTheyReset(t *testing.T, e ends) {
	theirs, err := e.theirs.NewSendOnlyStream(t.Context())
	check(t, err)
	theirs.Write([]byte("hello"))
	theirs.Flush()
	s, err := e.ours.AcceptUniStream(t.Context())
	check(t, err)
	check(t, theirs.Reset(8))
	_, err = io.ReadAll(s)
	if want := (&quic.StreamError{StreamID: s.StreamID(), ErrorCode: 8, Remote: true}); !errors.Is(err, want) {
		t.Errorf("we read %v, want %v", err, want)
	}
	waitState(t, s.OnStateTransition, quic.ReceiveStateResetRead)
}

func testWeStop(t *testing.T, e ends) {
	theirs, err := e.theirs.NewSendOnlyStream(t.Context())
	check(t, err)
	theirs.Write([]byte("hello"))
	theirs.Flush()
	s, err := e.ours.AcceptUniStream(t.Context())
	check(t, err)
	s.CancelRead(9)
	// They answer STOP_SENDING with RESET_STREAM, which makes the final size known.
	waitState(t, s.OnStateTransition, quic.ReceiveStateDiscarded)
	if _, err := theirs.Write(make([]byte, 1<<20)); err == nil {
		t.Error("they can write after our STOP_SENDING")
	}
}

func testTheyStop(t *testing.T, e ends) {
	s, err := e.ours.OpenUniStream()
	check(t, err)
	_, err = s.Write([]byte("hello"))
	check(t, err)
	theirs, err := e.theirs.AcceptStream(t.Context())
	check(t, err)
	theirs.StopSending(10)
	// Nobody touches our stream: the callback alone tells.
	waitState(t, s.OnStateTransition, quic.SendStateResetRecvd)
	want := &quic.StreamError{StreamID: s.StreamID(), ErrorCode: 10, Remote: true}
	if _, err := s.Write([]byte("more")); !errors.Is(err, want) {
		t.Errorf("Write: %v, want %v", err, want)
	}
}

func testWeClose(t *testing.T, e ends) {
	e.ours.CloseWithError(11, "done")
	err := e.theirs.Wait(t.Context())
	if app, ok := errors.AsType[*xquic.ConnectionCloseError](err); !ok || app.Code != 11 || app.Reason != "done" {
		t.Errorf("they see %v", err)
	}
}

func testTheyClose(t *testing.T, e ends) {
	e.theirs.Abort(&xquic.ConnectionCloseError{Code: 12, Reason: "done"})
	<-e.ours.Context().Done()
	err := context.Cause(e.ours.Context())
	if !errors.Is(err, &quic.ApplicationError{Remote: true, ErrorCode: 12}) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("we see %v", err)
	}
}

// waitState waits until a stream enters the state want.
func waitState(t *testing.T, subscribe func(func(quic.StreamState)) func() bool, want quic.StreamState) {
	t.Helper()
	entered := make(chan struct{})
	stop := subscribe(func(s quic.StreamState) {
		if s == want {
			close(entered)
		}
	})
	defer stop()
	select {
	case <-entered:
	case <-time.After(20 * time.Second):
		t.Errorf("the stream did not enter state %s", want)
	}
}
