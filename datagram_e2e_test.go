package quic_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/testcert"
)

const datagramQueueLen = 32

// A busyPair is a connection whose client has just used up what congestion control and pacing allow, so that datagrams queue.
// Each datagram arrives in a turn of the server's loop of its own.
type busyPair struct {
	*pair
	a, b  *quic.Stream // the stream with the datagrams
	bulk  *quic.SendStream
	atEnd int // datagrams that had arrived when the end of b was reported
}

func newBusyPair(t *testing.T) *busyPair {
	t.Helper()
	cfg := func() *quic.Config {
		return &quic.Config{EnableDatagrams: true, InitialStreamReceiveWindow: 1 << 22, InitialConnectionReceiveWindow: 1 << 22}
	}
	up := netsim.Direction{Delay: 10 * time.Millisecond, Rate: 1 << 20}
	p := &busyPair{
		pair:  newPair(t, pairOptions{net: netsim.Options{Up: up, Down: netsim.Direction{Delay: 10 * time.Millisecond}}, client: cfg(), server: cfg()}),
		atEnd: -1,
	}
	p.a, p.b = openBoth(t, p.client, p.server)
	p.b.OnStateTransition(func(st quic.StreamState) {
		if (st == quic.ReceiveStateSizeKnown || st == quic.ReceiveStateResetRecvd || st == quic.ReceiveStateDiscarded) && p.atEnd < 0 {
			p.atEnd = quic.ReceivedDatagrams(p.server)
		}
	})
	settle()
	var err error
	if p.bulk, err = p.client.OpenUniStream(); err != nil {
		t.Fatal(err)
	}
	go func() {
		io.Copy(p.bulk, io.LimitReader(zeros{}, 1<<20))
		p.bulk.Close()
	}()
	synctest.Wait() // nothing more is sent at this instant
	return p
}

// queue queues n datagrams of the stream, of which those beyond the limit wait. It returns what these calls return.
func (p *busyPair) queue(t *testing.T, n, size int) <-chan error {
	t.Helper()
	blocked := make(chan error, n)
	for i := range n {
		if i < datagramQueueLen {
			if err := p.a.SendDatagram(make([]byte, size)); err != nil {
				t.Fatalf("SendDatagram: %v", err)
			}
			continue
		}
		go func() { blocked <- p.a.SendDatagram(make([]byte, size)) }()
	}
	synctest.Wait()
	if got, want := quic.QueuedDatagrams(p.client), min(n, datagramQueueLen); got != want || len(blocked) > 0 {
		t.Fatalf("%d datagrams wait, %d calls have returned, want %d, 0", got, len(blocked), want)
	}
	return blocked
}

