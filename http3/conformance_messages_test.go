package http3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// messageCases are the rows about header sections, trailer sections and the length of content. A server could answer a
// malformed request with 400 before it resets the stream; ours does not.
var messageCases = map[string]conformanceCase{
	"T-464": badLines("Name", "v", "namE", "v"),
	"T-465": badLines("na me", "v", "na:me", "v", "name ", "v", " name", "v", "", "v", "na\x00me", "v", "na(me", "v", "n\x7fme", "v", "n\xe4me", "v"),
	"T-466": badLines("name", "a\x00b", "name", "a\rb", "name", "a\nb", "name", "\x00", "name", "a\r\nb: c", "name", "a\n"),
	"T-467": badLines("connection", "close", "connection", "", "connection", "keep-alive"),
	"T-468": badLines("keep-alive", "timeout=5"),
	"T-469": badLines("proxy-connection", "keep-alive"),
	"T-470": badLines("transfer-encoding", "chunked", "transfer-encoding", "identity"),
	"T-471": badLines("upgrade", "websocket"),
	"T-472": badLines("te", "gzip", "te", "trailers, gzip", "te", "", "te", "trailers;q=1"),
	"T-473": badHeaderLines(":foo", "bar", ":", "bar", ":Path", "/", ":method ", "GET"),
	"T-474": pseudoAfterField,
	"T-475": pseudoInTrailers,
	"T-476": pseudoTwice,
	"T-477": whiteSpaceAroundValues,
	"T-478": teTrailers,
	"T-479": badHeaderLines(":status", "200"),
	"T-480": badHeaderLines(":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/", ":protocol", "p"),
	"T-481": badMessages(request(":method", remove)),
	"T-482": badMessages(request(":scheme", remove)),
	"T-483": badMessages(request(":path", remove)),
	"T-484": badMessages(request(":path", "")),
	"T-485": badMessages(request(":path", "foo"), request(":path", "*"), request(":path", "https://localhost/"), request(":path", "?a"),
		request(":path", "*", ":method", "HEAD"), request(":path", "**", ":method", "OPTIONS")),
	"T-486": badMessages(request(":authority", remove), request(":authority", remove, ":scheme", "http")),
	"T-487": badMessages(request(":authority", ""), request(":authority", remove, "host", ""), request(":authority", "", "host", ""),
		request(":authority", "", "host", "localhost"), request("host", "")),
	"T-488": badMessages(request("host", "other"), request("host", "localhost:8443")),
	"T-489": badMessages(with2Hosts("localhost", "localhost"), with2Hosts("localhost", "other"), with2Hosts("a", "b"),
		headers(":method", "GET", ":scheme", "https", ":path", "/", "host", "localhost", "host", "localhost")),
	"T-490": badMessages(request(":authority", "user@localhost"), request(":authority", "user:password@localhost"), request(":authority", "@localhost"),
		request(":authority", "user@localhost", ":scheme", "http"), request(":authority", remove, "host", "user@localhost")),
	"T-491": badMessages(headers(":method", "CONNECT", ":authority", "a:1", ":path", "/"), headers(":method", "CONNECT", ":authority", "a:1", ":scheme", "https"),
		headers(":method", "CONNECT", ":authority", "a:1", ":scheme", "https", ":path", "/"), headers(":method", "CONNECT", ":authority", "a:1", ":path", "")),
	"T-492": badMessages(headers(":method", "CONNECT"), headers(":method", "CONNECT", "host", "a:1"), headers(":method", "CONNECT", ":authority", "")),
	"T-493": badMessages(request(":method", ""), request(":method", "G T"), request(":method", "GET "), request(":method", "G(T"), request(":method", "G\x00T"), request(":method", "GÄT")),
	"T-494": badMessages(headers(), headers("a", "b"), with(headers(":status", "103"), headers("a", "b"))),
	"T-495": badMessages(statuses("0", "00", "99", "099", "000", "1000", "0200", "+200", "+20", "-20", "abc", "", "20", "2 0", "20x", "2.0", "200 OK", "٢٠٠")...),
	"T-496": oddStatus,
	"T-497": badMessages(statuses("101")...),
	"T-498": contentTooShort,
	"T-499": contentTooLong,
	"T-500": contentMissing,
	"T-501": badHeaderLines("content-length", "-1", "content-length", "-0", "content-length", "+5", "content-length", "5 5", "content-length", "0x5", "content-length", "5.0",
		"content-length", "1e3", "content-length", "", "content-length", "1_0", "content-length", "9223372036854775808", "content-length", "18446744073709551621"),
	"T-502": repeatedContentLength,
	"T-503": lengthWithoutContent,
	"T-504": cookieCrumbs,
	"T-505": encodedHeaderTooLarge,
	"T-506": decodedHeaderTooLarge,
	"T-507": trailersTooLarge,
	"T-508": responseHeaderTooLarge,
	"T-509": manyNames,
}

