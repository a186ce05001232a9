package wire

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/quicvarint"
)

const (
	client = protocol.PerspectiveClient
	server = protocol.PerspectiveServer
)

// param returns one encoded parameter.
func param(id uint64, value ...byte) []byte {
	b := quicvarint.Append(nil, id)
	b = quicvarint.Append(b, uint64(len(value)))
	return append(b, value...)
}

func intParam(id, v uint64) []byte { return param(id, quicvarint.Append(nil, v)...) }

func fullParameters() *TransportParameters {
	minAckDelay := 1500 * time.Microsecond
	retrySrc := cid(7, 8)
	token := protocol.StatelessResetToken{1, 2, 3}
	return &TransportParameters{
		OriginalDestinationConnectionID: sampleClientCID,
		InitialSourceConnectionID:       sampleServerCID,
		RetrySourceConnectionID:         &retrySrc,
		StatelessResetToken:             &token,
		PreferredAddress: &PreferredAddress{
			IPv4:                netip.MustParseAddrPort("192.0.2.1:443"),
			IPv6:                netip.MustParseAddrPort("[2001:db8::1]:444"),
			ConnectionID:        cid(9, 9, 9),
			StatelessResetToken: protocol.StatelessResetToken{4, 5, 6},
		},
		VersionInformation:             &VersionInformation{Chosen: protocol.Version2, Available: []protocol.Version{protocol.Version1, protocol.Version2}},
		MaxIdleTimeout:                 30 * time.Second,
		MaxUDPPayloadSize:              1452,
		InitialMaxData:                 1 << 20,
		InitialMaxStreamDataBidiLocal:  1 << 17,
		InitialMaxStreamDataBidiRemote: 1 << 18,
		InitialMaxStreamDataUni:        1 << 19,
		MaxBidiStreamNum:               100,
		MaxUniStreamNum:                1 << 60,
		AckDelayExponent:               20,
		MaxAckDelay:                    26 * time.Millisecond,
		ActiveConnectionIDLimit:        4,
		DisableActiveMigration:         true,
		MaxDatagramFrameSize:           16383,
		EnableResetStreamAt:            true,
		GreaseQuicBit:                  true,
		MinAckDelay:                    &minAckDelay,
	}
}

// clientParameters are fullParameters without what only a server sends.
func clientParameters() *TransportParameters {
	p := fullParameters()
	p.OriginalDestinationConnectionID = protocol.ConnectionID{}
	p.RetrySourceConnectionID = nil
	p.StatelessResetToken = nil
	p.PreferredAddress = nil
	return p
}

