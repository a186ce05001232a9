package http3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// qpackCases are the rows about QPACK. We announce a dynamic table without capacity, so what a row says about an entry of
// it becomes: any reference to it, and any attempt to insert into it, is the error that RFC 9204 demands.
var qpackCases = map[string]conformanceCase{
	"T-510": badSections([]byte{0, 0, 0xff, 0x24}, []byte{0, 0, 0x5f, 0x54, 0}, []byte{0, 0, 0x7f, 0x54, 1, 'x'}, []byte{0, 0, 0xff, 0x80, 0x01}),
	"T-511": badInstructions(encoderStream, []byte{0xff, 0x24, 1, 'x'}, []byte{0xff, 0x24}),
	"T-512": badSections(dynamicReferences...),
	"T-513": badInstructions(encoderStream, []byte{0x80, 1, 'x'}, []byte{0xbf, 0x00, 1, 'x'}, []byte{0x00}, []byte{0x1f, 0x00}),
	"T-514": badSections([]byte{0, 0, 0x80}, []byte{0, 0, 0x40, 1, 'x'}, []byte{0, 0, 0x10}, []byte{0, 0, 0x00, 1, 'x'}),
	// "MAY": a Required Insert Count that nothing needs is an error here, as every one is.
	"T-515": badSections(section(2, 0), section(3, 0)),
	"T-516": blockedStreams,
	"T-517": badInstructions(encoderStream, []byte{0x41, 'n', 1, 'v'}, append([]byte{0x41, 'n'}, appendPrefixed(nil, 0, 7, 1<<20)...)),
	"T-518": tableCapacity,
	"T-519": badInstructions(encoderStream, []byte{0xc0, 1, 'x'}, []byte{0x80, 1, 'x'}, []byte{0x41, 'n', 1, 'v'}, []byte{0x40, 0}, []byte{0x61, 0x1f, 0}, []byte{0x00}, []byte{0x20, 0xc0}),
	"T-520": badInstructions(decoderStream, []byte{0x80}, []byte{0x84}, []byte{0xff, 0x00}, []byte{0xff, 0xff}, []byte{0x40, 0x80}),
	"T-521": badInstructions(decoderStream, []byte{0x00}, []byte{0x40, 0x00}),
	"T-522": badInstructions(decoderStream, []byte{0x01}, []byte{0x3f, 0x00}, []byte{0x3e}, []byte{0x3f, 0xff}),
	// MaxEntries is 0, so no EncodedInsertCount but 0 is possible.
	"T-523": badSections(section(1, 0), section(2, 0), section(254, 0), section(255, 0), section(1<<62-1, 0)),
	"T-524": badSections(section(1, 0), section(2, 0x80), section(3, 5), []byte{1, 0}, []byte{2, 0}),
	"T-525": badSections(section(0, 0x80), section(0, 0x81), section(0, 0xfe), append([]byte{0, 0xff, 0x80, 0x01}, 0xd9), section(2, 0x82), []byte{0, 0x80}),
	"T-526": longIntegers,
	"T-527": integersTooLong,
	"T-528": badSections([]byte{0, 0, 0x23, 'a', 'b'}, []byte{0, 0, 0x21, 'a', 2, 'b'}, []byte{0, 0, 0x51, 1}, []byte{0, 0, 0x51, 0x7f, 0xff, 0x7f, 'a'},
		[]byte{0, 0, 0x27, 0xff, 0x7f, 'a'}, []byte{0, 0, 0x51, 0x82, 0x1f}, []byte{0, 0, 0x2a, 0x1f}, append([]byte{0, 0, 0x51}, appendPrefixed(nil, 0, 7, 1<<62-1)...)),
	"T-529": badSections(huffman(0x00), huffman(0xff, 0xff), huffman(0xff, 0xff, 0xff, 0xfc), huffman(0xff, 0xff, 0xff, 0xff), huffman(0x1f, 0xff), huffman(0x18),
		huffman(0xff, 0xff, 0xff, 0xff, 0x1f), []byte{0, 0, 0x29, 0x00, 0}),
	"T-530": truncatedSections,
	"T-531": changedCapacityInEarlyData,
	"T-532": repeatedEntries,
	"T-533": nothingIsBlocked,
	"T-534": neverIndexed,
}

const (
	encoderStream = 0x02
	decoderStream = 0x03
)

