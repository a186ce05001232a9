package nethttp_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// writes returns a handler that notes its writes.
func writes(chunks ...string) handlerFunc {
	return func(c *trial, w http.ResponseWriter, _ *http.Request) {
		for _, s := range chunks {
			c.noteWrite(w, s)
		}
	}
}

// withStatus returns a handler that writes after WriteHeader, with a Content-Length if that is not empty.
func withStatus(status int, length string, chunks ...string) handlerFunc {
	return func(c *trial, w http.ResponseWriter, r *http.Request) {
		if length != "" {
			w.Header().Set("Content-Length", length)
		}
		w.WriteHeader(status)
		writes(chunks...)(c, w, r)
	}
}

var head = requestsOf("HEAD")

var responseBodyRows = []row{
	{name: "content: small", handler: writes("small")},
	{name: "content: in several writes", handler: writes("a", "", "b", "c")},
	{name: "content: Write of nothing", handler: writes("")},
	{name: "content: 2048 bytes", handler: writes(strings.Repeat("x", 2048))},
	{name: "content: 2049 bytes", handler: writes(strings.Repeat("x", 2049))},
	{name: "content: 4095 bytes", handler: writes(strings.Repeat("x", 4095))},
	{name: "content: 4096 bytes", handler: writes(strings.Repeat("x", 4096))},
	{name: "content: 4097 bytes", handler: writes(strings.Repeat("x", 4097))},
	{name: "content: 4096 bytes in two writes", handler: writes(strings.Repeat("x", 2048), strings.Repeat("x", 2048))},
	{name: "content: 1 MiB", handler: writes(strings.Repeat("0123456789abcdef", 1<<16))},
	{name: "content: 1 MiB with Content-Length", handler: withStatus(200, "1048576", strings.Repeat("0123456789abcdef", 1<<16))},
	{name: "content: as long as declared", handler: withStatus(200, "4", "body")},
	{name: "content: longer than declared", handler: withStatus(200, "4", "body", "more")},
	{name: "content: longer than declared in one write", handler: withStatus(200, "4", "bodymore")},
	{name: "content: shorter than declared", handler: withStatus(200, "10", "body")},
	{name: "content: shorter than declared, nothing written", handler: withStatus(200, "10")},
	{name: "content: shorter than declared, flushed", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		c.noteWrite(w, "body")
		w.(http.Flusher).Flush()
	}},
	{name: "content: declared as 0", handler: withStatus(200, "0", "body")},
	{name: "content: Content-Length that is no number", handler: withStatus(200, "many", "body")},
	{name: "content: negative Content-Length", handler: withStatus(200, "-1", "body")},
	{name: "content: two Content-Lengths", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = []string{"4", "4"}
		c.noteWrite(w, "body")
	}},
	{name: "content: Content-Length set to nil", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = nil
		c.noteWrite(w, "body")
	}},
	{name: "content: with 204", handler: withStatus(204, "", "body")},
	{name: "content: with 204 and Content-Length", handler: withStatus(204, "4")},
	{name: "content: with 304", handler: withStatus(304, "", "body")},
	{name: "content: with 304 and Content-Length", handler: withStatus(304, "4")},
	{name: "content: with 205", handler: withStatus(205, "", "body")},
	{name: "content: with 404", handler: withStatus(404, "", "not found")},
	{name: "content: with HEAD", handler: writes("body"), client: head},
	{name: "content: with HEAD, several writes", handler: writes("a", "b"), client: head},
	{name: "content: with HEAD, 5000 bytes", handler: writes(strings.Repeat("x", 5000)), client: head},
	{name: "content: with HEAD, nothing written", handler: writes(), client: head},
	{name: "content: with HEAD, Write of nothing", handler: writes(""), client: head},
	{name: "content: with HEAD and Content-Length", handler: withStatus(200, "1000"), client: head},
	{name: "content: with HEAD, longer than declared", handler: withStatus(200, "2", "body"), client: head},
	{name: "content: with HEAD, shorter than declared", handler: withStatus(200, "10", "body"), client: head},
	{name: "content: with HEAD and 404", handler: withStatus(404, "", "body"), client: head},
	{name: "content: with HEAD and Flush", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.noteWrite(w, "body")
		w.(http.Flusher).Flush()
		c.noteWrite(w, "more")
	}, client: head},
	{name: "content: Flush before and between", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		c.noteWrite(w, "a")
		w.(http.Flusher).Flush()
		c.wait()
		c.noteWrite(w, "b")
	}, client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		if err != nil {
			c.noteError("client: error", err)
			return
		}
		c.noteHead(rsp)
		b := make([]byte, 1)
		_, err = io.ReadFull(rsp.Body, b)
		c.note("client: read", "%s, %s", b, class(err))
		c.signal()
		rest, err := io.ReadAll(rsp.Body)
		c.note("client: read", "%s, %s", rest, class(err))
		rsp.Body.Close()
	}},
	{name: "content: io.Copy", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 100_000)))
		c.note("handler: copied", "%d, %s", n, class(err))
	}},
	{name: "content: io.CopyN with Content-Length", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(50_000))
		n, err := io.CopyN(w, zeros{}, 50_000)
		c.note("handler: copied", "%d, %s", n, class(err))
	}},
	{name: "content: Write does not keep the buffer", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		b := []byte("first ")
		for _, s := range []string{"first ", "second", "third!"} {
			copy(b, s)
			w.Write(b)
		}
		large := bytes.Repeat([]byte("x"), 10_000)
		w.Write(large)
		clear(large)
	}},
	{name: "content: not read by the client", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "unread")
	}, client: func(c *trial) {
		for range 3 {
			rsp, err := c.client.Do(c.request("GET", "/", nil))
			c.noteError("client: error", err)
			c.noteError("client: close", rsp.Body.Close())
			c.noteError("client: close again", rsp.Body.Close())
			n, err := rsp.Body.Read(make([]byte, 1))
			c.note("client: read after Close", "%d, %t", n, err != nil)
		}
	}},
	{name: "content: read after the end", handler: writes("body"), client: func(c *trial) {
		rsp := c.get("/")
		n, err := rsp.Body.Read(make([]byte, 1))
		c.note("client: read after Close", "%d, %t", n, err != nil)
	}},
	{name: "content: read again at the end", handler: writes("body"), client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		if err != nil {
			c.Fatal(err)
		}
		io.Copy(io.Discard, rsp.Body)
		for range 2 {
			n, err := rsp.Body.Read(make([]byte, 1))
			c.note("client: read", "%d, %s", n, class(err))
		}
		n, err := rsp.Body.Read(nil)
		c.note("client: read of nothing", "%d, %s", n, class(err))
		c.noteError("client: close", rsp.Body.Close())
	}},
	{name: "content: with HEAD, the client's body", handler: writes("body"), client: func(c *trial) {
		rsp, err := c.client.Do(c.request("HEAD", "/", nil))
		if err != nil {
			c.Fatal(err)
		}
		c.note("client: body", "NoBody %t, nil %t", rsp.Body == http.NoBody, rsp.Body == nil)
		b, err := io.ReadAll(rsp.Body)
		c.note("client: read", "%q, %s", b, class(err))
	}},
	{name: "content: Response.Write", handler: writes("body"), client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		if err != nil {
			c.Fatal(err)
		}
		defer rsp.Body.Close()
		rsp.Header.Del("Date")
		rsp.Proto, rsp.ProtoMajor, rsp.ProtoMinor = "HTTP/1.1", 1, 1
		var b bytes.Buffer
		c.noteError("client: error", rsp.Write(&b))
		c.note("client: written", "%q", b.String())
	}},
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
