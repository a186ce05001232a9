package quic_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/internal/wire"
)

// A wirePair is a client and a scripted server, which sees what is on the wire.
type wirePair struct {
	client *quic.Conn
	peer   *quictest.Peer
}

func newWirePair(t *testing.T) *wirePair {
	t.Helper()
	clientPC, serverPC, n := netsim.Pair(1, delayed())
	tr := &quic.Transport{Conn: clientPC}
	p := &wirePair{peer: quictest.NewServer(t, serverPC, quictest.Options{TLS: testcert.ServerConfig("test")})}
	t.Cleanup(func() {
		tr.Close()
		n.Close()
		synctest.Wait()
	})
	cfg := &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true, DisablePathMTUDiscovery: true}
	var err error
	if p.client, err = tr.Dial(t.Context(), serverPC.LocalAddr(), testcert.ClientConfig("test"), cfg); err != nil {
		t.Fatal(err)
	}
	settle()
	return p
}

// open opens a stream and sends a byte on it.
func (p *wirePair) open(t *testing.T) *quic.Stream {
	t.Helper()
	s, err := p.client.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, s, "x")
	settle()
	return s
}

func (p *wirePair) send(frames ...wire.Frame) {
	p.peer.Send(protocol.Encryption1RTT, frames...)
	settle()
}

func (p *wirePair) resets(id quic.StreamID) (n int) {
	for _, f := range quictest.Frames[*wire.ResetStreamFrame](p.peer) {
		if f.StreamID == id {
			n++
		}
	}
	return n
}

// What is on the wire: no datagram of the stream is in or after the packet with its RESET_STREAM, or after that with its FIN.
func TestStreamDatagramsOnTheWire(t *testing.T) {
	causes := map[string]func(p *wirePair, s *quic.Stream){
		"Close":       func(p *wirePair, s *quic.Stream) { s.Close() },
		"CancelWrite": func(p *wirePair, s *quic.Stream) { s.CancelWrite(1) },
		"STOP_SENDING": func(p *wirePair, s *quic.Stream) {
			p.peer.Send(protocol.Encryption1RTT, &wire.StopSendingFrame{StreamID: s.StreamID(), ErrorCode: 1})
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		},
	}
	for name, end := range causes {
		for _, queued := range []int{1, 32, 33} {
			t.Run(fmt.Sprintf("%s with %d queued", name, queued), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newWirePair(t)
					s := p.open(t)
					p.peer.HoldAcks()
					p.peer.Forget()
					bulk, err := p.client.OpenUniStream()
					if err != nil {
						t.Fatal(err)
					}
					go bulk.Write(make([]byte, 500_000))
					synctest.Wait()
					woken := make(chan error, 1)
					for i := range queued {
						if i == datagramQueueLen {
							go func() { woken <- s.SendDatagram(make([]byte, 900)) }()
							break
						}
						if err := s.SendDatagram(make([]byte, 900)); err != nil {
							t.Fatal(err)
						}
					}
					synctest.Wait()
					if n := quic.QueuedDatagrams(p.client); n != min(queued, datagramQueueLen) {
						t.Fatalf("%d datagrams wait", n)
					}
					end(p, s)
					p.peer.ReleaseAcks()
					time.Sleep(3 * time.Second)
					if queued > datagramQueueLen && <-woken == nil {
						t.Error("the blocked call has succeeded")
					}
					expectNoDatagramAfterEnd(t, p, s.StreamID())
				})
			})
		}
	}
}

func expectNoDatagramAfterEnd(t *testing.T, p *wirePair, id quic.StreamID) {
	t.Helper()
	ended := false
	for _, r := range p.peer.Packets() {
		for _, f := range r.Frames {
			switch f := f.(type) {
			case *wire.DatagramFrame:
				if ended {
					t.Errorf("packet %d has a datagram after the end of the stream", r.PN)
				}
			case *wire.StreamFrame:
				ended = ended || f.StreamID == id && f.Fin
			case *wire.ResetStreamFrame:
				ended = ended || f.StreamID == id
			}
		}
	}
	if !ended {
		t.Error("neither FIN nor RESET_STREAM was sent")
	}
}

// STOP_SENDING and RESET_STREAM in one packet, in both orders.
func TestStopSendingAndResetInOnePacket(t *testing.T) {
	for _, resetFirst := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newWirePair(t)
			s := p.open(t)
			h := watch(s)
			frames := []wire.Frame{
				&wire.StopSendingFrame{StreamID: s.StreamID(), ErrorCode: 2}, &wire.ResetStreamFrame{StreamID: s.StreamID(), ErrorCode: 3},
			}
			if resetFirst {
				frames[0], frames[1] = frames[1], frames[0]
			}
			p.send(frames...)
			p.send(frames...) // repeated: nothing more happens
			h.waitRetired(t)
			h.expect(t, "both frames", quic.SendStateReady, quic.SendStateSend, quic.SendStateResetQueued, quic.SendStateResetSent,
				quic.SendStateResetRecvd, quic.ReceiveStateRecv, quic.ReceiveStateResetRecvd, quic.ReceiveStateResetRead)
			want := func(code quic.StreamErrorCode) error {
				return &quic.StreamError{StreamID: s.StreamID(), ErrorCode: code, Remote: true}
			}
			if _, err := s.Write([]byte("x")); !errors.Is(err, want(2)) {
				t.Errorf("Write: %v", err)
			}
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, want(3)) {
				t.Errorf("Read: %v", err)
			}
			if n := p.resets(s.StreamID()); n != 1 {
				t.Errorf("%d RESET_STREAM frames were sent", n)
			}
		})
	}
}

