package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

var past = time.Unix(1, 0)

// isDeadline reports whether an error is that of a deadline.
func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

var controlRows = []row{
	{name: "writer: interfaces", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		_, flusher := w.(http.Flusher)
		_, hijacker := w.(http.Hijacker)
		_, pusher := w.(http.Pusher)
		_, readerFrom := w.(io.ReaderFrom)
		_, stringWriter := w.(io.StringWriter)
		_, closeNotifier := w.(http.CloseNotifier) //lint:ignore SA1019 old handlers ask for it
		_, unwrapper := w.(interface{ Unwrap() http.ResponseWriter })
		c.note("handler: Flusher", "%t", flusher)
		c.note("handler: Hijacker", "%t", hijacker)
		c.note("handler: Pusher", "%t", pusher)
		c.note("handler: ReaderFrom", "%t", readerFrom)
		c.note("handler: StringWriter", "%t", stringWriter)
		c.note("handler: CloseNotifier", "%t", closeNotifier)
		c.note("handler: Unwrap", "%t", unwrapper)
	}},
	{name: "writer: http.ResponseController", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		c.noteError("handler: SetReadDeadline", rc.SetReadDeadline(time.Now().Add(patience)))
		c.noteError("handler: SetWriteDeadline", rc.SetWriteDeadline(time.Now().Add(patience)))
		c.noteError("handler: Flush", rc.Flush())
		c.noteError("handler: EnableFullDuplex", rc.EnableFullDuplex())
		_, _, err := rc.Hijack()
		c.noteError("handler: Hijack", err)
		c.noteWrite(w, "done")
	}},
	{name: "writer: Header is not nil and stays the same", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-A", "1")
		io.WriteString(w, "body")
		c.note("handler: header", "%s", w.Header().Get("X-A"))
	}},
	{name: "deadline: of reading, in the past", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(past)
		n, err := r.Body.Read(make([]byte, 1))
		c.note("handler: read", "%d, deadline %t", n, isDeadline(err))
		c.noteWrite(w, "late")
	}, client: blockedUpload},
	{name: "deadline: of reading, while Read waits", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := r.Body.Read(make([]byte, 1))
		c.note("handler: read", "%d, deadline %t", n, isDeadline(err))
		c.noteWrite(w, "late")
	}, client: blockedUpload},
	{name: "deadline: of reading, taken back in time", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Now().Add(patience))
		rc.SetReadDeadline(time.Time{})
		c.note("handler: read", "%d", len(must(io.ReadAll(r.Body))))
	}, client: func(c *trial) { c.send("POST", "/", strings.NewReader("body")) }},
	{name: "deadline: of reading, taken back too late", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(past)
		_, err := r.Body.Read(make([]byte, 1))
		c.note("handler: read", "deadline %t", isDeadline(err))
		rc.SetReadDeadline(time.Time{})
		w.WriteHeader(200)
		rc.Flush()
		_, err = io.ReadFull(r.Body, make([]byte, 4))
		c.note("handler: read again", "%t", err == nil)
	}, client: func(c *trial) {
		in, out := io.Pipe()
		rsp, err := c.client.Do(c.request("POST", "/", in))
		if err != nil {
			c.Fatal(err)
		}
		go func() {
			out.Write([]byte("body"))
			out.Close()
		}()
		io.Copy(io.Discard, rsp.Body)
		rsp.Body.Close()
		in.Close()
	}},
	{name: "deadline: of writing, in the past", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		c.noteError("handler: Flush", rc.Flush())
		c.wait()
		rc.SetWriteDeadline(past)
		_, err := w.Write(make([]byte, 1<<20))
		c.note("handler: write", "failed %t", err != nil)
	}, client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		if err != nil {
			c.noteError("client: error", err)
			return
		}
		c.signal()
		_, err = io.Copy(io.Discard, rsp.Body)
		c.note("client: body fails", "%t", err != nil)
		rsp.Body.Close()
	}},
	{name: "deadline: of writing, before anything is written", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).SetWriteDeadline(past)
		_, err := w.Write(make([]byte, 1<<20))
		c.note("handler: write", "failed %t", err != nil)
	}, client: func(c *trial) {
		_, err := c.rt.RoundTrip(c.request("GET", "/", nil))
		c.note("client: fails", "%t", err != nil)
	}},
	{name: "deadline: of writing, while Write waits for the client", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.Flush()
		c.wait()
		rc.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := w.Write(make([]byte, 64<<20))
		c.note("handler: write", "failed %t", err != nil)
		close(c.written)
	}, client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		if err != nil {
			c.noteError("client: error", err)
			return
		}
		c.signal()
		<-c.written
		_, err = io.Copy(io.Discard, rsp.Body)
		c.note("client: body fails", "%t", err != nil)
		rsp.Body.Close()
	}},
	{name: "context: while and after the handler runs", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.note("handler: context", "%v, %v", r.Context().Err(), context.Cause(r.Context()))
		c.begin()
		ctx := r.Context()
		go func() {
			defer c.end(true)
			<-ctx.Done()
			c.note("handler: context afterwards", "%v, cause %s", ctx.Err(), class(context.Cause(ctx)))
		}()
	}},
	{name: "context: after the request was read to its end", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.(http.Flusher).Flush()
		c.note("handler: context", "%v", r.Context().Err())
	}, client: func(c *trial) { c.send("POST", "/", strings.NewReader("body")) }},
	{name: "context: deadline of the client is not the handler's", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		_, ok := r.Context().Deadline()
		c.note("handler: deadline", "%t", ok)
	}},
}

