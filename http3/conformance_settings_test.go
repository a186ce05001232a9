package http3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/internal/testcert"
	"github.com/quic-go/quic-go/quicvarint"
)

// settingsCases: what is in SETTINGS frames.
var settingsCases = map[string]conformanceCase{
	"T-432": refusesSettings(0x109, 0x0, 0, 1, 1<<62-1),
	"T-433": refusesSettings(0x109, 0x2, 0, 1, 1<<62-1),
	"T-434": refusesSettings(0x109, 0x3, 0, 1, 1<<62-1),
	"T-435": refusesSettings(0x109, 0x4, 0, 1, 1<<62-1),
	"T-436": refusesSettings(0x109, 0x5, 0, 1, 1<<62-1),
	// We treat it as an error, whatever the values are.
	"T-437": closesOnUni(0x109, settingsOf(0x6, 1, 0x6, 1), settingsOf(0x33, 1, 0x6, 9, 0x33, 0), settingsOf(0x21, 1, 0x21, 1), settingsOf(0x1234, 1, 0x1234, 2)),
	"T-438": acceptsSettings(map[uint64]uint64{0x21: 0, 0x1f + 0x21: 1, 0x1f*1000 + 0x21: 1<<62 - 1, (1<<62-1-0x21)/0x1f*0x1f + 0x21: 5}),
	"T-439": acceptsSettings(map[uint64]uint64{0x7: 3, 0x9: 1, 0x1234: 1<<62 - 1, 1<<62 - 1: 0}),
	"T-440": acceptsSettings(nil),
	"T-441": remembersSettings(
		rememberedSettings{settingsOf(6, 10_000), settingsOf(6, 9999), 0x109},
		rememberedSettings{settingsOf(), settingsOf(6, 10_000), 0x109}, // there was no limit
		rememberedSettings{settingsOf(7, 10), settingsOf(7, 9), 0x109},
		rememberedSettings{settingsOf(8, 1), settingsOf(8, 0), 0x109},
		rememberedSettings{settingsOf(6, 10_000, 7, 10), settingsOf(6, 10_001, 7, 11, 8, 1, 0x33, 1, 1, 100), 0},
		rememberedSettings{settingsOf(0x1234, 5, 0x21, 7), settingsOf(0x1234, 4), 0},
	),
	"T-442": remembersSettings(
		rememberedSettings{settingsOf(6, 10_000), settingsOf(), 0x109},
		rememberedSettings{settingsOf(7, 10), settingsOf(), 0x109},
		rememberedSettings{settingsOf(8, 1), settingsOf(0x33, 1), 0x109},
		rememberedSettings{settingsOf(8, 0, 7, 0), settingsOf(), 0},
	),
	"T-443": unverifiableSettings,
	"T-444": func(t *testing.T, r *rogue) {
		// Up to 8 KiB are accepted.
		for _, n := range []int{2049, 4096, 5000} {
			r.connect()
			r.uni(manySettings(n))
			r.wantConnError(0x107)
		}
		r.connect()
		r.uni(with([]byte{0, 4}, quicvarint.Append(nil, 1<<62-1))) // there is no need to wait for the rest
		r.wantConnError(0x107)
		r.connect()
		r.uni(manySettings(2000))
		wantOpen(t, r.conn)
		r.wantUsable()
	},
	"T-445": largeHeaders,
	"T-446": refusesSettings(0x109, 0x33, 2, 63, 1<<62-1),
	"T-447": func(t *testing.T, r *rogue) {
		r.w.clientQUIC.EnableDatagrams = r.role == roleClient
		r.w.serverQUIC.EnableDatagrams = r.role == roleServer
		r.connect()
		r.uni(settingsOf(0x33, 0))
		r.wantUsable()
		r.conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
		closesOnUni(0x109, settingsOf(0x33, 1))(t, r)
	},
	"T-448": remembersSettings(
		rememberedSettings{settingsOf(0x33, 1), settingsOf(0x33, 0), 0x109},
		rememberedSettings{settingsOf(0x33, 1), settingsOf(), 0x109},
		rememberedSettings{settingsOf(0x33, 0), settingsOf(0x33, 1), 0},
		rememberedSettings{settingsOf(0x33, 1), settingsOf(0x33, 1), 0},
	),
	"T-449": refusesSettings(0x109, 0x8, 2, 63, 1<<62-1),
}

// settingsOf is the beginning of a control stream with settings: identifiers and values in turn.
func settingsOf(pairs ...uint64) []byte {
	var payload []byte
	for _, v := range pairs {
		payload = quicvarint.Append(payload, v)
	}
	return append([]byte{0}, frame(4, payload)...)
}

