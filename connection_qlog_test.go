package quic_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/testutils/events"
)

// A recordingTracer is a Config.Tracer that keeps events, and its calls.
type recordingTracer struct {
	events.Recorder
	mu    sync.Mutex
	calls []tracerCall
}

type tracerCall struct {
	ctx      context.Context
	isClient bool
	odcid    quic.ConnectionID
	trace    qlogwriter.Trace
}

func (r *recordingTracer) trace(ctx context.Context, isClient bool, odcid quic.ConnectionID) qlogwriter.Trace {
	r.mu.Lock()
	defer r.mu.Unlock()
	trace := &events.Trace{Recorder: &r.Recorder}
	r.calls = append(r.calls, tracerCall{ctx, isClient, odcid, trace})
	return trace
}

func recorded[E qlogwriter.Event](r *recordingTracer) (found []E) {
	var example E
	for _, e := range r.Events(example) {
		found = append(found, e.(E))
	}
	return found
}

// A tracedPair is a pair of which both sides have a trace.
type tracedPair struct {
	*pair
	clientLog, serverLog recordingTracer
}

func newTracedPair(t *testing.T, o pairOptions) *tracedPair {
	t.Helper()
	p := &tracedPair{}
	if o.client == nil {
		o.client = &quic.Config{}
	}
	if o.server == nil {
		o.server = &quic.Config{}
	}
	o.client.Tracer, o.server.Tracer = p.clientLog.trace, p.serverLog.trace
	p.pair = newPair(t, o)
	return p
}

// echo sends n bytes to the server and back.
func (p *tracedPair) echo(t *testing.T, n int) {
	t.Helper()
	go func() {
		s, err := p.server.AcceptStream(t.Context())
		if err != nil {
			t.Errorf("AcceptStream: %v", err)
			return
		}
		if _, err := io.Copy(s, s); err != nil {
			t.Errorf("echo: %v", err)
		}
		s.Close()
	}()
	s, err := p.client.OpenStream()
	if err != nil {
		t.Fatalf("OpenStream: %v", err)
	}
	go func() {
		s.Write(make([]byte, n))
		s.Close()
	}()
	if got, err := io.Copy(io.Discard, s); err != nil || got != int64(n) {
		t.Fatalf("received %d bytes, %v; want %d", got, err, n)
	}
}

func TestTracerIsCalledOncePerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{})
		p.client.CloseWithError(0, "")
		synctest.Wait()
		client, server := p.clientLog.calls, p.serverLog.calls
		if len(client) != 1 || len(server) != 1 {
			t.Fatalf("Tracer was called %d and %d times, want once on each side", len(client), len(server))
		}
		if !client[0].isClient || server[0].isClient {
			t.Errorf("isClient is %t at the client and %t at the server", client[0].isClient, server[0].isClient)
		}
		if client[0].odcid != server[0].odcid || client[0].odcid.Len() < 8 {
			t.Errorf("connection IDs %s at the client and %s at the server", client[0].odcid, server[0].odcid)
		}
		if p.client.QlogTrace() != client[0].trace || p.server.QlogTrace() != server[0].trace {
			t.Error("QlogTrace does not return what Tracer has returned")
		}
		if context.Cause(server[0].ctx) == nil {
			t.Error("the context of Tracer has not ended with the connection")
		}
		if !p.clientLog.Closed() || !p.serverLog.Closed() {
			t.Error("a recorder is not closed")
		}
	})
}

// closedTrace is a trace that takes no producers any more.
type closedTrace struct{}

func (closedTrace) AddProducer() qlogwriter.Recorder { return nil }

func TestTracerMayDecline(t *testing.T) {
	for _, trace := range []qlogwriter.Trace{nil, closedTrace{}} {
		synctest.Test(t, func(t *testing.T) {
			tracer := func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return trace }
			p := newPair(t, pairOptions{client: &quic.Config{Tracer: tracer}, server: &quic.Config{Tracer: tracer}})
			if got := p.client.QlogTrace(); got != trace {
				t.Errorf("QlogTrace() = %v, want %v", got, trace)
			}
		})
	}
}