// Stream-bound datagrams against each cause of closing: none leaves after the packet with the FIN or RESET_STREAM, calls that
// wait are woken. In quic-go v0.65.0 up to 32 more datagrams left (failure F4).
func TestStreamDatagramsAgainstClosing(t *testing.T) {
	causes := []struct {
		name  string
		close func(p *busyPair)
		reset bool
		want  func(id quic.StreamID) error
	}{
		{"Close", func(p *busyPair) { p.a.Close() }, false, func(quic.StreamID) error { return quic.ErrStreamClosed }},
		{"CancelWrite", func(p *busyPair) { p.a.CancelWrite(3) }, true, func(id quic.StreamID) error {
			return &quic.StreamError{StreamID: id, ErrorCode: 3}
		}},
		{"STOP_SENDING", func(p *busyPair) { p.b.CancelRead(3) }, true, func(id quic.StreamID) error {
			return &quic.StreamError{StreamID: id, ErrorCode: 3, Remote: true}
		}},
	}
	for _, cause := range causes {
		for _, queued := range []int{1, 32, 33} {
			for _, data := range []int{0, 5000} {
				t.Run(fmt.Sprintf("%s with %d queued and %d bytes", cause.name, queued, data), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := newBusyPair(t)
						if cause.name == "STOP_SENDING" {
							p.net.SetDown(netsim.Direction{}) // it is there at once
						}
						p.a.Write(make([]byte, data))
						blocked := p.queue(t, queued, 1000)
						go io.Copy(io.Discard, p.b)
						cause.close(p)
						synctest.Wait()
						if err := p.a.SendDatagram([]byte("late")); !errors.Is(err, cause.want(p.a.StreamID())) {
							t.Errorf("SendDatagram after the end: %v", err)
						}
						for range queued - datagramQueueLen {
							if err := <-blocked; !errors.Is(err, cause.want(p.a.StreamID())) {
								t.Errorf("blocked SendDatagram: %v", err)
							}
						}
						go readBulk(t, p.server)
						time.Sleep(10 * time.Second)
						arrived := quic.ReceivedDatagrams(p.server)
						if arrived != p.atEnd {
							t.Errorf("%d datagrams arrived, %d of them before the end of the stream", arrived, p.atEnd)
						}
						if cause.reset && arrived != 0 || !cause.reset && data == 0 && arrived != 1 || !cause.reset && data > 0 && arrived < min(queued, 2) {
							t.Errorf("%d of %d datagrams arrived", arrived, queued)
						}
						if n := quic.QueuedDatagrams(p.client); n != 0 {
							t.Errorf("%d datagrams are left in the queue", n)
						}
					})
				})
			}
		}
	}
}

func readBulk(t *testing.T, c *quic.Conn) {
	r, err := c.AcceptUniStream(t.Context())
	if err != nil {
		return
	}
	io.Copy(io.Discard, r)
}

// Room that the datagrams of a closed stream leave goes to the calls that wait.
func TestDatagramsOfOthersPassAfterClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBusyPair(t)
		p.queue(t, 32, 1000)
		results := make(chan error, 3)
		for i := range 3 {
			go func() { results <- p.client.SendDatagram([]byte{byte(i)}) }()
			synctest.Wait()
		}
		p.a.CancelWrite(1)
		go readBulk(t, p.server)
		for range 3 {
			if got, err := p.server.ReceiveDatagram(t.Context()); err != nil || len(got) != 1 {
				t.Errorf("ReceiveDatagram = %v, %v", got, err)
			}
			if err := <-results; err != nil {
				t.Errorf("SendDatagram: %v", err)
			}
		}
	})
}

// A call that waits returns when the connection ends.
func TestBlockedStreamDatagramEndsWithConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newBusyPair(t)
		blocked := p.queue(t, 40, 1000)
		p.client.CloseWithError(1, "")
		for range 8 {
			if err := <-blocked; err != context.Cause(p.client.Context()) {
				t.Errorf("blocked SendDatagram: %v", err)
			}
		}
	})
}

// Closing races with many calls of SendDatagram: each either succeeds or says why not, none hangs.
func TestStreamDatagramsAgainstClosingConcurrently(t *testing.T) {
	for i := range 30 {
		synctest.Test(t, func(t *testing.T) {
			p := newBusyPair(t)
			go readBulk(t, p.server)
			const callers, each = 10, 20
			results := make(chan error, callers*each)
			for range callers {
				go func() {
					for range each {
						results <- p.a.SendDatagram(make([]byte, 900))
					}
				}()
			}
			time.Sleep(time.Duration(i) * 5 * time.Millisecond)
			switch i % 3 {
			case 0:
				p.a.Close()
			case 1:
				p.a.CancelWrite(1)
			case 2:
				p.b.CancelRead(1)
			}
			for range callers * each {
				if err := <-results; err != nil && err != quic.ErrStreamClosed && !errors.As(err, new(*quic.StreamError)) {
					t.Errorf("SendDatagram: %v", err)
				}
			}
			go io.Copy(io.Discard, p.b)
			time.Sleep(5 * time.Second)
			if n := quic.ReceivedDatagrams(p.server); n != p.atEnd && p.atEnd < 128 {
				t.Errorf("%d datagrams arrived, %d of them before the end of the stream", n, p.atEnd)
			}
		})
	}
}

