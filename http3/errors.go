package http3

import (
	"errors"
	"fmt"
	"io"

	"github.com/quic-go/quic-go"
)

var (
	// ErrNoCachedConn is returned by Transport.RoundTripOpt with RoundTripOpt.OnlyCachedConn if
	// there is no connection to the host.
	ErrNoCachedConn = errors.New("http3: no cached connection was available")
	// ErrTransportClosed is returned by a Transport that was closed.
	ErrTransportClosed = errors.New("http3: transport is closed")
	// ErrNoAltSvcPort is returned by Server.SetQUICHeaders if the server listens on no port.
	ErrNoAltSvcPort = errors.New("no port can be announced, specify it explicitly using Server.Port or Server.Addr")
)

var errDatagramsDisabled = errors.New("datagram support disabled")

// An Error is an error of HTTP/3 that ended a stream or a connection.
type Error struct {
	Remote       bool // the peer has raised it
	ErrorCode    ErrCode
	ErrorMessage string // empty for streams

	cause error
}

// Error returns the name of the code, "(local)" for errors raised here, and the message.
func (e *Error) Error() string {
	s, ok := errCodeNames[e.ErrorCode]
	if !ok {
		s = fmt.Sprintf("H3 error (%#x)", uint64(e.ErrorCode))
	}
	if !e.Remote {
		s += " (local)"
	}
	if e.ErrorMessage != "" {
		s += ": " + e.ErrorMessage
	}
	return s
}

// Is reports whether target is an *Error with the same code, raised by the same side.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && e.ErrorCode == t.ErrorCode && e.Remote == t.Remote
}

// Unwrap returns the *quic.StreamError or *quic.ApplicationError that carried the code.
func (e *Error) Unwrap() error { return e.cause }

// convertError turns the errors of package quic that carry a code of HTTP/3 into an *Error.
func convertError(err error) error {
	switch e := err.(type) {
	case *quic.StreamError:
		return &Error{Remote: e.Remote, ErrorCode: ErrCode(e.ErrorCode), cause: e}
	case *quic.ApplicationError:
		return &Error{Remote: e.Remote, ErrorCode: ErrCode(e.ErrorCode), ErrorMessage: e.ErrorMessage, cause: e}
	default:
		return err
	}
}

// A connError is a fault of the peer that ends the connection.
type connError struct {
	code   ErrCode
	reason string
	cause  error // nil, or io.ErrUnexpectedEOF for a frame that was cut off
}

func connErrorf(code ErrCode, format string, args ...any) *connError {
	return &connError{code: code, reason: fmt.Sprintf(format, args...)}
}

// truncated is the error of a stream that ended within a frame.
//
// "A frame payload that contains additional bytes after the identified fields or a frame payload
// that terminates before the end of the identified fields MUST be treated as a connection error of
// type H3_FRAME_ERROR." (RFC 9114, Section 7.1)
func truncated(what string) *connError {
	return &connError{code: ErrCodeFrameError, reason: "stream ended inside a " + what, cause: io.ErrUnexpectedEOF}
}

func (e *connError) Error() string { return e.code.String() + ": " + e.reason }

// A streamError is a fault of the peer that ends a stream. Callers get err.
type streamError struct {
	code ErrCode
	err  error
}

func streamErrorf(code ErrCode, format string, args ...any) *streamError {
	return &streamError{code: code, err: fmt.Errorf(format, args...)}
}

// malformed is the error of a message that must not be processed.
//
// "Malformed requests or responses that are detected MUST be treated as a stream error of type
// H3_MESSAGE_ERROR." (RFC 9114, Section 4.1.2)
func malformed(format string, args ...any) *streamError {
	return streamErrorf(ErrCodeMessageError, format, args...)
}

func (e *streamError) Error() string { return e.err.Error() }
func (e *streamError) Unwrap() error { return e.err }
