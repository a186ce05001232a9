package quic_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	tokens "github.com/quic-go/quic-go/internal/handshake"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protect"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/udp"
)

// A soakRun plays a soakScenario and checks what the documentation promises: what is delivered is what was sent, calls end
// with the error that is due, and nothing is left. Sides are 0, the client, and 1, the server.
type soakRun struct {
	t   *testing.T
	s   *soakScenario
	net *netsim.Net
	// partial: RESET_STREAM_AT can be used.
	partial bool

	transports []*quic.Transport // of the client, of the server, to which the client migrates
	listener   *quic.Listener
	clientTLS  *tls.Config
	conns      []*quic.Conn // that of the server may be missing

	work    sync.WaitGroup // what ends when all streams have
	others  sync.WaitGroup // what ends with the connections
	buffers atomic.Int64   // of received datagrams that are held

	mu      sync.Mutex
	running map[string]bool  // parts of work
	ended   [2]time.Duration // when the connections have, since the network was made
}

// Limits in virtual time: everything that is going on takes much less.
const (
	soakWorkLimit = 2 * time.Hour
	soakEndLimit  = 10 * time.Minute
	// soakSlack is three PTOs, and what is on its way when the network dies.
	soakSlack = 10 * time.Second
)

// runSoak plays a scenario, in a bubble.
func runSoak(t *testing.T, s *soakScenario) (outcome string) {
	r := &soakRun{t: t, s: s, running: make(map[string]bool)}
	r.partial = s.config[0].EnableStreamResetPartialDelivery && s.config[1].EnableStreamResetPartialDelivery
	udp.CountBuffers(&r.buffers)
	defer udp.CountBuffers(nil)
	r.setUp()
	outcome = "not connected"
	if r.connect() {
		r.startChanges()
		outcome = r.finish()
	}
	r.tearDown()
	return outcome
}

func (r *soakRun) setUp() {
	amplification := &amplificationOracle{t: r.t, off: r.s.retry}
	r.s.net.OnSent, r.s.net.OnDelivered = amplification.onSent, amplification.onDelivered
	client, server, n := netsim.Pair(r.s.seed, r.s.net)
	r.net = n
	r.transports = []*quic.Transport{r.newTransport(0, client), r.newTransport(1, server)}
	if r.s.retry {
		r.transports[1].VerifySourceAddress = func(net.Addr) bool { return true }
	}
	r.clientTLS = testcert.ClientConfig("test")
	r.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	var err error
	if r.listener, err = r.transports[1].Listen(testcert.ServerConfig("test"), r.s.config[1]); err != nil {
		r.t.Fatalf("Listen: %v", err)
	}
}

func (r *soakRun) newTransport(side int, pc net.PacketConn) *quic.Transport {
	if r.s.sendErrors > 0 {
		pc = netsim.WithFaults(pc, netsim.WithProbability(r.s.seed, r.s.readErrors, syscall.ECONNREFUSED),
			netsim.WithProbability(r.s.seed, r.s.sendErrors, syscall.ENOBUFS))
	}
	if r.s.maxSend > 0 {
		pc = netsim.WithFaults(pc, nil, netsim.LongerThan(r.s.maxSend, syscall.EMSGSIZE))
	}
	if r.s.dontFrag {
		pc = wholeConn{pc}
	}
	t := &quic.Transport{Conn: pc, CongestionControl: r.s.congestion[side]}
	if r.s.updateAfter > 0 {
		quic.SetKeyLimits(t, protect.Limits{UpdateAfter: r.s.updateAfter})
	}
	return t
}

// connect reports whether the client has a connection, which does not mean that the server has one too.
func (r *soakRun) connect() bool {
	dial := r.transports[0].Dial
	if r.s.resume {
		r.prime()
		dial = r.transports[0].DialEarly
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	accepted := make(chan *quic.Conn, 1)
	r.others.Go(func() {
		c, err := r.listener.Accept(ctx)
		if err != nil && !errors.Is(err, context.Canceled) {
			r.t.Errorf("Accept: %v", err)
		}
		accepted <- c
	})
	client, err := dial(ctx, r.listener.Addr(), r.clientTLS, r.s.config[0])
	if err != nil {
		if !r.isLateToken(err) && (!r.s.harsh || !isTimeoutError(err)) {
			r.t.Errorf("Dial: %v, harsh network: %t", err, r.s.harsh)
		}
		return false
	}
	r.conns = append(r.conns, client)
	r.startWork(0)
	select {
	case c := <-accepted:
		r.conns = append(r.conns, c)
		r.startWork(1)
	case <-client.Context().Done():
	case <-time.After(soakEndLimit):
		r.t.Error("the server has no connection, the client's goes on")
	}
	return true
}

// isLateToken reports whether err says that the answer to a Retry took longer than its token is valid.
func (r *soakRun) isLateToken(err error) bool {
	return r.s.retry && r.net.Elapsed() > tokens.RetryTokenLifetime &&
		errors.Is(err, &quic.TransportError{ErrorCode: quic.InvalidToken, Remote: true})
}

// prime makes the client get a session ticket, if the network permits.
func (r *soakRun) prime() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := r.transports[0].Dial(ctx, r.listener.Addr(), r.clientTLS, r.s.config[0])
	if err != nil {
		return
	}
	time.Sleep(time.Second)
	client.CloseWithError(0, "")
	if server, err := r.listener.Accept(ctx); err == nil {
		<-server.Context().Done()
	}
}

