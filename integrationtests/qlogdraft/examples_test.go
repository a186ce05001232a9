package qlogdraft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	h3qlog "github.com/quic-go/quic-go/http3/qlog"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

var (
	cid      = protocol.ParseConnectionID([]byte{1, 2, 3, 4})
	addr4    = netip.MustParseAddrPort("192.0.2.1:443")
	addr6    = netip.MustParseAddrPort("[2001:db8::1]:443")
	endpoint = qlog.TupleEndpointInfo{IPv4: addr4, IPv6: addr6}
	raw      = qlog.RawInfo{Length: 7, PayloadLength: 5}
	h3raw    = h3qlog.RawInfo{Length: 7, PayloadLength: 5}
	hidden   = "hidden"
)

// header returns a header with all members that packets of the type have.
func header(typ qlog.PacketType) qlog.PacketHeader {
	h := qlog.PacketHeader{PacketType: typ, PacketNumber: 3, SrcConnectionID: cid, DestConnectionID: cid}
	if typ == qlog.PacketType1RTT {
		h.KeyPhaseBit = qlog.KeyPhaseOne
		return h
	}
	h.Version = quic.Version1
	h.Token = &qlog.Token{Raw: []byte{9}}
	return h
}

var frames = []any{
	&qlog.PingFrame{}, &qlog.AckFrame{DelayTime: time.Millisecond, AckRanges: []qlog.AckRange{{Smallest: 1, Largest: 2}, {Smallest: 4, Largest: 4}}, ECT0: 1, ECT1: 2, ECNCE: 3},
	&qlog.CryptoFrame{Offset: 1, Length: 2}, &qlog.StreamFrame{StreamID: 4, Offset: 1, Length: 2, Fin: true}, &qlog.DatagramFrame{Length: 1},
	&qlog.ConnectionCloseFrame{ErrorCode: 0xa, FrameType: 6, ReasonPhrase: "r"}, &qlog.ConnectionCloseFrame{ErrorCode: 0x4242, FrameType: 0x4243},
	&qlog.ConnectionCloseFrame{ErrorCode: 0x12a}, &qlog.ConnectionCloseFrame{IsApplicationError: true, ErrorCode: 3},
	&qlog.HandshakeDoneFrame{}, &qlog.NewTokenFrame{Token: []byte{1}}, &qlog.NewConnectionIDFrame{SequenceNumber: 2, RetirePriorTo: 1, ConnectionID: cid},
	&qlog.RetireConnectionIDFrame{SequenceNumber: 1}, &qlog.PathChallengeFrame{}, &qlog.PathResponseFrame{},
	&qlog.ResetStreamFrame{StreamID: 4, ErrorCode: 1, FinalSize: 9}, &qlog.ResetStreamFrame{StreamID: 4, ErrorCode: 1, FinalSize: 9, ReliableSize: 3},
	&qlog.StopSendingFrame{StreamID: 4, ErrorCode: 1}, &qlog.MaxDataFrame{MaximumData: 1}, &qlog.MaxStreamDataFrame{StreamID: 4, MaximumStreamData: 1},
	&qlog.MaxStreamsFrame{Type: protocol.StreamTypeBidi, MaxStreamNum: 1}, &qlog.MaxStreamsFrame{Type: protocol.StreamTypeUni, MaxStreamNum: 1},
	&qlog.DataBlockedFrame{MaximumData: 1}, &qlog.StreamDataBlockedFrame{StreamID: 4, MaximumStreamData: 1},
	&qlog.StreamsBlockedFrame{Type: protocol.StreamTypeUni, StreamLimit: 1}, &qlog.AckFrequencyFrame{SequenceNumber: 1, AckElicitingThreshold: 2, RequestMaxAckDelay: time.Millisecond, ReorderingThreshold: 3},
	&qlog.ImmediateAckFrame{},
}

