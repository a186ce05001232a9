package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/interop/endpoint"
	"github.com/quic-go/quic-go/interop/utils"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx); {
	case errors.Is(err, endpoint.ErrUnsupported):
		log.Print(err)
		os.Exit(endpoint.ExitUnsupported)
	case err != nil:
		log.Print(err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	addr := flag.String("addr", ":443", "listen on this `address`")
	www := flag.String("www", "/www", "serve the files of this `directory`")
	certs := flag.String("certs", "/certs", "take cert.pem and priv.key from this `directory`")
	h3 := flag.Bool("h3", false, "use HTTP/3 in all test cases")
	flag.Parse()
	testcase := os.Getenv("TESTCASE")
	if !endpoint.ServerSupports(testcase) {
		return fmt.Errorf("server: %w: %q", endpoint.ErrUnsupported, testcase)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(*certs, "cert.pem"), filepath.Join(*certs, "priv.key"))
	if err != nil {
		return err
	}
	tlsConf := &tls.Config{Certificates: []tls.Certificate{cert}}
	keyLog, err := utils.GetSSLKeyLog()
	if err != nil {
		return err
	}
	if keyLog != nil {
		defer keyLog.Close()
		tlsConf.KeyLogWriter = keyLog
	}
	udpAddr, err := net.ResolveUDPAddr("udp", *addr)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", udpAddr)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Println(conn.LocalAddr())
	var traces endpoint.Traces
	defer traces.Wait()
	s := &endpoint.Server{
		Testcase: testcase, WWW: *www, TLS: tlsConf, Config: &quic.Config{Tracer: traces.Tracer}, HTTP3: *h3,
	}
	return s.Serve(ctx, conn)
}
