package http3

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Methods that are sent as GET and HEAD, and in 0-RTT if the server has allowed that before. Data in
// 0-RTT can be replayed by an attacker.
const (
	MethodGet0RTT  = "GET_0RTT"
	MethodHead0RTT = "HEAD_0RTT"
)

const defaultUserAgent = "quic-go HTTP/3"

// checkRequest validates what a request says before anything is sent.
func checkRequest(req *http.Request) error {
	if req.URL == nil {
		return fmt.Errorf("http3: nil Request.URL")
	}
	if req.URL.Scheme != "https" {
		return fmt.Errorf("http3: unsupported protocol scheme: %s", req.URL.Scheme)
	}
	if req.URL.Host == "" {
		return fmt.Errorf("http3: no Host in request URL")
	}
	if req.Method != "" && !isToken(req.Method) {
		return fmt.Errorf("http3: invalid method %q", req.Method)
	}
	for key := range req.Trailer {
		if !httpguts.ValidTrailerHeader(key) {
			return fmt.Errorf("http3: invalid Request.Trailer key %q", key)
		}
	}
	return checkHeader(req.Header)
}

func checkHeader(header http.Header) error {
	for key, values := range header {
		if !httpguts.ValidHeaderFieldName(key) {
			return fmt.Errorf("http3: invalid http header field name %q", key)
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				// The value may be a secret.
				return fmt.Errorf("http3: invalid http header field value for key %q", key)
			}
		}
	}
	return nil
}

// isExtendedConnect reports whether req opens a tunnel for the protocol named in Request.Proto
// (RFC 9220). Requests that net/http has made say HTTP/1.1 there.
func isExtendedConnect(req *http.Request) bool {
	return req.Method == http.MethodConnect && req.Proto != "" && !strings.HasPrefix(req.Proto, "HTTP/")
}

// writeRequestFields writes the header section of a request.
func writeRequestFields(w *fieldWriter, req *http.Request, askGzip bool, trace *httptrace.ClientTrace) error {
	if req.URL == nil {
		return fmt.Errorf("http3: nil Request.URL")
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	host, err := httpguts.PunycodeHostPort(host)
	if err != nil {
		return err
	}
	if host == "" || !httpguts.ValidHostHeader(host) {
		return fmt.Errorf("http3: invalid Host header")
	}
	f := requestFields{w: w, trace: trace}
	if err := f.addPseudo(req, host); err != nil {
		return err
	}
	f.addRegular(req, askGzip)
	if trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	return nil
}

// wireMethod returns the method that is sent for the method of a request.
func wireMethod(method string) string {
	switch method {
	case "", MethodGet0RTT:
		return http.MethodGet
	case MethodHead0RTT:
		return http.MethodHead
	default:
		return method
	}
}

type requestFields struct {
	w     *fieldWriter
	trace *httptrace.ClientTrace
}

func (f *requestFields) add(name, value string) {
	f.w.add(name, value)
	if f.trace != nil && f.trace.WroteHeaderField != nil {
		f.trace.WroteHeaderField(name, []string{value})
	}
}

func (f *requestFields) addPseudo(req *http.Request, host string) error {
	method := wireMethod(req.Method)
	extended := isExtendedConnect(req)
	f.add(":authority", host)
	f.add(":method", method)
	if method == http.MethodConnect && !extended {
		return nil
	}
	path, err := requestPath(req, host)
	if err != nil {
		return err
	}
	scheme := req.URL.Scheme
	if scheme == "" {
		scheme = "https"
	}
	f.add(":path", path)
	f.add(":scheme", scheme)
	if extended {
		f.add(":protocol", req.Proto)
	}
	return nil
}

// requestPath returns the :path of a request, of which URL.Opaque may hold the whole URL.
func requestPath(req *http.Request, host string) (string, error) {
	path := req.URL.RequestURI()
	if validPath(path, req.Method) {
		return path, nil
	}
	path = strings.TrimPrefix(path, req.URL.Scheme+"://"+host)
	if !validPath(path, req.Method) {
		return "", fmt.Errorf("http3: invalid request path %q", path)
	}
	return path, nil
}

func validPath(path, method string) bool {
	return strings.HasPrefix(path, "/") || path == "*" && method == http.MethodOptions
}

// addRegular adds the header fields of req that HTTP/3 allows, and those that this package provides.
func (f *requestFields) addRegular(req *http.Request, askGzip bool) {
	if len(req.Trailer) > 0 {
		f.add("trailer", strings.Join(slices.Sorted(maps.Keys(req.Trailer)), ", "))
	}
	userAgent := defaultUserAgent
	for key, values := range req.Header {
		name := lowerName(key)
		switch {
		case name == "host" || name == "content-length" || name == "trailer" || isConnectionSpecific(name):
			continue
		case name == "user-agent":
			userAgent = ""
			if len(values) > 0 {
				userAgent = values[0]
			}
			continue
		}
		for _, v := range values {
			if name == "te" && !strings.EqualFold(v, "trailers") {
				continue
			}
			f.add(name, v)
		}
	}
	if n := actualContentLength(req); sendsContentLength(req.Method, n) {
		f.add("content-length", strconv.FormatInt(n, 10))
	}
	if askGzip {
		f.add("accept-encoding", "gzip")
	}
	if userAgent != "" {
		f.add("user-agent", userAgent)
	}
}

// actualContentLength returns the length of the request's body, -1 if it is not known.
func actualContentLength(req *http.Request) int64 {
	if req.Body == nil || req.Body == http.NoBody {
		return 0
	}
	if req.ContentLength != 0 {
		return req.ContentLength
	}
	return -1
}

// sendsContentLength reports whether the length is worth to be mentioned (RFC 9110, Section 8.6).
func sendsContentLength(method string, n int64) bool {
	if n != 0 {
		return n > 0 && method != http.MethodConnect
	}
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}