func isTimeoutError(err error) bool {
	return errors.Is(err, &quic.IdleTimeoutError{}) || errors.Is(err, &quic.HandshakeTimeoutError{})
}

// startChanges lets the network change.
func (r *soakRun) startChanges() {
	for _, c := range r.s.changes {
		time.AfterFunc(c.at, func() {
			up, down := r.s.net.Up, r.s.net.Down
			up.MTU, down.MTU = c.mtu, c.mtu
			r.net.SetUp(up)
			r.net.SetDown(down)
		})
	}
	for _, at := range r.s.rebinds {
		time.AfterFunc(at, r.net.Rebind)
	}
}

// do runs a part of the work.
func (r *soakRun) do(name string, f func()) {
	r.mu.Lock()
	r.running[name] = true
	r.mu.Unlock()
	r.work.Go(func() {
		f()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, name)
	})
}

func (r *soakRun) startWork(side int) {
	c := r.conns[side]
	context.AfterFunc(c.Context(), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ended[side] = r.net.Elapsed()
	})
	r.do(fmt.Sprintf("side %d opens", side), func() { r.openStreams(side, c) })
	r.do(fmt.Sprintf("side %d accepts", side), func() { r.acceptStreams(side, c) })
	r.do(fmt.Sprintf("side %d accepts unidirectional streams", side), func() { r.acceptUniStreams(side, c) })
	r.do(fmt.Sprintf("side %d sends datagrams", side), func() { r.sendDatagrams(side, c) })
	r.others.Go(func() { r.receiveDatagrams(side, c) })
	if side == 0 && r.s.migrateAt > 0 {
		t := r.newTransport(0, r.net.Listen(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 2000}))
		r.transports = append(r.transports, t)
		r.do("migration", func() { r.migrate(c, t) })
	}
}

// migrate makes the client use another address.
func (r *soakRun) migrate(c *quic.Conn, t *quic.Transport) {
	time.Sleep(r.s.migrateAt)
	ctx, cancel := context.WithTimeout(context.Background(), soakEndLimit)
	defer cancel()
	p, err := c.AddPath(t)
	if err == nil {
		err = p.Probe(ctx)
	}
	if err == nil {
		err = p.Switch()
	}
	if err != nil {
		r.checkConnError(0, "migration", err)
	}
}

func halfName(side int, id quic.StreamID, half string) string {
	return fmt.Sprintf("stream %d, side %d %s", id, side, half)
}

func (r *soakRun) openStreams(side int, c *quic.Conn) {
	for _, st := range r.s.streams[side] {
		time.Sleep(st.wait)
		if st.typ == protocol.StreamTypeUni {
			s, err := c.OpenUniStreamSync(context.Background())
			if err != nil {
				r.checkConnError(side, "OpenUniStreamSync", err)
				return
			}
			s.SetPriority(st.urgency, !st.background)
			name := halfName(side, s.StreamID(), "writes")
			r.do(name, func() { r.write(side, name, s, &st.there) })
			continue
		}
		s, err := c.OpenStreamSync(context.Background())
		if err != nil {
			r.checkConnError(side, "OpenStreamSync", err)
			return
		}
		s.SetPriority(st.urgency, !st.background)
		r.doBoth(side, s, &st.there, &st.back)
	}
}

// doBoth plays both halves of a stream and then gives its credit back.
func (r *soakRun) doBoth(side int, s *quic.Stream, out, in *soakHalf) {
	var both sync.WaitGroup
	both.Add(2)
	writes, reads := halfName(side, s.StreamID(), "writes"), halfName(side, s.StreamID(), "reads")
	r.do(writes, func() {
		defer both.Done()
		r.write(side, writes, s, out)
	})
	r.do(reads, func() {
		defer both.Done()
		r.read(side, reads, s, in)
	})
	r.do(halfName(side, s.StreamID(), "goes on"), func() {
		both.Wait()
		s.ReleaseStreamCredit()
	})
}

