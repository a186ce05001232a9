package http3

import (
	"errors"
	"io"
	"net"
	"testing"

	"github.com/quic-go/quic-go"
)

func TestErrorTexts(t *testing.T) {
	tests := []struct {
		err  *Error
		want string
	}{
		{&Error{ErrorCode: ErrCodeNoError}, "H3_NO_ERROR (local)"},
		{&Error{ErrorCode: ErrCodeRequestCanceled, Remote: true}, "H3_REQUEST_CANCELLED"},
		{&Error{ErrorCode: ErrCodeRequestIncomplete, Remote: true, ErrorMessage: "why"}, "H3_INCOMPLETE_REQUEST: why"},
		{&Error{ErrorCode: 0x4711}, "H3 error (0x4711) (local)"},
		{&Error{ErrorCode: 0x4711, Remote: true, ErrorMessage: "why"}, "H3 error (0x4711): why"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	if got := ErrCode(0x111).String(); got != "unknown error code: 0x111" {
		t.Errorf("got %q", got)
	}
}

func TestErrorIdentity(t *testing.T) {
	e := &Error{ErrorCode: 1, Remote: true, ErrorMessage: "a"}
	if !errors.Is(e, &Error{ErrorCode: 1, Remote: true}) || errors.Is(e, &Error{ErrorCode: 1}) || errors.Is(e, &Error{ErrorCode: 2, Remote: true}) {
		t.Error("errors.Is compares something else than code and side")
	}
}

func TestConvertError(t *testing.T) {
	streamErr := &quic.StreamError{StreamID: 4, ErrorCode: 0x10c, Remote: true}
	err := convertError(streamErr)
	if !errors.Is(err, &Error{ErrorCode: ErrCodeRequestCanceled, Remote: true}) || errors.Unwrap(err) != streamErr || errors.Is(err, net.ErrClosed) {
		t.Errorf("a stream error becomes %v", err)
	}
	connErr := &quic.ApplicationError{ErrorCode: 0x101, ErrorMessage: "why"}
	err = convertError(connErr)
	if err.Error() != "H3_GENERAL_PROTOCOL_ERROR (local): why" || errors.Unwrap(err) != connErr || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection error becomes %v", err)
	}
	for _, err := range []error{nil, io.EOF, &quic.IdleTimeoutError{}} {
		if got := convertError(err); got != err {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
