package nethttp_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing/fstest"
	"time"
)

// redirector redirects /CODE to /end, where it notes the request.
func redirector(c *trial, w http.ResponseWriter, r *http.Request) {
	if code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err == nil {
		http.Redirect(w, r, "/end", code)
		return
	}
	referer, _ := strings.CutPrefix(r.Header.Get("Referer"), c.url)
	r.Header.Del("Referer")
	c.note("handler: Referer", "%s", referer)
	noteRequest(c, w, r)
}

var clientRows = []row{
	{name: "client: redirects of GET", handler: redirector, client: func(c *trial) {
		for _, code := range []int{301, 302, 303, 307, 308} {
			c.get(fmt.Sprint("/", code), header("User-Agent", "test"))
		}
	}},
	{name: "client: redirects of POST", handler: redirector, client: func(c *trial) {
		for _, code := range []int{301, 302, 303, 307, 308} {
			c.send("POST", fmt.Sprint("/", code), strings.NewReader("body"), header("User-Agent", "test"))
		}
	}},
	{name: "client: redirect of POST without GetBody", handler: redirector, client: func(c *trial) {
		c.send("POST", "/307", stream("body")(), header("User-Agent", "test"))
	}},
	{name: "client: redirects without end", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
	}},
	{name: "client: redirect without Location", handler: answer(func(w http.ResponseWriter) { w.WriteHeader(302) })},
	{name: "client: CheckRedirect", handler: redirector, client: func(c *trial) {
		c.client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
			c.note("client: redirect", "%s after %d, Response %t", req.URL.Path, len(via), req.Response != nil)
			return http.ErrUseLastResponse
		}
		c.get("/302")
	}},
	{name: "client: cookies", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "n" + strconv.Itoa(len(r.Cookies())), Value: "v", Secure: true, HttpOnly: true})
		c.note("handler: cookies", "%v", r.Header["Cookie"])
	}, client: func(c *trial) {
		c.client.Jar, _ = cookiejar.New(nil)
		for range 3 {
			c.get("/")
		}
	}},
	{name: "client: fields of the response", handler: writes("body"), client: func(c *trial) {
		req := c.request("GET", "/", nil)
		rsp, err := c.rt.RoundTrip(req)
		if err != nil {
			c.Fatal(err)
		}
		defer rsp.Body.Close()
		c.note("client: Request", "%t", rsp.Request == req)
		c.note("client: TLS", "%t, complete %t, %d certificates", rsp.TLS != nil, rsp.TLS.HandshakeComplete, len(rsp.TLS.PeerCertificates))
		c.note("client: others", "%t, %d, %t", rsp.Close, len(rsp.TransferEncoding), rsp.Trailer == nil)
		c.note("client: Proto", "%s %d.%d", rsp.Proto, rsp.ProtoMajor, rsp.ProtoMinor)
		_, ok := rsp.Body.(io.Writer)
		c.note("client: the body is an io.Writer", "%t", ok)
	}},
	{name: "client: the request is not changed", handler: discard, client: func(c *trial) {
		req := c.request("POST", "/", strings.NewReader("body"), header("X-A", "1"))
		c.noteResponse(c.rt.RoundTrip(req))
		c.note("client: header", "%s", headers(req.Header))
		c.note("client: others", "%d, %t, %s", req.ContentLength, req.Host == req.URL.Host, req.Method)
	}},
	{name: "client: many requests at the same time", handler: noteNothing, client: func(c *trial) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		good := 0
		for i := range 200 {
			wg.Go(func() {
				want := strings.Repeat(strconv.Itoa(i), 1000)
				rsp, err := c.client.Post(c.url, "text/plain", strings.NewReader(want))
				if err != nil {
					return
				}
				defer rsp.Body.Close()
				if b, err := io.ReadAll(rsp.Body); err == nil && string(b) == want {
					mu.Lock()
					good++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		c.note("client: good responses", "%d", good)
	}},
	{name: "client: CloseIdleConnections", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.RemoteAddr)
	}, client: func(c *trial) {
		reused := func() string {
			var s string
			trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { s = fmt.Sprint(info.Reused) }}
			req := c.request("GET", "/", nil)
			rsp, err := c.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
			if err != nil {
				return err.Error()
			}
			io.Copy(io.Discard, rsp.Body)
			rsp.Body.Close()
			return s
		}
		c.note("client: reused", "%s %s", reused(), reused())
		c.client.CloseIdleConnections()
		c.note("client: reused", "%s %s", reused(), reused())
	}},
	{name: "client: Request.Close", handler: noteNothing, client: func(c *trial) {
		for range 2 {
			trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { c.note("client: reused", "%t", info.Reused) }}
			c.send("GET", "/", nil, func(req *http.Request) {
				req.Close = true
				*req = *req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
			})
		}
	}},
	{name: "client: unknown certificate", handler: noteNothing, client: func(c *trial) {
		rt := http.RoundTripper(&http.Transport{ForceAttemptHTTP2: true})
		if c.stack.name == "HTTP/3" {
			rt = emptyHTTP3(c)
		}
		_, err := rt.RoundTrip(c.request("GET", "/", nil))
		var certErr *tls.CertificateVerificationError
		c.note("client: certificate error", "%t", errors.As(err, &certErr))
	}},
}