// streamsOf returns the streams of a type that a side opens, in the order of their numbers.
func (r *soakRun) streamsOf(side int, typ protocol.StreamType) []*soakStream {
	return slices.DeleteFunc(slices.Clone(r.s.streams[side]), func(s *soakStream) bool { return s.typ != typ })
}

func (r *soakRun) acceptStreams(side int, c *quic.Conn) {
	for n, st := range r.streamsOf(1-side, protocol.StreamTypeBidi) {
		s, err := c.AcceptStream(context.Background())
		if err != nil {
			r.checkConnError(side, "AcceptStream", err)
			return
		}
		if got := s.StreamID().StreamNum(); got != protocol.StreamNum(n+1) {
			r.t.Errorf("AcceptStream returns stream %d, want the %d-th", s.StreamID(), n+1)
		}
		r.doBoth(side, s, &st.back, &st.there)
	}
}

func (r *soakRun) acceptUniStreams(side int, c *quic.Conn) {
	for n, st := range r.streamsOf(1-side, protocol.StreamTypeUni) {
		s, err := c.AcceptUniStream(context.Background())
		if err != nil {
			r.checkConnError(side, "AcceptUniStream", err)
			return
		}
		if got := s.StreamID().StreamNum(); got != protocol.StreamNum(n+1) {
			r.t.Errorf("AcceptUniStream returns stream %d, want the %d-th", s.StreamID(), n+1)
		}
		name := halfName(side, s.StreamID(), "reads")
		r.do(name, func() {
			r.read(side, name, s, &st.there)
			s.ReleaseStreamCredit()
		})
	}
}

// finish ends the connections and returns how.
func (r *soakRun) finish() string {
	if r.s.end.early() {
		time.Sleep(r.s.end.at)
		r.close()
	}
	if !r.await("work", &r.work, soakWorkLimit) {
		return "stuck"
	}
	if !r.s.end.early() {
		if r.alive() {
			r.expectNoStreams()
		}
		r.close()
	}
	timeouts := 0
	for side, c := range r.conns {
		select {
		case <-c.Context().Done():
		case <-time.After(soakEndLimit):
			r.t.Errorf("side %d: the connection goes on", side)
			return "stuck"
		}
		r.checkCause(side)
		if isTimeoutError(context.Cause(c.Context())) {
			timeouts++
		}
	}
	if !r.await("rest", &r.others, soakEndLimit) {
		return "stuck"
	}
	synctest.Wait()
	for side := range r.conns {
		r.checkCallsAfterEnd(side)
		r.checkTimeout(side)
	}
	if timeouts == len(r.conns) {
		return "timeout"
	}
	return "closed"
}

// alive reports whether both connections go on.
func (r *soakRun) alive() bool {
	return len(r.conns) == 2 && r.conns[0].Context().Err() == nil && r.conns[1].Context().Err() == nil
}

// close does what the scenario says about the end.
func (r *soakRun) close() {
	end := r.s.end
	if len(r.conns) < 2 {
		return
	}
	switch end.way {
	case endAfterWork, endEarly:
		r.conns[end.side].CloseWithError(end.code, "the end")
	case endBoth:
		var wg sync.WaitGroup
		for _, c := range r.conns {
			wg.Go(func() { c.CloseWithError(end.code, "the end") })
		}
		wg.Wait()
	case endTransport:
		r.transports[end.side].Close()
	case endIdle, endWays:
	}
}

// await waits for wg. What does not end in time is ended by force.
func (r *soakRun) await(what string, wg *sync.WaitGroup, limit time.Duration) bool {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-time.After(limit):
	}
	r.mu.Lock()
	r.t.Errorf("the %s does not end: %q", what, slices.Sorted(maps.Keys(r.running)))
	r.mu.Unlock()
	for _, t := range r.transports {
		t.Close()
	}
	<-done
	return false
}

// expectNoStreams waits until both sides have forgotten all streams, as they have to without any help.
func (r *soakRun) expectNoStreams() {
	for range int(soakEndLimit / time.Second) {
		if !r.alive() || quic.StreamCount(r.conns[0])+quic.StreamCount(r.conns[1]) == 0 {
			return
		}
		time.Sleep(time.Second)
	}
	r.t.Errorf("%d streams of the client and %d of the server are left", quic.StreamCount(r.conns[0]), quic.StreamCount(r.conns[1]))
}

