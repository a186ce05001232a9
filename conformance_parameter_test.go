package quic_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// parameterCases are the rows about transport parameters.
var parameterCases = map[string]conformanceCase{
	"T-217": wrongParameter(func(tp *wire.TransportParameters) { tp.InitialSourceConnectionID = protocol.ConnectionID{} }),
	"T-218": wrongParameter(func(tp *wire.TransportParameters) { tp.InitialSourceConnectionID = otherConnectionID }),
	"T-219": wrongParameter(func(tp *wire.TransportParameters) { tp.OriginalDestinationConnectionID = protocol.ConnectionID{} }),
	"T-220": wrongParameter(func(tp *wire.TransportParameters) { tp.OriginalDestinationConnectionID = otherConnectionID }),
	"T-221": wrongAfterRetry(func(tp *wire.TransportParameters) { tp.RetrySourceConnectionID = nil }),
	"T-222": wrongParameter(func(tp *wire.TransportParameters) { tp.RetrySourceConnectionID = &tp.InitialSourceConnectionID }),
	"T-223": wrongAfterRetry(func(tp *wire.TransportParameters) { tp.RetrySourceConnectionID = &otherConnectionID }),
	"T-224": rawParameters(parameter(0x00, make([]byte, 8))),
	"T-225": rawParameters(parameter(0x0d, preferredAddress(8, 8))),
	"T-226": rawParameters(parameter(0x10, make([]byte, 8))),
	"T-227": rawParameters(parameter(0x02, make([]byte, 16))),
	"T-228": rawParameters(parameter(0x03, varints(1199)), parameter(0x03, varints(0))),
	"T-229": rawParameters(parameter(0x0a, varints(21)), parameter(0x0a, varints(maxVarint))),
	"T-230": rawParameters(parameter(0x0b, varints(1<<14)), parameter(0x0b, varints(maxVarint))),
	"T-231": rawParameters(parameter(0x0e, varints(0)), parameter(0x0e, varints(1))),
	"T-232": rawParameters(parameter(0x08, varints(1<<60+1)), parameter(0x08, varints(maxVarint))),
	"T-233": rawParameters(parameter(0x09, varints(1<<60+1)), parameter(0x09, varints(maxVarint))),
	"T-234": rawParameters(parameter(0x02, make([]byte, 15)), parameter(0x02, make([]byte, 17)), parameter(0x02, nil)),
	"T-235": rawParameters(parameter(0x0d, preferredAddress(0, 0))),
	"T-236": preferredAddressWithoutConnectionID,
	"T-237": rawParameters(
		parameter(0x0d, preferredAddress(21, 21)), parameter(0x0d, preferredAddress(8, 7)), parameter(0x0d, preferredAddress(8, 9)),
		parameter(0x0d, nil)),
	"T-238": rawParameters(parameter(0x0c, []byte{0}), parameter(0x0c, []byte{1, 2, 3})),
	"T-239": rawParameters(
		parameter(0x04, append(varints(1000), 0)), parameter(0x04, []byte{0x40}), parameter(0x04, nil),
		parameter(0x01, append(varints(1000), 0)), parameter(0x20, []byte{0x80, 0, 0})),
	"T-240": rawParameters(append(varints(0x1b, 10), 1, 2, 3), varints(0x1b, maxVarint), varints(0x1b), quictest.Raw{0x40}),
	"T-241": rawParameters(
		slices.Concat(parameter(0x03, varints(1500)), parameter(0x03, varints(1500))),
		slices.Concat(parameter(0x1b, nil), parameter(0x1b, nil))),
	"T-242": rawParameters(parameter(0x0f, make([]byte, 21))),
	"T-243": unknownParameters,
	"T-244": manyUnknownParameters,
	"T-245": reducedParameter(
		func(tp *wire.TransportParameters) { tp.InitialMaxData-- },
		func(tp *wire.TransportParameters) { tp.InitialMaxStreamDataBidiLocal-- },
		func(tp *wire.TransportParameters) { tp.InitialMaxStreamDataBidiRemote-- },
		func(tp *wire.TransportParameters) { tp.InitialMaxStreamDataUni-- },
		func(tp *wire.TransportParameters) { tp.MaxBidiStreamNum-- },
		func(tp *wire.TransportParameters) { tp.MaxUniStreamNum-- }),
	"T-246": reducedParameter(func(tp *wire.TransportParameters) { tp.ActiveConnectionIDLimit-- }),
	"T-247": rememberedParametersGone,
	"T-248": reducedParameter(
		func(tp *wire.TransportParameters) { tp.MaxDatagramFrameSize-- },
		func(tp *wire.TransportParameters) { tp.MaxDatagramFrameSize = 0 }),
	"T-249": rawParameters(parameter(0x1d, []byte{0})),
	"T-250": wrongParameter(func(tp *wire.TransportParameters) {
		delay := tp.MaxAckDelay + time.Microsecond
		tp.MinAckDelay = &delay
	}),
}

var otherConnectionID = protocol.ParseConnectionID([]byte("another connection")[:8])

// parameter encodes a transport parameter.
func parameter(id uint64, value []byte) quictest.Raw {
	return append(varints(id, uint64(len(value))), value...)
}