// remove stands for the value of a pseudo-header field that is left out.
const remove = "\x00remove"

// request is the header of a GET request with other values of some fields, or with more fields.
func request(changes ...string) []byte {
	fields := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}
	for i := 0; i < len(changes); i += 2 {
		j := slices.Index(fields, changes[i])
		switch {
		case j < 0:
			fields = append(fields, changes[i], changes[i+1])
		case changes[i+1] == remove:
			fields = slices.Delete(fields, j, j+2)
		default:
			fields[j+1] = changes[i+1]
		}
	}
	return headers(fields...)
}

func with2Hosts(a, b string) []byte { return getHeaders("host", a, "x", "y", "host", b) }

// statuses returns the header of a response for each status, with a status that is none.
func statuses(values ...string) (bs [][]byte) {
	for _, v := range values {
		bs = append(bs, headers(":status", v))
	}
	return bs
}

// badMessages is for messages that are malformed.
func badMessages(messages ...[]byte) conformanceCase {
	return func(_ *testing.T, r *rogue) {
		c := onePeer(r)
		for _, b := range messages {
			c.malformed(b)
		}
	}
}

// badHeaderLines is for field lines that make a header section malformed; they are names and values in turn.
func badHeaderLines(fields ...string) conformanceCase {
	return func(_ *testing.T, r *rogue) { onePeer(r).badHeaderLines(fields) }
}

// badLines is for field lines that make each section malformed.
func badLines(fields ...string) conformanceCase {
	return func(_ *testing.T, r *rogue) {
		c := onePeer(r)
		c.badHeaderLines(fields)
		c.badTrailerLines(fields)
	}
}

func (c *peer) badHeaderLines(fields []string) {
	c.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		c.malformed(c.header(fields[i], fields[i+1]))
		if c.role == roleClient {
			c.malformed(headers(":status", "103", fields[i], fields[i+1]))
		}
	}
}

func (c *peer) badTrailerLines(fields []string) {
	c.t.Helper()
	for i := 0; i < len(fields); i += 2 {
		c.broken(c.send(c.header(), frame(0, []byte("part")), headers("good", "v", fields[i], fields[i+1])), "part")
	}
}

func pseudoAfterField(_ *testing.T, r *rogue) {
	c := onePeer(r)
	if r.role == roleClient {
		c.malformed(headers("a", "b", ":status", "200"))
		c.malformed(headers(":status", "200", "a", "b", ":status", "200"))
		return
	}
	all := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}
	for i := 0; i < len(all); i += 2 {
		fields := slices.Concat(all[:i], all[i+2:], []string{"a", "b"}, all[i:i+2])
		c.malformed(headers(fields...))
	}
}

func pseudoInTrailers(_ *testing.T, r *rogue) {
	onePeer(r).badTrailerLines([]string{":status", "200", ":path", "/", ":method", "GET", ":scheme", "https", ":authority", "a", ":protocol", "p", ":foo", "bar"})
}

