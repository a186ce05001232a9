package qlogdraft

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// A file is a trace in memory.
type file struct {
	bytes.Buffer
	closed chan struct{}
}

func (f *file) Close() error {
	close(f.closed)
	return nil
}

// traces keeps the files of all connections.
type traces struct {
	mu    sync.Mutex
	files []*file
}

func (s *traces) trace(_ context.Context, isClient bool, id quic.ConnectionID) qlogwriter.Trace {
	f := &file{closed: make(chan struct{})}
	s.mu.Lock()
	s.files = append(s.files, f)
	s.mu.Unlock()
	trace := qlogwriter.NewConnectionFileSeq(f, isClient, id)
	go trace.Run()
	return trace
}

func serve(t *testing.T, conf *quic.Config) (addr string) {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	srv := &http3.Server{
		TLSConfig: testcert.ServerConfig(), QUICConfig: conf, EnableDatagrams: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(w, r.Body); err != nil {
				panic(http.ErrAbortHandler) // the client has given up
			}
		}),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(pc) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		pc.Close()
	})
	return pc.LocalAddr().String()
}

// abortedBody ends a request in the middle.
type abortedBody struct{ left int }

func (b *abortedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errors.New("given up")
	}
	n := min(b.left, len(p))
	b.left -= n
	return n, nil
}

// The files of real connections are as the drafts say, from the first record to the last.
func TestFilesOfConnections(t *testing.T) {
	var all traces
	conf := func() *quic.Config {
		return &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true, Tracer: qlog.WithStreamStates(all.trace)}
	}
	t.Run("requests", func(t *testing.T) {
		url := "https://" + serve(t, conf()) + "/"
		tr := &http3.Transport{TLSClientConfig: testcert.ClientConfig(), QUICConfig: conf(), EnableDatagrams: true}
		defer tr.Close()
		client := &http.Client{Transport: tr}
		for _, size := range []int{0, 1000, 1 << 20} {
			rsp, err := client.Post(url, "text/plain", bytes.NewReader(make([]byte, size)))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(rsp.Body); err != nil || len(b) != size {
				t.Errorf("%d bytes: %v", len(b), err)
			}
			rsp.Body.Close()
		}
		if rsp, err := client.Post(url, "text/plain", &abortedBody{10_000}); err == nil {
			io.Copy(io.Discard, rsp.Body)
			rsp.Body.Close()
		}
	})
	if len(all.files) != 2 {
		t.Fatalf("%d files, want those of client and server", len(all.files))
	}
	names := make(map[string]int)
	for _, f := range all.files {
		<-f.closed
		checkFile(t, f.String(), names)
	}
	for _, name := range []string{
		"transport:packet_sent", "transport:packet_received", "quic:stream_state_updated", "http3:frame_created", "http3:frame_parsed",
		"recovery:metrics_updated", "transport:connection_closed",
	} {
		if names[name] < 2 {
			t.Errorf("%d events %s", names[name], name)
		}
	}
}

func TestFileOfATransport(t *testing.T) {
	f := &file{closed: make(chan struct{})}
	trace := qlogwriter.NewFileSeq(f)
	trace.AddProducer().Close()
	trace.Run()
	checkFile(t, f.String(), make(map[string]int))
	if !strings.Contains(f.String(), `"transport"`) {
		t.Errorf("header %s", f)
	}
}

// checkFile counts the events of a file.
func checkFile(t *testing.T, text string, names map[string]int) {
	t.Helper()
	var j judge
	records := strings.Split(text, string(rune(qlogwriter.RecordSeparator)))[1:]
	for i, r := range records {
		if i == 0 {
			checkHeader(t, r)
			continue
		}
		_, rest, _ := strings.Cut(r, `"name":"`)
		name, _, _ := strings.Cut(rest, `"`)
		names[name]++
		j.record(t, strings.TrimSpace(r))
	}
}
