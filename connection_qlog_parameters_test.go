package quic

import (
	"reflect"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlog"
)

// TestLogOfParameters looks for fields that are forgotten or mixed up.
func TestLogOfParameters(t *testing.T) {
	retrySrc, token := cid("retry"), protocol.StatelessResetToken{1}
	tp := &wire.TransportParameters{
		OriginalDestinationConnectionID: cid("original"), InitialSourceConnectionID: cid("initial"), RetrySourceConnectionID: &retrySrc,
		StatelessResetToken: &token, PreferredAddress: &wire.PreferredAddress{ConnectionID: cid("preferred")},
		MaxIdleTimeout: 1 * time.Second, MaxUDPPayloadSize: 2, InitialMaxData: 3, InitialMaxStreamDataBidiLocal: 4,
		InitialMaxStreamDataBidiRemote: 5, InitialMaxStreamDataUni: 6, MaxBidiStreamNum: 7, MaxUniStreamNum: 8, AckDelayExponent: 9,
		MaxAckDelay: 10 * time.Second, ActiveConnectionIDLimit: 11, DisableActiveMigration: true, MaxDatagramFrameSize: 12, EnableResetStreamAt: true,
	}
	want := qlog.ParametersSet{
		Initiator: qlog.InitiatorRemote, SentBy: protocol.PerspectiveServer,
		OriginalDestinationConnectionID: cid("original"), InitialSourceConnectionID: cid("initial"), RetrySourceConnectionID: cid("retry"),
		StatelessResetToken: &token, PreferredAddress: &qlog.PreferredAddress{ConnectionID: cid("preferred")},
		MaxIdleTimeout: 1 * time.Second, MaxUDPPayloadSize: 2, InitialMaxData: 3, InitialMaxStreamDataBidiLocal: 4,
		InitialMaxStreamDataBidiRemote: 5, InitialMaxStreamDataUni: 6, InitialMaxStreamsBidi: 7, InitialMaxStreamsUni: 8, AckDelayExponent: 9,
		MaxAckDelay: 10 * time.Second, ActiveConnectionIDLimit: 11, DisableActiveMigration: true, MaxDatagramFrameSize: 12, EnableResetStreamAt: true,
	}
	if got := parametersSet(tp, qlog.InitiatorRemote, protocol.PerspectiveServer); !reflect.DeepEqual(got, want) {
		t.Errorf("parametersSet = %+v, want %+v", got, want)
	}
	restored := qlog.ParametersRestored{
		InitialMaxData: 3, InitialMaxStreamDataBidiLocal: 4, InitialMaxStreamDataBidiRemote: 5, InitialMaxStreamDataUni: 6,
		InitialMaxStreamsBidi: 7, InitialMaxStreamsUni: 8, ActiveConnectionIDLimit: 11, MaxDatagramFrameSize: 12, EnableResetStreamAt: true,
	}
	if got := parametersRestored(tp); got != restored {
		t.Errorf("parametersRestored = %+v, want %+v", got, restored)
	}
	if got := parametersRestored(&wire.TransportParameters{}).MaxDatagramFrameSize; got != -1 {
		t.Errorf("MaxDatagramFrameSize of a peer without datagrams: %d, want -1", got)
	}
}