// manySettings are n different settings of 4 bytes each.
func manySettings(n int) []byte {
	var pairs []uint64
	for i := range n {
		pairs = append(pairs, uint64(0x100+i), 0x40)
	}
	return settingsOf(pairs...)
}

// refusesSettings is the case that a setting has any of some values, alone or among others.
func refusesSettings(code, id uint64, values ...uint64) conformanceCase {
	var bs [][]byte
	for _, v := range values {
		bs = append(bs, settingsOf(id, v), settingsOf(0x21, 0, id, v, 0x1234, 5))
	}
	return closesOnUni(code, bs...)
}

// acceptsSettings is the case of settings that mean nothing; the application can see them.
func acceptsSettings(other map[uint64]uint64) conformanceCase {
	return func(t *testing.T, r *rogue) {
		var pairs []uint64
		for id, v := range other {
			pairs = append(pairs, id, v)
		}
		check := func(s http3.Settingser) {
			select {
			case <-s.ReceivedSettings():
				want := &http3.Settings{Other: other}
				if got := s.Settings(); fmt.Sprint(*got) != fmt.Sprint(*want) {
					t.Errorf("the settings are %v, want %v", got, want)
				}
			case <-time.After(5 * time.Second):
				t.Error("there are no settings")
			}
		}
		r.connect()
		if r.role == roleClient {
			c := r.w.client.NewClientConn(r.w.rawConn())
			openUni(t, <-r.conns, settingsOf(pairs...))
			check(c)
		}
		r.uni(settingsOf(pairs...))
		wantOpen(t, r.conn)
		if r.role == roleServer {
			r.handler = func(w http.ResponseWriter, _ *http.Request) { check(w.(http3.Settingser)) }
		}
		r.wantUsable()
	}
}

// rememberedSettings are the settings of a server, and those when the client comes again with 0-RTT.
type rememberedSettings struct {
	before, after []byte
	code          uint64 // 0 if the connection goes on
}

func remembersSettings(tests ...rememberedSettings) conformanceCase {
	return func(t *testing.T, r *rogue) {
		for _, test := range tests {
			for _, late := range []bool{false, true} {
				t.Logf("settings %x, then %x; behind the ticket: %t", test.before, test.after, late)
				r.w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
				r.resume(test.before, late)
				if !r.conn.ConnectionState().Used0RTT {
					t.Fatal("0-RTT is not used")
				}
				r.uni(test.after)
				if test.code == 0 {
					wantOpen(t, r.conn)
					r.wantUsable()
					r.conn.CloseWithError(0x100, "")
					time.Sleep(time.Second)
					continue
				}
				r.wantConnError(test.code)
				// The ticket is not used again.
				r.connect()
				if r.conn.ConnectionState().TLS.DidResume {
					t.Error("the session whose settings are wrong is resumed again")
				}
				r.uni(test.after)
				r.wantUsable()
				r.conn.CloseWithError(0x100, "")
				time.Sleep(time.Second)
			}
		}
		// If 0-RTT is not used there is nothing to comply with.
		r.w.client.Dial = func(ctx context.Context, _ string, tlsConf *tls.Config, conf *quic.Config) (*quic.Conn, error) {
			return r.w.clientQT.Dial(ctx, r.w.serverPC.LocalAddr(), tlsConf, conf)
		}
		for _, test := range tests {
			r.w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			r.resume(test.before, false)
			if !r.conn.ConnectionState().TLS.DidResume {
				t.Fatal("the session is not resumed")
			}
			r.uni(test.after)
			wantOpen(t, r.conn)
			r.wantUsable()
			r.conn.CloseWithError(0x100, "")
			time.Sleep(time.Second)
		}
	}
}

// resume makes a client come again after it has got settings and a session ticket, this before the settings if they
// are late.
func (r *rogue) resume(before []byte, late bool) {
	r.t.Helper()
	r.connect()
	if late {
		time.Sleep(time.Second)
	}
	r.uni(before)
	r.wantUsable()
	time.Sleep(time.Second)
	r.conn.CloseWithError(0x100, "")
	time.Sleep(time.Second)
	r.request = r.w.request(http3.MethodGet0RTT, "/", nil)
	r.connect()
	r.request = nil
}

// A serverVariant is how a server comes back, whose ticket keys are the same.
type serverVariant struct {
	name string
	make func(s *http3.Server)
	used bool // 0-RTT is accepted
}