func pseudoTwice(_ *testing.T, r *rogue) {
	c := onePeer(r)
	if r.role == roleClient {
		c.malformed(headers(":status", "200", ":status", "200"))
		c.malformed(headers(":status", "200", ":status", "404"))
		c.malformed(headers(":status", "103", ":status", "103"))
		return
	}
	all := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}
	for i := 0; i < len(all); i += 2 {
		c.malformed(headers(append(all, all[i:i+2]...)...))
		c.malformed(headers(append(all, all[i], "other")...))
	}
	c.malformed(headers(":method", "CONNECT", ":protocol", "p", ":protocol", "p", ":scheme", "https", ":authority", "a", ":path", "/"))
}

// whiteSpaceAroundValues: we strip it.
func whiteSpaceAroundValues(t *testing.T, r *rogue) {
	c := onePeer(r)
	values := []string{" v", "v ", "\tv", "v\t", " \t v \t ", "  a b\tc  "}
	for _, v := range values {
		k := c.sendAll(r.header("name", v), frame(0, []byte("x")), headers("last", v))
		head := c.accepted(k, "x")
		want := strings.Trim(v, " \t")
		if got := head.header()["Name"]; len(got) != 1 || got[0] != want {
			t.Errorf("%q became %q", v, got)
		}
		if got := head.trailer()["Last"]; len(got) != 1 || got[0] != want {
			t.Errorf("%q became %q in the trailers", v, got)
		}
	}
	k := c.sendAll(r.header("name", " \t "))
	if got := c.accepted(k, "").header()["Name"]; len(got) != 1 || got[0] != "" {
		t.Errorf("white space became %q", got)
	}
}

func teTrailers(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, v := range []string{"trailers", "Trailers"} {
		if got := c.accepted(c.sendAll(r.header("te", v)), "").header().Get("Te"); got != v {
			t.Errorf("te is %q, want %q", got, v)
		}
	}
}

// oddStatus: these are passed on; what is no status that the application knows is for it to treat as 5xx.
func oddStatus(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, status := range []int{600, 799, 999} {
		k := c.sendAll(headers(":status", fmt.Sprint(status)), frame(0, []byte("x")))
		if got := c.accepted(k, "x").rsp; got.StatusCode != status || !strings.HasPrefix(got.Status, fmt.Sprint(status)) {
			t.Errorf("status %d became %d %q", status, got.StatusCode, got.Status)
		}
	}
	c.works()
}

func contentTooShort(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, rest := range [][]byte{nil, frame(0, nil), headers("a", "b"), frame(0x21, []byte("grease"))} {
		k := c.sendAll(r.header("content-length", "9"), frame(0, []byte("par")), frame(0, []byte("t")), rest)
		if err := c.broken(k, "part"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading the body: %v, want %v", err, io.ErrUnexpectedEOF)
		}
	}
	k := c.sendAll(r.header("content-length", "9"), headers("a", "b"))
	c.broken(k, "")
	if r.role == roleClient {
		c.broken(c.sendAll(r.header("content-length", "9")), "")
		return
	}
	// A response of the handler, which knows, comes first.
	c.reply = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }
	k = c.sendAll(r.header("content-length", "9"), frame(0, []byte("part")))
	if k.tail == nil || k.tail.err != io.ErrUnexpectedEOF {
		t.Errorf("the handler reads %+v", k.tail)
	}
	if status := readStatus(t, k.str); status != "400" {
		t.Errorf("got status %q, want 400", status)
	}
	if _, err := io.Copy(io.Discard, k.str); err != nil {
		t.Errorf("the response ends with %v", err)
	}
}

func contentTooLong(_ *testing.T, r *rogue) {
	c := onePeer(r)
	c.broken(c.send(r.header("content-length", "3"), frame(0, []byte("four"))), "fou")
	c.broken(c.send(r.header("content-length", "3"), frame(0, []byte("thr")), frame(0, []byte("ee"))), "thr")
	c.broken(c.send(r.header("content-length", "0"), frame(0, []byte("x"))), "")
	c.broken(c.sendAll(r.header("content-length", "3"), frame(0, []byte("thr")), frame(0, []byte("ee")), headers("a", "b")), "thr")
	// An empty frame is no content.
	c.accepted(c.sendAll(r.header("content-length", "3"), frame(0, []byte("thr")), frame(0, nil)), "thr")
}

