// Command callback-replaced registers two final-size callbacks, as two layers on one stream do. Both have to be called.
package main

import (
	"context"
	"errors"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/docs/upstream/internal/harness"
)

func main() { harness.Main(check) }

func check() error {
	server, client := harness.Pair("test", &quic.Config{}, &quic.Config{})
	out := harness.Must(client.OpenUniStream())
	harness.Must(out.Write([]byte("hello")))
	in := harness.Must(server.AcceptUniStream(context.Background()))
	first, second := make(chan int64, 1), make(chan int64, 1)
	in.SetReceiveFinalSizeCallback(func(n int64) { first <- n })
	in.SetReceiveFinalSizeCallback(func(n int64) { second <- n })
	harness.Check(out.Close())
	if !harness.Within(harness.Patience, func() { <-second }) {
		return errors.New("the second callback was not called")
	}
	if !harness.Within(harness.Patience, func() { <-first }) {
		return errors.New("the second final-size callback has silently replaced the first")
	}
	return nil
}
