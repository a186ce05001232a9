package qerr

import (
	"crypto/tls"
	"fmt"
)

// A TransportErrorCode is an error code of a CONNECTION_CLOSE frame of type 0x1c
// (RFC 9000, Section 20.1).
type TransportErrorCode uint64

// Transport error codes.
const (
	NoError                   TransportErrorCode = 0x0
	InternalError             TransportErrorCode = 0x1
	ConnectionRefused         TransportErrorCode = 0x2
	FlowControlError          TransportErrorCode = 0x3
	StreamLimitError          TransportErrorCode = 0x4
	StreamStateError          TransportErrorCode = 0x5
	FinalSizeError            TransportErrorCode = 0x6
	FrameEncodingError        TransportErrorCode = 0x7
	TransportParameterError   TransportErrorCode = 0x8
	ConnectionIDLimitError    TransportErrorCode = 0x9
	ProtocolViolation         TransportErrorCode = 0xa
	InvalidToken              TransportErrorCode = 0xb
	ApplicationErrorErrorCode TransportErrorCode = 0xc
	CryptoBufferExceeded      TransportErrorCode = 0xd
	KeyUpdateError            TransportErrorCode = 0xe
	AEADLimitReached          TransportErrorCode = 0xf
	NoViablePathError         TransportErrorCode = 0x10
	VersionNegotiationFailure TransportErrorCode = 0x11 // RFC 9368, Section 10.2

	firstCryptoError TransportErrorCode = 0x100
	lastCryptoError  TransportErrorCode = 0x1ff
)

var codeNames = map[TransportErrorCode]string{
	NoError:                   "NO_ERROR",
	InternalError:             "INTERNAL_ERROR",
	ConnectionRefused:         "CONNECTION_REFUSED",
	FlowControlError:          "FLOW_CONTROL_ERROR",
	StreamLimitError:          "STREAM_LIMIT_ERROR",
	StreamStateError:          "STREAM_STATE_ERROR",
	FinalSizeError:            "FINAL_SIZE_ERROR",
	FrameEncodingError:        "FRAME_ENCODING_ERROR",
	TransportParameterError:   "TRANSPORT_PARAMETER_ERROR",
	ConnectionIDLimitError:    "CONNECTION_ID_LIMIT_ERROR",
	ProtocolViolation:         "PROTOCOL_VIOLATION",
	InvalidToken:              "INVALID_TOKEN",
	ApplicationErrorErrorCode: "APPLICATION_ERROR",
	CryptoBufferExceeded:      "CRYPTO_BUFFER_EXCEEDED",
	KeyUpdateError:            "KEY_UPDATE_ERROR",
	AEADLimitReached:          "AEAD_LIMIT_REACHED",
	NoViablePathError:         "NO_VIABLE_PATH",
}

// IsCryptoError reports whether the code stands for a TLS alert (RFC 9001, Section 4.8).
func (e TransportErrorCode) IsCryptoError() bool {
	return e >= firstCryptoError && e <= lastCryptoError
}

// Message returns the text of the TLS alert, or "" if the code stands for none.
func (e TransportErrorCode) Message() string {
	if !e.IsCryptoError() {
		return ""
	}
	return tls.AlertError(e - firstCryptoError).Error()
}

// String returns the RFC's name of the code.
func (e TransportErrorCode) String() string {
	if e.IsCryptoError() {
		return fmt.Sprintf("CRYPTO_ERROR 0x%x", uint64(e))
	}
	if name, ok := codeNames[e]; ok {
		return name
	}
	return fmt.Sprintf("unknown error code: 0x%x", uint64(e))
}

// An ApplicationErrorCode is an application's error code for the end of a connection.
type ApplicationErrorCode uint64

// A StreamErrorCode is an application's error code for the end of a stream.
type StreamErrorCode uint64
