package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/interop/endpoint"
	"github.com/quic-go/quic-go/interop/utils"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
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

// Servers, ngtcp2 among them, answer with a Retry if the first datagram lacks the beginning of the ClientHello, and the runner
// wants no Retry where it does not ask for one.
const unscrambled = "QUIC_GO_DISABLE_CLIENTHELLO_SCRAMBLING"

func run(ctx context.Context) error {
	if err := os.Setenv(unscrambled, "1"); err != nil {
		return err
	}
	downloads := flag.String("downloads", "/downloads", "save the files in this `directory`")
	certs := flag.String("certs", "/certs", "trust ca.pem of this `directory`")
	h3 := flag.Bool("h3", false, "use HTTP/3 in all test cases")
	flag.Parse()
	tlsConf, err := tlsConfig(*certs)
	if err != nil {
		return err
	}
	keyLog, err := utils.GetSSLKeyLog()
	if err != nil {
		return err
	}
	if keyLog != nil {
		defer keyLog.Close()
		tlsConf.KeyLogWriter = keyLog
	}
	var traces endpoint.Traces
	defer traces.Wait()
	c := &endpoint.Client{
		Testcase:  os.Getenv("TESTCASE"),
		Requests:  append(flag.Args(), strings.Fields(os.Getenv("REQUESTS"))...),
		Downloads: *downloads,
		TLS:       tlsConf,
		Config:    &quic.Config{Tracer: traces.Tracer},
		HTTP3:     *h3,
	}
	return c.Run(ctx)
}

// tlsConfig trusts the authority of the runner, or everybody if there is none.
func tlsConfig(certs string) (*tls.Config, error) {
	pem, err := os.ReadFile(filepath.Join(certs, "ca.pem"))
	if errors.Is(err, fs.ErrNotExist) {
		log.Printf("the server's certificate is not verified: %v", err)
		return &tls.Config{InsecureSkipVerify: true}, nil
	}
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no certificate in %s", certs)
	}
	return &tls.Config{RootCAs: pool}, nil
}
