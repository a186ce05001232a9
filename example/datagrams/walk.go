package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlog"
)

// A result is the row of one case in the table.
type result struct {
	name               string
	send, receive      []quic.StreamState
	sendErr, recvErr   error
	faults             []string
	wantSend, wantRecv []quic.StreamState
}

// walk goes through all cases on one connection, the last of which ends it.
func walk(ctx context.Context, out io.Writer, addr string, config *tls.Config, log *logger) (bool, error) {
	start := time.Now()
	conn, err := quic.DialAddr(ctx, addr, config, &quic.Config{EnableDatagrams: true, Tracer: qlog.WithStreamStates(log.trace)})
	if err != nil {
		return false, err
	}
	defer conn.CloseWithError(0, "")
	client := (&http3.Transport{EnableDatagrams: true}).NewClientConn(conn)
	var results []*result
	for _, c := range cases {
		fmt.Fprintf(out, "%s\n", c.name)
		r, err := runCase(ctx, out, start, client, c)
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
		fmt.Fprintln(out)
	}
	return printTable(out, results), nil
}

// A walkCase is one way in which a stream ends. act is what happens after the exchange of datagrams.
type walkCase struct {
	name, path         string
	act                func(*caseRun)
	wantSend, wantRecv []quic.StreamState
}

var (
	opened   = []quic.StreamState{quic.SendStateReady, quic.SendStateSend}
	receives = []quic.StreamState{quic.ReceiveStateRecv}
	closed   = append(slices.Clone(opened), quic.SendStateFinQueued, quic.SendStateDataSent, quic.SendStateDataRecvd)
)

var cases = []walkCase{
	{
		name: "normal close", path: "/close", act: normalClose,
		wantSend: closed,
		wantRecv: append(slices.Clone(receives), quic.ReceiveStateSizeKnown, quic.ReceiveStateDataRecvd, quic.ReceiveStateDataRead),
	},
	{
		name: "STOP_SENDING while the application is idle", path: "/stop", act: stopSending,
		wantSend: append(slices.Clone(opened), quic.SendStateResetQueued, quic.SendStateResetSent, quic.SendStateResetRecvd),
		wantRecv: append(slices.Clone(receives), quic.ReceiveStateStopped, quic.ReceiveStateDiscarded),
	},
	{
		name: "RESET_STREAM that nobody reads", path: "/reset", act: resetStream,
		wantSend: closed,
		wantRecv: append(slices.Clone(receives), quic.ReceiveStateResetRecvd, quic.ReceiveStateResetRead),
	},
	{
		name: "connection close", path: "/bye", act: connectionClose,
		wantSend: append(slices.Clone(opened), quic.SendStateAbandoned),
		wantRecv: append(slices.Clone(receives), quic.ReceiveStateAbandoned),
	},
}

// A caseRun is a case at work.
type caseRun struct {
	*result
	ctx    context.Context
	out    io.Writer
	stream *http3.RequestStream
	watch  *watch
}

func runCase(ctx context.Context, out io.Writer, start time.Time, client *http3.ClientConn, c walkCase) (*result, error) {
	stream, err := client.OpenRequestStream(ctx)
	if err != nil {
		return nil, err
	}
	r := &caseRun{
		result: &result{name: c.name, wantSend: c.wantSend, wantRecv: c.wantRecv},
		ctx:    ctx, out: out, stream: stream, watch: newWatch(out, start, stream),
	}
	err = stream.SendRequestHeader(&http.Request{
		Method: http.MethodConnect,
		Proto:  protocol,
		Host:   "localhost",
		URL:    &url.URL{Scheme: "https", Host: "localhost", Path: c.path},
		Header: http.Header{http3.CapsuleProtocolHeader: {"?1"}},
	})
	if err != nil {
		return nil, err
	}
	rsp, err := stream.ReadResponse()
	if err != nil {
		return nil, err
	}
	if rsp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %s", rsp.Status)
	}
	if err := r.exchange(); err != nil {
		return nil, err
	}
	c.act(r)
	if !r.watch.wait(quic.StreamStateRetired, ctx.Done()) {
		r.fault("the stream was not retired")
	}
	r.send, r.receive = r.watch.seen("send"), r.watch.seen("receive")
	return r.result, nil
}

