package http3

import (
	"net/http"
	"strconv"
)

// parseResponse turns a header section into an http.Response without body and request.
func parseResponse(block []byte, limit int) (*http.Response, error) {
	var m message
	if err := m.parse(block, limit, responseMessage); err != nil {
		return nil, err
	}
	status, err := m.parseStatus()
	if err != nil {
		return nil, err
	}
	rsp := &http.Response{
		Status:        statusLine(m.status, status),
		StatusCode:    status,
		Proto:         "HTTP/3.0",
		ProtoMajor:    3,
		Header:        m.header,
		ContentLength: m.contentLength,
		Trailer:       takeTrailerNames(m.header),
	}
	if status == http.StatusNoContent {
		rsp.ContentLength = 0
	}
	return rsp, nil
}

// statusLine returns Response.Status.
func statusLine(digits string, status int) string {
	if status == http.StatusOK { // without an allocation
		return "200 OK"
	}
	return digits + " " + http.StatusText(status)
}

// parseStatus parses the status code.
//
// "For responses, a single ":status" pseudo-header field is defined that carries the HTTP status code;
// [...] This pseudo-header field MUST be included in all responses; otherwise, the response is
// malformed" (RFC 9114, Section 4.3.2). "HTTP/3 does not support the HTTP Upgrade mechanism [...] or
// the 101 (Switching Protocols) informational status code" (RFC 9114, Section 4.5).
func (m *message) parseStatus() (int, error) {
	if m.seen&pseudoStatus == 0 {
		return 0, malformed("missing :status")
	}
	status, err := strconv.ParseUint(m.status, 10, 16)
	if err != nil || len(m.status) != 3 || status < 100 {
		return 0, malformed("invalid :status %s", strconv.QuoteToASCII(m.status))
	}
	if status == http.StatusSwitchingProtocols {
		return 0, malformed("status 101 does not exist in HTTP/3")
	}
	return int(status), nil
}

// bodyAllowed reports whether a response with this status can have content (RFC 9110, Section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