// dynamicReferences are field sections with each representation that refers to the dynamic table.
var dynamicReferences = [][]byte{
	{2, 0, 0x80}, {2, 0, 0xbf, 0x00}, {2, 0x80, 0x10}, {2, 0x80, 0x1f, 0x00}, // indexed, relative and post-Base
	{2, 0, 0x40, 1, 'x'}, {2, 0, 0x4f, 0x00, 1, 'x'}, {2, 0x80, 0x00, 1, 'x'}, {2, 0x80, 0x08, 1, 'x'}, // names
}

// section is a field section with this Required Insert Count and second byte, which refers to the static table only.
func section(count uint64, base byte) []byte {
	return append(appendPrefixed(nil, 0, 8, count), base, 0xd9)
}

// huffman is a field section with a value of these bytes.
func huffman(b ...byte) []byte { return append([]byte{0, 0, 0x51, 0x80 | byte(len(b))}, b...) }

// badSections is for field sections that close the connection, be they headers or trailers.
func badSections(blocks ...[]byte) conformanceCase {
	return func(t *testing.T, r *rogue) {
		p := newPeers(r)
		for _, block := range blocks {
			c := p.dial()
			k := c.send(frame(1, block))
			if k.head != nil {
				t.Errorf("%x: the application got %v", block, k.head.header())
			}
			if r.role == roleClient {
				c.wantFailure(k, "http3: ")
				wantErrorCode(t, k.tail.err, http3.ErrCodeQPACKDecompressionFailed, false)
			}
			wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)

			c = p.dial()
			k = c.send(r.header(), frame(0, []byte("x")), frame(1, block))
			if k.head == nil || k.tail == nil || string(k.tail.body) != "x" || len(k.head.trailer()) > 0 {
				t.Fatalf("%x as trailers: the application got %+v, %+v", block, k.head, k.tail)
			}
			wantErrorCode(t, k.tail.err, http3.ErrCodeQPACKDecompressionFailed, false)
			wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)
		}
	}
}

// badInstructions is for instructions on a QPACK stream that close the connection.
func badInstructions(stream byte, instructions ...[]byte) conformanceCase {
	code := http3.ErrCode(0x201)
	if stream == decoderStream {
		code = 0x202
	}
	return func(t *testing.T, r *rogue) {
		p := newPeers(r)
		for _, b := range instructions {
			c := p.dial()
			c.works()
			openUni(t, c.conn, append([]byte{stream}, b...))
			wantClosed(t, c.conn, code)
			// The first byte says enough, if there is one that says it.
			c = p.dial()
			str := openUni(t, c.conn, []byte{stream})
			for i := range b {
				time.Sleep(100 * time.Millisecond)
				if _, err := str.Write(b[i : i+1]); err != nil {
					break
				}
			}
			wantClosed(t, c.conn, code)
		}
	}
}

// ourSettings returns the settings that the endpoint under test has sent.
func (c *peer) ourSettings() map[uint64]uint64 {
	c.t.Helper()
	str, err := c.conn.AcceptUniStream(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	r := quicvarint.NewReader(str)
	var head [3]uint64 // the types of the stream and the frame, and the length
	for i := range head {
		if head[i], err = quicvarint.Read(r); err != nil {
			c.t.Fatal(err)
		}
	}
	payload := make([]byte, head[2])
	if _, err := io.ReadFull(str, payload); err != nil || head[0] != 0 || head[1] != 4 {
		c.t.Fatalf("the control stream begins with %d, %v", head, err)
	}
	settings := make(map[uint64]uint64)
	for len(payload) > 0 {
		id, n, _ := quicvarint.Parse(payload)
		value, m, err := quicvarint.Parse(payload[n:])
		if err != nil {
			c.t.Fatal(err)
		}
		settings[id] = value
		payload = payload[n+m:]
	}
	return settings
}

// blockedStreams: none may be blocked, so the first one that would be is too many.
func blockedStreams(t *testing.T, r *rogue) {
	p := newPeers(r)
	c := p.dial()
	if s := c.ourSettings(); s[0x7] != 0 || s[0x1] != 0 {
		t.Errorf("we announce a dynamic table: %v", s)
	}
	k := c.send(frame(1, section(2, 0)))
	if k.head != nil {
		t.Errorf("the application got %v", k.head.header())
	}
	wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)
	if r.role == roleServer {
		c = p.dial()
		for range 50 { // at once
			str, err := c.conn.OpenStream()
			if err != nil {
				t.Fatal(err)
			}
			str.Write(frame(1, section(2, 0)))
		}
		wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)
	}
}

