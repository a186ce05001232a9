package nethttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/quic-go/quic-go/http3"
)

// noteRequest notes what a handler is told about a request.
func noteRequest(c *trial, w http.ResponseWriter, r *http.Request) {
	c.note("handler: request", "%s %s %s", r.Method, r.URL, r.RequestURI)
	if r.ContentLength > 0 || r.Method == "POST" {
		c.note("handler: length", "%d, %d transfer codings", r.ContentLength, len(r.TransferEncoding))
	}
	c.note("handler: header", "%s", headers(r.Header))
	if len(r.Trailer) > 0 {
		c.note("handler: announced trailer", "%s", headers(r.Trailer))
	}
	b, err := io.ReadAll(r.Body)
	c.note("handler: body", "%s, %s", content(b), class(err))
	if len(r.Trailer) > 0 {
		c.note("handler: trailer", "%s", headers(r.Trailer))
	}
}

// noteHeader notes the header of a request.
func noteHeader(c *trial, w http.ResponseWriter, r *http.Request) {
	c.note("handler: header", "%s", headers(r.Header))
}

// requestsOf returns a client that sends a request with each of these methods.
func requestsOf(methods ...string) func(*trial) {
	return func(c *trial) {
		for _, method := range methods {
			c.send(method, "/path", nil, header("User-Agent", "test"))
		}
	}
}

// getWith returns a client that gets / with changes.
func getWith(edits ...func(*http.Request)) func(*trial) {
	return func(c *trial) { c.get("/", append(edits, header("User-Agent", "test"))...) }
}