// quicExamples returns events with all their members and each of their values.
func quicExamples() (list []qlogwriter.Event) {
	add := func(events ...qlogwriter.Event) { list = append(list, events...) }
	for _, typ := range []qlog.PacketType{
		qlog.PacketTypeInitial, qlog.PacketTypeHandshake, qlog.PacketTypeRetry, qlog.PacketType0RTT, qlog.PacketType1RTT, qlog.PacketTypeStatelessReset,
		qlog.PacketTypeUnknown,
	} {
		for _, f := range frames {
			add(qlog.PacketSent{Header: header(typ), Raw: raw, DatagramPayloadChecksum: 8, Frames: []qlog.Frame{{Frame: f}}, ECN: qlog.ECT0, IsMTUProbePacket: true, Tuple: "1"},
				qlog.PacketReceived{Header: header(typ), Raw: raw, DatagramPayloadChecksum: 8, Frames: []qlog.Frame{{Frame: f}}, ECN: qlog.ECNCE, Tuple: "1"})
		}
		add(qlog.PacketBuffered{Header: header(typ), Raw: raw, DatagramPayloadChecksum: 8}, qlog.PacketDropped{Header: header(typ), Raw: raw, DatagramPayloadChecksum: 8})
	}
	for _, r := range []qlog.PacketDropReason{
		qlog.PacketDropKeysUnavailable, qlog.PacketDropUnknownConnectionID, qlog.PacketDropHeaderParseError, qlog.PacketDropPayloadDecryptError,
		qlog.PacketDropProtocolViolation, qlog.PacketDropDOSPrevention, qlog.PacketDropUnsupportedVersion, qlog.PacketDropUnexpectedPacket,
		qlog.PacketDropUnexpectedSourceConnectionID, qlog.PacketDropUnexpectedVersion, qlog.PacketDropDuplicate,
	} {
		add(qlog.PacketDropped{Header: header(qlog.PacketType1RTT), Raw: raw, Trigger: r})
	}
	vn := qlog.PacketHeaderVersionNegotiation{SrcConnectionID: []byte{1}, DestConnectionID: []byte{2}}
	add(qlog.VersionNegotiationSent{Header: vn, SupportedVersions: []quic.Version{quic.Version1, quic.Version2}}, qlog.VersionNegotiationReceived{Header: vn, SupportedVersions: []quic.Version{quic.Version1}},
		qlog.DatagramDropped{Direction: qlog.DirectionSending, Raw: raw, Trigger: "queue full"})
	for _, r := range []qlog.PacketLossReason{qlog.PacketLossReorderingThreshold, qlog.PacketLossTimeThreshold} {
		add(qlog.PacketLost{Header: header(qlog.PacketTypeHandshake), IsMTUProbePacket: true, Trigger: r})
	}
	for _, k := range []qlog.KeyType{
		qlog.KeyTypeServerInitial, qlog.KeyTypeClientInitial, qlog.KeyTypeServerHandshake, qlog.KeyTypeClientHandshake, qlog.KeyTypeServer0RTT,
		qlog.KeyTypeClient0RTT, qlog.KeyTypeServer1RTT, qlog.KeyTypeClient1RTT,
	} {
		for _, trigger := range []qlog.KeyUpdateTrigger{qlog.KeyUpdateTLS, qlog.KeyUpdateLocal, qlog.KeyUpdateRemote} {
			add(qlog.KeyUpdated{Trigger: trigger, KeyType: k, KeyPhase: 1})
		}
		add(qlog.KeyDiscarded{KeyType: k, KeyPhase: 1})
	}
	add(recoveryExamples()...)
	return append(list, connectionExamples()...)
}

func recoveryExamples() (list []qlogwriter.Event) {
	add := func(events ...qlogwriter.Event) { list = append(list, events...) }
	add(qlog.RecoveryParametersSet{ReorderingThreshold: 3, TimeThreshold: 1.125, TimerGranularity: time.Millisecond, InitialCongestionWindow: 100, InitialRTT: 333 * time.Millisecond},
		qlog.RecoveryParametersSet{PacketThresholdDisabled: true},
		qlog.MetricsUpdated{MinRTT: 1, SmoothedRTT: 2, LatestRTT: 3, RTTVariance: 4, CongestionWindow: 1, BytesInFlight: 2, PacketsInFlight: 3},
		qlog.PTOCountUpdated{PTOCount: 2}, qlog.MTUUpdated{Value: 1400, Done: true},
		qlog.SpuriousLoss{EncryptionLevel: qlog.Encryption1RTT, PacketNumber: 4, PacketReordering: 5, TimeReordering: time.Millisecond})
	for _, typ := range []qlog.TimerEventType{qlog.TimerEventTypeSet, qlog.TimerEventTypeExpired, qlog.TimerEventTypeCancelled} {
		for _, timer := range []qlog.TimerType{"", qlog.TimerTypeACK, qlog.TimerTypePTO, qlog.TimerTypePathProbe} {
			for level := range qlog.Encryption1RTT + 1 {
				add(qlog.TimerUpdated{Type: typ, TimerType: timer, EncLevel: level, Time: time.Now()})
			}
		}
	}
	for _, s := range []qlog.CongestionState{
		qlog.CongestionStateSlowStart, qlog.CongestionStateCongestionAvoidance, qlog.CongestionStateRecovery, qlog.CongestionStateApplicationLimited,
	} {
		add(qlog.CongestionStateUpdated{State: s})
	}
	for _, s := range []qlog.ECNState{qlog.ECNStateTesting, qlog.ECNStateUnknown, qlog.ECNStateFailed, qlog.ECNStateCapable} {
		add(qlog.ECNStateUpdated{State: s})
	}
	return list
}