func tableCapacity(t *testing.T, r *rogue) {
	c := onePeer(r)
	openUni(t, c.conn, []byte{encoderStream, 0x20, 0x20}) // 0
	c.works()
	var tooLarge [][]byte
	for _, n := range []uint64{1, 30, 31, 32, 4096, 1 << 30, 1<<62 - 1} {
		tooLarge = append(tooLarge, appendPrefixed(nil, 0x20, 5, n))
	}
	p := c.peers
	for _, b := range tooLarge {
		c = p.dial()
		openUni(t, c.conn, append([]byte{encoderStream, 0x20}, b...))
		wantClosed(t, c.conn, 0x201)
	}
}

// longIntegers has integers of up to 62 bits wherever such may stand.
func longIntegers(t *testing.T, r *rogue) {
	c := onePeer(r)
	var cancellations []byte
	for _, n := range []uint64{0, 62, 63, 64, 127, 190, 191, 1 << 14, 1 << 30, 1 << 32, 1<<62 - 1} {
		cancellations = appendPrefixed(cancellations, 0x40, 6, n)
	}
	cancellations = append(cancellations, 0x7f, 0x80, 0x80, 0x80, 0x00) // 63, in more bytes than needed
	openUni(t, c.conn, append([]byte{decoderStream}, cancellations...))
	c.works()
	fields, trailers := sectionOf(t, r.header())[2:], sectionOf(t, headers("a", "b"))[2:]
	for _, n := range []uint64{1, 126, 127, 128, 254, 1 << 20, 1<<62 - 1} {
		// "A field section that was encoded without references to the dynamic table can use any value for the Base"
		// (RFC 9204, Section 4.5.1.2).
		prefix := appendPrefixed([]byte{0}, 0, 7, n)
		c.accepted(c.sendAll(frame(1, with(prefix, fields)), frame(0, []byte("x")), frame(1, with(prefix, trailers))), "x")
	}
	for _, n := range []int{6, 7, 8, 126, 127, 128, 255, 16_000} { // lengths of strings
		name, value := string(bytes.Repeat([]byte("n"), n)), string(bytes.Repeat([]byte("v"), n))
		if got := c.accepted(c.sendAll(r.header(name, value)), "").header().Get(name); got != value {
			t.Errorf("a value of %d bytes became one of %d", n, len(got))
		}
	}
	c.works()
}

// integersTooLong: on a request stream they end the stream, on a QPACK stream the connection.
func integersTooLong(t *testing.T, r *rogue) {
	p := newPeers(r)
	c := p.dial()
	endless := bytes.Repeat([]byte{0x80}, 100)
	for _, begin := range [][]byte{{0xff}, {0, 0x7f}, {0, 0, 0xff}, {0, 0, 0x5f}, {0, 0, 0x51, 0x7f}, {0, 0, 0x27}, {0, 0, 0x21, 'n', 0x7f}} {
		for _, rest := range [][]byte{endless, bytes.Repeat([]byte{0xff}, 100), append(bytes.Repeat([]byte{0xff}, 9), 0x01), append(bytes.Repeat([]byte{0x80}, 11), 0)} {
			block := with(begin, rest)
			k := c.send(frame(1, block))
			if k.head != nil {
				t.Errorf("%x: the application got %v", block, k.head.header())
			}
			if r.role == roleClient {
				c.wantFailure(k, "http3: invalid response: ")
			}
			c.wantStreamError(k, http3.ErrCodeQPACKDecompressionFailed)

			k = c.send(r.header(), frame(0, []byte("x")), frame(1, block))
			if k.tail == nil || k.tail.err == nil || len(k.head.trailer()) > 0 {
				t.Errorf("%x as trailers: the application got %+v", block, k.tail)
			}
			c.wantStreamError(k, http3.ErrCodeQPACKDecompressionFailed)
		}
	}
	for _, test := range []struct {
		stream byte
		b      []byte
		code   http3.ErrCode
	}{
		{encoderStream, append([]byte{0x3f}, endless...), 0x201},
		{encoderStream, append([]byte{0xff}, endless...), 0x201},
		{decoderStream, append([]byte{0x7f}, endless...), 0x202},
		{decoderStream, append([]byte{0x7f}, bytes.Repeat([]byte{0xff}, 100)...), 0x202},
		{decoderStream, appendPrefixed(nil, 0x40, 6, 1<<62), 0x202},
		{decoderStream, appendPrefixed(nil, 0x40, 6, 1<<63+100), 0x202},
	} {
		c = p.dial()
		openUni(t, c.conn, append([]byte{test.stream}, test.b...))
		wantClosed(t, c.conn, test.code)
	}
}