var requestRows = []row{
	{name: "request: GET", handler: noteRequest, client: requestsOf("GET")},
	{name: "request: length of GET without body", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: length", "%d", r.ContentLength)
	}},
	{name: "request: empty method", handler: noteRequest, client: requestsOf("")},
	{name: "request: HEAD", handler: noteRequest, client: requestsOf("HEAD")},
	{name: "request: POST without body", handler: noteRequest, client: requestsOf("POST")},
	{name: "request: PUT without body", handler: noteRequest, client: requestsOf("PUT")},
	{name: "request: PATCH without body", handler: noteRequest, client: requestsOf("PATCH")},
	{name: "request: DELETE", handler: noteRequest, client: requestsOf("DELETE")},
	{name: "request: OPTIONS", handler: noteRequest, client: requestsOf("OPTIONS")},
	{name: "request: TRACE", handler: noteRequest, client: requestsOf("TRACE")},
	{name: "request: odd methods", handler: noteRequest, client: requestsOf("M-SEARCH", "get", "X!#$%&'*+-.^_`|~09")},
	{name: "request: invalid methods", handler: noteRequest, client: func(c *trial) {
		for _, method := range []string{"A B", "GÉT", "G\x00T", "A:B"} {
			req := c.request("GET", "/", nil)
			req.Method = method
			c.noteResponse(c.rt.RoundTrip(req))
		}
	}},
	{name: "request: OPTIONS *", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: called", "%s %s %s", r.Method, r.URL, r.RequestURI)
	}, client: func(c *trial) {
		req := c.request("OPTIONS", "/", nil)
		req.URL.Opaque = "*"
		c.noteResponse(c.rt.RoundTrip(req))
	}},
	{name: "request: CONNECT", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: request", "%s URL.Host %t, RequestURI is Host %t, path %q", r.Method, r.URL.Host == r.Host, r.RequestURI == r.Host, r.URL.Path)
		io.Copy(w, r.Body)
	}, client: func(c *trial) { c.send("CONNECT", "", strings.NewReader("tunnel")) }},
	{name: "request: CONNECT refused", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusMethodNotAllowed)
	}, client: func(c *trial) { c.send("CONNECT", "", nil) }},
	{name: "request: paths", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: request", "%s %s %s %s", r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI)
	}, client: func(c *trial) {
		for _, path := range []string{"", "/", "/a%2Fb", "/%E2%82%AC?x=1&y=%20", "//twice", "/a/../b", "/?", "/#fragment", "/a?q#f", "/semi;colon?a;b"} {
			c.get(path)
		}
	}},
	{name: "request: URL.Opaque", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: request", "%s %s", r.URL, r.RequestURI)
	}, client: func(c *trial) {
		for _, opaque := range []string{"//" + strings.TrimPrefix(c.url, "https://") + "/opaque%2f", "relative", "/absolute"} {
			req := c.request("GET", "/", nil)
			req.URL.Opaque = opaque
			c.noteResponse(c.rt.RoundTrip(req))
		}
	}},
	{name: "request: Host", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		_, inHeader := r.Header["Host"]
		c.note("handler: Host", "%s, in the header %t", r.Host, inHeader)
	}, client: func(c *trial) {
		for _, host := range []string{"example.com", "example.com:8443", "EXAMPLE.com", "bücher.example", "[::1]:1", "a b", "a/b", "user@host"} {
			c.get("/", func(req *http.Request) { req.Host = host })
		}
		c.get("/", header("Host", "ignored.example"), func(req *http.Request) { req.Host = "example.com" })
	}},
	{name: "request: URLs that are not for us", handler: noteRequest, client: func(c *trial) {
		for _, edit := range []func(*http.Request){
			func(req *http.Request) { req.URL = nil },
			func(req *http.Request) { req.URL.Host = "" },
			func(req *http.Request) { req.URL.Scheme = "ftp" },
			func(req *http.Request) { req.URL.Scheme = "" },
		} {
			c.noteResponse(c.rt.RoundTrip(c.request("GET", "/", nil, edit)))
		}
	}},
	{name: "request: nil header", handler: noteNothing, client: outcome(func(req *http.Request) { req.Header = nil })},
	{name: "request: User-Agent by default", handler: noteHeader, client: func(c *trial) { c.get("/") }},
	{name: "request: User-Agent", handler: noteHeader, client: func(c *trial) {
		c.get("/", header("User-Agent", "mine"))
		c.get("/", header("User-Agent", ""))
		c.get("/", header("User-Agent"))
		c.get("/", header("User-Agent", "one", "two"))
	}},
	{name: "request: Accept-Encoding", handler: noteHeader, client: func(c *trial) {
		ua := header("User-Agent", "test")
		c.get("/", ua, header("Accept-Encoding", "br"))
		c.get("/", ua, header("Range", "bytes=0-1"))
		c.send("HEAD", "/", nil, ua)
		c.get("/", ua, header("Accept-Encoding", ""))
	}},
	{name: "request: fields with several values", handler: noteHeader, client: getWith(header("X-Many", "a", "", "b, c"), header("Cookie", "a=1", "b=2; c=3"), header("X-None"))},
	{name: "request: spaces around values", handler: noteHeader, client: getWith(header("X-Space", " a ", "\tb\t", "c d"))},
	{name: "request: field names not in canonical form", handler: noteHeader, client: getWith(header("x-lower", "1"), header("X-uPPER", "2"))},
	{name: "request: invalid field names", handler: noteHeader, client: func(c *trial) {
		for _, name := range []string{"", "a b", "a:b", ":path", "ü", "a\nb"} {
			c.get("/", header(name, "x"))
		}
	}},
	{name: "request: invalid field values", handler: noteHeader, client: func(c *trial) {
		for _, value := range []string{"a\nb", "a\x00b", "\x7f", "ü\xff"} {
			c.get("/", header("User-Agent", "test"), header("X-Value", value))
		}
	}},
	{name: "request: Connection", handler: noteHeader, client: getWith(header("Connection", "keep-alive"))},
	{name: "request: Connection with other options", handler: noteNothing, client: outcome(header("Connection", "X-Hop"), header("X-Hop", "1"))},
	{name: "request: Keep-Alive and Proxy-Connection", handler: noteHeader, client: getWith(header("Keep-Alive", "300"), header("Proxy-Connection", "keep-alive"))},
	{name: "request: Upgrade", handler: noteNothing, client: outcome(header("Upgrade", "websocket"))},
	{name: "request: Transfer-Encoding: chunked", handler: noteHeader, client: getWith(header("Transfer-Encoding", "chunked"))},
	{name: "request: Transfer-Encoding: gzip", handler: noteNothing, client: outcome(header("Transfer-Encoding", "gzip"))},
	{name: "request: TE: trailers", handler: noteHeader, client: getWith(header("Te", "trailers"))},
	{name: "request: TE: gzip", handler: noteNothing, client: outcome(header("Te", "gzip"))},
	{name: "request: Content-Length in the header", handler: noteRequest, client: func(c *trial) {
		c.send("POST", "/", strings.NewReader("body"), header("User-Agent", "test"), header("Content-Length", "2"))
	}},
	{name: "request: Request.Close", handler: noteHeader, client: getWith(func(req *http.Request) { req.Close = true })},
	{name: "request: credentials in the URL", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		c.note("handler: credentials", "%s %s %t, URL %s", user, password, ok, r.URL)
	}, client: getWith(func(req *http.Request) { req.URL.User = url.UserPassword("user", "secret") })},
	{name: "request: forms", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.noteError("handler: error", r.ParseForm())
		c.note("handler: form", "%s, %s", r.Form.Encode(), r.PostForm.Encode())
	}, client: func(c *trial) {
		rsp, err := c.client.PostForm(c.url+"/?query=1", url.Values{"a": {"1", "2"}})
		c.noteResponse(rsp, err)
	}},
	{name: "request: what is known of the connection", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		remote, err := net.ResolveTCPAddr("tcp", r.RemoteAddr)
		c.note("handler: RemoteAddr", "loopback %t, %s", err == nil && remote.IP.IsLoopback(), class(err))
		c.note("handler: TLS", "%t, complete %t, name %q, %x", r.TLS != nil, r.TLS.HandshakeComplete, r.TLS.ServerName, r.TLS.Version)
		local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		c.note("handler: LocalAddrContextKey", "%t, the server's address %t", ok, "https://"+local.String() == c.url)
		c.note("handler: ServerContextKey", "%t", r.Context().Value(http.ServerContextKey) != nil)
		c.note("handler: http3.ServerContextKey", "%t", r.Context().Value(http3.ServerContextKey) != nil)
		c.note("handler: protocol", "%s %d.%d", r.Proto, r.ProtoMajor, r.ProtoMinor)
		c.note("handler: ALPN", "%s", r.TLS.NegotiatedProtocol)
		c.note("handler: unset fields", "%t, %t, %t, %t, %q", r.Close, r.Form == nil, r.Response == nil, r.Cancel == nil, r.Pattern)
		c.note("handler: GetBody", "%t, Body %t", r.GetBody != nil, r.Body != nil)
	}},
	{name: "request: header of 32 KiB in 100 lines", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: lines", "%d", len(r.Header["X-Line"]))
	}, client: getWith(func(req *http.Request) {
		for i := range 100 {
			req.Header.Add("X-Line", fmt.Sprintf("%d%s", i, strings.Repeat("x", 320)))
		}
	})},
	{name: "request: header larger than Server.MaxHeaderBytes", options: options{maxHeaderBytes: 8 << 10}, handler: noteNothing, client: func(c *trial) {
		for _, size := range []int{1, 64 << 10, 1} {
			outcome(header("User-Agent", "test"), header("X-Large", strings.Repeat("x", size)))(c)
		}
	}},
	{name: "request: context ended before", handler: noteHeader, client: func(c *trial) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		c.get("/", withContext(ctx))
		ctx, cancel = context.WithTimeout(context.Background(), 0)
		defer cancel()
		c.get("/", withContext(ctx))
		causes, cancelCause := context.WithCancelCause(context.Background())
		cancelCause(errMine)
		c.get("/", withContext(causes))
	}},
}
