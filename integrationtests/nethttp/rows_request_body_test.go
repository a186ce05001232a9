package nethttp_test

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

// post returns a client that posts a body with changes.
func post(body func() io.Reader, edits ...func(*http.Request)) func(*trial) {
	return func(c *trial) { c.send("POST", "/", body(), append(edits, header("User-Agent", "test"))...) }
}

// A stream is a body of unknown length.
func stream(s string) func() io.Reader {
	return func() io.Reader { return io.MultiReader(strings.NewReader(s)) }
}

func text(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

func length(n int64) func(*http.Request) {
	return func(req *http.Request) { req.ContentLength = n }
}

// A closingBody reports calls of Close.
type closingBody struct {
	io.Reader
	closed chan struct{}
}

func (b closingBody) Close() error {
	b.closed <- struct{}{}
	return nil
}

// noteClosed sends a request with a body, and notes whether that is closed.
func (c *trial) noteClosed(edits ...func(*http.Request)) {
	body := closingBody{strings.NewReader("body"), make(chan struct{}, 10)}
	rsp, err := c.rt.RoundTrip(c.request("POST", "/", body, edits...))
	c.noteResponse(rsp, err)
	select {
	case <-body.closed:
		c.note("client: the body", "is closed")
	case <-time.After(patience):
		c.note("client: the body", "stays open")
	}
}

// startedThen returns a handler that lets whenStarted go on.
func startedThen(next handlerFunc) handlerFunc {
	return func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.signal()
		next(c, w, r)
	}
}

// whenStarted returns a body that sends s and ends with err once the handler runs.
func (c *trial) whenStarted(s string, err error) io.Reader {
	return io.MultiReader(strings.NewReader(s[:1]), readerFunc(func(p []byte) (int, error) {
		c.wait()
		c.signal()
		if len(s) > 1 && err == nil {
			n := copy(p, s[1:])
			return n, io.EOF
		}
		return 0, err
	}))
}

// waitForFailure is a handler that notes whether the upload fails, and does not answer.
func waitForFailure(c *trial, w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	c.note("handler: read fails", "%t", err != nil)
	panic(http.ErrAbortHandler)
}

func discard(c *trial, w http.ResponseWriter, r *http.Request) {
	_, err := io.Copy(io.Discard, r.Body)
	c.noteError("handler: read", err)
}