// truncatedSections cuts a field section at each byte that is not the end of a field line.
func truncatedSections(t *testing.T, r *rogue) {
	fields := []string{":status", "200", "name", "value"}
	if r.role == roleServer {
		fields = []string{":method", "GET", ":path", "/"}
	}
	whole := headers(fields...)[2:]
	line := len(headers(fields[:2]...)[2:])
	p := newPeers(r)
	for n := range whole {
		if n == 2 || n == line {
			continue
		}
		c := p.dial()
		if k := c.send(frame(1, whole[:n])); k.head != nil {
			t.Errorf("%d bytes: the application got %v", n, k.head.header())
		}
		wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)
	}
	for _, block := range [][]byte{{}, {0}, {0xff}, {0xff, 0x80}, {0, 0x7f}, {0, 0xff}} {
		c := p.dial()
		c.send(r.header(), frame(1, block))
		wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)
	}
}

// changedCapacityInEarlyData resumes a session with each pair of settings. We use no dynamic table, but check what the
// server says about its own.
func changedCapacityInEarlyData(t *testing.T, r *rogue) {
	w := r.w
	conns, next := make(chan *quic.Conn, 3), make(chan []byte, 1)
	w.serveRaw(func(conn *quic.Conn) {
		openUni(t, conn, append([]byte{0}, frame(4, <-next)...))
		str := answer(t, conn, headers(":status", "200"), true)
		if b, err := io.ReadAll(str); err == nil {
			if section := sectionOf(t, b); section[0] != 0 || section[1] != 0 {
				t.Errorf("the field section begins with %x", section[:2])
			}
		}
		conns <- conn
	})
	// connect sends a request on a new connection to a server with these settings.
	connect := func(settings []byte, early bool) (*quic.Conn, error) {
		next <- settings
		_, err := w.client.RoundTrip(w.request(http3.MethodGet0RTT, "/", nil))
		conn := <-conns
		if used := conn.ConnectionState().Used0RTT; used != early {
			t.Errorf("settings %x: 0-RTT is used: %t", settings, used)
		}
		time.Sleep(time.Second) // for the session ticket
		return conn, err
	}
	for _, test := range []struct {
		first, second []byte
		changed       bool
	}{
		{[]byte{0x01, 0x50, 0x00}, []byte{0x01, 0x50, 0x00}, false},
		{[]byte{0x01, 0x50, 0x00}, []byte{0x01, 0x80, 0x00, 0x10, 0x00}, false}, // the same, in more bytes
		{[]byte{0x01, 0x50, 0x00}, []byte{0x01, 0x40, 0x64}, true},
		{[]byte{0x01, 0x50, 0x00}, []byte{0x01, 0x60, 0x00}, true},
		{[]byte{0x01, 0x50, 0x00}, []byte{0x01, 0x00}, true},
		{[]byte{0x01, 0x50, 0x00}, nil, true},
		// "When the client's 0-RTT value of the SETTING is zero, the server MAY set it to a non-zero value in its
		// SETTINGS frame." (RFC 9204, Section 3.2.3)
		{[]byte{0x01, 0x00}, []byte{0x01, 0x50, 0x00}, false},
		{nil, []byte{0x01, 0x50, 0x00}, false},
		{nil, nil, false},
	} {
		w.clientTLS.ClientSessionCache = tls.NewLRUClientSessionCache(10)
		w.client.TLSClientConfig = w.clientTLS
		if _, err := connect(test.first, false); err != nil {
			t.Fatal(err)
		}
		w.client.CloseIdleConnections()
		time.Sleep(time.Second)
		conn, err := connect(test.second, true)
		if test.changed {
			wantClosed(t, conn, 0x202)
			continue
		}
		if err != nil || conn.Context().Err() != nil {
			t.Errorf("settings %x, then %x: %v, %v", test.first, test.second, err, context.Cause(conn.Context()))
		}
		w.client.CloseIdleConnections()
		time.Sleep(time.Second)
	}
}

