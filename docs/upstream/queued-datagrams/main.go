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

const streams = 20 // for each cause

func check() error {
	var faults []string
	for _, cause := range causes {
		late, most := 0, 0
		for range streams {
			n := lateDatagrams(cause.end)
			late, most = late+n, max(most, n)
		}
		if late > 0 {
			faults = append(faults, fmt.Sprintf("%d a stream, up to %d, after %s", late/streams, most, cause.name))
		}
	}
	if faults != nil {
		return fmt.Errorf("datagrams left after the end of their stream: %s", strings.Join(faults, "; "))
	}
	return nil
}

// lateDatagrams returns how many datagrams of a stream left in packets after that of its FIN or RESET_STREAM.
func lateDatagrams(end func(*http3.RequestStream, *http3.Stream)) (late int) {
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
	}
	return late
}