// blockedUpload sends a request whose body does not end before the response.
func blockedUpload(c *trial) {
	in, out := io.Pipe()
	c.send("POST", "/", in)
	out.Close()
}

func must[T any](v T, _ error) T { return v }

// flushThen returns a handler that calls f after the client has read a part of the response.
func flushThen(f func()) handlerFunc {
	return func(c *trial, w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "partial")
		w.(http.Flusher).Flush()
		c.wait()
		f()
	}
}

// readPart reads what flushThen has sent before.
func readPart(c *trial) {
	rsp, err := c.client.Get(c.url)
	if err != nil {
		c.noteError("client: error", err)
		return
	}
	defer rsp.Body.Close()
	_, err = io.ReadFull(rsp.Body, make([]byte, len("partial")))
	c.noteError("client: read", err)
	c.signal()
	n, err := rsp.Body.Read(make([]byte, 1))
	c.note("client: end", "%d, %s", n, class(err))
}

// waitForEnd is a handler that waits for the end of its request.
func waitForEnd(c *trial, w http.ResponseWriter, r *http.Request) {
	c.signal()
	<-r.Context().Done()
	c.note("handler: context", "%v", r.Context().Err())
	_, err := w.Write(bytes.Repeat([]byte("x"), 10_000))
	c.note("handler: write fails", "%t", err != nil)
}

