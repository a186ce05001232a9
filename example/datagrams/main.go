package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"
)

const usage = `Usage: datagrams [-addr HOST:PORT | -connect HOST:PORT -fingerprint HEX] [-qlog DIR]

Without flags it runs server and client in one process and walks through the cases:

  normal close      the client closes its side, then the server does
  STOP_SENDING      the server stops the client's send side while the client's application is idle
  RESET_STREAM      the server resets its send side and nobody at the client reads the stream
  connection close  the server closes the connection under an open stream

For each state of each stream of the client a line is printed when it is reported: time since the start, stream ID,
half, state, and who caused it. The exit status is 1 if a case does not end as it should.

`

func main() {
	var o options
	fs := flag.NewFlagSet("datagrams", flag.ContinueOnError)
	fs.StringVar(&o.addr, "addr", "", "only serve, at this UDP `address`, until interrupted")
	fs.StringVar(&o.connect, "connect", "", "only connect to the server at this `address` and walk through the cases")
	fs.StringVar(&o.fingerprint, "fingerprint", "", "SHA-256 of the server's certificate in `hex`, as the server prints it")
	fs.StringVar(&o.qlog, "qlog", "", "write what happens on each connection to a qlog file in this `directory`; see cmd/qlogview")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	if err := fs.Parse(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(0)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Stdout, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "datagrams:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}

type options struct{ addr, connect, fingerprint, qlog string }

// walkTimeout bounds the whole walk. It takes a few milliseconds if everything works.
const walkTimeout = 30 * time.Second

// run does what the flags say. It reports whether all cases ended as they should.
func run(ctx context.Context, out io.Writer, o options) (ok bool, err error) {
	log := &logger{dir: o.qlog}
	defer log.running.Wait() // until the files are complete
	switch {
	case o.addr != "" && o.connect != "":
		return false, errors.New("-addr and -connect exclude each other")
	case o.connect != "":
		fingerprint, err := hex.DecodeString(o.fingerprint)
		if err != nil || len(fingerprint) != fingerprintLen {
			return false, fmt.Errorf("-fingerprint has to be %d hexadecimal digits", 2*fingerprintLen)
		}
		return walkAgainst(ctx, out, o.connect, fingerprint, log)
	}
	addr := o.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	cert, fingerprint, err := newCertificate()
	if err != nil {
		return false, err
	}
	srv, err := startServer(addr, cert, log)
	if err != nil {
		return false, err
	}
	defer srv.close()
	if o.addr == "" {
		return walkAgainst(ctx, out, srv.addr.String(), fingerprint, log)
	}
	fmt.Fprintf(out, "serving at %s; connect with\n  -connect %s -fingerprint %x\n", srv.addr, srv.addr, fingerprint)
	<-ctx.Done()
	return true, nil
}

func walkAgainst(ctx context.Context, out io.Writer, addr string, fingerprint []byte, log *logger) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, walkTimeout)
	defer cancel()
	if _, err := net.ResolveUDPAddr("udp", addr); err != nil {
		return false, err
	}
	return walk(ctx, out, addr, pinnedConfig(fingerprint), log)
}

// pinnedConfig returns the TLS config of a client that trusts one certificate and no other.
func pinnedConfig(fingerprint []byte) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify:    true, // VerifyPeerCertificate does more: it wants this very certificate
		VerifyPeerCertificate: verifyFingerprint(fingerprint),
		NextProtos:            []string{alpn},
	}
}