func connectionExamples() (list []qlogwriter.Event) {
	add := func(events ...qlogwriter.Event) { list = append(list, events...) }
	add(qlog.StartedConnection{Local: endpoint, Remote: endpoint}, qlog.StartedConnection{Local: endpoint, Remote: endpoint, RedactedLocal: &hidden, RedactedRemote: &hidden},
		qlog.TupleAssigned{TupleID: "1", Local: endpoint, Remote: endpoint})
	for _, trigger := range []qlog.ConnectionCloseTrigger{
		qlog.ConnectionCloseTriggerIdleTimeout, qlog.ConnectionCloseTriggerApplication, qlog.ConnectionCloseTriggerVersionMismatch,
		qlog.ConnectionCloseTriggerStatelessReset,
	} {
		add(qlog.ConnectionClosed{Initiator: qlog.InitiatorLocal, Trigger: trigger})
	}
	for code := range qlog.TransportErrorCode(0x200) {
		add(qlog.ConnectionClosed{Initiator: qlog.InitiatorRemote, ConnectionError: &code, Reason: "r"})
	}
	app := qlog.ApplicationErrorCode(3)
	add(qlog.ConnectionClosed{Initiator: qlog.InitiatorRemote, ApplicationError: &app, Reason: "r"})
	for _, s := range []qlog.ConnectionState{
		qlog.ConnectionStateAttempted, qlog.ConnectionStateHandshakeStarted, qlog.ConnectionStateHandshakeComplete, qlog.ConnectionStateHandshakeConfirmed,
		qlog.ConnectionStateClosed,
	} {
		add(qlog.ConnectionStateUpdated{State: s})
	}
	all := qlog.ParametersSet{
		Initiator: qlog.InitiatorRemote, SentBy: protocol.PerspectiveServer, OriginalDestinationConnectionID: cid, InitialSourceConnectionID: cid,
		RetrySourceConnectionID: cid, StatelessResetToken: &protocol.StatelessResetToken{}, DisableActiveMigration: true, MaxIdleTimeout: time.Second,
		MaxUDPPayloadSize: 1452, AckDelayExponent: 3, MaxAckDelay: 26 * time.Millisecond, ActiveConnectionIDLimit: 4, InitialMaxData: 5,
		InitialMaxStreamDataBidiLocal: 6, InitialMaxStreamDataBidiRemote: 7, InitialMaxStreamDataUni: 8, InitialMaxStreamsBidi: 9, InitialMaxStreamsUni: 10,
		PreferredAddress: &qlog.PreferredAddress{IPv4: addr4, IPv6: addr6, ConnectionID: cid}, MaxDatagramFrameSize: 11, EnableResetStreamAt: true,
	}
	add(all, qlog.ParametersRestored{
		ActiveConnectionIDLimit: 4, InitialMaxData: 5, InitialMaxStreamDataBidiLocal: 6, InitialMaxStreamDataBidiRemote: 7,
		InitialMaxStreamDataUni: 8, InitialMaxStreamsBidi: 9, InitialMaxStreamsUni: 10, MaxDatagramFrameSize: 11, EnableResetStreamAt: true,
	},
		qlog.VersionInformation{ClientVersions: []quic.Version{quic.Version1}, ServerVersions: []quic.Version{quic.Version1}, ChosenVersion: quic.Version1},
		qlog.ALPNInformation{ChosenALPN: "h3"}, qlog.DebugEvent{Message: "m"}, qlog.StreamPriorityUpdated{StreamID: 4, Urgency: 3, Incremental: true})
	for s := quic.SendStateReady; s <= quic.StreamStateRetired; s++ {
		name := s.String()
		if s == quic.StreamStateRetired {
			name = "destroyed"
		}
		add(qlog.StreamStateUpdated{StreamID: 4, State: name, Side: qlog.DirectionSending}, qlog.StreamStateUpdated{StreamID: 2, State: name, Side: qlog.DirectionReceiving})
	}
	return list
}