var endRows = []row{
	{name: "end: panic", handler: answer(func(http.ResponseWriter) { panic("test") })},
	{name: "end: panic after Write", handler: answer(func(w http.ResponseWriter) {
		io.WriteString(w, "lost")
		panic("test")
	})},
	{name: "end: panic after Flush", handler: flushThen(func() { panic("test") }), client: readPart},
	{name: "end: panic with http.ErrAbortHandler", quiet: true, handler: answer(func(http.ResponseWriter) { panic(http.ErrAbortHandler) })},
	{name: "end: panic with http.ErrAbortHandler after Flush", quiet: true, handler: flushThen(func() { panic(http.ErrAbortHandler) }), client: readPart},
	{name: "end: panic with nil", handler: answer(func(http.ResponseWriter) {
		var v any
		panic(v)
	})},
	{name: "end: panic with POST", handler: answer(func(http.ResponseWriter) { panic("test") }), client: func(c *trial) {
		c.send("POST", "/", strings.NewReader("body"))
		c.note("panic logged", "%t", c.log.waitFor("panic serving"))
	}},
	{name: "end: runtime.Goexit", quiet: true, handler: answer(func(http.ResponseWriter) { runtime.Goexit() })},
	{name: "end: the connection survives a panic", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("test")
		}
		io.WriteString(w, r.RemoteAddr)
	}, client: func(c *trial) {
		addr := func() string { return string(must(io.ReadAll(must(c.client.Get(c.url)).Body))) }
		before := addr()
		c.get("/panic")
		c.note("client: same connection", "%t", addr() == before)
	}},
	{name: "end: the client cancels before the header", handler: waitForEnd, client: func(c *trial) {
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			c.wait()
			cancel()
		}()
		c.get("/", withContext(ctx))
	}},
	{name: "end: the client cancels with a cause", handler: waitForEnd, client: func(c *trial) {
		ctx, cancel := context.WithCancelCause(context.Background())
		go func() {
			c.wait()
			cancel(errMine)
		}()
		c.get("/", withContext(ctx))
	}},
	{name: "end: the client's deadline passes", handler: waitForEnd, client: func(c *trial) {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		c.get("/", withContext(ctx))
	}},
	{name: "end: Client.Timeout passes", handler: waitForEnd, client: func(c *trial) {
		c.client.Timeout = 100 * time.Millisecond
		_, err := c.client.Get(c.url)
		c.noteError("client: error", err)
		timeout, ok := err.(interface{ Timeout() bool })
		c.note("client: timeout", "%t", ok && timeout.Timeout())
	}},
	{name: "end: the client cancels in the body", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		waitForEnd(c, w, r)
	}, client: func(c *trial) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		rsp, err := c.client.Do(c.request("GET", "/", nil, withContext(ctx)))
		if err != nil {
			c.Fatal(err)
		}
		c.wait()
		cancel()
		_, err = io.ReadAll(rsp.Body)
		c.noteError("client: read", err)
		c.noteError("client: close", rsp.Body.Close())
	}},
	{name: "end: the client's deadline passes in the body", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		waitForEnd(c, w, r)
	}, client: func(c *trial) {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		rsp, err := c.client.Do(c.request("GET", "/", nil, withContext(ctx)))
		if err != nil {
			c.Fatal(err)
		}
		_, err = io.ReadAll(rsp.Body)
		c.noteError("client: read", err)
		rsp.Body.Close()
	}},
	{name: "end: Client.Timeout passes in the body", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		waitForEnd(c, w, r)
	}, client: func(c *trial) {
		c.client.Timeout = 300 * time.Millisecond
		rsp, err := c.client.Get(c.url)
		if err != nil {
			c.Fatal(err)
		}
		_, err = io.ReadAll(rsp.Body)
		c.note("client: read fails", "%t", err != nil)
		rsp.Body.Close()
	}},
	{name: "end: the client cancels after the whole body came", handler: writes("body"), client: func(c *trial) {
		ctx, cancel := context.WithCancel(context.Background())
		rsp, err := c.client.Do(c.request("GET", "/", nil, withContext(ctx)))
		if err != nil {
			c.Fatal(err)
		}
		b := make([]byte, 4)
		io.ReadFull(rsp.Body, b)
		_, err = rsp.Body.Read(b)
		c.noteError("client: read", err)
		cancel()
		_, err = rsp.Body.Read(b)
		c.noteError("client: read afterwards", err)
		rsp.Body.Close()
	}},
	{name: "end: the client cancels its upload", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		c.signal()
		_, err := io.Copy(io.Discard, r.Body)
		c.note("handler: read fails", "%t", err != nil && err != io.EOF)
		<-r.Context().Done()
		c.note("handler: context", "%v", r.Context().Err())
	}, client: func(c *trial) {
		ctx, cancel := context.WithCancel(context.Background())
		in, out := io.Pipe()
		defer out.Close()
		go func() {
			out.Write([]byte("some"))
			c.wait()
			cancel()
		}()
		c.send("POST", "/", in, withContext(ctx))
	}},
	{name: "end: the client closes the body early", handler: func(c *trial, w http.ResponseWriter, r *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 1000))
		}
		<-r.Context().Done()
		c.note("handler: context", "%v", r.Context().Err())
	}, client: func(c *trial) {
		rsp, err := c.client.Do(c.request("GET", "/", nil))
		if err != nil {
			c.Fatal(err)
		}
		c.noteError("client: close", rsp.Body.Close())
		_, err = rsp.Body.Read(make([]byte, 1))
		c.note("client: read fails", "%t", err != nil)
	}},
	{name: "end: the client ends the connection", handler: waitForEnd, client: func(c *trial) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := c.rt.RoundTrip(c.request("GET", "/", nil))
			c.note("client: fails", "%t", err != nil)
		}()
		c.wait()
		c.close()
		<-done
	}},
}