// checkConnError checks the error of a call that fails because the connection is over.
func (r *soakRun) checkConnError(side int, what string, err error) {
	c := r.conns[side]
	select {
	case <-c.Context().Done():
	case <-time.After(time.Minute):
		r.t.Errorf("side %d: %s: %v, but the connection goes on", side, what, err)
		return
	}
	if cause := context.Cause(c.Context()); !errors.Is(err, cause) || err.Error() != cause.Error() {
		r.t.Errorf("side %d: %s: %v, want the cause of the end: %v", side, what, err, cause)
	}
	r.checkCause(side)
}

// checkCause checks why the connection of a side is over.
func (r *soakRun) checkCause(side int) {
	end, cause := r.s.end, context.Cause(r.conns[side].Context())
	own := end.side == side || end.way == endBoth
	closes := end.way == endAfterWork || end.way == endEarly || end.way == endBoth
	ok := false
	switch {
	case errors.Is(cause, &quic.ApplicationError{ErrorCode: end.code}):
		ok = closes && own
	case errors.Is(cause, &quic.ApplicationError{ErrorCode: end.code, Remote: true}):
		ok = closes && (!own || end.way == endBoth)
	case r.isLateToken(cause):
		ok = side == 0 && r.s.resume
	case errors.Is(cause, quic.ErrTransportClosed):
		ok = end.way == endTransport && own
	case isTimeoutError(cause):
		// The other side may have gone, and what it had to say may be lost.
		gone := end.way != endIdle && !own && (end.way == endTransport || !r.s.lossless)
		ok = r.s.harsh || gone || end.way == endIdle && r.isDone()
	}
	if !ok {
		r.t.Errorf("side %d is over because of %v", side, cause)
	}
}

// checkTimeout checks that a connection whose network is dead ends in time: at one side after the idle timeout, at the other after
// another one if it has heard the first till then. The first packet that is sent in each of these times begins it anew.
func (r *soakRun) checkTimeout(side int) {
	limit := r.s.deadAt + 2*(2*r.s.config[side].MaxIdleTimeout+soakSlack)
	if r.s.dead && r.ended[side] > limit {
		r.t.Errorf("side %d: the network is dead after %s, the connection ends after %s, want %s at most", side, r.s.deadAt, r.ended[side], limit)
	}
}

// isDone reports whether all of the work is.
func (r *soakRun) isDone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.running) == 0
}

// checkCallsAfterEnd checks that no call succeeds or blocks when the connection is over.
func (r *soakRun) checkCallsAfterEnd(side int) {
	c := r.conns[side]
	for what, call := range map[string]func() error{
		"OpenStream":             func() error { _, err := c.OpenStream(); return err },
		"OpenUniStream":          func() error { _, err := c.OpenUniStream(); return err },
		"OpenStreamSync":         func() error { _, err := c.OpenStreamSync(context.Background()); return err },
		"AcceptStream":           func() error { _, err := c.AcceptStream(context.Background()); return err },
		"AcceptUniStream":        func() error { _, err := c.AcceptUniStream(context.Background()); return err },
		"SendDatagram":           func() error { return c.SendDatagram(nil) },
		"second ReceiveDatagram": func() error { _, err := c.ReceiveDatagram(context.Background()); return err },
	} {
		if err := call(); err == nil {
			r.t.Errorf("side %d: %s succeeds after the end", side, what)
		} else {
			r.checkConnError(side, what+" after the end", err)
		}
	}
	if err := c.CloseWithError(1, "again"); err != nil {
		r.t.Errorf("side %d: CloseWithError after the end: %v", side, err)
	}
	if n := quic.StreamCount(c); n > 0 {
		r.t.Errorf("side %d: %d streams are left after the end", side, n)
	}
}

// tearDown closes everything and looks for what is left. Goroutines that are left fail the bubble.
func (r *soakRun) tearDown() {
	for side, t := range r.transports {
		for range int(soakEndLimit / time.Second) {
			if quic.RoutedByTransport(t) == 0 {
				break
			}
			time.Sleep(time.Second)
		}
		if n := quic.RoutedByTransport(t); n > 0 {
			r.t.Errorf("side %d: the Transport still knows %d connections, IDs or tokens", side, n)
		}
	}
	r.listener.Close()
	for _, t := range r.transports {
		t.Close()
	}
	r.await("rest", &r.others, soakEndLimit)
	r.net.Close()
	synctest.Wait()
	if n := r.buffers.Load(); n != 0 {
		r.t.Errorf("%d buffers of received datagrams are left", n)
	}
}
