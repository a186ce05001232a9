package http3

import "fmt"

// An ErrCode is an error code of HTTP/3 (RFC 9114, Section 8.1), of QPACK (RFC 9204, Section 6)
// or of HTTP Datagrams (RFC 9297, Section 5.2).
type ErrCode uint64

// Error codes.
const (
	ErrCodeNoError                  ErrCode = 0x100
	ErrCodeGeneralProtocolError     ErrCode = 0x101
	ErrCodeInternalError            ErrCode = 0x102
	ErrCodeStreamCreationError      ErrCode = 0x103
	ErrCodeClosedCriticalStream     ErrCode = 0x104
	ErrCodeFrameUnexpected          ErrCode = 0x105
	ErrCodeFrameError               ErrCode = 0x106
	ErrCodeExcessiveLoad            ErrCode = 0x107
	ErrCodeIDError                  ErrCode = 0x108
	ErrCodeSettingsError            ErrCode = 0x109
	ErrCodeMissingSettings          ErrCode = 0x10a
	ErrCodeRequestRejected          ErrCode = 0x10b
	ErrCodeRequestCanceled          ErrCode = 0x10c
	ErrCodeRequestIncomplete        ErrCode = 0x10d
	ErrCodeMessageError             ErrCode = 0x10e
	ErrCodeConnectError             ErrCode = 0x10f
	ErrCodeVersionFallback          ErrCode = 0x110
	ErrCodeDatagramError            ErrCode = 0x33
	ErrCodeQPACKDecompressionFailed ErrCode = 0x200

	errCodeQPACKEncoderStream ErrCode = 0x201
	errCodeQPACKDecoderStream ErrCode = 0x202
)

var errCodeNames = map[ErrCode]string{
	ErrCodeNoError:                  "H3_NO_ERROR",
	ErrCodeGeneralProtocolError:     "H3_GENERAL_PROTOCOL_ERROR",
	ErrCodeInternalError:            "H3_INTERNAL_ERROR",
	ErrCodeStreamCreationError:      "H3_STREAM_CREATION_ERROR",
	ErrCodeClosedCriticalStream:     "H3_CLOSED_CRITICAL_STREAM",
	ErrCodeFrameUnexpected:          "H3_FRAME_UNEXPECTED",
	ErrCodeFrameError:               "H3_FRAME_ERROR",
	ErrCodeExcessiveLoad:            "H3_EXCESSIVE_LOAD",
	ErrCodeIDError:                  "H3_ID_ERROR",
	ErrCodeSettingsError:            "H3_SETTINGS_ERROR",
	ErrCodeMissingSettings:          "H3_MISSING_SETTINGS",
	ErrCodeRequestRejected:          "H3_REQUEST_REJECTED",
	ErrCodeRequestCanceled:          "H3_REQUEST_CANCELLED",
	ErrCodeRequestIncomplete:        "H3_INCOMPLETE_REQUEST",
	ErrCodeMessageError:             "H3_MESSAGE_ERROR",
	ErrCodeConnectError:             "H3_CONNECT_ERROR",
	ErrCodeVersionFallback:          "H3_VERSION_FALLBACK",
	ErrCodeDatagramError:            "H3_DATAGRAM_ERROR",
	ErrCodeQPACKDecompressionFailed: "QPACK_DECOMPRESSION_FAILED",
}

// String returns the name of the code in RFC 9114, RFC 9204 or RFC 9297.
func (e ErrCode) String() string {
	if name, ok := errCodeNames[e]; ok {
		return name
	}
	return fmt.Sprintf("unknown error code: %#x", uint64(e))
}

// meansNoError reports whether a peer that uses the code says no more than H3_NO_ERROR.
//
// "use of an error code in an unexpected context or receipt of an unknown error code MUST be treated as
// equivalent to H3_NO_ERROR." (RFC 9114, Section 8)
func (e ErrCode) meansNoError() bool {
	_, known := errCodeNames[e]
	return e == ErrCodeNoError || !known && e != errCodeQPACKEncoderStream && e != errCodeQPACKDecoderStream
}
