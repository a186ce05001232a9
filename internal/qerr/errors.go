package qerr

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A TransportError ends a connection because QUIC itself failed (RFC 9000, Section 20.1).
// Two of them are the same for errors.Is if code, frame type and side are equal.
// It wraps net.ErrClosed and, if it arose here, its cause.
type TransportError struct {
	Remote       bool   // the peer reported the error
	FrameType    uint64 // the type of the frame that caused it; 0 if there is none
	ErrorCode    TransportErrorCode
	ErrorMessage string // the reason phrase
	error        error  // the local cause
}

// NewLocalError returns a TransportError that was detected here and that wraps cause.
func NewLocalError(code TransportErrorCode, cause error) *TransportError {
	return &TransportError{ErrorCode: code, error: cause}
}

// NewCryptoError returns the TransportError for a TLS alert that was raised here.
func NewCryptoError(alert uint8, cause error) *TransportError {
	return &TransportError{ErrorCode: firstCryptoError + TransportErrorCode(alert), error: cause}
}

// FrameError returns a TransportError for a fault in a received frame.
func FrameError(code TransportErrorCode, frameType uint64, reason string) *TransportError {
	return &TransportError{ErrorCode: code, FrameType: frameType, ErrorMessage: reason}
}

func side(remote bool) string {
	if remote {
		return "remote"
	}
	return "local"
}

// showable returns a text that a peer may have chosen, escaped if it is not one line of text that can be shown.
func showable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func (e *TransportError) Error() string {
	text := e.ErrorCode.String() + " (" + side(e.Remote) + ")"
	if e.FrameType != 0 {
		text += fmt.Sprintf(" (frame type: %#x)", e.FrameType)
	}
	if reason := e.reason(); reason != "" {
		text += ": " + showable(reason)
	}
	return text
}

func (e *TransportError) reason() string {
	switch {
	case e.ErrorMessage != "":
		return e.ErrorMessage
	case e.error != nil:
		return e.error.Error()
	}
	return e.ErrorCode.Message()
}

// Is reports whether target is a *TransportError of the same code, frame type and side.
func (e *TransportError) Is(target error) bool {
	t, ok := target.(*TransportError)
	return ok && e.ErrorCode == t.ErrorCode && e.FrameType == t.FrameType && e.Remote == t.Remote
}

// Unwrap returns net.ErrClosed and the local cause.
func (e *TransportError) Unwrap() []error { return []error{net.ErrClosed, e.error} }

// An ApplicationError ends a connection because an application closed it with CloseWithError.
// It wraps net.ErrClosed.
type ApplicationError struct {
	Remote       bool
	ErrorCode    ApplicationErrorCode
	ErrorMessage string
}

func (e *ApplicationError) Error() string {
	text := fmt.Sprintf("Application error %#x (%s)", uint64(e.ErrorCode), side(e.Remote))
	if e.ErrorMessage != "" {
		text += ": " + showable(e.ErrorMessage)
	}
	return text
}

// Is reports whether target is an *ApplicationError of the same code and side.
func (e *ApplicationError) Is(target error) bool {
	t, ok := target.(*ApplicationError)
	return ok && e.ErrorCode == t.ErrorCode && e.Remote == t.Remote
}

// Unwrap returns net.ErrClosed.
func (e *ApplicationError) Unwrap() error { return net.ErrClosed }

// A StreamError ends one half of a stream: the peer or the local application cancelled it.
type StreamError struct {
	StreamID  protocol.StreamID
	ErrorCode StreamErrorCode
	Remote    bool
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("stream %d canceled by %s with error code %d", e.StreamID, side(e.Remote), e.ErrorCode)
}

// Is reports whether target is an equal *StreamError.
func (e *StreamError) Is(target error) bool {
	t, ok := target.(*StreamError)
	return ok && *e == *t
}

// An IdleTimeoutError ends a connection on which nothing was received for the idle timeout.
type IdleTimeoutError struct{}

func (e *IdleTimeoutError) Error() string { return "timeout: no recent network activity" }

// Timeout returns true.
func (e *IdleTimeoutError) Timeout() bool { return true }

// Temporary returns false.
func (e *IdleTimeoutError) Temporary() bool { return false }

// Unwrap returns net.ErrClosed.
func (e *IdleTimeoutError) Unwrap() error { return net.ErrClosed }

// A HandshakeTimeoutError ends a connection whose handshake took too long.
type HandshakeTimeoutError struct{}

func (e *HandshakeTimeoutError) Error() string {
	return "timeout: handshake did not complete in time"
}

// Timeout returns true.
func (e *HandshakeTimeoutError) Timeout() bool { return true }

// Temporary returns false.
func (e *HandshakeTimeoutError) Temporary() bool { return false }

// Unwrap returns net.ErrClosed.
func (e *HandshakeTimeoutError) Unwrap() error { return net.ErrClosed }

// A VersionNegotiationError ends a client's attempt to connect: the server speaks none of
// the versions that the client offered.
type VersionNegotiationError struct {
	Ours   []protocol.Version
	Theirs []protocol.Version
}

func (e *VersionNegotiationError) Error() string {
	return fmt.Sprintf("no compatible QUIC version found (we support %s, server offered %s)", e.Ours, e.Theirs)
}

// Unwrap returns net.ErrClosed.
func (e *VersionNegotiationError) Unwrap() error { return net.ErrClosed }

// A StatelessResetError ends a connection whose peer has lost its state (RFC 9000, Section 10.3).
type StatelessResetError struct{}

func (e *StatelessResetError) Error() string { return "received a stateless reset" }

// Timeout returns false.
func (e *StatelessResetError) Timeout() bool { return false }

// Temporary returns true.
func (e *StatelessResetError) Temporary() bool { return true }

// Unwrap returns net.ErrClosed.
func (e *StatelessResetError) Unwrap() error { return net.ErrClosed }

// CauseOf returns err as a *TransportError: itself, or an INTERNAL_ERROR that wraps it.
func CauseOf(err error) *TransportError {
	if t, ok := errors.AsType[*TransportError](err); ok {
		return t
	}
	return NewLocalError(InternalError, err)
}
