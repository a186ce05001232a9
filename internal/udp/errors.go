package udp

import (
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

var (
	// ErrTransient is wrapped by errors of sends that count as packet loss.
	ErrTransient = errors.New("transient network error")
	// ErrMessageTooLong is wrapped by errors of sends that the path or the interface is too small for.
	ErrMessageTooLong = errors.New("datagram too long")
)

// A sendError gives a failed send its class; both the class and the cause are found by errors.Is.
type sendError struct{ class, cause error }

func (e *sendError) Error() string   { return e.class.Error() + ": " + e.cause.Error() }
func (e *sendError) Unwrap() []error { return []error{e.class, e.cause} }

// IsTransient reports whether err, from a send, counts as the loss of the packets.
func IsTransient(err error) bool { return errors.Is(classify(err), ErrTransient) }

// IsMessageTooLong reports whether err, from a send, says that a packet was too long.
func IsMessageTooLong(err error) bool { return errors.Is(classify(err), ErrMessageTooLong) }

// classify wraps the error of a send. Errors of no class are fatal and returned as they are.
func classify(err error) error {
	if err == nil || errors.Is(err, ErrTransient) || errors.Is(err, ErrMessageTooLong) {
		return err
	}
	if isTooLong(err) {
		return &sendError{class: ErrMessageTooLong, cause: err}
	}
	if isClosed(err) {
		return err
	}
	if passes(err) || isDeadline(err) {
		return &sendError{class: ErrTransient, cause: err}
	}
	return err
}

func isClosed(err error) bool   { return errors.Is(err, net.ErrClosed) }
func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
func isTooLong(err error) bool  { return hasErrno(err, tooLongErrnos) }

// passes reports whether err is of the kind that goes away: a known errno, or an error that says
// so itself. Wrappers of sockets know nothing of errnos but have net.Error's old method.
func passes(err error) bool {
	if hasErrno(err, transientErrnos) {
		return true
	}
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func hasErrno(err error, list []syscall.Errno) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(list, errno)
}

// Pauses of a reader that sees nothing but errors.
const (
	freeRetries   = 8 // without a pause: one errno each for packets of our own that were refused
	minRetryPause = time.Millisecond
	maxRetryPause = 50 * time.Millisecond
)

// A retrier decides what a reader does about an error. The zero value is ready.
type retrier struct{ failures int }

// ok reports a read without an error.
func (r *retrier) ok() { r.failures = 0 }

// failed returns nil after a pause if the read is to be tried again, and else the error.
func (r *retrier) failed(err error) error {
	var ne net.Error
	if isClosed(err) || isDeadline(err) || errors.As(err, &ne) && ne.Timeout() && !hasErrno(err, transientErrnos) {
		return err
	}
	if !passes(err) && !isTooLong(err) {
		return err
	}
	r.failures++
	if p := retryPause(r.failures); p > 0 {
		time.Sleep(p)
	}
	return nil
}

func retryPause(failures int) time.Duration {
	if failures <= freeRetries {
		return 0
	}
	return min(minRetryPause<<min(failures-freeRetries-1, 10), maxRetryPause)
}