func contentMissing(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, n := range []string{"1", "9", "9223372036854775807"} {
		if err := c.broken(c.sendAll(r.header("content-length", n)), ""); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading the body: %v, want %v", err, io.ErrUnexpectedEOF)
		}
		// The FIN comes alone.
		k := c.send(r.header("content-length", n))
		if k.tail != nil {
			t.Fatalf("the body has ended: %+v", k.tail)
		}
		k.finished = true
		k.str.Close()
		head := k.head
		c.follow(k)
		k.head = head
		c.broken(k, "")
	}
	c.accepted(c.sendAll(r.header("content-length", "0")), "")
}

func repeatedContentLength(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, n := range []int{2, 3} {
		fields := strings.Split(strings.Repeat("content-length,1,", n), ",")[:2*n]
		head := c.accepted(c.sendAll(r.header(fields...), frame(0, []byte("x"))), "x")
		if got := head.header()["Content-Length"]; len(got) != 1 || got[0] != "1" {
			t.Errorf("%d equal lines became %q", n, got)
		}
	}
	c.malformed(r.header("content-length", "1", "content-length", "2"))
	c.malformed(r.header("content-length", "1", "x", "y", "content-length", "1", "content-length", "0"))
	// A list in one line could be collapsed, too (RFC 9110, Section 8.6); we do not.
	c.malformed(r.header("content-length", "1, 1"))
	c.malformed(r.header("content-length", "1, 2"))
}

func lengthWithoutContent(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, method := range []string{http.MethodHead, http.MethodGet} {
		status := map[string]string{http.MethodHead: "200", http.MethodGet: "304"}[method]
		k := c.exchange(c.w.request(method, "/", nil), true, headers(":status", status, "content-length", "10"))
		rsp := c.accepted(k, "").rsp
		if rsp.Status[:3] != status || rsp.Header.Get("Content-Length") != "10" {
			t.Errorf("%s: got %s, Content-Length %q", method, rsp.Status, rsp.Header.Get("Content-Length"))
		}
	}
	c.works()
}

func cookieCrumbs(t *testing.T, r *rogue) {
	c := onePeer(r)
	for _, fields := range [][]string{
		{"cookie", "a=1", "cookie", "b=2", "cookie", "c=3"},
		{"cookie", "a=1", "x", "y", "cookie", "b=2", "z", "", "cookie", "c=3"},
	} {
		head := c.accepted(c.sendAll(getHeaders(fields...)), "")
		if got := head.req.Header["Cookie"]; len(got) != 1 || got[0] != "a=1; b=2; c=3" || len(head.req.Cookies()) != 3 {
			t.Errorf("the handler got %q", got)
		}
	}
}

// tooLarge checks that a request is refused with 431 before it gets to the handler, and that the client is told without
// blame to stop sending it.
func (c *peer) tooLarge(b ...[]byte) {
	c.t.Helper()
	k := c.send(b...)
	if k.head != nil {
		c.t.Errorf("the handler got %d header fields", len(k.head.header()))
	}
	if status := readStatus(c.t, k.str); status != "431" {
		c.t.Errorf("got status %q, want 431", status)
	}
	if rest, err := io.ReadAll(k.str); err != nil || len(rest) > 0 {
		c.t.Errorf("the response goes on with %q, %v", rest, err)
	}
	if _, err := k.str.SendState(); !isStreamError(err, 0x100) {
		c.t.Errorf("the stream was stopped with %v, want H3_NO_ERROR", err)
	}
	c.works()
}

func encodedHeaderTooLarge(t *testing.T, r *rogue) {
	r.w.server.MaxHeaderBytes = 32 << 10
	c := onePeer(r)
	c.works()
	// Nothing is held for what is only announced.
	for _, n := range []uint64{32<<10 + 1, 1 << 20, 1 << 40, 1<<62 - 1} {
		wantAllocated(t, 2<<20, func() { c.tooLarge(quicvarint.Append([]byte{1}, n)) })
	}
	c.tooLarge(request("name", strings.Repeat("x", 32<<10)))
	c.tooLarge(request("name", strings.Repeat("x", 4<<20)))
	// 32 KiB announced, but not sent.
	wantAllocated(t, 2<<20, func() { c.send(quicvarint.Append([]byte{1}, 32<<10)) })
}