// sectionOf returns the field section of the HEADERS frame that b begins with.
func sectionOf(t *testing.T, b []byte) []byte {
	t.Helper()
	typ, n, err := quicvarint.Parse(b)
	if err != nil || typ != 1 {
		t.Fatalf("frame of type %d, %v", typ, err)
	}
	length, m, err := quicvarint.Parse(b[n:])
	if err != nil || length > uint64(len(b)-n-m) {
		t.Fatalf("frame of %d bytes, %v", length, err)
	}
	return b[n+m:][:length]
}

// repeatedEntries: what is no error in a dynamic table with capacity is the insertion of the same entry again; here each
// insertion is one, as T-519 says. Field lines may repeat.
func repeatedEntries(t *testing.T, r *rogue) {
	c := onePeer(r)
	openUni(t, c.conn, []byte{encoderStream, 0x20, 0x20, 0x20})
	k := c.sendAll(r.header("name", "value", "name", "value"), frame(0, []byte("x")), headers("last", "v", "last", "v"))
	head := c.accepted(k, "x")
	if len(head.header()["Name"]) != 2 || len(head.trailer()["Last"]) != 2 {
		t.Errorf("got %v and %v", head.header(), head.trailer())
	}
	c.works()
}

// nothingIsBlocked: no field section is held until others have arrived, so there is nothing to charge for.
func nothingIsBlocked(t *testing.T, r *rogue) {
	c := onePeer(r)
	c.send(frame(1, append(section(2, 0), make([]byte, 1<<10)...)))
	wantClosed(t, c.conn, http3.ErrCodeQPACKDecompressionFailed)
}

// neverIndexed: net/http has no place for the bit of a field line, so a proxy on top of us cannot pass it on. Instead
// we set it for the fields whose values are secrets, whatever was received.
func neverIndexed(t *testing.T, r *rogue) {
	secrets := []string{"authorization", "proxy-authorization", "cookie", "set-cookie"}
	p := newPeers(r)
	p.reply = func(w http.ResponseWriter, req *http.Request) {
		for name, values := range req.Header {
			w.Header()[name] = values
		}
	}
	c := p.dial()
	var k *talk
	if r.role == roleServer {
		received := headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", "x-open", "value")
		received = sectionOf(t, received)
		for _, name := range secrets {
			received = append(appendPrefixed(received, 0x30, 3, uint64(len(name))), name...)
			received = append(append(received, 6), "secret"...)
		}
		k = c.sendAll(frame(1, received))
	} else {
		req := r.w.request(http.MethodGet, "/", nil)
		req.Header.Set("X-Open", "value")
		for _, name := range secrets {
			req.Header.Set(name, "secret")
		}
		k = c.exchange(req, true, r.header())
	}
	b, err := io.ReadAll(k.str)
	if err != nil {
		t.Fatal(err)
	}
	lines := fieldLines(t, sectionOf(t, b))
	for _, name := range append(secrets, "x-open") {
		if line := lines[name]; line == nil || isNeverIndexed(line) != (name != "x-open") {
			t.Errorf("%s is sent as %x", name, line)
		}
	}
}

// isNeverIndexed reports whether a field line is a literal with the bit 'N' (RFC 9204, Sections 4.5.4 and 4.5.6).
func isNeverIndexed(line []byte) bool {
	return line[0]&0xe0 == 0x60 || line[0]&0xf0 == 0x30
}

// fieldLines returns the field lines of a field section, by their names.
func fieldLines(t *testing.T, section []byte) map[string][]byte {
	t.Helper()
	lines := make(map[string][]byte)
	next := qpack.NewDecoder().Decode(section)
	for rest := section[2:]; ; {
		f, err := next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		// The shortest beginning of the rest that is a section with this field.
		n := 1
		for ; n <= len(rest); n++ {
			if got, err := qpack.NewDecoder().Decode(append([]byte{0, 0}, rest[:n]...))(); err == nil && got == f {
				break
			}
		}
		lines[f.Name] = rest[:n]
		rest = rest[n:]
	}
}
