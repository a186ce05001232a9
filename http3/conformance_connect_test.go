package http3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// connectCases are the rows about capsules and extended CONNECT.
var connectCases = map[string]conformanceCase{
	"T-543": unknownCapsules,
	"T-544": truncatedCapsules,
	"T-545": wrongCapsulePayload,
	"T-546": capsulesWithContent,
	"T-547": capsulesWithStatus,
	"T-548": ignoredCapsuleProtocol,
	"T-549": largeDatagramCapsule,
	"T-550": badMessages(request(":protocol", "p"), request(":protocol", ""), request(":method", "POST", ":protocol", "websocket"), request(":method", "connect", ":protocol", "p")),
	"T-551": badMessages(extended(":scheme", remove), extended(":path", remove), extended(":scheme", remove, ":path", remove), extended(":path", ""), extended(":scheme", "")),
	"T-552": badMessages(extended(":protocol", ""), extended(":protocol", "a b"), extended(":protocol", "a/b"), extended(":protocol", "a\x00"), extended(":protocol", "p,q")),
	"T-553": extendedConnectIsEnabled,
	"T-554": extendedConnectNeedsTheSetting,
	"T-555": unknownProtocol,
	"T-556": noTunnelToAuthority,
	"T-557": endOfTunnel,
}

// extended is the header of an extended CONNECT request with other values of some fields, or with more fields.
func extended(changes ...string) []byte {
	return request(append([]string{":method", "CONNECT", ":protocol", "test"}, changes...)...)
}

// openExtended opens an extended CONNECT stream.
func (s *streamsOf) openExtended() (*quic.Stream, ourStream) {
	s.t.Helper()
	req := s.w.request(http.MethodConnect, "/", nil)
	req.Proto = "test"
	return s.openWith(extended(), req)
}

// capsule is a capsule, or its beginning, in a DATA frame.
func capsule(typ, length uint64, value string) []byte {
	return frame(0, append(quicvarint.Append(quicvarint.Append(nil, typ), length), value...))
}

// worksStill checks that another stream of the connection works.
func (s *streamsOf) worksStill() {
	s.t.Helper()
	str, ours := s.open()
	str.Write(frame(0, []byte("content")))
	str.Close()
	if b, err := io.ReadAll(ours); err != nil || string(b) != "content" {
		s.t.Errorf("another stream: %q, %v", b, err)
	}
	ours.Close()
	io.Copy(io.Discard, str)
}