// Every size that SendDatagram accepts can be delivered, also to a peer with long connection IDs.
func TestLargestDatagramIsDelivered(t *testing.T) {
	for _, cidLen := range []int{1, 4, 20} {
		synctest.Test(t, func(t *testing.T) {
			cfg := &quic.Config{EnableDatagrams: true}
			p := newUnconnectedPair(t, pairOptions{net: delayed()})
			p.serverTr.Close()
			p.serverTr = &quic.Transport{Conn: p.serverTr.Conn, ConnectionIDLength: cidLen}
			l, err := p.serverTr.Listen(testcert.ServerConfig("test"), cfg)
			if err != nil {
				t.Fatal(err)
			}
			client, err := p.clientTr.Dial(t.Context(), l.Addr(), p.clientTLS, cfg)
			if err != nil {
				t.Fatal(err)
			}
			server, err := l.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var tooLarge *quic.DatagramTooLargeError
			if err := client.SendDatagram(make([]byte, 5000)); !errors.As(err, &tooLarge) {
				t.Fatalf("SendDatagram: %v", err)
			}
			largest := int(tooLarge.MaxDatagramPayloadSize)
			if err := client.SendDatagram(make([]byte, largest+1)); !errors.Is(err, tooLarge) {
				t.Errorf("SendDatagram of %d bytes: %v", largest+1, err)
			}
			for _, size := range []int{largest, largest - 1, 0, 1} {
				if err := client.SendDatagram(make([]byte, size)); err != nil {
					t.Errorf("SendDatagram: %v", err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				got, err := server.ReceiveDatagram(ctx)
				cancel()
				if err != nil || len(got) != size {
					t.Errorf("connection ID of %d bytes: received %d bytes, %v, want %d", cidLen, len(got), err, size)
				}
			}
		})
	}
}

// What is not enabled on both sides cannot be sent.
func TestDatagramsDisabled(t *testing.T) {
	for _, tt := range []struct{ client, server bool }{{true, false}, {false, true}, {false, false}} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, pairOptions{
				client: &quic.Config{EnableDatagrams: tt.client}, server: &quic.Config{EnableDatagrams: tt.server},
			})
			const want = "datagram support disabled"
			for _, c := range []*quic.Conn{p.client, p.server} {
				if err := c.SendDatagram(nil); err == nil || err.Error() != want {
					t.Errorf("%+v: SendDatagram: %v, want %s", tt, err, want)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := p.client.ReceiveDatagram(ctx); (err.Error() == want) == tt.client {
				t.Errorf("%+v: ReceiveDatagram: %v", tt, err)
			}
			if st := p.client.ConnectionState().SupportsDatagrams; st.Local != tt.client || st.Remote != tt.server {
				t.Errorf("SupportsDatagrams = %+v", st)
			}
		})
	}
}

// Of datagrams that nobody receives, some are kept.
func TestUnreadDatagramsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &quic.Config{EnableDatagrams: true}
		p := newPair(t, pairOptions{net: delayed(), client: cfg, server: cfg})
		for i := range protocol.MaxReceiveDatagrams + 100 {
			if err := p.client.SendDatagram([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		settle()
		for i := range protocol.MaxReceiveDatagrams {
			if got, err := p.server.ReceiveDatagram(t.Context()); err != nil || got[0] != byte(i) {
				t.Fatalf("ReceiveDatagram = %v, %v, want %d", got, err, i)
			}
		}
		if n := quic.ReceivedDatagrams(p.server); n != 0 {
			t.Errorf("%d more datagrams were kept", n)
		}
		testTransfer(t, p.client, p.server, randomBytes(1, 10_000))
	})
}
