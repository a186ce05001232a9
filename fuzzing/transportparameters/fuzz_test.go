package transportparameters

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

func seed() *wire.TransportParameters {
	cid := protocol.ParseConnectionID([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	minAckDelay := time.Millisecond
	return &wire.TransportParameters{
		OriginalDestinationConnectionID: cid, InitialSourceConnectionID: cid, RetrySourceConnectionID: &cid,
		StatelessResetToken: &protocol.StatelessResetToken{1},
		PreferredAddress: &wire.PreferredAddress{
			IPv4: netip.MustParseAddrPort("192.0.2.1:443"), IPv6: netip.MustParseAddrPort("[2001:db8::1]:443"), ConnectionID: cid,
		},
		VersionInformation: &wire.VersionInformation{Chosen: protocol.Version1, Available: protocol.SupportedVersions},
		MaxIdleTimeout:     time.Minute, MaxUDPPayloadSize: 1400, InitialMaxData: 1 << 20,
		InitialMaxStreamDataBidiLocal: 1, InitialMaxStreamDataBidiRemote: 2, InitialMaxStreamDataUni: 3,
		MaxBidiStreamNum: 100, MaxUniStreamNum: 1 << 60, AckDelayExponent: 4, MaxAckDelay: 20 * time.Millisecond,
		ActiveConnectionIDLimit: 7, DisableActiveMigration: true, MaxDatagramFrameSize: 1 << 16, EnableResetStreamAt: true, GreaseQuicBit: true,
		MinAckDelay: &minAckDelay,
	}
}

func FuzzParse(f *testing.F) {
	for _, sentBy := range []protocol.Perspective{protocol.PerspectiveClient, protocol.PerspectiveServer} {
		b := seed().Append(nil, sentBy)
		f.Add(b, sentBy == protocol.PerspectiveClient)
		f.Add(b[:len(b)/2], sentBy == protocol.PerspectiveClient)
		f.Add(append(b, b...), sentBy == protocol.PerspectiveClient)
	}
	f.Add([]byte{}, false)
	f.Add([]byte{0x01, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, b []byte, fromClient bool) {
		sentBy := protocol.PerspectiveServer
		if fromClient {
			sentBy = protocol.PerspectiveClient
		}
		exact := bytes.Clone(b)
		p, err := wire.ParseTransportParameters(exact[:len(exact):len(exact)], sentBy)
		if err != nil {
			checkError(t, err)
			return
		}
		checkRanges(t, p)
		again, err := wire.ParseTransportParameters(p.Append(nil, sentBy), sentBy)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("round trip: %+v, then %+v, %v", p, again, err)
		}
		remembered, err := wire.ParseTicketParameters(p.AppendForTicket(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !p.ValidFor0RTT(remembered) || !remembered.ValidFor0RTT(p) {
			t.Errorf("limits changed in the ticket: %+v, then %+v", p, remembered)
		}
	})
}

func checkError(t *testing.T, err error) {
	transportErr, ok := errors.AsType[*qerr.TransportError](err)
	if !ok || transportErr.ErrorCode != qerr.TransportParameterError || transportErr.Remote {
		t.Errorf("error %v", err)
	}
	if n := len(transportErr.ErrorMessage); n == 0 || n > 100 {
		t.Errorf("reason %q", transportErr.ErrorMessage)
	}
}

func checkRanges(t *testing.T, p *wire.TransportParameters) {
	if p.MaxIdleTimeout < 0 || p.MaxIdleTimeout > math.MaxInt64/2 {
		t.Errorf("MaxIdleTimeout = %d", p.MaxIdleTimeout)
	}
	if p.MaxUDPPayloadSize < 1200 || p.AckDelayExponent > 20 || p.MaxAckDelay < 0 || p.MaxAckDelay >= 1<<14*time.Millisecond || p.ActiveConnectionIDLimit < 2 {
		t.Errorf("out of range: %+v", p)
	}
	for _, n := range []protocol.ByteCount{
		p.InitialMaxData, p.InitialMaxStreamDataBidiLocal, p.InitialMaxStreamDataBidiRemote, p.InitialMaxStreamDataUni, p.MaxDatagramFrameSize,
	} {
		if n < 0 || n > protocol.MaxByteCount {
			t.Errorf("limit %d", n)
		}
	}
	for _, n := range []protocol.StreamNum{p.MaxBidiStreamNum, p.MaxUniStreamNum} {
		if n < 0 || n > protocol.MaxStreamCount {
			t.Errorf("%d streams", n)
		}
	}
	if a := p.PreferredAddress; a != nil && a.ConnectionID.Len() == 0 {
		t.Error("preferred address without a connection ID")
	}
}