// unknownCapsules: whoever reads capsules skips those that it does not know.
func unknownCapsules(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	str, ours := s.openExtended()
	known := func(p *http3.CapsuleParser) (string, error) {
		for {
			typ, value, err := p.Next()
			if err != nil {
				return "", err
			}
			if typ == 0 {
				b, err := io.ReadAll(value)
				return string(b), err
			}
			if err := value.Discard(); err != nil {
				return "", err
			}
		}
	}
	p := http3.NewCapsuleParser(ours)
	for _, typ := range []uint64{0x17, 0x29 + 0x17, 0x29*1000 + 0x17, 1, 0x3f, 1<<62 - 1} {
		str.Write(with(capsule(typ, 3, "abc"), capsule(typ, 0, ""), capsule(typ, 100_000, strings.Repeat("x", 100_000)), capsule(0, 1, "y")))
		if got, err := known(p); got != "y" || err != nil {
			t.Errorf("behind capsules of type %d: %q, %v", typ, got, err)
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := known(p)
		ended <- err
	}()
	str.Write(capsule(0x29*7+0x17, 1<<40, ""))
	before := heldBytes()
	part := frame(0, make([]byte, 1<<20))
	for range 20 { // more than any window
		if _, err := str.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Second)
	if n := heldBytes() - before; n > 12<<20 {
		t.Errorf("%d bytes are held of a capsule that is skipped", n)
	}
	str.CancelWrite(0x10c)
	if err := <-ended; !errors.Is(err, &http3.Error{ErrorCode: http3.ErrCodeRequestCanceled, Remote: true}) {
		t.Errorf("skipping ends with %v", err)
	}
	s.worksStill()
}

func truncatedCapsules(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	for _, b := range [][]byte{{0}, {0x40}, {0, 3}, {0, 3, 'a', 'b'}, {0, 0x40}, {0x17, 0x80, 0, 0}, {0x17, 2, 'x'}} {
		for _, skip := range []bool{false, true} {
			str, ours := s.openExtended()
			str.Write(with(capsule(0, 1, "x"), frame(0, b)))
			str.Close()
			p := http3.NewCapsuleParser(ours)
			var err error
			for n := 0; err == nil && n < 10; n++ {
				var value http3.CapsuleReader
				if _, value, err = p.Next(); err != nil {
					break
				}
				if skip {
					err = value.Discard()
				} else {
					_, err = io.ReadAll(value)
				}
			}
			if err != io.ErrUnexpectedEOF {
				t.Errorf("%x: got %v, want %v", b, err, io.ErrUnexpectedEOF)
			}
			wantReset(t, str, http3.ErrCodeMessageError)
		}
	}
	// An end between capsules is none of that.
	str, ours := s.openExtended()
	str.Write(capsule(0, 1, "x"))
	str.Close()
	p := http3.NewCapsuleParser(ours)
	_, value, _ := p.Next()
	value.Discard()
	if _, _, err := p.Next(); err != io.EOF {
		t.Errorf("got %v, want %v", err, io.EOF)
	}
	ours.Close()
	if _, err := io.Copy(io.Discard, str); err != nil {
		t.Error(err)
	}
	s.worksStill()
}

// wrongCapsulePayload: who knows the fields of a capsule finds out, from its end and from what remains, and ends the
// stream; a parser cannot go on behind bytes that nobody has read.
func wrongCapsulePayload(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	const typ = 0x2843 // say, with two integers
	for name, payload := range map[string]string{"missing": "\x01", "cut off": "\x01\x40", "nothing": "", "additional": "\x01\x02\x03"} {
		str, ours := s.openExtended()
		str.Write(with(capsule(typ, uint64(len(payload)), payload), capsule(typ, 2, "\x01\x02")))
		p := http3.NewCapsuleParser(ours)
		_, value, err := p.Next()
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err = quicvarint.Read(quicvarint.NewReader(value)); err != nil {
				break
			}
		}
		if malformed := err != nil || value.Remaining() > 0; !malformed {
			t.Errorf("%s: the payload seems to be right", name)
		}
		if name == "additional" {
			if _, _, err := p.Next(); err == nil {
				t.Errorf("%s: the next capsule was parsed", name)
			}
		}
		ours.CancelRead(quic.StreamErrorCode(http3.ErrCodeMessageError))
		ours.CancelWrite(quic.StreamErrorCode(http3.ErrCodeMessageError))
		time.Sleep(time.Second)
		wantReset(t, str, http3.ErrCodeMessageError)
		if _, err := str.SendState(); !isStreamError(err, 0x10e) {
			t.Errorf("%s: the stream was stopped with %v", name, err)
		}
	}
	s.worksStill()
}

// tunnelMessage sends an extended CONNECT request, or a response to one.
func (c *peer) tunnelMessage(finish bool, status string, fields ...string) *talk {
	c.t.Helper()
	if c.role == roleServer {
		base := []string{":method", "CONNECT", ":protocol", "test", ":scheme", "https", ":authority", "localhost", ":path", "/"}
		return c.exchange(nil, finish, headers(append(base, fields...)...))
	}
	req := c.w.request(http.MethodConnect, "/", nil)
	req.Proto = "test"
	return c.exchange(req, finish, headers(append([]string{":status", status}, fields...)...))
}

// malformedTunnel checks that a message of tunnelMessage is malformed.
func (c *peer) malformedTunnel(status string, fields ...string) {
	c.t.Helper()
	k := c.tunnelMessage(false, status, fields...)
	if k.head != nil {
		c.t.Errorf("%q: the application got %v", fields, k.head.header())
	}
	if _, err := k.str.SendState(); !isStreamError(err, 0x10e) {
		c.t.Errorf("%q: the stream was stopped with %v, want H3_MESSAGE_ERROR", fields, err)
	}
	if c.role == roleClient {
		c.wantFailure(k, "http3: invalid response: ")
	}
	c.wantStreamError(k, http3.ErrCodeMessageError)
}

