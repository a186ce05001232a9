package quic_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/qlog"
)

// loggedStates returns the states of a stream in a trace, with their halves, in order.
func (r *recordingTracer) loggedStates(id quic.StreamID) (states []string) {
	for _, e := range recorded[qlog.StreamStateUpdated](r) {
		if e.StreamID == id {
			states = append(states, fmt.Sprintf("%s %s", e.Side, e.State))
		}
	}
	return states
}

func TestStreamStatesAreNotLoggedUnlessAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTracedPair(t, pairOptions{})
		p.echo(t, 1000)
		time.Sleep(time.Second)
		for _, log := range []*recordingTracer{&p.clientLog, &p.serverLog} {
			if e := recorded[qlog.StreamStateUpdated](log); len(e) > 0 {
				t.Errorf("recorded %+v", e)
			}
		}
	})
}

// compare fails the test unless the log of a stream is what a subscriber was told, for each half in the same order.
func (h *history) compare(t *testing.T, side string, log *recordingTracer, id quic.StreamID) {
	t.Helper()
	logged := log.loggedStates(id)
	var sending, receiving []string
	for _, s := range h.get() {
		switch {
		case s == quic.StreamStateRetired && len(sending) > 0 && len(receiving) > 0:
			sending, receiving = append(sending, "sending destroyed"), append(receiving, "receiving destroyed")
		case s == quic.StreamStateRetired && len(sending) > 0:
			sending = append(sending, "sending destroyed")
		case s == quic.StreamStateRetired:
			receiving = append(receiving, "receiving destroyed")
		case s >= quic.ReceiveStateRecv:
			receiving = append(receiving, "receiving "+s.String())
		default:
			sending = append(sending, "sending "+s.String())
		}
	}
	ofReceiving := func(s string) bool { return strings.HasPrefix(s, "receiving") }
	ofSending := func(s string) bool { return !ofReceiving(s) }
	if got := slices.DeleteFunc(slices.Clone(logged), ofReceiving); !slices.Equal(got, sending) {
		t.Errorf("the %s has logged\n%q, a subscriber was told\n%q", side, got, sending)
	}
	if got := slices.DeleteFunc(slices.Clone(logged), ofSending); !slices.Equal(got, receiving) {
		t.Errorf("the %s has logged\n%q, a subscriber was told\n%q", side, got, receiving)
	}
}

// The log of a stream is what its subscribers are told.
func TestLogOfStreamStates(t *testing.T) {
	tests := []struct {
		name string
		// end uses the streams of both sides, and may close the connection
		end  func(p *pair, client, server *quic.Stream)
		want []string // states that the client's log must have
	}{
		{"both sides end their halves", func(_ *pair, client, server *quic.Stream) {
			client.Close()
			io.ReadAll(server)
			server.Write([]byte("answer"))
			server.Close()
			io.ReadAll(client)
		}, []string{"sending ready", "sending send", "sending data_received", "receiving receive", "receiving data_read", "sending destroyed", "receiving destroyed"}},
		{"both sides reset", func(_ *pair, client, server *quic.Stream) {
			client.CancelWrite(1)
			server.CancelWrite(2)
			time.Sleep(time.Second)
			client.Read(make([]byte, 1))
			server.Read(make([]byte, 1))
		}, []string{"sending reset_sent", "sending reset_received", "receiving reset_received", "receiving reset_read"}},
		{"the client stops reading", func(_ *pair, client, server *quic.Stream) {
			client.Close()
			client.CancelRead(3)
			io.ReadAll(server)
		}, []string{"receiving stopped"}},
		{"the connection ends", func(p *pair, _, _ *quic.Stream) {
			p.client.CloseWithError(0, "")
		}, []string{"sending abandoned", "receiving abandoned"}},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			var clientLog, serverLog recordingTracer
			p := newPair(t, pairOptions{
				client: &quic.Config{Tracer: qlog.WithStreamStates(clientLog.trace)},
				server: &quic.Config{Tracer: qlog.WithStreamStates(serverLog.trace)},
			})
			client, err := p.client.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			atClient := watch(client)
			client.Write([]byte("request"))
			server, err := p.server.AcceptStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			atServer := watch(server)
			test.end(p, client, server)
			time.Sleep(time.Minute)
			logged := clientLog.loggedStates(client.StreamID())
			for _, s := range test.want {
				if !slices.Contains(logged, s) {
					t.Errorf("%s: the client has logged %q, want %q among them", test.name, logged, s)
				}
			}
			atClient.compare(t, "client", &clientLog, client.StreamID())
			atServer.compare(t, "server", &serverLog, client.StreamID())
		})
	}
}

// A unidirectional stream has one half on each side.
func TestLogOfStatesOfAUnidirectionalStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clientLog, serverLog recordingTracer
		p := newPair(t, pairOptions{
			client: &quic.Config{Tracer: qlog.WithStreamStates(clientLog.trace)},
			server: &quic.Config{Tracer: qlog.WithStreamStates(serverLog.trace)},
		})
		s, err := p.client.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		atClient := watch(s)
		s.Close()
		r, err := p.server.AcceptUniStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		atServer := watch(r)
		io.ReadAll(r)
		time.Sleep(time.Second)
		if got := clientLog.loggedStates(s.StreamID()); len(got) == 0 || got[len(got)-1] != "sending destroyed" {
			t.Errorf("the client has logged %q", got)
		}
		atClient.compare(t, "client", &clientLog, s.StreamID())
		atServer.compare(t, "server", &serverLog, s.StreamID())
	})
}
