package quic

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestErrorTexts(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{Err0RTTRejected, "0-RTT rejected"},
		{ErrStreamClosed, "stream closed"},
		{ErrWouldBlock, "operation would block"},
		{ErrWriteLimitReached, "write limit reached"},
		{ErrPathClosed, "path closed"},
		{ErrPathNotValidated, "path not yet validated"},
		{ErrServerClosed, "quic: server closed"},
		{ErrTransportClosed, "quic: transport closed"},
		{&errTransportClosed{cause: syscall.EBADF}, "quic: transport closed: bad file descriptor"},
		{&StreamLimitReachedError{}, "too many open streams"},
		{&DatagramTooLargeError{MaxDatagramPayloadSize: 7}, "DATAGRAM frame too large"},
		{errDeadline, "deadline exceeded"},
		{errNoTLSConfig, "quic: tls.Config not set"},
		{errListenerSet, "listener already set"},
		{errNonQUICClosed, "closed"},
		{&IdleTimeoutError{}, "timeout: no recent network activity"},
		{&HandshakeTimeoutError{}, "timeout: handshake did not complete in time"},
		{&StatelessResetError{}, "received a stateless reset"},
		{
			&VersionNegotiationError{Ours: []Version{Version2}, Theirs: []Version{Version1}},
			"no compatible QUIC version found (we support [v2], server offered [v1])",
		},
		{&TransportError{ErrorCode: ConnectionRefused, Remote: true}, "CONNECTION_REFUSED (remote)"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("%T: %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestErrorsThatAreNetErrClosed(t *testing.T) {
	for _, err := range []error{
		ErrServerClosed, ErrTransportClosed, &errTransportClosed{cause: syscall.EBADF}, &IdleTimeoutError{},
		&HandshakeTimeoutError{}, &StatelessResetError{}, &VersionNegotiationError{}, &TransportError{},
		&ApplicationError{}, &errVersionNegotiated{},
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%T is not net.ErrClosed", err)
		}
	}
	for _, err := range []error{
		Err0RTTRejected, ErrStreamClosed, ErrWouldBlock, ErrPathClosed, &StreamError{}, &StreamLimitReachedError{},
		&DatagramTooLargeError{}, errDeadline, errNoTLSConfig, errNonQUICClosed,
	} {
		if errors.Is(err, net.ErrClosed) {
			t.Errorf("%T %v is net.ErrClosed", err, err)
		}
	}
}

func TestTransportClosedWrapsItsCause(t *testing.T) {
	cause := &net.OpError{Op: "read", Net: "udp", Err: syscall.ENOTSOCK}
	err := error(&errTransportClosed{cause: cause})
	if !errors.Is(err, ErrTransportClosed) || !errors.Is(err, syscall.ENOTSOCK) {
		t.Errorf("%v is not ErrTransportClosed and its cause", err)
	}
	if got, ok := errors.AsType[*net.OpError](err); !ok || got != cause {
		t.Errorf("the cause is %v, want %v", got, cause)
	}
	if _, ok := errors.AsType[*net.OpError](error(ErrTransportClosed)); ok {
		t.Error("ErrTransportClosed has a cause")
	}
	if errors.Is(ErrTransportClosed, context.Canceled) {
		t.Error("ErrTransportClosed is another error")
	}
}

func TestDeadlineErrorIsTimeout(t *testing.T) {
	var ne net.Error
	if !errors.Is(errDeadline, os.ErrDeadlineExceeded) || !errors.As(errDeadline, &ne) || !ne.Timeout() {
		t.Errorf("%v is no timeout", errDeadline)
	}
}

func TestDatagramTooLargeErrorIs(t *testing.T) {
	err := error(&DatagramTooLargeError{MaxDatagramPayloadSize: 100})
	if !errors.Is(err, &DatagramTooLargeError{MaxDatagramPayloadSize: 100}) {
		t.Error("equal sizes differ")
	}
	if errors.Is(err, &DatagramTooLargeError{MaxDatagramPayloadSize: 101}) {
		t.Error("different sizes are equal")
	}
}

func TestSupportedVersionsReturnsCopy(t *testing.T) {
	SupportedVersions()[0] = 0
	if got := SupportedVersions(); len(got) != 2 || got[0] != Version1 || got[1] != Version2 {
		t.Errorf("SupportedVersions = %v, want [v1 v2]", got)
	}
}