var requestBodyRows = []row{
	{name: "upload: of known length", handler: noteRequest, client: post(text("body"))},
	{name: "upload: of unknown length", handler: noteRequest, client: post(stream("body"))},
	{name: "upload: of length -1", handler: noteRequest, client: post(text("body"), length(-1))},
	{name: "upload: http.NoBody", handler: noteRequest, client: post(func() io.Reader { return http.NoBody })},
	{name: "upload: empty, of unknown length", handler: noteRequest, client: post(stream(""))},
	{name: "upload: empty, of known length", handler: noteRequest, client: post(text(""))},
	{name: "upload: with GET", handler: noteRequest, client: func(c *trial) { c.send("GET", "/", strings.NewReader("body"), header("User-Agent", "test")) }},
	{name: "upload: with GET, of unknown length", handler: noteRequest, client: func(c *trial) { c.send("GET", "/", stream("body")(), header("User-Agent", "test")) }},
	{name: "upload: with DELETE", handler: noteRequest, client: func(c *trial) { c.send("DELETE", "/", strings.NewReader("body"), header("User-Agent", "test")) }},
	{name: "upload: with HEAD", handler: noteRequest, client: func(c *trial) { c.send("HEAD", "/", strings.NewReader("body"), header("User-Agent", "test")) }},
	{name: "upload: of 1 MiB", handler: noteRequest, client: post(text(strings.Repeat("0123456789abcdef", 1<<16)))},
	{name: "upload: of 1 MiB and unknown length", handler: noteRequest, client: post(stream(strings.Repeat("0123456789abcdef", 1<<16)))},
	{name: "upload: shorter than declared", handler: discard, client: func(c *trial) {
		rsp, err := c.rt.RoundTrip(c.request("POST", "/", stream("body")(), length(10)))
		if err == nil {
			rsp.Body.Close()
		}
	}},
	{name: "upload: longer than declared", handler: startedThen(discard), client: func(c *trial) {
		rsp, err := c.rt.RoundTrip(c.request("POST", "/", c.whenStarted("a longer body", nil), length(4)))
		if err == nil {
			rsp.Body.Close()
		}
	}},
	{name: "upload: declared as 0 with content", handler: noteRequest, client: post(stream("body"), length(0))},
	{name: "upload: that fails", quiet: true, handler: startedThen(waitForFailure), client: func(c *trial) {
		c.send("POST", "/", c.whenStarted("body", errMine))
	}},
	{name: "upload: the body is closed", handler: discard, client: func(c *trial) {
		c.noteClosed()
		c.noteClosed(header("a b", "x"))
		c.noteClosed(func(req *http.Request) { req.URL.Scheme = "ftp" })
		c.noteClosed(header("User-Agent", "a\nb"))
	}},
	{name: "upload: trailers", handler: noteRequest, client: func(c *trial) {
		req := c.request("POST", "/", stream("body")(), header("User-Agent", "test"))
		req.Trailer = http.Header{"X-One": nil, "X-Two": nil}
		req.Body = io.NopCloser(io.MultiReader(req.Body, readerFunc(func([]byte) (int, error) {
			req.Trailer.Set("X-One", "1")
			req.Trailer.Add("X-Two", "2")
			req.Trailer.Add("X-Two", "3")
			return 0, io.EOF
		})))
		c.noteResponse(c.client.Do(req))
	}},
	{name: "upload: trailers with a forbidden name", handler: noteRequest, client: func(c *trial) {
		for _, name := range []string{"Content-Length", "Transfer-Encoding", "Trailer"} {
			c.send("POST", "/", stream("body")(), header("User-Agent", "test"), func(req *http.Request) { req.Trailer = http.Header{name: {"1"}} })
		}
	}},
	{name: "upload: that the handler does not read", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}, client: func(c *trial) {
		c.send("POST", "/", strings.NewReader("body"))
		c.send("POST", "/", bytes.NewReader(make([]byte, 4<<20)))
		c.get("/")
	}},
	{name: "upload: that the handler reads a part of", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadFull(r.Body, make([]byte, 1000))
		c.noteError("handler: read", err)
		io.WriteString(w, "enough")
	}, client: func(c *trial) { c.send("POST", "/", bytes.NewReader(make([]byte, 4<<20))) }},
	{name: "upload: closed by the handler", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.noteError("handler: close", r.Body.Close())
		n, err := r.Body.Read(make([]byte, 1))
		c.note("handler: read", "%d, %s", n, class(err))
		c.noteError("handler: close again", r.Body.Close())
		c.note("handler: context", "%v", r.Context().Err())
		io.WriteString(w, "closed")
	}, client: func(c *trial) { c.send("POST", "/", bytes.NewReader(make([]byte, 1<<20))) }},
	{name: "upload: read after the end", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		for range 2 {
			n, err := r.Body.Read(make([]byte, 1))
			c.note("handler: read", "%d, %s", n, class(err))
		}
	}, client: post(text("body"))},
	{name: "upload: http.MaxBytesReader", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1000))
		c.note("handler: read", "%d, %s", len(b), class(err))
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}, client: func(c *trial) {
		c.send("POST", "/", bytes.NewReader(make([]byte, 1001)))
		c.send("POST", "/", bytes.NewReader(make([]byte, 4<<20)))
		c.get("/")
	}},
	{name: "upload: multipart", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		f, h, err := r.FormFile("file")
		c.noteError("handler: error", err)
		b, _ := io.ReadAll(f)
		c.note("handler: file", "%s, %d bytes, %s, value %s", h.Filename, h.Size, content(b), r.FormValue("key"))
	}, client: func(c *trial) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		m.WriteField("key", "value")
		part, _ := m.CreateFormFile("file", "name.bin")
		part.Write(make([]byte, 100_000))
		m.Close()
		c.send("POST", "/", &b, header("Content-Type", m.FormDataContentType()))
	}},
	{name: "upload: Expect: 100-continue", handler: discard, client: post(text("body"), header("Expect", "100-continue"))},
	{name: "upload: Expect: 100-continue, not read", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}, client: post(text("body"), header("Expect", "100-continue"))},
	{name: "upload: Expect: 100-continue, answered and then read", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		discard(c, w, r)
	}, client: post(text("body"), header("Expect", "100-continue"))},
	{name: "upload: Expect with something else", handler: noteRequest, client: post(text("body"), header("Expect", "miracles"))},
	{name: "upload: echo while it goes on", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 100)
		for {
			n, err := r.Body.Read(buf)
			w.Write(buf[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				c.noteError("handler: end", err)
				return
			}
		}
	}, client: func(c *trial) {
		in, out := io.Pipe()
		go out.Write([]byte("first"))
		rsp, err := c.client.Do(c.request("POST", "/", in))
		if err != nil {
			c.noteError("client: error", err)
			return
		}
		defer rsp.Body.Close()
		for _, s := range []string{"second", "third"} {
			b := make([]byte, 100)
			n, err := rsp.Body.Read(b)
			c.note("client: read", "%s, %s", b[:n], class(err))
			go out.Write([]byte(s))
		}
		b := make([]byte, 5)
		_, err = io.ReadFull(rsp.Body, b)
		c.note("client: read", "%s, %s", b, class(err))
		out.Close()
		n, err := rsp.Body.Read(b)
		c.note("client: end", "%d, %s", n, class(err))
	}},
	{name: "upload: goes on after the response", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		w.(http.Flusher).Flush()
		b, err := io.ReadAll(r.Body)
		c.note("handler: read", "%s, %s", b, class(err))
	}, client: func(c *trial) {
		in, out := io.Pipe()
		rsp, err := c.client.Do(c.request("POST", "/", in))
		if err != nil {
			c.noteError("client: error", err)
			return
		}
		c.note("client: status", "%s", rsp.Status)
		_, err = out.Write([]byte("later"))
		c.noteError("client: write", err)
		out.Close()
		_, err = io.Copy(io.Discard, rsp.Body)
		c.noteError("client: read", err)
		rsp.Body.Close()
	}},
	{name: "upload: ends with the handler", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		io.ReadFull(r.Body, make([]byte, 1))
	}, client: func(c *trial) {
		in, out := io.Pipe()
		ended := make(chan bool)
		go func() {
			var err error
			for err == nil {
				_, err = out.Write(make([]byte, 1000))
			}
			ended <- errors.Is(err, io.ErrClosedPipe)
		}()
		c.send("POST", "/", in)
		c.note("client: upload closed", "%t", <-ended)
	}},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