// preferredAddress returns a preferred_address that says that its connection ID has length bytes, and has n of them.
func preferredAddress(length, n int) []byte {
	b := make([]byte, 4+2+16+2)
	b = append(b, byte(length))
	return append(b, make([]byte, n+16)...)
}

// wrongParameter is a case in which a transport parameter of the peer closes the connection.
func wrongParameter(change func(*wire.TransportParameters)) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.peerOptions.Parameters = change
		s.start()
		s.peer.Start()
		s.expectCode(qerr.TransportParameterError)
	}
}

func wrongAfterRetry(change func(*wire.TransportParameters)) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.peerOptions.Parameters = change
		s.peerOptions.HoldHandshake = true
		s.start()
		s.peer.ExpectType(protocol.PacketTypeInitial)
		time.Sleep(50 * time.Millisecond)
		s.peer.SendRetry([]byte("token"))
		s.peer.ExpectPacket(func(r *quictest.Received) bool { return len(r.Token) > 0 })
		s.peer.ReleaseHandshake()
		s.expectCode(qerr.TransportParameterError)
	}
}

// rawParameters is a case in which each of some encoded parameters closes the connection, alone and at the end.
func rawParameters(choices ...[]byte) conformanceCase {
	return func(_ *testing.T, s *scene) {
		raw := choices[s.pick(len(choices))]
		s.peerOptions.EncodeParameters = func(b []byte) []byte { return append(withoutParameter(b, raw), raw...) }
		s.start()
		s.peer.Start()
		s.expectCode(qerr.TransportParameterError)
	}
}

// withoutParameter removes the parameter from b that has the ID of the one at the start of raw, so that it is not
// there twice.
func withoutParameter(b, raw []byte) (rest []byte) {
	for len(b) > 0 {
		header := len(varints(uint64(b[0]))) // known IDs take one byte
		if b[0]&0xc0 != 0 {
			return append(rest, b...) // only the reserved one is left
		}
		n := header + 1 + int(b[header])
		if b[0] != raw[0] {
			rest = append(rest, b[:n]...)
		}
		b = b[n:]
	}
	return rest
}

func preferredAddressWithoutConnectionID(t *testing.T, s *scene) {
	s.peerOptions.SrcCID = protocol.ParseConnectionID(nil)
	rawParameters(parameter(0x0d, preferredAddress(8, 8)))(t, s)
}

func unknownParameters(_ *testing.T, s *scene) {
	s.peerOptions.EncodeParameters = func(b []byte) []byte {
		for i, n := range []int{0, 1, 100, 500} {
			b = append(b, parameter(1<<32+31*uint64(i)+27-uint64(1<<32)%31, make([]byte, n))...)
			b = append(b, parameter(1<<30+uint64(i), make([]byte, n))...)
		}
		return b
	}
	s.connect()
	s.works()
}

func manyUnknownParameters(_ *testing.T, s *scene) {
	const first, n, greaseQuicBit = 0x1000, 10_000, 0x2ab2
	s.peerOptions.EncodeParameters = func(b []byte) []byte {
		for id := range uint64(n) {
			if id+first != greaseQuicBit {
				b = append(b, parameter(id+first, nil)...)
			}
		}
		return b
	}
	s.start()
	s.peer.Start()
	s.peer.Timeout = time.Second
	if s.peer.WaitClose() != nil {
		s.expectCode(qerr.TransportParameterError)
		return
	}
	s.connect()
	s.works()
}

// reducedParameter is a case in which a server accepts 0-RTT and has a smaller limit than before.
func reducedParameter(changes ...func(*wire.TransportParameters)) conformanceCase {
	return func(_ *testing.T, s *scene) {
		change := changes[s.pick(len(changes))]
		s.beforeResumption = func() { s.peerOptions.Parameters = change }
		s.resumeClient()
		s.settle()
		s.peer.ReleaseHandshake()
		s.expectCode(qerr.ProtocolViolation)
	}
}

func rememberedParametersGone(t *testing.T, s *scene) {
	var resumed atomic.Bool
	changes := []func(*quic.Config){
		func(c *quic.Config) { c.InitialStreamReceiveWindow-- },
		func(c *quic.Config) { c.InitialConnectionReceiveWindow-- },
		func(c *quic.Config) { c.MaxIncomingStreams-- },
		func(c *quic.Config) { c.MaxIncomingUniStreams-- },
		func(c *quic.Config) { c.EnableDatagrams = false },
		func(c *quic.Config) { c.EnableStreamResetPartialDelivery = false },
	}
	change := changes[s.pick(len(changes))]
	s.config.InitialStreamReceiveWindow, s.config.InitialConnectionReceiveWindow = 1<<20, 1<<20
	s.config.MaxIncomingStreams, s.config.MaxIncomingUniStreams = 100, 100
	s.config.EnableDatagrams, s.config.EnableStreamResetPartialDelivery = true, true
	s.config.GetConfigForClient = func(*quic.ClientInfo) (*quic.Config, error) {
		c := s.config.Clone()
		if resumed.Load() {
			change(c)
		}
		return c, nil
	}
	s.beforeResumption = func() { resumed.Store(true) }
	s.resumeServer()
	s.peer.Send(zeroRTT, poison)
	s.complete()
	if !s.peer.EarlyDataRejected() {
		t.Error("0-RTT was accepted")
	}
}