func TestTransportParametersRoundTrip(t *testing.T) {
	for _, test := range []struct {
		name   string
		sentBy protocol.Perspective
		want   *TransportParameters
	}{
		{"client", client, clientParameters()},
		{"server", server, fullParameters()},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := fullParameters().Append(nil, test.sentBy)
			got, err := ParseTransportParameters(b, test.sentBy)
			if err != nil {
				t.Fatal(err)
			}
			clear(b) // the result must not alias it
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// Every field is in the table: a parameter set in no field is not sent, and all fields have other values
// than in the defaults after a round trip.
func TestTransportParameterTableIsComplete(t *testing.T) {
	got, err := ParseTransportParameters(fullParameters().Append(nil, server), server)
	if err != nil {
		t.Fatal(err)
	}
	defaults := reflect.ValueOf(*defaultTransportParameters())
	for i := range defaults.NumField() {
		if v := reflect.ValueOf(*got).Field(i); reflect.DeepEqual(v.Interface(), defaults.Field(i).Interface()) {
			t.Errorf("%s is never sent or never parsed", defaults.Type().Field(i).Name)
		}
	}
	if len(transportParameterTable) != defaults.NumField() {
		t.Errorf("%d rows for %d fields", len(transportParameterTable), defaults.NumField())
	}
	ids := map[uint64]bool{}
	for _, row := range transportParameterTable {
		if ids[row.id] {
			t.Errorf("two rows for %#x", row.id)
		}
		ids[row.id] = true
		if isInteger, isOpaque := row.integer.get != nil, row.opaque.parse != nil; isInteger == isOpaque {
			t.Errorf("%s: integer %v, opaque %v", row.name, isInteger, isOpaque)
		}
	}
}

// RFC 9000, Section 18.2.
func TestTransportParameterDefaults(t *testing.T) {
	got, err := ParseTransportParameters(nil, server)
	if err != nil {
		t.Fatal(err)
	}
	want := &TransportParameters{
		MaxUDPPayloadSize: 65527, AckDelayExponent: 3, MaxAckDelay: 25 * time.Millisecond, ActiveConnectionIDLimit: 2,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// Defaults cost no bytes.
	if b := want.AppendForTicket(nil); len(b) != 0 {
		t.Errorf("defaults are sent: %x", b)
	}
}

func TestReservedParameter(t *testing.T) {
	lengths := map[uint64]bool{}
	for range 200 {
		b := defaultTransportParameters().Append(nil, client)
		id, value, rest, ok := cutParameter(b)
		if !ok || len(rest) != 0 {
			t.Fatalf("got %x, want one parameter", b)
		}
		if id%31 != 27 {
			t.Fatalf("id %d is not reserved", id)
		}
		lengths[uint64(len(value))] = true
	}
	if len(lengths) != 16 || !lengths[0] || !lengths[15] {
		t.Errorf("lengths of the reserved parameter: %v", lengths)
	}
}

func preferred(cidLen byte, cidAndToken int) []byte {
	b := append(bytes.Repeat([]byte{1}, 24), cidLen)
	return append(b, make([]byte, cidAndToken)...)
}

func TestTransportParameterErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		sentBy protocol.Perspective
		b      []byte
		reason string
	}{
		{"T-224", client, param(0x00, 1, 2, 3, 4, 5, 6, 7, 8), "original_destination_connection_id sent by a client"},
		{"T-225", client, param(0x0d, preferred(4, 20)...), "preferred_address sent by a client"},
		{"T-226", client, param(0x10, 1), "retry_source_connection_id sent by a client"},
		{"T-227", client, param(0x02, make([]byte, 16)...), "stateless_reset_token sent by a client"},
		{"T-228", client, intParam(0x03, 1199), "max_udp_payload_size: out of range"},
		{"T-229", client, intParam(0x0a, 21), "ack_delay_exponent: out of range"},
		{"T-229, 8 bits are not all", client, intParam(0x0a, 256), "ack_delay_exponent: out of range"},
		{"T-230", client, intParam(0x0b, 1<<14), "max_ack_delay: out of range"},
		{"T-250", client, intParam(0xff04de1b, 25001), "min_ack_delay is greater than max_ack_delay"},
		{"T-250, both", server, slices.Concat(intParam(0x0b, 10), intParam(0xff04de1b, 10001)), "min_ack_delay is greater than max_ack_delay"},
		{"T-250, 2^62-1", server, slices.Concat(intParam(0x0b, 1<<14-1), intParam(0xff04de1b, quicvarint.Max)), "min_ack_delay is greater than max_ack_delay"},
		{"min_ack_delay without a value", client, param(0xff04de1b), "min_ack_delay: not one integer"},
		{"min_ack_delay with a byte too many", client, param(0xff04de1b, 1, 0), "min_ack_delay: not one integer"},
		{"T-231, 0", client, intParam(0x0e, 0), "active_connection_id_limit: out of range"},
		{"T-231, 1", client, intParam(0x0e, 1), "active_connection_id_limit: out of range"},
		{"T-232", client, intParam(0x08, 1<<60+1), "initial_max_streams_bidi: out of range"},
		{"T-233", client, intParam(0x09, 1<<60+1), "initial_max_streams_uni: out of range"},
		{"T-234, 15 bytes", server, param(0x02, make([]byte, 15)...), "stateless_reset_token: wrong length"},
		{"T-234, 17 bytes", server, param(0x02, make([]byte, 17)...), "stateless_reset_token: wrong length"},
		{"T-235", server, param(0x0d, preferred(0, 16)...), "preferred_address: wrong connection ID length"},
		{"T-236", server, slices.Concat(param(0x0d, preferred(4, 20)...), param(0x0f)), "preferred_address from a server with zero-length connection ID"},
		{"T-237, 21 bytes", server, param(0x0d, preferred(21, 37)...), "preferred_address: wrong connection ID length"},
		{"T-237, too short", server, param(0x0d, preferred(4, 19)...), "preferred_address: wrong length"},
		{"T-237, too long", server, param(0x0d, preferred(4, 21)...), "preferred_address: wrong length"},
		{"T-238", client, param(0x0c, 0), "disable_active_migration: has a value"},
		{"T-239, value goes on", client, param(0x04, 1, 0), "initial_max_data: not one integer"},
		{"T-239, value ends early", client, param(0x04, 0x40), "initial_max_data: not one integer"},
		{"T-239, no value", client, param(0x04), "initial_max_data: not one integer"},
		{"T-240", client, []byte{0x04, 2, 1}, "truncated transport parameters"},
		{"T-240, unknown parameter", client, []byte{0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "truncated transport parameters"},
		{"T-241", client, slices.Concat(intParam(0x04, 5), intParam(0x05, 5), intParam(0x04, 5)), "duplicate transport parameter 0x4"},
		{"T-241, unknown parameter", client, slices.Concat(param(0x3000), param(0x3000)), "duplicate transport parameter 0x3000"},
		{"T-242, initial source", client, param(0x0f, make([]byte, 21)...), "initial_source_connection_id: wrong length"},
		{"T-242, original destination", server, param(0x00, make([]byte, 21)...), "original_destination_connection_id: wrong length"},
		{"T-242, retry source", server, param(0x10, make([]byte, 21)...), "retry_source_connection_id: wrong length"},
		{"T-249", client, param(0x1d, 1), "reset_stream_at: has a value"},
		{"grease_quic_bit with a value", client, param(0x2ab2, 1), "grease_quic_bit: has a value"},
		{"version_information without a version", server, param(0x11), "version_information: wrong length"},
		{"version_information of 6 bytes", server, param(0x11, 0, 0, 0, 1, 0, 0), "version_information: wrong length"},
		{"chosen version 0", server, param(0x11, 0, 0, 0, 0), "version_information: version 0"},
		{"available version 0", server, param(0x11, 0, 0, 0, 1, 0, 0, 0, 0), "version_information: version 0"},
		{"client did not offer what it chose", client, param(0x11, 0, 0, 0, 1, 0, 0, 0, 2), "version_information: chosen version is not available"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParseTransportParameters(test.b, test.sentBy)
			transportErr, ok := errors.AsType[*qerr.TransportError](err)
			if !ok {
				t.Fatalf("got %+v, %v", p, err)
			}
			if transportErr.ErrorCode != qerr.TransportParameterError || transportErr.ErrorMessage != test.reason {
				t.Errorf("err = %v, want reason %q", err, test.reason)
			}
			if p != nil {
				t.Error("parameters beside the error")
			}
		})
	}
}

func TestTransportParametersAccepted(t *testing.T) {
	many := make([]byte, 0, 1<<16)
	for i := range uint64(10000) {
		many = append(many, param(0x4000+i)...)
	}
	for _, test := range []struct {
		name  string
		b     []byte
		check func(p *TransportParameters) bool
	}{
		{"no connection ID from a server with zero-length ones", param(0x0f), func(p *TransportParameters) bool {
			return p.InitialSourceConnectionID == cid() && !p.OriginalDestinationConnectionID.Valid()
		}},
		{"limits", slices.Concat(intParam(0x03, 1200), intParam(0x0a, 20), intParam(0x0b, 1<<14-1), intParam(0x0e, 2), intParam(0x08, 1<<60)), func(p *TransportParameters) bool {
			return p.MaxUDPPayloadSize == 1200 && p.AckDelayExponent == 20 && p.MaxAckDelay == 16383*time.Millisecond && p.MaxBidiStreamNum == protocol.MaxStreamCount
		}},
		{"integers need not be minimal", param(0x04, 0xc0, 0, 0, 0, 0, 0, 0, 5), func(p *TransportParameters) bool { return p.InitialMaxData == 5 }},
		{"largest integers", slices.Concat(intParam(0x04, quicvarint.Max), intParam(0x20, quicvarint.Max), intParam(0x0e, quicvarint.Max)), func(p *TransportParameters) bool {
			return p.InitialMaxData == protocol.MaxByteCount && p.MaxDatagramFrameSize == protocol.MaxByteCount && p.ActiveConnectionIDLimit == quicvarint.Max
		}},
		{"idle timeout of 2^62-1 ms", intParam(0x01, quicvarint.Max), func(p *TransportParameters) bool {
			return p.MaxIdleTimeout > 100*365*24*time.Hour && p.MaxIdleTimeout <= math.MaxInt64/2
		}},
		{"idle timeout of 0 ms", intParam(0x01, 0), func(p *TransportParameters) bool { return p.MaxIdleTimeout == 0 }},
		{"idle timeout of 1 ms", intParam(0x01, 1), func(p *TransportParameters) bool { return p.MaxIdleTimeout == time.Millisecond }},
		{"T-243, empty", param(27), func(*TransportParameters) bool { return true }},
		{"T-243, 500 bytes", param(27+31*5, make([]byte, 500)...), func(*TransportParameters) bool { return true }},
		{"T-244, 10000 unknown parameters", many, func(*TransportParameters) bool { return true }},
		{"min_ack_delay of 0", intParam(0xff04de1b, 0), func(p *TransportParameters) bool { return *p.MinAckDelay == 0 }},
		{"min_ack_delay is max_ack_delay", intParam(0xff04de1b, 25000), func(p *TransportParameters) bool { return *p.MinAckDelay == p.MaxAckDelay }},
		{"min_ack_delay before max_ack_delay", slices.Concat(intParam(0xff04de1b, 30000), intParam(0x0b, 30)), func(p *TransportParameters) bool { return *p.MinAckDelay == p.MaxAckDelay }},
		{"no IPv4 address", param(0x0d, append(make([]byte, 6), preferred(1, 17)[6:]...)...), func(p *TransportParameters) bool {
			return !p.PreferredAddress.IPv4.IsValid() && p.PreferredAddress.IPv6.Port() == 0x101
		}},
		{"no IPv6 address", param(0x0d, append([]byte{1, 2, 3, 4, 0, 80}, append(make([]byte, 18), preferred(1, 17)[24:]...)...)...), func(p *TransportParameters) bool {
			return !p.PreferredAddress.IPv6.IsValid() && p.PreferredAddress.IPv4 == netip.MustParseAddrPort("1.2.3.4:80")
		}},
		{"server without deployed versions", param(0x11, 0, 0, 0, 1), func(p *TransportParameters) bool {
			return p.VersionInformation.Chosen == protocol.Version1 && len(p.VersionInformation.Available) == 0
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParseTransportParameters(test.b, server)
			if err != nil {
				t.Fatal(err)
			}
			if !test.check(p) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestTruncatedTransportParameters(t *testing.T) {
	b := fullParameters().Append(nil, server)
	ends := map[int]bool{}
	for rest := b; len(rest) > 0; {
		ends[len(b)-len(rest)] = true
		_, _, rest, _ = cutParameter(rest)
	}
	for n := range len(b) {
		_, err := ParseTransportParameters(b[:n], server)
		if ends[n] != (err == nil) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// What cannot be expressed is sent as the nearest valid value, or not at all.
func TestAppendClips(t *testing.T) {
	hour, longest := time.Hour, protocol.MaxMaxAckDelay
	p := &TransportParameters{
		MaxIdleTimeout: time.Microsecond, MaxUDPPayloadSize: 5, InitialMaxData: -1, InitialMaxStreamDataUni: math.MaxInt64,
		MaxBidiStreamNum: math.MaxInt64, MaxUniStreamNum: -1, AckDelayExponent: 255, MaxAckDelay: time.Hour, ActiveConnectionIDLimit: math.MaxUint64,
		MinAckDelay: &hour,
	}
	got, err := ParseTransportParameters(p.Append(nil, client), client)
	if err != nil {
		t.Fatal(err)
	}
	want := &TransportParameters{
		MaxIdleTimeout: time.Millisecond, MaxUDPPayloadSize: 65527, InitialMaxStreamDataUni: protocol.MaxByteCount,
		MaxBidiStreamNum: protocol.MaxStreamCount, AckDelayExponent: 20, MaxAckDelay: protocol.MaxMaxAckDelay, ActiveConnectionIDLimit: quicvarint.Max,
		MinAckDelay: &longest,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// RFC 9000, Section 7.4.1.
func TestTicketParameters(t *testing.T) {
	b := fullParameters().AppendForTicket(nil)
	got, err := ParseTicketParameters(b)
	if err != nil {
		t.Fatal(err)
	}
	want := fullParameters()
	want.OriginalDestinationConnectionID = protocol.ConnectionID{}
	want.InitialSourceConnectionID = protocol.ConnectionID{}
	want.RetrySourceConnectionID = nil
	want.PreferredAddress = nil
	want.StatelessResetToken = nil
	want.VersionInformation = nil
	want.AckDelayExponent = 3
	want.MaxAckDelay = 25 * time.Millisecond
	want.GreaseQuicBit = false
	want.MinAckDelay = nil // draft-ietf-quic-ack-frequency-12, Section 3
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if again := got.AppendForTicket(nil); !bytes.Equal(again, b) {
		t.Errorf("ticket changed: %x, then %x", b, again)
	}
	if _, err := ParseTicketParameters(b[:len(b)-1]); err == nil {
		t.Error("a truncated ticket was accepted")
	}
}

func TestValidFor0RTT(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(p *TransportParameters)
		want   bool
	}{
		{"nothing", func(p *TransportParameters) {}, true},
		{"initial_max_data", func(p *TransportParameters) { p.InitialMaxData-- }, false},
		{"initial_max_stream_data_bidi_local", func(p *TransportParameters) { p.InitialMaxStreamDataBidiLocal-- }, false},
		{"initial_max_stream_data_bidi_remote", func(p *TransportParameters) { p.InitialMaxStreamDataBidiRemote-- }, false},
		{"initial_max_stream_data_uni", func(p *TransportParameters) { p.InitialMaxStreamDataUni-- }, false},
		{"initial_max_streams_bidi", func(p *TransportParameters) { p.MaxBidiStreamNum-- }, false},
		{"initial_max_streams_uni", func(p *TransportParameters) { p.MaxUniStreamNum-- }, false},
		{"active_connection_id_limit", func(p *TransportParameters) { p.ActiveConnectionIDLimit-- }, false},
		{"max_datagram_frame_size", func(p *TransportParameters) { p.MaxDatagramFrameSize-- }, false},
		{"reset_stream_at", func(p *TransportParameters) { p.EnableResetStreamAt = false }, false},
		{"larger limits", func(p *TransportParameters) { p.InitialMaxData++; p.MaxDatagramFrameSize++; p.MaxBidiStreamNum++ }, true},
		{"max_idle_timeout", func(p *TransportParameters) { p.MaxIdleTimeout /= 2 }, true},
		{"max_udp_payload_size", func(p *TransportParameters) { p.MaxUDPPayloadSize-- }, true},
		{"ack_delay_exponent and max_ack_delay", func(p *TransportParameters) { p.AckDelayExponent, p.MaxAckDelay = 0, 0 }, true},
		{"connection IDs", func(p *TransportParameters) { p.OriginalDestinationConnectionID = cid(1); p.PreferredAddress = nil }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, now := fullParameters(), fullParameters()
			test.change(now)
			if got := now.ValidFor0RTT(old); got != test.want {
				t.Errorf("ValidFor0RTT = %v, want %v", got, test.want)
			}
		})
	}
}

// The reasons travel in CONNECTION_CLOSE: they are short.
func TestTransportParameterReasonsAreShort(t *testing.T) {
	for _, row := range transportParameterTable {
		if len(row.name) > 40 || strings.ToLower(row.name) != row.name {
			t.Errorf("name %q", row.name)
		}
	}
}