// names returns what happened besides packets and metrics, in short.
func (r *recordingTracer) names() (names []string) {
	for _, e := range r.Events() {
		switch e := e.(type) {
		case qlog.ConnectionStateUpdated:
			names = append(names, string(e.State))
		case qlog.KeyUpdated:
			names = append(names, "+"+string(e.KeyType))
		case qlog.KeyDiscarded:
			names = append(names, "-"+string(e.KeyType))
		case qlog.StartedConnection, qlog.VersionInformation, qlog.ALPNInformation, qlog.RecoveryParametersSet, qlog.ConnectionClosed:
			_, name, _ := strings.Cut(e.Name(), ":")
			names = append(names, name)
		case qlog.ParametersSet:
			names = append(names, string(e.Initiator)+" parameters")
		}
	}
	return names
}

func TestLogOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{net: netsim.Options{
			Up: netsim.Direction{Delay: 10 * time.Millisecond}, Down: netsim.Direction{Delay: 10 * time.Millisecond},
		}})
		p.echo(t, 30_000) // too little for a key update
		p.client.CloseWithError(7, "bye")
		time.Sleep(time.Second)
		want := []string{
			"connection_started", "version_information", "local parameters", "recovery_parameters_set", "attempted",
			"+client_initial_secret", "+server_initial_secret", "handshake_started",
			"+client_handshake_secret", "+server_handshake_secret", "remote parameters",
			"+client_1rtt_secret", "alpn_information", "handshake_complete", "+server_1rtt_secret",
			"handshake_confirmed", "-client_handshake_secret", "-server_handshake_secret", "connection_closed", "closed",
		}
		got := p.clientLog.names()
		// The Initial keys go with the first Handshake packet, which may be an ACK of the first datagram of the server.
		first, last := slices.Index(got, "-client_initial_secret"), slices.Index(got, "-server_initial_secret")
		if first < slices.Index(got, "+client_handshake_secret") || last != first+1 || last > slices.Index(got, "handshake_confirmed") {
			t.Fatalf("the client has discarded its Initial keys at another time: %q", got)
		}
		if got = slices.Delete(got, first, last+1); !slices.Equal(got, want) {
			t.Errorf("the client has recorded\n%q, want\n%q", got, want)
		}
		code := quic.ApplicationErrorCode(7)
		closed := recorded[qlog.ConnectionClosed](&p.serverLog)
		if len(closed) != 1 || closed[0].Initiator != qlog.InitiatorRemote || *closed[0].ApplicationError != code || closed[0].Reason != "bye" {
			t.Errorf("the server has recorded the ends %+v", closed)
		}
		if m := recorded[qlog.MetricsUpdated](&p.clientLog); m[len(m)-1].MinRTT < 20*time.Millisecond {
			t.Errorf("last metrics %+v, want an RTT of 20 ms or more", m[len(m)-1])
		}
	})
}

// A loggedPacket is what both sides should say of a packet.
type loggedPacket struct {
	typ    qlog.PacketType
	pn     qlog.PacketNumber
	length int
	sum    qlog.DatagramPayloadChecksum
	frames int
}

func sentPackets(r *recordingTracer) (list []loggedPacket) {
	for _, e := range recorded[qlog.PacketSent](r) {
		list = append(list, loggedPacket{e.Header.PacketType, e.Header.PacketNumber, e.Raw.Length, e.DatagramPayloadChecksum, len(e.Frames)})
	}
	return list
}

func receivedPackets(r *recordingTracer) (list []loggedPacket) {
	for _, e := range recorded[qlog.PacketReceived](r) {
		list = append(list, loggedPacket{e.Header.PacketType, e.Header.PacketNumber, e.Raw.Length, e.DatagramPayloadChecksum, len(e.Frames)})
	}
	return list
}

func TestLogsOfBothSidesAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{
			client: &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true},
			server: &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true},
		})
		p.echo(t, 200_000)
		if err := p.client.SendDatagram([]byte("datagram")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for _, side := range []struct {
			name     string
			from, to *recordingTracer
		}{{"client", &p.clientLog, &p.serverLog}, {"server", &p.serverLog, &p.clientLog}} {
			sent, received := sentPackets(side.from), receivedPackets(side.to)
			if !slices.Equal(sent, received) {
				t.Errorf("the %s has sent\n%v, received was\n%v", side.name, sent, received)
			}
			if len(sent) < 100 {
				t.Errorf("the %s has sent %d packets only", side.name, len(sent))
			}
		}
		var datagrams int
		for _, e := range recorded[qlog.PacketReceived](&p.serverLog) {
			for _, f := range e.Frames {
				if d, ok := f.Frame.(*qlog.DatagramFrame); ok && d.Length == 8 {
					datagrams++
				}
			}
		}
		if datagrams != 1 {
			t.Errorf("%d DATAGRAM frames of 8 bytes received, want 1", datagrams)
		}
	})
}

func TestLogOfLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{net: netsim.Options{
			Up:   netsim.Direction{Delay: 10 * time.Millisecond, DropNth: []int{20, 21}},
			Down: netsim.Direction{Delay: 10 * time.Millisecond},
		}})
		p.echo(t, 100_000)
		sent := sentPackets(&p.clientLog)
		lost := recorded[qlog.PacketLost](&p.clientLog)
		if len(lost) != 2 {
			t.Fatalf("%d packets lost, want 2", len(lost))
		}
		arrived := receivedPackets(&p.serverLog)
		for _, e := range lost {
			is := func(l loggedPacket) bool { return l.typ == e.Header.PacketType && l.pn == e.Header.PacketNumber }
			if !slices.ContainsFunc(sent, is) || slices.ContainsFunc(arrived, is) {
				t.Errorf("packet %d is recorded as lost, which it is not", e.Header.PacketNumber)
			}
		}
		states := recorded[qlog.CongestionStateUpdated](&p.clientLog)
		if !slices.Contains(states, qlog.CongestionStateUpdated{State: qlog.CongestionStateRecovery}) {
			t.Errorf("states of congestion control %v, want recovery among them", states)
		}
	})
}

func TestLogOfTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{
			client: &quic.Config{MaxIdleTimeout: 5 * time.Second},
			net:    netsim.Options{Up: netsim.Direction{BlackHoles: []netsim.Window{{Start: time.Second, End: time.Hour}}}},
		})
		time.Sleep(2 * time.Second)
		p.clientLog.Clear()
		s, err := p.client.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		s.Write([]byte("lost"))
		<-p.client.Context().Done()
		synctest.Wait() // for the last events
		if e := recorded[qlog.ConnectionClosed](&p.clientLog); len(e) != 1 || e[0].Trigger != qlog.ConnectionCloseTriggerIdleTimeout {
			t.Errorf("recorded ends %+v, want an idle timeout", e)
		}
		ptos := recorded[qlog.PTOCountUpdated](&p.clientLog)
		if len(ptos) < 3 || ptos[0].PTOCount != 1 || ptos[2].PTOCount != 3 {
			t.Errorf("PTO counts %v, want 1, 2, 3 and so on", ptos)
		}
		var types []qlog.TimerEventType
		for _, e := range recorded[qlog.TimerUpdated](&p.clientLog) {
			if e.TimerType != qlog.TimerTypePTO || e.EncLevel != qlog.Encryption1RTT {
				t.Errorf("timer %+v, want PTO timers of 1-RTT packets only", e)
			}
			types = append(types, e.Type)
		}
		set, expired := qlog.TimerEventTypeSet, qlog.TimerEventTypeExpired
		if want := []qlog.TimerEventType{set, expired, set, expired, set}; len(types) < len(want) || !slices.Equal(types[:len(want)], want) {
			t.Errorf("timer events %v, want %v and so on", types, want)
		}
	})
}

