package http3

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// parseRequest turns a header section into an http.Request without body, context and connection.
func parseRequest(block []byte, limit int) (*http.Request, error) {
	req := &http.Request{}
	return req, fillRequest(req, block, limit)
}

// fillRequest is parseRequest for an empty request.
func fillRequest(req *http.Request, block []byte, limit int) error {
	var m message
	if err := m.parse(block, limit, requestMessage); err != nil {
		return err
	}
	if !isToken(m.method) {
		return malformed("invalid :method %s", strconv.QuoteToASCII(m.method))
	}
	if err := m.takeHost(); err != nil {
		return err
	}
	req.Method = m.method
	req.Proto, req.ProtoMajor = "HTTP/3.0", 3
	req.Header = m.header
	req.Host = m.authority
	req.ContentLength = m.contentLength
	if m.seen&pseudoProtocol != 0 {
		req.Proto = m.protocol
	}
	if err := m.setTarget(req); err != nil {
		return err
	}
	if cookies := m.header["Cookie"]; len(cookies) > 1 {
		// "If a decompressed field section contains multiple cookie field lines, these MUST be
		// concatenated into a single byte string using the two-byte delimiter of "; "" before they
		// reach "a generic HTTP server application" (RFC 9114, Section 4.2.1).
		m.header["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	req.Trailer = takeTrailerNames(m.header)
	if m.seen&pseudoProtocol != 0 {
		return checkCapsuleMessage(m.header, 0)
	}
	return nil
}

// takeHost merges the Host field into m.authority.
//
// "If the :scheme pseudo-header field identifies a scheme that has a mandatory authority component
// (including "http" and "https"), the request MUST contain either an :authority pseudo-header field or a
// Host header field. If these fields are present, they MUST NOT be empty. If both fields are present, they
// MUST contain the same value." (RFC 9114, Section 4.3.1)
func (m *message) takeHost() error {
	hosts, ok := m.header["Host"]
	if ok {
		delete(m.header, "Host")
		if len(hosts) != 1 {
			return malformed("%d Host header fields", len(hosts))
		}
		if m.seen&pseudoAuthority != 0 && !strings.EqualFold(m.authority, hosts[0]) {
			return malformed(":authority and Host differ")
		}
		if m.seen&pseudoAuthority == 0 {
			m.authority = hosts[0]
		}
	}
	if !ok && m.seen&pseudoAuthority == 0 && m.scheme != "" && m.scheme != "http" && m.scheme != "https" {
		return nil
	}
	if m.authority == "" {
		return malformed("missing or empty :authority")
	}
	// "The authority MUST NOT include the deprecated userinfo subcomponent for URIs of scheme
	// "http" or "https"." (RFC 9114, Section 4.3.1)
	if !httpguts.ValidHostHeader(m.authority) || strings.ContainsAny(m.authority, "@/?#\\") {
		return malformed("invalid :authority %s", strconv.QuoteToASCII(m.authority))
	}
	return nil
}

// setTarget sets the URL and the RequestURI of req.
func (m *message) setTarget(req *http.Request) error {
	extended := m.seen&pseudoProtocol != 0
	switch {
	case extended && m.method != http.MethodConnect:
		return malformed(":protocol in a request other than CONNECT")
	case extended && !isToken(m.protocol):
		return malformed("invalid :protocol %s", strconv.QuoteToASCII(m.protocol))
	case m.method == http.MethodConnect && !extended:
		return m.setConnectTarget(req)
	}
	// "All HTTP/3 requests MUST include exactly one value for the :method, :scheme, and :path
	// pseudo-header fields, unless the request is a CONNECT request" (RFC 9114, Section 4.3.1);
	// "On requests that contain the :protocol pseudo-header field, the :scheme and :path
	// pseudo-header fields of the target URI (see Section 5) MUST also be included." (RFC 8441,
	// Section 4)
	if m.seen&pseudoScheme == 0 || m.seen&pseudoPath == 0 {
		return malformed("missing :scheme or :path")
	}
	if !validScheme(m.scheme) {
		return malformed("invalid :scheme %s", strconv.QuoteToASCII(m.scheme))
	}
	if !strings.HasPrefix(m.path, "/") && (m.path != "*" || m.method != http.MethodOptions) {
		return malformed("invalid :path %s", strconv.QuoteToASCII(m.path))
	}
	u, err := url.ParseRequestURI(m.path)
	if err != nil {
		return malformed("invalid :path %s", strconv.QuoteToASCII(m.path))
	}
	req.URL, req.RequestURI = u, m.path
	return nil
}

// setConnectTarget sets the target of a CONNECT request.
//
// "The :scheme and :path pseudo-header fields are omitted"; "A CONNECT request that does not conform
// to these restrictions is malformed." (RFC 9114, Section 4.4)
func (m *message) setConnectTarget(req *http.Request) error {
	if m.seen&(pseudoScheme|pseudoPath) != 0 {
		return malformed("CONNECT request with :scheme or :path")
	}
	if m.seen&pseudoAuthority == 0 {
		return malformed("CONNECT request without :authority")
	}
	req.URL, req.RequestURI = &url.URL{Host: m.authority}, m.authority
	return nil
}

// isToken reports whether s is a token (RFC 9110, Section 5.6.2).
func isToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

// validScheme reports whether s is a scheme (RFC 3986, Section 3.1).
func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !('0' <= s[i] && s[i] <= '9') && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}