func capsulesWithContent(t *testing.T, r *rogue) {
	p := newPeers(r)
	p.reply = func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set(http3.CapsuleProtocolHeader, "?1")
		io.WriteString(w, "\x00\x01x")
	}
	c := p.dial()
	openUni(t, c.conn, withDatagrams)
	for _, field := range [][]string{
		{"content-length", "0"}, {"content-length", "5"}, {"content-type", "text/plain"}, {"content-type", ""}, {"transfer-encoding", "chunked"},
		{"content-length", "5", "content-type", "text/plain"},
	} {
		for _, value := range []string{"?1", "?1;a=b", "?1 ;a"} {
			c.malformedTunnel("200", append(field, "capsule-protocol", value)...)
			c.malformedTunnel("201", append([]string{"capsule-protocol", value}, field...)...)
		}
	}
	// The protocol is not in use: in other requests, or if the request is refused.
	head := c.accepted(c.sendAll(c.header("capsule-protocol", "?1", "content-length", "1", "content-type", "a/b"), frame(0, []byte("x"))), "x")
	if head.header().Get("Content-Type") != "a/b" {
		t.Errorf("got %v", head.header())
	}
	k := c.tunnelMessage(true, "403", "capsule-protocol", "?1")
	c.accepted(k, "")
	if r.role == roleServer {
		// What we send does not violate it, either.
		k = c.tunnelMessage(true, "", "capsule-protocol", "?1")
		b, err := io.ReadAll(k.str)
		if err != nil {
			t.Fatal(err)
		}
		lines := fieldLines(t, sectionOf(t, b))
		if lines["capsule-protocol"] == nil || lines["content-type"] != nil || lines["content-length"] != nil {
			t.Errorf("the response has %q", lines)
		}
	} else {
		c.accepted(c.tunnelMessage(true, "403", "capsule-protocol", "?1", "content-length", "0", "content-type", "text/plain"), "")
	}
	c.works()
}

func capsulesWithStatus(t *testing.T, r *rogue) {
	c := onePeer(r)
	openUni(t, c.conn, withDatagrams)
	for _, status := range []string{"204", "205", "206"} {
		c.malformedTunnel(status, "capsule-protocol", "?1")
		c.accepted(c.tunnelMessage(true, status, "capsule-protocol", "?0"), "")
		c.accepted(c.tunnelMessage(true, status), "")
	}
	for _, status := range []string{"200", "202", "299"} {
		c.accepted(c.tunnelMessage(true, status, "capsule-protocol", "?1"), "")
	}
	c.works()
}

// ignoredCapsuleProtocol: that the field is ignored is seen by the other fields of the message, which would make it
// malformed.
func ignoredCapsuleProtocol(t *testing.T, r *rogue) {
	c := onePeer(r)
	openUni(t, c.conn, withDatagrams)
	for _, v := range []string{"1", "true", "?0", "?2", "?", "\"?1\"", ":MQ==:", "(?1)", "?1, ?1", "?1,", "?1x", "??1", ""} {
		c.accepted(c.tunnelMessage(true, "200", "capsule-protocol", v, "content-type", "text/plain"), "")
		if r.role == roleClient {
			c.accepted(c.tunnelMessage(true, "204", "capsule-protocol", v), "")
		}
	}
	head := c.accepted(c.tunnelMessage(true, "200", "capsule-protocol", "?1", "content-type", "text/plain", "capsule-protocol", "?1"), "")
	if len(head.header()[http3.CapsuleProtocolHeader]) != 2 {
		t.Errorf("the application got %v", head.header())
	}
	c.malformedTunnel("200", "capsule-protocol", "?1", "content-type", "text/plain")
	c.works()
}

