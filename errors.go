package quic

import (
	"errors"
	"net"
	"os"

	"github.com/quic-go/quic-go/internal/qerr"
)

// The errors that end a connection or a stream.
type (
	// A TransportError ends a connection because QUIC itself failed.
	TransportError = qerr.TransportError
	// An ApplicationError ends a connection because an application closed it.
	ApplicationError = qerr.ApplicationError
	// A VersionNegotiationError ends a Dial: the two endpoints share no QUIC version.
	VersionNegotiationError = qerr.VersionNegotiationError
	// A StatelessResetError ends a connection whose peer has lost its state.
	StatelessResetError = qerr.StatelessResetError
	// An IdleTimeoutError ends a connection on which nothing was received for the idle timeout.
	IdleTimeoutError = qerr.IdleTimeoutError
	// A HandshakeTimeoutError ends a connection whose handshake took too long.
	HandshakeTimeoutError = qerr.HandshakeTimeoutError
	// A StreamError ends one half of a stream: it was cancelled by the peer or here.
	StreamError = qerr.StreamError
)

// The error codes.
type (
	// A TransportErrorCode is an error code of QUIC (RFC 9000, Section 20.1).
	TransportErrorCode = qerr.TransportErrorCode
	// An ApplicationErrorCode is an application's code for the end of a connection.
	ApplicationErrorCode = qerr.ApplicationErrorCode
	// A StreamErrorCode is an application's code for the end of a stream.
	StreamErrorCode = qerr.StreamErrorCode
)

// Transport error codes (RFC 9000, Section 20.1).
const (
	NoError                   = qerr.NoError
	InternalError             = qerr.InternalError
	ConnectionRefused         = qerr.ConnectionRefused
	FlowControlError          = qerr.FlowControlError
	StreamLimitError          = qerr.StreamLimitError
	StreamStateError          = qerr.StreamStateError
	FinalSizeError            = qerr.FinalSizeError
	FrameEncodingError        = qerr.FrameEncodingError
	TransportParameterError   = qerr.TransportParameterError
	ConnectionIDLimitError    = qerr.ConnectionIDLimitError
	ProtocolViolation         = qerr.ProtocolViolation
	InvalidToken              = qerr.InvalidToken
	ApplicationErrorErrorCode = qerr.ApplicationErrorErrorCode
	CryptoBufferExceeded      = qerr.CryptoBufferExceeded
	KeyUpdateError            = qerr.KeyUpdateError
	AEADLimitReached          = qerr.AEADLimitReached
	NoViablePathError         = qerr.NoViablePathError
)

var (
	// Err0RTTRejected is returned by streams that were opened, and by Accept and Open calls made,
	// before the server rejected 0-RTT. Conn.NextConnection makes the connection usable again.
	Err0RTTRejected = errors.New("0-RTT rejected")
	// ErrStreamClosed is returned by Write after Close. It is the cause of the context of a
	// stream whose send half was closed.
	ErrStreamClosed = errors.New("stream closed")
	// ErrWouldBlock is returned by TryWriteAll if not all data can be taken at once.
	ErrWouldBlock = errors.New("operation would block")
	// ErrWriteLimitReached is returned by WriteWithLimit if the limiter allows no more.
	ErrWriteLimitReached = errors.New("write limit reached")
	// ErrPathClosed is returned by a Path that was closed.
	ErrPathClosed = errors.New("path closed")
	// ErrPathNotValidated is returned by Path.Switch before Path.Probe has succeeded.
	ErrPathNotValidated = errors.New("path not yet validated")
	// ErrServerClosed is returned by Accept after the listener was closed. It wraps net.ErrClosed.
	ErrServerClosed = errServerClosed{}
	// ErrTransportClosed is returned after the Transport was closed or its socket has failed. Every
	// such error Is ErrTransportClosed; it wraps net.ErrClosed and the cause, if there is one.
	ErrTransportClosed = &errTransportClosed{}
)

var (
	errNoTLSConfig     = errors.New("quic: tls.Config not set")
	errListenerSet     = errors.New("listener already set")
	errNonQUICClosed   = errors.New("closed") // of ReadNonQUICPacket
	errNoRemoteAddress = errors.New("quic: no remote address")
	errNoConn          = errors.New("quic: Transport.Conn not set")
	errConnectionIDUse = errors.New("quic: connection ID is in use")
)

type errServerClosed struct{}

func (errServerClosed) Error() string { return "quic: server closed" }
func (errServerClosed) Unwrap() error { return net.ErrClosed }

type errTransportClosed struct{ cause error }

func (e *errTransportClosed) Error() string {
	if e.cause == nil {
		return "quic: transport closed"
	}
	return "quic: transport closed: " + e.cause.Error()
}

// Is reports whether target is an error of a closed Transport, whatever its cause.
func (e *errTransportClosed) Is(target error) bool {
	_, ok := target.(*errTransportClosed)
	return ok
}

// Unwrap returns net.ErrClosed and, if there is one, the cause.
func (e *errTransportClosed) Unwrap() []error {
	if e.cause == nil {
		return []error{net.ErrClosed}
	}
	return []error{net.ErrClosed, e.cause}
}

// StreamLimitReachedError is returned by OpenStream and OpenUniStream if the peer's stream
// limit allows no further stream at the moment.
type StreamLimitReachedError struct{}

func (StreamLimitReachedError) Error() string { return "too many open streams" }

// A DatagramTooLargeError is returned by SendDatagram if the payload does not fit a packet.
type DatagramTooLargeError struct {
	MaxDatagramPayloadSize int64 // in bytes, on the path as it is now
}

func (e *DatagramTooLargeError) Error() string { return "DATAGRAM frame too large" }

// Is reports whether target is a *DatagramTooLargeError of the same size.
func (e *DatagramTooLargeError) Is(target error) bool {
	t, ok := target.(*DatagramTooLargeError)
	return ok && *e == *t
}

// errDeadline is returned by Read and Write when their deadline has passed.
var errDeadline error = deadlineError{}

type deadlineError struct{}

func (deadlineError) Error() string   { return "deadline exceeded" }
func (deadlineError) Timeout() bool   { return true }
func (deadlineError) Temporary() bool { return true }
func (deadlineError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded
}