// exchange sends a datagram and waits for its echo. Datagrams may be lost, so it repeats that.
func (r *caseRun) exchange() error {
	for {
		if err := r.stream.SendDatagram([]byte("hello")); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		d, err := r.stream.ReceiveDatagram(ctx)
		cancel()
		if err == nil {
			fmt.Fprintf(r.out, "  SendDatagram: ok, ReceiveDatagram: %q\n", d)
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) || r.ctx.Err() != nil {
			return err
		}
	}
}

func (r *caseRun) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// begin tells the server to do its part.
func (r *caseRun) begin() {
	if _, err := r.stream.Write([]byte{0}); err != nil {
		r.fault("Write: %v", err)
	}
}

func (r *caseRun) waitFor(s quic.StreamState) {
	if !r.watch.wait(s, r.ctx.Done()) {
		r.fault("state %s of the %s half was not reported", s, half(s))
	}
}

// trySend notes what SendDatagram answers. allowed says what it should.
func (r *caseRun) trySend(allowed bool) {
	r.sendErr = r.stream.SendDatagram([]byte("anyone there?"))
	fmt.Fprintf(r.out, "  SendDatagram: %s\n", answer(r.sendErr))
	if (r.sendErr == nil) != allowed {
		r.fault("SendDatagram: %v", r.sendErr)
	}
}

// tryReceive notes what ReceiveDatagram answers, which has to be an error.
func (r *caseRun) tryReceive() {
	d, err := r.stream.ReceiveDatagram(r.ctx)
	r.recvErr = err
	fmt.Fprintf(r.out, "  ReceiveDatagram: %s\n", answer(err))
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		r.fault("ReceiveDatagram: %q, %v", d, err)
	}
}

func answer(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

func normalClose(r *caseRun) {
	r.begin()
	r.stream.Close()
	r.trySend(false)
	if _, err := io.Copy(io.Discard, r.stream); err != nil {
		r.fault("Read: %v", err)
	}
	r.waitFor(quic.ReceiveStateDataRead)
	r.tryReceive()
}

func stopSending(r *caseRun) {
	r.begin()
	// The application does nothing with the stream. That its send half is over comes from QUIC.
	r.waitFor(quic.SendStateResetRecvd)
	r.trySend(false)
	ctx, cancel := context.WithTimeout(r.ctx, time.Second)
	defer cancel()
	d, err := r.stream.ReceiveDatagram(ctx)
	fmt.Fprintf(r.out, "  ReceiveDatagram: %q, %s\n", d, answer(err))
	if err != nil {
		r.fault("ReceiveDatagram on the open half: %v", err)
	}
	r.stream.CancelRead(stopCode)
	r.waitFor(quic.ReceiveStateStopped)
	r.tryReceive()
}

func resetStream(r *caseRun) {
	r.begin()
	// Nobody reads the stream, so nobody sees the RESET_STREAM.
	r.waitFor(quic.ReceiveStateResetRecvd)
	r.tryReceive()
	r.trySend(true)
	r.stream.Close()
}

func connectionClose(r *caseRun) {
	r.begin()
	r.waitFor(quic.StreamStateRetired)
	r.trySend(false)
	r.tryReceive()
}

// printTable prints one row for each case and reports whether all of them ended as they should.
func printTable(out io.Writer, results []*result) bool {
	ok := true
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\tsend half\treceive half\tSendDatagram\tReceiveDatagram\t")
	for _, r := range results {
		if !slices.Equal(r.send, r.wantSend) {
			r.faults = append(r.faults, "send half: want "+names(r.wantSend))
		}
		if !slices.Equal(r.receive, r.wantRecv) {
			r.faults = append(r.faults, "receive half: want "+names(r.wantRecv))
		}
		verdict := "ok"
		if len(r.faults) > 0 {
			ok, verdict = false, "WRONG: "+strings.Join(r.faults, "; ")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.name, names(r.send), names(r.receive),
			answer(r.sendErr), answer(r.recvErr), verdict)
	}
	w.Flush()
	return ok
}

// names returns the states in words, without the first one, which all streams have.
func names(states []quic.StreamState) string {
	var words []string
	for _, s := range states[min(1, len(states)):] {
		words = append(words, s.String())
	}
	return strings.Join(words, " ")
}