// largeDatagramCapsule: its length is known before anything of it is read.
func largeDatagramCapsule(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	str, ours := s.openExtended()
	const length = 20 << 20
	sent := make(chan error, 1)
	go func() {
		_, err := str.Write(capsule(0, length, ""))
		part := frame(0, make([]byte, 1<<20))
		for n := 0; n < length && err == nil; n += 1 << 20 {
			_, err = str.Write(part)
		}
		if err == nil {
			_, err = str.Write(capsule(0, 4, "next"))
		}
		sent <- err
	}()
	before := heldBytes()
	p := http3.NewCapsuleParser(ours)
	typ, value, err := p.Next()
	if err != nil || typ != 0 || value.Remaining() != length {
		t.Fatalf("got type %d, %d bytes, %v", typ, value.Remaining(), err)
	}
	if err := value.Discard(); err != nil {
		t.Fatal(err)
	}
	if n := heldBytes() - before; n > 12<<20 {
		t.Errorf("%d bytes are held of a capsule that is discarded", n)
	}
	_, value, err = p.Next()
	if b, _ := io.ReadAll(value); err != nil || string(b) != "next" {
		t.Errorf("behind it: %q, %v", b, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	s.worksStill()
}

// extendedConnectIsEnabled: our servers always enable it, so that the row cannot occur.
func extendedConnectIsEnabled(t *testing.T, r *rogue) {
	r.w.server.EnableDatagrams = false
	r.w.server.AdditionalSettings = map[uint64]uint64{0x4242: 1}
	c := onePeer(r)
	if s := c.ourSettings(); s[0x8] != 1 {
		t.Errorf("the settings are %v, without SETTINGS_ENABLE_CONNECT_PROTOCOL", s)
	}
	c.accepted(c.sendAll(extended()), "")
}

func extendedConnectNeedsTheSetting(t *testing.T, r *rogue) {
	p := newPeers(r)
	req := func() *http.Request {
		req := r.w.request(http.MethodConnect, "/", nil)
		req.Proto = "test"
		return req
	}
	const disabled = "http3: server didn't enable Extended CONNECT"
	for _, control := range [][]byte{{0, 4, 0}, {0, 4, 2, 0x08, 0}, {0, 4, 2, 0x33, 1}} {
		c := p.dial()
		errs := make(chan error, 2)
		go func() {
			_, err := c.client.RoundTrip(req())
			errs <- err
		}()
		go func() {
			str, err := c.client.OpenRequestStream(t.Context())
			if err != nil {
				t.Error(err)
			}
			errs <- str.SendRequestHeader(req())
			str.CancelRead(0)
			str.CancelWrite(0)
		}()
		time.Sleep(time.Second)
		if len(errs) > 0 {
			t.Errorf("a request has ended before SETTINGS: %v", <-errs)
		}
		openUni(t, c.conn, control)
		for range 2 {
			if err := <-errs; err == nil || err.Error() != disabled {
				t.Errorf("got %v, want %q", err, disabled)
			}
		}
		// A stream that was opened is reset, and nothing was sent on it.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if str, err := c.conn.AcceptStream(ctx); err == nil {
			if b, err := io.ReadAll(str); len(b) > 0 || err == nil {
				t.Errorf("the server got %q, %v", b, err)
			}
		}
		cancel()
		c.works()
	}
	extendedConnectWaits(t, p, req)
}

// extendedConnectWaits: with the setting, the request is sent as soon as the setting is there. The end of the stream ends the
// wait.
func extendedConnectWaits(t *testing.T, p *peers, req func() *http.Request) {
	c := p.dial()
	sent := make(chan error, 1)
	for range 3 {
		go func() {
			str, err := c.client.OpenRequestStream(t.Context())
			if err != nil {
				t.Error(err)
			}
			sent <- str.SendRequestHeader(req())
		}()
	}
	time.Sleep(time.Second)
	openUni(t, c.conn, withDatagrams)
	for range 3 {
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
	c = p.dial()
	str, err := c.client.OpenRequestStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() { sent <- str.SendRequestHeader(req()) }()
	time.Sleep(time.Second)
	str.CancelWrite(7)
	if err := <-sent; !errors.Is(err, &http3.Error{ErrorCode: 7}) {
		t.Errorf("SendRequestHeader on a cancelled stream: %v", err)
	}
}

// unknownProtocol: which protocols there are is known to the handler alone; it gets the value as it is and can answer 501.
func unknownProtocol(t *testing.T, r *rogue) {
	p := newPeers(r)
	p.unread = true
	p.reply = func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodConnect && req.Proto != "known" {
			w.WriteHeader(http.StatusNotImplemented)
		}
	}
	c := p.dial()
	for _, protocol := range []string{"unknown", "UNKNOWN", "HTTP", "a!b", "websocket"} {
		k := c.send(extended(":protocol", protocol))
		if k.head == nil || k.head.req.Proto != protocol || k.head.req.Method != http.MethodConnect {
			t.Fatalf("%s: the handler got %+v", protocol, k.head)
		}
		if status := readStatus(t, k.str); status != "501" {
			t.Errorf("%s: got status %q", protocol, status)
		}
		if b, err := io.ReadAll(k.str); err != nil || len(b) > 0 {
			t.Errorf("%s: the response goes on with %q, %v", protocol, b, err)
		}
		c.works()
	}
}

// noTunnelToAuthority: what tells a handler that a CONNECT request wants a tunnel are URL.Host and RequestURI. In an extended
// one they are those of any other request.
func noTunnelToAuthority(t *testing.T, r *rogue) {
	c := onePeer(r)
	head := c.accepted(c.sendAll(extended(":authority", "internal:22", ":path", "/chat?a=b")), "")
	req := head.req
	if req.Proto != "test" || req.Host != "internal:22" || req.RequestURI != "/chat?a=b" || req.URL.Host != "" || req.URL.Path != "/chat" || req.URL.Opaque != "" {
		t.Errorf("the handler got %s %q, host %q, URL %+v", req.Proto, req.RequestURI, req.Host, req.URL)
	}
	req = c.accepted(c.sendAll(headers(":method", "CONNECT", ":authority", "internal:22")), "").req
	if req.Proto != "HTTP/3.0" || req.Host != "internal:22" || req.RequestURI != "internal:22" || req.URL.Host != "internal:22" || req.URL.Path != "" {
		t.Errorf("for CONNECT, the handler got %s %q, host %q, URL %+v", req.Proto, req.RequestURI, req.Host, req.URL)
	}
	c.works()
}

func endOfTunnel(t *testing.T, r *rogue) {
	s := openStreams(r, withDatagrams)
	// FIN: the other direction goes on.
	str, ours := s.openExtended()
	str.Write(frame(0, []byte("last words")))
	str.Close()
	if b, err := io.ReadAll(ours); err != nil || string(b) != "last words" {
		t.Errorf("up to the FIN: %q, %v", b, err)
	}
	time.Sleep(time.Second)
	if _, err := ours.Write([]byte("goodbye")); err != nil {
		t.Errorf("Write after the peer's FIN: %v", err)
	}
	if err := ours.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if b, err := io.ReadAll(str); err != nil || !bytes.HasSuffix(b, frame(0, []byte("goodbye"))) {
		t.Errorf("the peer gets %q, %v", b, err)
	}
	// RESET_STREAM of the peer.
	str, ours = s.openExtended()
	str.Write(frame(0, []byte("lost")))
	time.Sleep(time.Second)
	str.CancelWrite(0x10c)
	time.Sleep(time.Second)
	_, err := io.ReadAll(ours)
	wantErrorCode(t, err, http3.ErrCodeRequestCanceled, true)
	if _, err := ours.Write([]byte("still open")); err != nil {
		t.Errorf("Write after the peer's RESET_STREAM: %v", err)
	}
	// Ours.
	ours.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	wantReset(t, str, http3.ErrCodeRequestCanceled)
	// Who gives up the request of a RoundTrip gives up the tunnel.
	if r.role == roleClient {
		req := r.w.request(http.MethodConnect, "/", nil)
		ctx, cancel := context.WithCancel(req.Context())
		req = req.WithContext(ctx)
		req.Proto = "test"
		go func() {
			rsp, err := s.client.RoundTrip(req)
			if err == nil {
				io.Copy(io.Discard, rsp.Body)
			}
		}()
		str = answer(t, s.conn, headers(":status", "200"), false)
		time.Sleep(time.Second)
		cancel()
		time.Sleep(time.Second)
		if _, err := str.SendState(); !isStreamError(err, 0x10c) {
			t.Errorf("the stream was stopped with %v, want H3_REQUEST_CANCELLED", err)
		}
	}
	s.worksStill()
}
