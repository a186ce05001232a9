package connid

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	start = monotime.Time(1000 * time.Second)
	keep  = 3 * time.Second
)

// cid returns the n-th connection ID.
func cid(n uint64) protocol.ConnectionID {
	return protocol.ParseConnectionID(binary.BigEndian.AppendUint64(nil, n))
}

// token returns the stateless reset token of the n-th connection ID.
func token(n uint64) (t protocol.StatelessResetToken) {
	binary.BigEndian.PutUint64(t[8:], n+1)
	return t
}

var empty = protocol.ParseConnectionID(nil)

// frame is the NEW_CONNECTION_ID frame for the connection ID that has its number as sequence number.
func frame(seq, retirePriorTo uint64) *wire.Decoded {
	return &wire.Decoded{Type: wire.FrameTypeNewConnectionID, Sequence: seq, RetirePriorTo: retirePriorTo, ConnectionID: cid(seq), ResetToken: token(seq)}
}

func checkError(t *testing.T, err error, code qerr.TransportErrorCode, frameType wire.FrameType) {
	t.Helper()
	want := &qerr.TransportError{ErrorCode: code, FrameType: uint64(frameType)}
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one like %v", err, want)
	}
}

func checkEqual[T comparable](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s = %v, want %v", what, got, want)
	}
}
