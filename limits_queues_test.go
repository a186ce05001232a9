package quic_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// Datagrams that a loop does not get to are few in number and in bytes.
func TestReceiveQueueIsBounded(t *testing.T) {
	for _, size := range []int{50, 1200, 60_000} {
		hostile(t, func(t *testing.T, s *scene) {
			s.connect()
			release := quic.Block(s.conn)
			for range 4 * protocol.MaxReceiveQueuePackets {
				s.peer.Send(oneRTT, quictest.Padding(size))
			}
			s.pause()
			packets, n := quic.Received(s.conn)
			if packets > protocol.MaxReceiveQueuePackets || n > protocol.MaxReceiveQueueBytes {
				t.Errorf("%d datagrams of %d bytes wait", packets, n)
			}
			if packets < protocol.MaxReceiveQueuePackets && n+size < protocol.MaxReceiveQueueBytes-1000 {
				t.Errorf("only %d datagrams of %d bytes wait", packets, n)
			}
			release()
			s.alive()
			if packets, _ := quic.Received(s.conn); packets > 0 {
				t.Errorf("%d datagrams are left", packets)
			}
		})
	}
}

// However many datagrams wait, the loop sends something between some and the next.
func TestPacketsOfATurnAreBounded(t *testing.T) {
	hostile(t, func(t *testing.T, s *scene) {
		s.connect()
		release := quic.Block(s.conn)
		const n = 5 * protocol.MaxPacketsPerTurn
		for range n {
			s.peer.Send(oneRTT, &wire.PingFrame{})
		}
		s.pause()
		s.peer.Forget()
		release()
		s.pause()
		if acks := len(quictest.Frames[*wire.AckFrame](s.peer)); acks < n/protocol.MaxPacketsPerTurn {
			t.Errorf("%d ACK frames for %d packets that wait, want %d at least", acks, n, n/protocol.MaxPacketsPerTurn)
		}
	})
}

// datagrams that nobody reads are few in number and in bytes; the connection goes on.
func TestReceivedDatagramsAreBounded(t *testing.T) {
	for _, size := range []int{0, 1000, 16_000} {
		hostile(t, func(t *testing.T, s *scene) {
			s.config.EnableDatagrams = true
			s.connect()
			for i := range 2 * protocol.MaxReceiveDatagrams {
				s.peer.Send(oneRTT, &wire.DatagramFrame{Data: make([]byte, size), DataLenPresent: true})
				if i%100 == 0 {
					s.pause()
				}
			}
			s.pause()
			want := protocol.MaxReceiveDatagrams
			if size > 0 {
				want = min(want, protocol.MaxDatagramQueueBytes/size)
			}
			if h := s.held(); h.Datagrams != want || h.DatagramBytes != want*size {
				t.Errorf("%d datagrams of %d bytes, want %d", h.Datagrams, h.DatagramBytes, want)
			}
			for range want {
				if b, err := s.conn.ReceiveDatagram(context.Background()); err != nil || len(b) != size {
					t.Fatalf("ReceiveDatagram = %d bytes, %v", len(b), err)
				}
			}
			s.peer.Send(oneRTT, &wire.DatagramFrame{Data: []byte("next"), DataLenPresent: true})
			if b, err := s.conn.ReceiveDatagram(context.Background()); err != nil || string(b) != "next" {
				t.Errorf("ReceiveDatagram = %q, %v", b, err)
			}
		})
	}
}

// tokenStore counts what a client is given.
type tokenStore struct {
	quic.TokenStore
	put int
}

func (s *tokenStore) Put(key string, token *quic.ClientToken) {
	s.put++
	s.TokenStore.Put(key, token)
}

// A server that gives tokens all the time fills no more than the store of the application.
func TestTokensOfServerAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, protocol.PerspectiveClient)
		const perOrigin, sent = 5, 5000
		store := &tokenStore{TokenStore: quic.NewLRUTokenStore(3, perOrigin)}
		s.config.TokenStore = store
		s.connect()
		for i := range sent {
			s.peer.Send(oneRTT, &wire.NewTokenFrame{Token: randomBytes(uint64(i), 500)})
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		s.alive()
		kept := 0
		for store.Pop("localhost") != nil {
			kept++
		}
		if store.put != sent || kept != perOrigin {
			t.Errorf("%d of %d tokens are kept, want %d of %d", kept, store.put, perOrigin, sent)
		}
	})
}