// RESET_STREAM_AT: the prefix is there or not, it becomes smaller, and other ends of the stream follow it.
func TestReceivedReliableResets(t *testing.T) {
	id := quic.StreamID(3) // the server's first unidirectional stream
	data := func(off int, s string, fin bool) wire.Frame {
		return &wire.StreamFrame{StreamID: id, Offset: protocol.ByteCount(off), Data: []byte(s), Fin: fin, DataLenPresent: true}
	}
	at := func(size, reliable protocol.ByteCount) wire.Frame {
		return &wire.ResetStreamFrame{StreamID: id, ErrorCode: 5, FinalSize: size, ReliableSize: reliable}
	}
	tests := []struct {
		name   string
		frames []wire.Frame
		read   string
	}{
		{"complete prefix", []wire.Frame{data(0, "prefixrest", false), at(10, 6)}, "prefix"},
		{"prefix after the reset", []wire.Frame{at(10, 6), data(0, "prefixrest", false)}, "prefix"},
		{"smaller second size", []wire.Frame{at(10, 6), at(10, 3), data(0, "pre", false)}, "pre"},
		{"larger second size is ignored", []wire.Frame{at(10, 3), at(10, 6), data(0, "prefix", false)}, "pre"},
		{"RESET_STREAM follows", []wire.Frame{data(0, "prefix", false), at(10, 6), at(10, 0)}, ""},
		{"FIN follows", []wire.Frame{at(10, 6), data(0, "prefixrest", true)}, "prefix"},
		{"FIN comes first", []wire.Frame{data(6, "rest", true), at(10, 6), data(0, "prefix", false)}, "prefix"},
	}
	for _, tt := range tests {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s together %t", tt.name, together), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newWirePair(t)
					if together {
						p.send(tt.frames...)
					} else {
						for _, f := range tt.frames {
							p.send(f)
						}
					}
					r, err := p.client.AcceptUniStream(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					h := watch(r)
					got, err := io.ReadAll(r)
					want := &quic.StreamError{StreamID: id, ErrorCode: 5, Remote: true}
					if string(got) != tt.read || !errors.Is(err, want) {
						t.Errorf("ReadAll = %q, %v, want %q, %v", got, err, tt.read, want)
					}
					expectRetiredOnce(t, h)
				})
			})
		}
	}
}

// RESET_STREAM for a stream of which nothing else has arrived, and for one that a higher ID has opened implicitly.
func TestResetOfUnknownStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newWirePair(t)
		// Streams 1, 5 and 9 of the server.
		p.send(&wire.StreamFrame{StreamID: 9, Data: []byte("data"), DataLenPresent: true})
		p.send(&wire.ResetStreamFrame{StreamID: 5, ErrorCode: 7})
		p.send(&wire.ResetStreamFrame{StreamID: 1, ErrorCode: 8}, &wire.StopSendingFrame{StreamID: 1, ErrorCode: 8})
		for _, want := range []quic.StreamErrorCode{8, 7} {
			s, err := p.client.AcceptStream(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, &quic.StreamError{StreamID: s.StreamID(), ErrorCode: want, Remote: true}) {
				t.Errorf("stream %d: Read: %v", s.StreamID(), err)
			}
			if _, err := s.Write([]byte("x")); (err == nil) != (want == 7) {
				t.Errorf("stream %d: Write: %v", s.StreamID(), err)
			}
		}
		s, err := p.client.AcceptStream(t.Context())
		if err != nil || s.StreamID() != 9 {
			t.Fatalf("AcceptStream = %v, %v", s, err)
		}
		if n, err := io.ReadFull(s, make([]byte, 4)); n != 4 {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
}

// Guarantee 16: in Data Recvd neither STOP_SENDING nor CancelWrite make the client send RESET_STREAM.
func TestGuarantee16NothingOnTheWireEndToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newWirePair(t)
		s := p.open(t)
		h := watch(s)
		s.Close()
		settle()
		if !h.has(quic.SendStateDataRecvd) {
			t.Fatalf("states %s", names(h.get()))
		}
		p.send(&wire.StopSendingFrame{StreamID: s.StreamID(), ErrorCode: 1})
		s.CancelWrite(2)
		time.Sleep(3 * time.Second)
		if n := p.resets(s.StreamID()); n != 0 || h.has(quic.SendStateResetQueued) {
			t.Errorf("%d RESET_STREAM frames were sent, states %s", n, names(h.get()))
		}
	})
}

// Loss and retransmission are no transitions: the peer acknowledges nothing for a while.
func TestRetransmissionIsNoTransition(t *testing.T) {
	for name, end := range map[string]func(s *quic.Stream){
		"FIN":          func(s *quic.Stream) { s.Close() },
		"RESET_STREAM": func(s *quic.Stream) { s.CancelWrite(1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newWirePair(t)
				s := p.open(t)
				h := watch(s)
				p.peer.HoldAcks()
				end(s)
				time.Sleep(2 * time.Second)
				states := filter(h.get(), isSendState)
				repeats := p.resets(s.StreamID())
				for _, f := range quictest.Frames[*wire.StreamFrame](p.peer) {
					if f.StreamID == s.StreamID() && f.Fin {
						repeats++
					}
				}
				if repeats < 2 {
					t.Errorf("the end of the stream was sent %d times", repeats)
				}
				last := states[len(states)-1]
				if last != quic.SendStateDataSent && last != quic.SendStateResetSent {
					t.Errorf("states %s", names(states))
				}
				p.peer.ReleaseAcks()
				settle()
				h.expectOrder(t, name)
				if st, _ := s.SendState(); !st.Terminal() {
					t.Errorf("state %s after the acknowledgement", st)
				}
			})
		})
	}
}