func TestLogOfVersionNegotiation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{
			client: &quic.Config{Versions: []quic.Version{quic.Version2, quic.Version1}},
			server: &quic.Config{Versions: []quic.Version{quic.Version1}},
		})
		if len(p.clientLog.calls) != 2 {
			t.Fatalf("Tracer was called %d times, want once for each attempt", len(p.clientLog.calls))
		}
		if e := recorded[qlog.VersionNegotiationReceived](&p.clientLog); len(e) != 1 || !slices.Contains(e[0].SupportedVersions, quic.Version1) {
			t.Errorf("received Version Negotiation packets %+v", e)
		}
		if e := recorded[qlog.ConnectionClosed](&p.clientLog); len(e) != 1 || e[0].Trigger != qlog.ConnectionCloseTriggerVersionMismatch {
			t.Errorf("recorded ends %+v, want a version mismatch", e)
		}
	})
}

func TestLogOfCompatibleVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{
			client: &quic.Config{Versions: []quic.Version{quic.Version1, quic.Version2}},
			server: &quic.Config{Versions: []quic.Version{quic.Version2, quic.Version1}},
		})
		for _, log := range []*recordingTracer{&p.clientLog, &p.serverLog} {
			var chosen []quic.Version
			for _, e := range recorded[qlog.VersionInformation](log) {
				chosen = append(chosen, e.ChosenVersion)
			}
			if !slices.Equal(chosen, []quic.Version{quic.Version1, quic.Version2}) {
				t.Errorf("chosen versions %v, want v1 and then v2", chosen)
			}
		}
	})
}

func TestLogOfRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log recordingTracer
		p := newUnconnectedPair(t, pairOptions{})
		p.listener.Close()
		p.serverTr.VerifySourceAddress = func(net.Addr) bool { return true }
		ln, err := p.serverTr.Listen(testcert.ServerConfig("test"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.clientTr.Dial(t.Context(), ln.Addr(), p.clientTLS, &quic.Config{Tracer: log.trace}); err != nil {
			t.Fatal(err)
		}
		received := recorded[qlog.PacketReceived](&log)
		if h := received[0].Header; h.PacketType != qlog.PacketTypeRetry || h.Token == nil || len(h.Token.Raw) == 0 {
			t.Fatalf("first received packet %+v, want a Retry", h)
		}
		sent := recorded[qlog.PacketSent](&log)
		last := sent[0]
		for _, e := range sent {
			if e.Header.PacketType == qlog.PacketTypeInitial {
				last = e
			}
		}
		if last.Header.Token == nil || string(last.Header.Token.Raw) != string(received[0].Header.Token.Raw) {
			t.Errorf("the last Initial has the token %v, want that of the Retry", last.Header.Token)
		}
	})
}

func TestLogOfRebinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{})
		p.echo(t, 1000)
		time.Sleep(time.Second)
		p.net.Rebind()
		p.serverLog.Clear()
		p.echo(t, 1000)
		time.Sleep(time.Second)
		assigned := recorded[qlog.TupleAssigned](&p.serverLog)
		want := p.net.ClientAddr(p.client.LocalAddr()).String()
		if len(assigned) != 1 || assigned[0].TupleID != "1" || assigned[0].Remote.IPv4.String() != want {
			t.Fatalf("recorded tuples %+v, want one with the client at %s", assigned, want)
		}
		streams, challenges := make(map[string]int), make(map[string]int)
		for _, e := range recorded[qlog.PacketSent](&p.serverLog) {
			for _, f := range e.Frames {
				switch f.Frame.(type) {
				case *qlog.StreamFrame:
					streams[e.Tuple]++
				case *qlog.PathChallengeFrame:
					challenges[e.Tuple]++
				}
			}
		}
		if streams[""] > 0 || streams["1"] == 0 {
			t.Errorf("STREAM frames sent by tuple: %v, want them on tuple 1", streams)
		}
		if challenges[""] == 0 || challenges["1"] == 0 {
			t.Errorf("PATH_CHALLENGE frames sent by tuple: %v, want some on the old path, too", challenges)
		}
		received := recorded[qlog.PacketReceived](&p.serverLog)
		if last := received[len(received)-1]; last.Tuple != "1" {
			t.Errorf("packet %d received on tuple %q, want 1", last.Header.PacketNumber, last.Tuple)
		}
	})
}