// unverifiableSettings: a server may have had other settings when it issued a ticket.
func unverifiableSettings(t *testing.T, r *rogue) {
	variants := []serverVariant{
		{"the same settings", func(*http3.Server) {}, true},
		{"no datagrams", func(s *http3.Server) { s.EnableDatagrams = false }, false},
		{"another additional setting", func(s *http3.Server) { s.AdditionalSettings = map[uint64]uint64{0x1234: 4} }, false},
		{"no additional setting", func(s *http3.Server) { s.AdditionalSettings = nil }, false},
		// What a client remembers is not compared, so that even more permissive settings are unknown.
		{"one more additional setting", func(s *http3.Server) { s.AdditionalSettings = map[uint64]uint64{0x1234: 5, 0x1235: 5} }, false},
	}
	for _, keys := range []string{"of the base configuration", "of the chosen configuration", "of functions"} {
		for _, v := range variants {
			t.Logf("ticket keys %s, %s", keys, v.name)
			r.w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			newServer := func() *http3.Server {
				s := &http3.Server{TLSConfig: ticketConfig(keys), QUICConfig: r.w.serverQUIC, EnableDatagrams: true}
				s.AdditionalSettings = map[uint64]uint64{0x1234: 5}
				return s
			}
			early := make(chan bool, 1)
			handler := func(w http.ResponseWriter, req *http.Request) {
				early <- !req.TLS.HandshakeComplete
				fmt.Fprint(w, req.TLS.DidResume)
			}
			again := func(s *http3.Server) string {
				r.w.server.Close()
				time.Sleep(time.Second)
				r.w.server = s
				r.w.serve(handler)
				_, body := r.w.do(r.w.request(http3.MethodGet0RTT, "/", nil))
				time.Sleep(time.Second)
				return body
			}
			again(newServer())
			<-early
			s := newServer()
			v.make(s)
			if resumed := again(s); resumed != "true" {
				t.Error("the session is not resumed")
			}
			if got := <-early; got != v.used {
				t.Errorf("0-RTT accepted: %t, want %t", got, v.used)
			}
			r.w.client.CloseIdleConnections()
		}
	}
}

// ticketConfig returns the configuration of a server that always has the same ticket keys.
func ticketConfig(keys string) *tls.Config {
	set := func(conf *tls.Config) *tls.Config {
		conf.SetSessionTicketKeys([][32]byte{{1, 2, 3}})
		return conf
	}
	base := testcert.ServerConfig()
	switch keys {
	case "of the base configuration":
		inner := base.Clone()
		base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner, nil }
		return set(base)
	case "of the chosen configuration":
		inner := set(base.Clone())
		base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return inner.Clone(), nil }
	default:
		hidden := set(&tls.Config{})
		base.WrapSession, base.UnwrapSession = hidden.EncryptTicket, hidden.DecryptTicket
	}
	return base
}

// largeHeaders: a message is larger than the peer accepts.
func largeHeaders(t *testing.T, r *rogue) {
	large := strings.Repeat("x", 8<<10)
	if r.role == roleServer {
		results := make(chan error, 1)
		r.handler = func(w http.ResponseWriter, req *http.Request) {
			<-w.(http3.Settingser).ReceivedSettings()
			if req.Method == http.MethodPost {
				w.Header().Set("X-Large", large)
				w.WriteHeader(http.StatusEarlyHints)
			}
			_, err := w.Write([]byte("x"))
			if err == nil {
				err = http.NewResponseController(w).Flush()
			}
			results <- err
		}
		r.uni(settingsOf(6, 1024))
		wantReset(t, r.message(postHeaders()), http3.ErrCodeInternalError)
		if err := <-results; err == nil || !strings.Contains(err.Error(), "exceeds the client's limit of 1024") {
			t.Errorf("flushing the header: got %v", err)
		}
		r.wantUsable()
		return
	}
	r.connect()
	r.uni(settingsOf(6, 1024))
	time.Sleep(time.Second)
	r.wantUsable()
	req := r.w.request(http.MethodPost, "/", strings.NewReader("body"))
	req.Header.Set("X-Large", large)
	if _, err := r.w.client.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "exceeds the server's limit of 1024") {
		t.Errorf("RoundTrip: got %v", err)
	}
	wantReset(t, r.requestStream(), http3.ErrCodeRequestCanceled)
	r.wantUsable()
	// In 0-RTT the limit is known from the connection before.
	r.conn.CloseWithError(0x100, "")
	time.Sleep(time.Second)
	r.w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		r.request = r.w.request(http3.MethodGet0RTT, "/", nil)
		r.connect()
		r.request = nil
		r.uni(settingsOf(6, 1024))
		r.wantUsable()
		time.Sleep(time.Second)
		r.conn.CloseWithError(0x100, "")
		time.Sleep(time.Second)
	}
	req = r.w.request(http3.MethodGet0RTT, "/", nil)
	req.Header.Set("X-Large", large)
	if _, err := r.w.client.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "exceeds the server's limit of 1024") {
		t.Errorf("RoundTrip in 0-RTT: got %v", err)
	}
	if r.conn = <-r.conns; !r.conn.ConnectionState().Used0RTT {
		t.Error("0-RTT was not used")
	}
}