func http3Examples() (list []qlogwriter.Event) {
	for _, f := range []any{
		h3qlog.DataFrame{}, h3qlog.GoAwayFrame{StreamID: 4}, h3qlog.PushPromiseFrame{}, h3qlog.CancelPushFrame{}, h3qlog.MaxPushIDFrame{},
		h3qlog.HeadersFrame{HeaderFields: []h3qlog.HeaderField{{Name: "a", Value: "b"}, {Name: "a", InvalidName: true, Value: "b", InvalidValue: true}}},
		h3qlog.SettingsFrame{MaxFieldSectionSize: 1, Datagram: 1, ExtendedConnect: 1, Other: map[uint64]uint64{7: 1}},
		h3qlog.PriorityUpdateFrame{StreamID: 4, PriorityFieldValue: "u=1"}, h3qlog.ReservedFrame{Type: 33}, h3qlog.UnknownFrame{Type: 99},
	} {
		frame := h3qlog.Frame{Frame: f}
		list = append(list, h3qlog.FrameCreated{StreamID: 4, Raw: h3raw, Frame: frame}, h3qlog.FrameParsed{StreamID: 4, Raw: h3raw, Frame: frame})
	}
	list = append(list, h3qlog.DatagramCreated{QuarterStreamID: 1, Raw: h3raw}, h3qlog.DatagramParsed{QuarterStreamID: 1, Raw: h3raw})
	for _, typ := range []h3qlog.StreamType{
		h3qlog.StreamTypeControl, h3qlog.StreamTypePush, h3qlog.StreamTypeQPACKEncode, h3qlog.StreamTypeQPACKDecode, h3qlog.StreamTypeUnknown,
	} {
		list = append(list, h3qlog.StreamTypeSet{Initiator: h3qlog.InitiatorLocal, StreamID: 3, StreamType: typ, StreamTypeBytes: 9})
	}
	return list
}

// Each event, with each of its members and values, is as the drafts say, and each deviation that is listed is there.
func TestExamples(t *testing.T) {
	var j judge
	for _, e := range append(quicExamples(), http3Examples()...) {
		var data bytes.Buffer
		if err := e.Encode(jsontext.NewEncoder(&data), time.Now()); err != nil {
			t.Errorf("%+v: %v", e, err)
			continue
		}
		name, _ := json.Marshal(e.Name())
		j.record(t, fmt.Sprintf(`{"time":1.5,"name":%s,"data":%s}`, name, strings.TrimSpace(data.String())))
	}
	for path, why := range deviations {
		if !j.seen[path] {
			t.Errorf("%s is listed as a deviation (%s), but there is none", path, why)
		}
	}
}

// A new event needs an example.
func TestEachEventHasAnExample(t *testing.T) {
	known := make(map[string]bool)
	for _, e := range quicExamples() {
		known["qlog."+strings.TrimPrefix(fmt.Sprintf("%T", e), "qlog.")] = true
	}
	for _, e := range http3Examples() {
		known["http3/qlog."+strings.TrimPrefix(fmt.Sprintf("%T", e), "qlog.")] = true
	}
	total := 0
	for _, pkg := range []string{"qlog", "http3/qlog"} {
		for _, typ := range eventTypes(t, pkg) {
			total++
			if !known[pkg+"."+typ] {
				t.Errorf("%s.%s has no example here", pkg, typ)
			}
		}
	}
	if total < 25 {
		t.Errorf("%d events found in the source, want more", total)
	}
}

// eventTypes returns the types of a package that have a method Name.
func eventTypes(t *testing.T, pkg string) (types []string) {
	t.Helper()
	dir := os.DirFS("../../" + pkg)
	files, err := fs.Glob(dir, "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		src, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "Name" || strings.HasSuffix(name, "_test.go") {
				continue
			}
			types = append(types, fn.Recv.List[0].Type.(*ast.Ident).Name)
		}
	}
	return types
}