func TestLogOfPriorities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{})
		s, err := p.client.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		s.SetPriority(1, false)
		want := qlog.StreamPriorityUpdated{StreamID: s.StreamID(), Urgency: 1}
		if got := recorded[qlog.StreamPriorityUpdated](&p.clientLog); !slices.Equal(got, []qlog.StreamPriorityUpdated{want}) {
			t.Errorf("recorded %+v, want %+v", got, want)
		}
	})
}

func TestLogOfDroppedDatagrams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf := func() *quic.Config { return &quic.Config{EnableDatagrams: true} }
		p := newTracedPair(t, pairOptions{client: conf(), server: conf()})
		const kept, sent = protocol.MaxReceiveDatagrams, protocol.MaxReceiveDatagrams + 7
		for range sent {
			if err := p.client.SendDatagram([]byte("12345")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		dropped := recorded[qlog.DatagramDropped](&p.serverLog)
		if len(dropped) != sent-kept {
			t.Fatalf("%d datagrams are recorded as dropped, want %d", len(dropped), sent-kept)
		}
		if e := dropped[0]; e.Direction != qlog.DirectionReceiving || e.Raw.PayloadLength != 5 {
			t.Errorf("recorded %+v", e)
		}
	})
}

func TestLogOfSpuriousLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{net: netsim.Options{
			Up: netsim.Direction{
				Delay: 10 * time.Millisecond, Rate: 1 << 20, Reorder: 0.1, ReorderBy: 30 * time.Millisecond,
			},
			Down: netsim.Direction{Delay: 10 * time.Millisecond},
		}})
		p.echo(t, 300_000)
		time.Sleep(time.Second)
		spurious := recorded[qlog.SpuriousLoss](&p.clientLog)
		if len(spurious) == 0 {
			t.Fatal("no spurious loss is recorded")
		}
		lost := recorded[qlog.PacketLost](&p.clientLog)
		for _, e := range spurious {
			was := func(l qlog.PacketLost) bool { return l.Header.PacketNumber == e.PacketNumber }
			if !slices.ContainsFunc(lost, was) || e.EncryptionLevel != qlog.Encryption1RTT ||
				e.PacketReordering < 1 || e.TimeReordering <= 0 || e.TimeReordering > 100*time.Millisecond {
				t.Errorf("recorded %+v, want one of the packets that were declared lost", e)
			}
		}
	})
}

func TestLogOfPathMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clientLog, serverLog recordingTracer
		newWholePair(t, pairOptions{
			client: &quic.Config{Tracer: clientLog.trace}, server: &quic.Config{Tracer: serverLog.trace}, net: link(1452, &sizeLog{}),
		}, nil, nil)
		time.Sleep(5 * time.Second)
		updates := recorded[qlog.MTUUpdated](&clientLog)
		if first, last := updates[0], updates[len(updates)-1]; first.Value != 1280 || first.Done || last.Value != 1452 || !last.Done {
			t.Errorf("recorded sizes %+v, want 1280 first and 1452 at the end", updates)
		}
		probes, arrived := 0, 0
		for _, e := range recorded[qlog.PacketSent](&clientLog) {
			if !e.IsMTUProbePacket {
				if e.Raw.Length > 1280 {
					t.Errorf("packet %d of %d bytes is not a probe", e.Header.PacketNumber, e.Raw.Length)
				}
				continue
			}
			probes++
			is := func(p loggedPacket) bool { return p.typ == qlog.PacketType1RTT && p.pn == e.Header.PacketNumber }
			if slices.ContainsFunc(receivedPackets(&serverLog), is) {
				arrived++
			}
		}
		if probes == 0 || arrived == 0 || arrived == probes {
			t.Errorf("%d probes, of which %d have arrived; want some to arrive and some not", probes, arrived)
		}
	})
}

func TestLogOfTheLastPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{})
		p.client.CloseWithError(7, "bye")
		sent := recorded[qlog.PacketSent](&p.clientLog)
		last := sent[len(sent)-1]
		if f, ok := last.Frames[len(last.Frames)-1].Frame.(*qlog.ConnectionCloseFrame); !ok || f.ErrorCode != 7 {
			t.Errorf("the last packet has the frames %+v, want a CONNECTION_CLOSE", last.Frames)
		}
	})
}