// bomb is a field section of n references to one entry of the static table, which has 76 bytes.
func bomb(n int) []byte {
	// 0xff 0x16: index 85, content-security-policy: script-src 'none'; object-src 'none'; base-uri 'none'
	return append([]byte{0, 0}, bytes.Repeat([]byte{0xff, 0x16}, n)...)
}

func decodedHeaderTooLarge(t *testing.T, r *rogue) {
	c := onePeer(r)
	c.works()
	b := frame(1, bomb(100_000))
	wantAllocated(t, 8<<20, func() { c.tooLarge(b) }) // decoded, it has 11 MB
	r.w.server.MaxHeaderBytes = 16 << 10
	c = c.dial()
	c.tooLarge(frame(1, bomb(300)))
	c.tooLarge(frame(1, with(bomb(300), request("x", "y")[2:])))
}

func trailersTooLarge(t *testing.T, r *rogue) {
	r.w.server.MaxHeaderBytes = 8 << 20
	r.w.client.MaxResponseHeaderBytes = 8 << 20
	c := onePeer(r)
	c.works()
	for _, trailers := range [][]byte{
		frame(1, bomb(100_000)),
		frame(1, bomb(1001)),
		headers("name", strings.Repeat("x", 1<<20)),
		quicvarint.Append([]byte{1}, 1<<40), // and no more
	} {
		wantAllocated(t, 16<<20, func() {
			k := c.send(r.header(), frame(0, []byte("x")), trailers)
			if k.tail == nil || k.tail.err == nil || string(k.tail.body) != "x" || len(k.head.trailer()) > 0 {
				t.Errorf("the application got %+v", k.tail)
			}
			c.wantStreamError(k, http3.ErrCodeExcessiveLoad)
		})
	}
	// The limit of a header section is one of its trailers, too, if it is lower.
	r.w.server.MaxHeaderBytes = 1 << 10
	r.w.client.MaxResponseHeaderBytes = 1 << 10
	c = c.dial()
	c.wantStreamError(c.send(r.header(), headers("name", strings.Repeat("x", 1<<10))), http3.ErrCodeExcessiveLoad)
}

func responseHeaderTooLarge(t *testing.T, r *rogue) {
	r.w.client.MaxResponseHeaderBytes = 32 << 10
	c := onePeer(r)
	c.works()
	for _, b := range [][]byte{
		headers(":status", "200", "name", strings.Repeat("x", 32<<10)),
		headers(":status", "200", "name", strings.Repeat("x", 1<<20)),
		frame(1, bomb(16_000)),
		frame(1, bomb(400)),
		with(headers(":status", "103"), frame(1, bomb(400))),
		quicvarint.Append([]byte{1}, 1<<40),
	} {
		wantAllocated(t, 16<<20, func() {
			k := c.send(b)
			if k.head != nil {
				t.Errorf("the client got %s", k.head.rsp.Status)
			}
			c.wantFailure(k, "http3: ")
			c.wantStreamError(k, http3.ErrCodeExcessiveLoad)
		})
	}
}

func manyNames(t *testing.T, r *rogue) {
	c := onePeer(r)
	c.works()
	names := func(n int) (fields []string) {
		for i := range n {
			fields = append(fields, fmt.Sprintf("%x", i), "")
		}
		return fields
	}
	b := getHeaders(names(100_000)...)
	wantAllocated(t, 16<<20, func() { c.tooLarge(b) })
	c.tooLarge(getHeaders(names(997)...))
	head := c.accepted(c.sendAll(getHeaders(names(996)...)), "")
	if n := len(head.header()); n != 996 {
		t.Errorf("the handler got %d fields", n)
	}
}