func noteNothing(c *trial, w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }

// traced is a client that notes the hooks of httptrace, in no order.
func traced(method string, body func() io.Reader, edits ...func(*http.Request)) func(*trial) {
	return func(c *trial) {
		var mu sync.Mutex
		hooks := make(map[string]string)
		hook := func(name, format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			hooks[name] += fmt.Sprintf(format, args...) + " "
		}
		trace := &httptrace.ClientTrace{
			GetConn: func(hostPort string) { hook("GetConn", "%t", "https://"+hostPort == c.url) },
			GotConn: func(i httptrace.GotConnInfo) {
				hook("GotConn", "reused %t, idle %t", i.Reused, i.WasIdle)
				hook("GotConn: Conn", "%t", i.Conn != nil)
			},
			PutIdleConn:          func(err error) { hook("PutIdleConn", "%v", err) },
			GotFirstResponseByte: func() { hook("GotFirstResponseByte", "called") },
			Got100Continue:       func() { hook("Got100Continue", "called") },
			Got1xxResponse:       func(code int, _ textproto.MIMEHeader) error { hook("Got1xxResponse", "%d", code); return nil },
			ConnectStart: func(network, addr string) {
				hook("ConnectStart", "%t", "https://"+addr == c.url)
				hook("network", "%s", network)
			},
			ConnectDone:       func(network, _ string, err error) { hook("ConnectDone", "%t %v", network != "", err) },
			TLSHandshakeStart: func() { hook("TLSHandshakeStart", "called") },
			TLSHandshakeDone: func(s tls.ConnectionState, err error) {
				hook("TLSHandshakeDone", "complete %t, %v", s.HandshakeComplete, err)
			},
			WroteHeaderField: func(key string, _ []string) { hook("WroteHeaderField: "+key, "called") },
			WroteHeaders:     func() { hook("WroteHeaders", "called") },
			Wait100Continue:  func() { hook("Wait100Continue", "called") },
			WroteRequest:     func(i httptrace.WroteRequestInfo) { hook("WroteRequest", "%s", class(i.Err)) },
		}
		var r io.Reader
		if body != nil {
			r = body()
		}
		req := c.request(method, "/", r, edits...)
		rsp, err := c.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
		c.noteResponse(rsp, err)
		mu.Lock()
		defer mu.Unlock()
		if method != http.MethodGet {
			delete(hooks, "network")
		}
		for name, calls := range hooks {
			c.note("client: "+name, "%s", strings.TrimSpace(calls))
		}
	}
}

var traceRows = []row{
	{name: "trace: GET", handler: noteNothing, client: traced("GET", nil)},
	{name: "trace: POST", handler: noteNothing, client: traced("POST", text("body"))},
	{name: "trace: POST with Expect: 100-continue", handler: noteNothing, client: traced("POST", text("body"), header("Expect", "100-continue"))},
	{name: "trace: informational responses", handler: informational(2), client: traced("HEAD", nil)},
	{name: "trace: of a connection that is used again", handler: noteNothing, client: func(c *trial) {
		rsp, err := c.client.Get(c.url)
		if err != nil {
			c.Fatal(err)
		}
		io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
		traced("GET", nil)(c)
	}},
	{name: "trace: Got1xxResponse fails", handler: informational(1), client: func(c *trial) {
		trace := &httptrace.ClientTrace{Got1xxResponse: func(int, textproto.MIMEHeader) error { return errMine }}
		req := c.request("GET", "/", nil)
		c.noteResponse(c.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace))))
	}},
}

// wrap makes a row's handler of a http.Handler.
func wrap(h http.Handler) handlerFunc {
	return func(_ *trial, w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }
}

var page = strings.Repeat("0123456789", 1000)

var serveContent = wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Etag", `"tag"`)
	http.ServeContent(w, r, "page.txt", time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), strings.NewReader(page))
}))

var mux = func() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /item/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.PathValue("id"), r.Pattern) })
	m.HandleFunc("/dir/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	m.HandleFunc("example.com/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "host") })
	m.Handle("/files/", http.StripPrefix("/files", http.FileServerFS(fstest.MapFS{
		"index.html": {Data: []byte("<html>")}, "a.css": {Data: []byte("css")}, "sub/b.js": {Data: []byte("js")},
	})))
	return m
}()

