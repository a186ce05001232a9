// Command queued-datagrams ends streams while their datagrams wait in the queue of the connection, and counts those
// that leave after the frame that has ended the stream: "HTTP/3 Datagrams MUST NOT be sent unless the corresponding
// stream's send side is open." (RFC 9297, Section 2.1)
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlog"
)

func main() { harness.Main(check) }

var causes = []struct {
	name string
	end  func(client *http3.RequestStream, server *http3.Stream)
}{
	{"Close", func(client *http3.RequestStream, _ *http3.Stream) { client.Close() }},
	{"CancelWrite", func(client *http3.RequestStream, _ *http3.Stream) { client.CancelWrite(1) }},
	{"STOP_SENDING", func(_ *http3.RequestStream, server *http3.Stream) { server.CancelRead(1) }},
}

func check() error {
	var late []string
	for _, cause := range causes {
		n, total := 0, 0
		for range 20 {
			a, b := lateDatagrams(cause.end)
			n, total = n+a, total+b
		}
		if n > 0 {
			late = append(late, fmt.Sprintf("%d of %d after %s", n, total, cause.name))
		}
	}
	if late != nil {
		return fmt.Errorf("datagrams left after the end of their stream: %s", strings.Join(late, ", "))
	}
	return nil
}

// lateDatagrams returns how many datagrams of a stream left after its FIN or RESET_STREAM, and how many in all.
func lateDatagrams(end func(*http3.RequestStream, *http3.Stream)) (late, total int) {
	var sent harness.Frames
	session := harness.NewSession(&quic.Config{Tracer: sent.Tracer()})
	defer session.ClientConn.CloseWithError(0, "")
	client, server := session.OpenBoth()
	stop := make(chan struct{})
	time.AfterFunc(20*time.Millisecond, func() { end(client, server) })
	time.AfterFunc(60*time.Millisecond, func() { close(stop) })
	payload := make([]byte, 1000)
	for running := true; running && client.SendDatagram(payload) == nil; {
		select {
		case <-stop:
			running = false
		default:
		}
	}
	time.Sleep(50 * time.Millisecond)
	ended := false
	for _, packet := range sent.Sent() {
		datagrams, ends := 0, false
		for _, frame := range packet {
			switch f := frame.(type) {
			case *qlog.DatagramFrame:
				datagrams++
			case *qlog.ResetStreamFrame:
				ends = ends || f.StreamID == client.StreamID()
			case *qlog.StreamFrame:
				ends = ends || f.Fin && f.StreamID == client.StreamID()
			}
		}
		if ended {
			late += datagrams
		}
		ended = ended || ends
		total += datagrams
	}
	return late, total
}
