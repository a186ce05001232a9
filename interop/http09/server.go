package http09

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/quic-go/quic-go"
)

// maxRequestSize bounds a request line. A longer one is refused.
const maxRequestSize = 8 << 10

// errorCodeBadRequest refuses a stream. HTTP/0.9 defines no error codes.
const errorCodeBadRequest quic.StreamErrorCode = 1

// A Server answers HTTP/0.9 requests.
type Server struct {
	Handler *http.ServeMux // http.DefaultServeMux if nil
}

// ServeListener serves the connections of ln until it is closed, and returns its error.
func (s *Server) ServeListener(ln *quic.EarlyListener) error {
	for {
		conn, err := ln.Accept(context.Background())
		if err != nil {
			return err
		}
		go s.serveConn(conn)
	}
}

func (s *Server) serveConn(conn *quic.Conn) {
	for {
		str, err := conn.AcceptStream(conn.Context())
		if err != nil {
			return // the connection is over
		}
		go s.serveStream(str)
	}
}

func (s *Server) serveStream(str *quic.Stream) {
	req, err := readRequest(str)
	if err != nil {
		str.CancelRead(errorCodeBadRequest)
		str.CancelWrite(errorCodeBadRequest)
		return
	}
	handler := s.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	handler.ServeHTTP(&responseWriter{str: str, header: make(http.Header)}, req.WithContext(str.Context()))
	_ = str.Close() // an error says that the client has cancelled the request
}

func readRequest(str *quic.Stream) (*http.Request, error) {
	line, err := io.ReadAll(io.LimitReader(str, maxRequestSize+1))
	if err != nil {
		return nil, err
	}
	if len(line) > maxRequestSize {
		return nil, errors.New("request is too long")
	}
	path, ok := strings.CutPrefix(strings.TrimRight(string(line), "\r\n "), "GET ")
	if !ok {
		return nil, errors.New("request is not a GET")
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, err
	}
	return &http.Request{
		Method: http.MethodGet, URL: u, RequestURI: path, Proto: "HTTP/0.9", ProtoMinor: 9,
		Header: make(http.Header), Body: http.NoBody, Host: u.Host,
	}, nil
}

// A responseWriter writes the body; there is nothing else.
type responseWriter struct {
	str    *quic.Stream
	header http.Header
}

// Header implements http.ResponseWriter. The header is not sent.
func (w *responseWriter) Header() http.Header { return w.header }

// Write implements http.ResponseWriter.
func (w *responseWriter) Write(b []byte) (int, error) { return w.str.Write(b) }

// WriteHeader implements http.ResponseWriter. The status is not sent.
func (w *responseWriter) WriteHeader(int) {}
