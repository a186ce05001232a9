package measure

import (
	"io"
	"time"

	quic "github.com/quic-go/quic-go"
)

// A workload is what the two sides do with a stream that the peer opens.
type workload struct {
	layers int // observers of each stream
	// peer plays the other side, without observers and logs.
	peer func(s *scene, number int, stream *quic.Stream)
	// application plays the observed side. app is the stream as the last layer gave it.
	application func(s *scene, number int, app application, e *entry)
}

const (
	messageSize = 3000
	codePeer    = quic.StreamErrorCode(1)
	codeOwn     = quic.StreamErrorCode(2)
)

func workloads(name string) (w workload, ok bool) {
	w, ok = map[string]workload{
		Normal:           {1, peerExchanges, exchange},
		ResetNeverRead:   {1, peerResets, answerOnly},
		StopNeverWritten: {1, peerStops, readOnly},
		DatagramLoad:     {1, peerOfDatagrams, sendDatagrams},
		ConnectionClose:  {1, peerOpens, func(*scene, int, application, *entry) {}},
		Churn:            {1, peerPings, exchangeByte},
		TwoLayers:        {2, peerVaries, vary},
		SlowObserver:     {1, peerExchanges, exchange},
	}[name]
	return w, ok
}

// normal: request and response.
func peerExchanges(_ *scene, _ int, stream *quic.Stream) {
	stream.Write(make([]byte, messageSize))
	stream.Close()
	io.Copy(io.Discard, stream)
}

func exchange(_ *scene, _ int, app application, _ *entry) {
	io.Copy(io.Discard, app)
	app.Write(make([]byte, messageSize))
	app.Close()
}

// reset, never read: the application answers without looking at the request, which the peer then gives up.
func peerResets(s *scene, _ int, stream *quic.Stream) {
	stream.Write(make([]byte, 100))
	s.sleep(s.cell.RTT + 5*time.Millisecond)
	stream.CancelWrite(codePeer)
	io.Copy(io.Discard, stream)
}

func answerOnly(_ *scene, _ int, app application, _ *entry) {
	app.Write(make([]byte, 100))
	app.Close()
}

// stop, never written: the application reads the request, and the peer does not want a response.
func peerStops(s *scene, _ int, stream *quic.Stream) {
	stream.Write(make([]byte, 100))
	stream.Close()
	s.sleep(s.cell.RTT + 5*time.Millisecond)
	stream.CancelRead(codePeer)
}

func readOnly(_ *scene, _ int, app application, _ *entry) { io.Copy(io.Discard, app) }

// connection close: streams that are open.
func peerOpens(_ *scene, _ int, stream *quic.Stream) { stream.Write([]byte{0}) }

// churn: the shortest request and response.
func peerPings(_ *scene, _ int, stream *quic.Stream) {
	stream.Write([]byte{0})
	stream.Close()
	io.Copy(io.Discard, stream)
}

func exchangeByte(_ *scene, _ int, app application, _ *entry) {
	io.Copy(io.Discard, app)
	app.Write([]byte{0})
	app.Close()
}

// two layers: all three endings.
func peerVaries(s *scene, number int, stream *quic.Stream) {
	[]func(*scene, int, *quic.Stream){peerExchanges, peerResets, peerStops}[number%3](s, number, stream)
}

func vary(s *scene, number int, app application, e *entry) {
	[]func(*scene, int, application, *entry){exchange, answerOnly, readOnly}[number%3](s, number, app, e)
}

// The four ways in which a stream is closed under datagrams.
const (
	applicationCloses = iota
	applicationResets
	peerStopsSending
	peerResetsStream
	closingWays
)

// datagramBurst is more than a queue of datagrams holds.
const datagramBurst = 40

// closingTime is when streams are closed under datagrams, and how long they go on after that.
func (s *scene) closingTime() time.Duration { return 2*s.cell.RTT + 10*time.Millisecond }

// close under datagrams: the peer sends some as long as the stream lives, and does not stop when it resets the stream.
func peerOfDatagrams(s *scene, number int, stream *quic.Stream) {
	stream.Write([]byte{0})
	end := s.closingTime()
	closed := false
	for at := time.Duration(0); at < 2*end; at += time.Millisecond {
		if number%closingWays == peerResetsStream {
			s.client.SendDatagram(make([]byte, firstSize+number))
		}
		s.sleep(time.Millisecond)
		if at < end || closed {
			continue
		}
		closed = true
		switch number % closingWays {
		case peerStopsSending:
			stream.CancelRead(codePeer)
		case peerResetsStream:
			stream.CancelWrite(codePeer)
		}
	}
}

// sendDatagrams sends faster than the network takes them.
func sendDatagrams(s *scene, number int, app application, e *entry) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.flood(e)
	}()
	s.sleep(s.closingTime())
	switch number % closingWays {
	case applicationCloses:
		app.Close()
	case applicationResets:
		app.CancelWrite(codeOwn)
	}
	<-done
}

// flood sends datagrams until the layer refuses.
func (s *scene) flood(e *entry) {
	for at := time.Duration(0); at < 2*s.closingTime(); at += time.Millisecond {
		for range datagramBurst {
			if e.sendDatagram() != nil {
				return
			}
		}
		s.sleep(time.Millisecond)
	}
}
