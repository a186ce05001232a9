package recipes

import (
	"sync"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// sessionGone is WT_SESSION_GONE of draft-ietf-webtrans-http3.
const sessionGone quic.StreamErrorCode = 0x170d7b68

// A Session is what belongs to one CONNECT stream, as in WebTransport: its datagrams and other streams of the
// connection. It ends when either half of the CONNECT stream is closed, by whichever side.
type Session struct {
	connect *http3.Stream

	mu      sync.Mutex
	over    bool
	streams map[*quic.Stream]struct{}
}

// NewSession returns the session of a CONNECT stream.
func NewSession(connect *http3.Stream) *Session {
	s := &Session{connect: connect, streams: make(map[*quic.Stream]struct{})}
	connect.OnStateTransition(func(quic.StreamState) {
		send, _ := connect.SendState()
		receive, _ := connect.ReceiveState()
		if send.Closed() || receive.Closed() {
			s.end()
		}
	})
	return s
}

// Add makes a stream end with the session. It reports false, and resets the stream, if the session is over.
func (s *Session) Add(stream *quic.Stream) bool {
	s.mu.Lock()
	over := s.over
	if !over {
		s.streams[stream] = struct{}{}
	}
	s.mu.Unlock()
	if over {
		abort(stream)
		return false
	}
	stream.OnStateTransition(func(state quic.StreamState) {
		if state == quic.StreamStateRetired {
			s.mu.Lock()
			delete(s.streams, stream)
			s.mu.Unlock()
		}
	})
	return true
}

// end does its work the first time.
func (s *Session) end() {
	s.mu.Lock()
	over, streams := s.over, s.streams
	s.over, s.streams = true, nil
	s.mu.Unlock()
	if over {
		return
	}
	for stream := range streams {
		abort(stream)
	}
	// SendDatagram fails from here on, and ReceiveDatagram once what has arrived is read.
	s.connect.CancelRead(sessionGone)
	s.connect.Close()
}

func abort(stream *quic.Stream) {
	stream.CancelRead(sessionGone)
	stream.CancelWrite(sessionGone)
}
