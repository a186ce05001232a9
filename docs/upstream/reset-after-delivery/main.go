// Command reset-after-delivery cancels a stream after everything was acknowledged. No RESET_STREAM may follow: the stream
// is in Data Recvd, "which is a terminal state", and only "From any state that is one of "Ready", "Send", or "Data Sent",
// an application can signal that it wishes to abandon transmission of stream data." (RFC 9000, Section 3.1)
package main

import (
	"context"
	"errors"
	"io"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
	"github.com/quic-go/quic-go/qlog"
)

func main() { harness.Main(check) }

func check() error {
	var sent harness.Frames
	server, client := harness.Pair("test", &quic.Config{}, &quic.Config{Tracer: sent.Tracer()})
	out := harness.Must(client.OpenUniStream())
	harness.Must(out.Write([]byte("hello")))
	harness.Check(out.Close())
	in := harness.Must(server.AcceptUniStream(context.Background()))
	harness.Settle() // everything is there and acknowledged
	out.CancelWrite(1)
	harness.Settle()
	data, err := io.ReadAll(in)
	for _, packet := range sent.Sent() {
		for _, frame := range packet {
			if _, ok := frame.(*qlog.ResetStreamFrame); !ok {
				continue
			}
			if err != nil {
				return errors.New("RESET_STREAM was sent after all data and the FIN were acknowledged, and took from the reader what had arrived: " + err.Error())
			}
			return errors.New("RESET_STREAM was sent after all data and the FIN were acknowledged")
		}
	}
	if string(data) != "hello" || err != nil {
		return errors.New("the reader got no \"hello\"")
	}
	return nil
}