var libraryRows = []row{
	{name: "library: http.ServeContent", handler: serveContent, client: func(c *trial) {
		for _, edit := range []func(*http.Request){
			header("X-Nothing", "1"),
			header("Range", "bytes=10-19"),
			header("Range", "bytes=-5"),
			header("Range", "bytes=9990-"),
			header("Range", "bytes=20000-"),
			header("If-None-Match", `"tag"`),
			header("If-Modified-Since", "Thu, 02 Jan 2020 03:04:05 GMT"),
			header("If-Match", `"other"`),
			header("Accept-Encoding", "identity"),
		} {
			c.get("/", edit)
			c.send("HEAD", "/", nil, edit)
		}
	}},
	{name: "library: http.ServeContent with several ranges", handler: serveContent, client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil, header("Range", "bytes=0-1,5-6")))
		if err != nil {
			c.Fatal(err)
		}
		defer rsp.Body.Close()
		b, err := io.ReadAll(rsp.Body)
		_, boundary, _ := strings.Cut(rsp.Header.Get("Content-Type"), "boundary=")
		c.note("client: parts", "%q, %s, %d", strings.ReplaceAll(string(b), boundary, "BOUNDARY"), class(err), rsp.ContentLength)
	}},
	{name: "library: http.ServeMux", handler: wrap(mux), client: func(c *trial) {
		c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, path := range []string{"/item/5", "/dir", "/dir/x", "/nothing", "/dir/../item/7", "/files/", "/files/a.css", "/files/sub/b.js", "/files/sub", "/files/index.html", "/files/no"} {
			c.get(path)
		}
		c.send("POST", "/item/5", nil)
		c.send("HEAD", "/item/5", nil)
		c.get("/", func(req *http.Request) { req.Host = "example.com" })
	}},
	{name: "library: http.TimeoutHandler", handler: wrap(http.TimeoutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
		w.Header().Set("X-A", "1")
		io.WriteString(w, "fast")
	}), 500*time.Millisecond, "too slow")), client: func(c *trial) {
		c.get("/fast")
		c.get("/slow")
	}},
	{name: "library: http.MaxBytesHandler", handler: wrap(http.MaxBytesHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(w, r.Body)
		fmt.Fprint(w, class(err))
	}), 100)), client: func(c *trial) {
		c.send("POST", "/", bytes.NewReader(make([]byte, 100)))
		c.send("POST", "/", bytes.NewReader(make([]byte, 101)))
	}},
	{name: "library: http.Error, http.NotFound, http.Redirect", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/error":
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", "100")
			http.Error(w, "message", http.StatusBadGateway)
		case "/notfound":
			http.NotFound(w, r)
		default:
			http.Redirect(w, r, "relative?x", http.StatusMovedPermanently)
		}
	}, client: func(c *trial) {
		c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, path := range []string{"/error", "/notfound", "/dir/redirect"} {
			c.get(path)
		}
	}},
	{name: "library: httptest.ResponseRecorder", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		for key, values := range rec.Header() {
			w.Header()[key] = values
		}
		w.WriteHeader(rec.Code)
		rec.Body.WriteTo(w)
	}, client: func(c *trial) {
		c.get("/item/5")
		c.get("/nothing")
	}},
	{name: "library: httputil.ReverseProxy", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		if inner, ok := strings.CutPrefix(r.URL.Path, "/inner"); ok {
			w.Header().Set("Trailer", "X-One")
			fmt.Fprintf(w, "%s %s %s %s", r.Method, inner, must(io.ReadAll(r.Body)), r.Header.Get("X-Forwarded-Proto"))
			w.Header().Set("X-One", r.Trailer.Get("X-Up"))
			return
		}
		proxy := &httputil.ReverseProxy{Transport: c.rt, Rewrite: func(p *httputil.ProxyRequest) {
			u, _ := url.Parse(c.url + "/inner")
			p.SetURL(u)
			p.SetXForwarded()
		}}
		proxy.ServeHTTP(w, r)
	}, client: func(c *trial) {
		c.get("/a")
		c.send("POST", "/b", strings.NewReader("body"))
		c.send("POST", "/c", stream("body")(), func(req *http.Request) { req.Trailer = http.Header{"X-Up": {"up"}} })
	}},
	{name: "library: httputil.DumpRequest", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		r.Header.Del("User-Agent")
		r.Proto, r.ProtoMajor, r.ProtoMinor, r.Host = "HTTP/1.1", 1, 1, "host"
		b, err := httputil.DumpRequest(r, true)
		c.note("handler: dump", "%q, %s", b, class(err))
	}, client: func(c *trial) { c.send("POST", "/x?y", strings.NewReader("body")) }},
	{name: "library: http.NewCrossOriginProtection", handler: wrap(http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "allowed")
	}))), client: func(c *trial) {
		c.send("POST", "/", nil, header("Sec-Fetch-Site", "cross-site"))
		c.send("POST", "/", nil, header("Sec-Fetch-Site", "same-origin"))
		c.send("POST", "/", nil, header("Origin", c.url))
		c.send("POST", "/", nil, header("Origin", "https://other.example"))
	}},
}
