package nethttp_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"time"
)

type handlerFunc = func(c *trial, w http.ResponseWriter, r *http.Request)

// answer returns a handler that does not look at the request.
func answer(f func(w http.ResponseWriter)) handlerFunc {
	return func(_ *trial, w http.ResponseWriter, _ *http.Request) { f(w) }
}

// noteWrite writes, and notes the result.
func (c *trial) noteWrite(w io.Writer, s string) {
	n, err := io.WriteString(w, s)
	c.note("handler: write", "%d, %s", n, class(err))
}

// noteInformational gets / and notes the informational responses.
func noteInformational(c *trial) {
	trace := &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			c.note("client: informational", "%d %s", code, headers(http.Header(header)))
			return nil
		},
		Got100Continue: func() { c.note("client: informational", "Got100Continue") },
	}
	req := c.request("GET", "/", nil)
	c.noteResponse(c.client.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace))))
}

// notePanic calls f and notes whether it panics.
func (c *trial) notePanic(f func()) {
	defer func() { c.note("handler: panic", "%t", recover() != nil) }()
	f()
}

var responseRows = []row{
	{name: "response: nothing", handler: answer(func(http.ResponseWriter) {})},
	{name: "response: all statuses", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	}, client: func(c *trial) {
		c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		for _, status := range []int{200, 201, 202, 203, 204, 205, 206, 299, 300, 304, 305, 400, 404, 418, 451, 500, 503, 599, 600, 999} {
			c.get(fmt.Sprintf("/%d", status))
		}
	}},
	{name: "response: invalid statuses", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		for _, status := range []int{-1, 0, 99, 1000} {
			c.notePanic(func() { w.WriteHeader(status) })
		}
		w.WriteHeader(202)
	}},
	{name: "response: invalid status after the first", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(202)
		c.notePanic(func() { w.WriteHeader(0) })
	}},
	{name: "response: WriteHeader twice", handler: answer(func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusAccepted)
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "accepted")
		w.WriteHeader(http.StatusNotFound)
	})},
	{name: "response: header changed after WriteHeader", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("X-Before", "1")
		w.Header().Add("X-List", "1")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-After", "1")
		w.Header().Del("X-Before")
		w.Header().Add("X-List", "2")
	})},
	{name: "response: header changed after Write", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("X-Before", "1")
		io.WriteString(w, "some")
		w.Header().Set("X-After", "1")
		w.Header().Set("Content-Type", "after/all")
		w.Header().Del("X-Before")
	})},
	{name: "response: values changed after WriteHeader", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("X-Value", "before")
		w.WriteHeader(http.StatusOK)
		w.Header()["X-Value"][0] = "after"
	})},
	{name: "response: fields with several values", handler: answer(func(w http.ResponseWriter) {
		w.Header()["X-Many"] = []string{"a", "", "b, c"}
		w.Header()["X-None"] = nil
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
	})},
	{name: "response: field names not in canonical form", handler: answer(func(w http.ResponseWriter) {
		w.Header()["x-lower"] = []string{"1"}
	})},
	{name: "response: Content-Length not in canonical form", client: outcome(), handler: answer(func(w http.ResponseWriter) {
		w.Header()["content-length"] = []string{"3"}
		io.WriteString(w, "text")
	})},
	{name: "response: spaces around values", handler: answer(func(w http.ResponseWriter) {
		w.Header()["X-Space"] = []string{" a ", "\tb"}
	})},
	{name: "response: invalid field names", handler: answer(func(w http.ResponseWriter) {
		w.Header()["a b"] = []string{"1"}
		w.Header()[":status"] = []string{"500"}
		w.Header()[""] = []string{"1"}
		w.Header()["X-Good"] = []string{"1"}
	})},
	{name: "response: invalid field values", handler: answer(func(w http.ResponseWriter) {
		w.Header()["X-Bad"] = []string{"a\nb", "good"}
		w.Header()["X-Nul"] = []string{"\x00"}
		w.Header()["X-Good"] = []string{"1"}
	})},
	{name: "response: Connection", client: outcome(), handler: answer(func(w http.ResponseWriter) { w.Header().Set("Connection", "keep-alive") })},
	{name: "response: Connection: close", client: outcome(), handler: answer(func(w http.ResponseWriter) { w.Header().Set("Connection", "close") })},
	{name: "response: Keep-Alive, Proxy-Connection, Upgrade", client: outcome(), handler: answer(func(w http.ResponseWriter) {
		for _, name := range []string{"Keep-Alive", "Proxy-Connection", "Upgrade"} {
			w.Header().Set(name, "x")
		}
	})},
	{name: "response: Transfer-Encoding", client: outcome(), handler: answer(func(w http.ResponseWriter) { w.Header().Set("Transfer-Encoding", "chunked") })},
	{name: "response: Transfer-Encoding: identity", client: outcome(), handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Transfer-Encoding", "identity")
		io.WriteString(w, "text")
	})},
	{name: "response: Date", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/set":
			w.Header().Set("Date", "mine")
		case "/nil":
			w.Header()["Date"] = nil
		}
	}, client: func(c *trial) {
		for _, path := range []string{"/default", "/set", "/nil"} {
			rsp := c.get(path)
			_, err := time.Parse(http.TimeFormat, rsp.Header.Get("Date"))
			c.note("client: Date", "%q, valid %t", rsp.Header["Date"][:min(len(rsp.Header["Date"]), 0)], err == nil)
			c.note("client: Date is mine", "%t", rsp.Header.Get("Date") == "mine")
		}
	}},
	{name: "response: Content-Type by default", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gzip" {
			w.Header().Set("Content-Encoding", "br")
		}
		if r.URL.Path == "/nil" {
			w.Header()["Content-Type"] = nil
		}
		if r.URL.Path == "/empty" {
			w.Header().Set("Content-Type", "")
		}
		io.WriteString(w, r.URL.Query().Get("q"))
	}, client: func(c *trial) {
		for _, path := range []string{"/?q=text", "/?q=<html>", "/?q=", "/gzip?q=text", "/nil?q=text", "/empty?q=text", "/?q=%00%01"} {
			c.get(path)
		}
	}},
	{name: "response: Content-Type by the first of several writes", handler: answer(func(w http.ResponseWriter) {
		for _, s := range []string{"", "<ht", "ml>", strings.Repeat("x", 5000)} {
			io.WriteString(w, s)
		}
	})},
	{name: "response: Content-Type with Flush first", handler: answer(func(w http.ResponseWriter) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "<html>")
	})},
	{name: "response: Content-Type with status 404 and no content", handler: answer(func(w http.ResponseWriter) { w.WriteHeader(404) })},
	{name: "response: X-Content-Type-Options", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		io.WriteString(w, "<html>")
	})},
	{name: "response: informational", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.Header().Del("Link")
		w.Header().Set("X-Final", "1")
		c.noteWrite(w, "final")
	}, client: noteInformational},
	{name: "response: informational with Content-Length", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusEarlyHints)
		c.noteWrite(w, "final")
	}, client: noteInformational},
	{name: "response: informational with Trailer", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Trailer")
		w.Header().Set("X-Trailer", "early")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Trailer", "late")
		c.noteWrite(w, "final")
	}, client: noteInformational},
	{name: "response: 100 (Continue)", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Early", "1")
		w.WriteHeader(http.StatusContinue)
		c.noteWrite(w, "final")
	}, client: noteInformational},
	{name: "response: 101 (Switching Protocols)", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
		c.noteWrite(w, "final")
	}, client: noteInformational},
	{name: "response: informational after the final one", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.WriteHeader(http.StatusEarlyHints)
		c.noteWrite(w, "final")
	}, client: noteInformational},
	{name: "response: 5 informational", handler: informational(5), client: noteInformational},
	{name: "response: 6 informational", handler: informational(6), client: outcome()},
	{name: "response: trailers, announced", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One, X-Two")
		w.Header().Add("Trailer", "X-Unset")
		io.WriteString(w, "body")
		w.Header().Set("X-One", "1")
		w.Header()["X-Two"] = []string{"2", "3"}
		w.Header().Set("X-Other", "1")
	})},
	{name: "response: trailers, announced and set before", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One")
		w.Header().Set("X-One", "1")
		io.WriteString(w, "body")
	})},
	{name: "response: trailers with http.TrailerPrefix", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set(http.TrailerPrefix+"X-Before", "1")
		io.WriteString(w, "body")
		w.Header().Set(http.TrailerPrefix+"X-After", "2")
	})},
	{name: "response: trailers of both kinds after Flush", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One")
		w.(http.Flusher).Flush()
		w.Header().Set("X-One", "1")
		w.Header().Set(http.TrailerPrefix+"X-Two", "2")
	})},
	{name: "response: trailers without content", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One")
		w.WriteHeader(http.StatusOK)
		w.Header().Set("X-One", "1")
	})},
	{name: "response: trailers with 204", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One")
		w.WriteHeader(http.StatusNoContent)
		w.Header().Set("X-One", "1")
	})},
	{name: "response: trailers with HEAD", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One")
		io.WriteString(w, "body")
		w.Header().Set("X-One", "1")
	}), client: requestsOf("HEAD")},
	{name: "response: trailers with forbidden names", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "Content-Length, Transfer-Encoding, Trailer, X-Good")
		io.WriteString(w, "body")
		w.Header().Set("Content-Length", "1")
		w.Header().Set("X-Good", "1")
		w.Header().Set(http.TrailerPrefix+"Content-Length", "7")
	})},
	{name: "response: trailers announced in lower case", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "x-one,x-two")
		io.WriteString(w, "body")
		w.Header().Set("X-One", "1")
	})},
	{name: "response: trailers with Content-Length", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Trailer", "X-One")
		w.Header().Set("Content-Length", "4")
		io.WriteString(w, "body")
		w.Header().Set("X-One", "1")
	})},
	{name: "response: header larger than MaxResponseHeaderBytes", options: options{maxResponseHeaderBytes: 8 << 10}, handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			w.Header().Set("X-Large", strings.Repeat("x", 64<<10))
		}
	}, client: func(c *trial) {
		c.get("/large")
		c.get("/")
	}},
	{name: "response: header of 64 KiB", handler: answer(func(w http.ResponseWriter) { w.Header().Set("X-Large", strings.Repeat("x", 64<<10)) }), client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		c.noteError("client: error", err)
		c.note("client: header", "%d bytes", len(rsp.Header.Get("X-Large")))
		rsp.Body.Close()
	}},
	{name: "response: gzip", handler: compressed, client: func(c *trial) {
		c.get("/")
		c.get("/", header("Accept-Encoding", "gzip"))
		c.send("HEAD", "/", nil)
		c.get("/", header("Range", "bytes=0-10"))
	}},
	{name: "response: gzip with Transport.DisableCompression", options: options{disableCompression: true}, handler: compressed},
	{name: "response: gzip, not asked for", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "no gzip")
	}), client: func(c *trial) { c.get("/", header("Accept-Encoding", "identity")) }},
	{name: "response: broken gzip", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "no gzip")
	})},
	{name: "response: truncated gzip", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, strings.Repeat("abc", 1000))
		z.Flush()
	})},
	{name: "response: empty with Content-Encoding: gzip", handler: answer(func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip") })},
	{name: "response: Content-Encoding: GZIP", handler: answer(func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "GZIP")
		z := gzip.NewWriter(w)
		io.WriteString(z, "text")
		z.Close()
	})},
}

// informational returns a handler that sends n informational responses.
func informational(n int) handlerFunc {
	return func(c *trial, w http.ResponseWriter, _ *http.Request) {
		for range n {
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.WriteHeader(http.StatusOK)
	}
}

// compressed answers with gzip if the client accepts it.
func compressed(c *trial, w http.ResponseWriter, r *http.Request) {
	c.note("handler: Accept-Encoding", "%q", r.Header["Accept-Encoding"])
	w.Header().Set("Content-Type", "text/plain")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		io.WriteString(w, "plain")
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Vary", "Accept-Encoding")
	z := gzip.NewWriter(w)
	io.WriteString(z, "compressed")
	z.Close()
}
