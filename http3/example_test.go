package http3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

func ExampleServer() {
	cert, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		log.Fatal(err)
	}
	srv := &http3.Server{
		Addr:      ":443",
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello over %s\n", r.Proto)
		}),
	}
	log.Fatal(srv.ListenAndServe())
}

func ExampleTransport() {
	tr := &http3.Transport{}
	defer tr.Close()
	client := &http.Client{Transport: tr}
	rsp, err := client.Get("https://localhost/")
	if err != nil {
		log.Fatal(err)
	}
	defer rsp.Body.Close()
	body, err := io.ReadAll(rsp.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", body)
}

// A handler takes over the stream of an extended CONNECT request and answers datagrams until the client
// ends the stream.
func ExampleHTTPStreamer() {
	http.HandleFunc("/datagrams", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		str, err := w.(http3.HTTPStreamer).HTTPStream()
		if err != nil {
			return
		}
		defer str.Close()
		for {
			b, err := str.ReceiveDatagram(r.Context())
			if err != nil {
				return
			}
			if err := str.SendDatagram(b); err != nil {
				return
			}
		}
	})
}

// A client follows the states of a stream. The callback must not block.
func ExampleRequestStream_OnStateTransition() {
	ctx := context.Background()
	tlsConf := &tls.Config{NextProtos: []string{http3.NextProtoH3}}
	conn, err := quic.DialAddr(ctx, "localhost:443", tlsConf, &quic.Config{EnableDatagrams: true})
	if err != nil {
		log.Fatal(err)
	}
	tr := &http3.Transport{EnableDatagrams: true}
	str, err := tr.NewClientConn(conn).OpenRequestStream(ctx)
	if err != nil {
		log.Fatal(err)
	}
	str.OnStateTransition(func(st quic.StreamState) {
		switch st {
		case quic.SendStateResetQueued:
			_, err := str.SendState()
			log.Print("no more datagrams: ", err)
		case quic.StreamStateRetired:
			log.Print("the stream is over")
		default:
		}
	})
}
