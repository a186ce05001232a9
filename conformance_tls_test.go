package quic_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/quictest"
	"github.com/quic-go/quic-go/internal/wire"
)

// tlsCases are the rows about TLS and CRYPTO data.
var tlsCases = map[string]conformanceCase{
	"T-308": cryptoAfterLevel,
	"T-309": cryptoLeftOver,
	"T-310": onlyTLS12,
	"T-311": afterHandshake(qerr.ProtocolViolation, []byte{13, 0, 0, 3, 0, 0, 0}),
	"T-312": wrongServerName,
	"T-313": afterHandshake(qerr.ProtocolViolation, sessionTicket(1000, 1)),
	"T-314": rejectedNotProcessed,
	"T-315": rejectedResetsStreams,
	"T-316": alerts,
	"T-320": cipherSuites,
	"T-322": keyUpdateInHandshake,
	"T-323": afterHandshake(alertCode(alertUnexpectedMessage), keyUpdateMessage),
	"T-332": noCommonProtocol,
	"T-333": wrongProtocol,
	"T-334": helloWithoutParameters(func(e extensions) extensions { return e.without(extTransportParameters) }),
	"T-335": encryptedExtensions(alertCode(alertMissingExtension), func(e extensions) extensions { return e.without(extTransportParameters) }),
	"T-336": draftParameters,
	"T-337": endOfEarlyData,
	"T-338": sessionID,
	"T-339": incompleteMessage,
	"T-340": hugeMessage,
	"T-341": twoMessagesInInitial,
}

// TLS alerts (RFC 8446, Section 6).
const (
	alertUnexpectedMessage     = 10
	alertHandshakeFailure      = 40
	alertBadCertificate        = 42
	alertProtocolVersion       = 70
	alertMissingExtension      = 109
	alertNoApplicationProtocol = 120
)

// alertCode returns the error code of a TLS alert.
func alertCode(alert uint8) qerr.TransportErrorCode { return 0x100 + qerr.TransportErrorCode(alert) }

var (
	keyUpdateMessage      = []byte{24, 0, 0, 1, 0}
	endOfEarlyDataMessage = []byte{5, 0, 0, 0}
)

// sessionTicket returns a NewSessionTicket message with a ticket of n bytes.
func sessionTicket(n int, maxEarlyData uint32) []byte {
	body := []byte{0, 0, 0, 100, 1, 2, 3, 4, 1, 0} // lifetime, age_add, nonce
	body = binary.BigEndian.AppendUint16(body, uint16(n))
	body = append(body, make([]byte, n)...)
	body = append(body, 0, 8, 0, 42, 0, 4)
	body = binary.BigEndian.AppendUint32(body, maxEarlyData)
	return append([]byte{4, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

const (
	extProtocols           = 16
	extSupportedVersions   = 43
	extTransportParameters = 57
	extDraftParameters     = 0xffa5
)

// An extension is a TLS extension; extensions are those of a message.
type extension struct {
	id   uint16
	data []byte
}

type extensions []extension

func (e extensions) without(id uint16) extensions {
	return slices.DeleteFunc(slices.Clone(e), func(x extension) bool { return x.id == id })
}

// with replaces the data of an extension, and its ID.
func (e extensions) with(id uint16, x extension) extensions {
	e = slices.Clone(e)
	for i := range e {
		if e[i].id == id {
			e[i] = x
		}
	}
	return e
}

// editExtensions changes the extensions of a ClientHello, ServerHello or EncryptedExtensions message, which msg begins with.
func editExtensions(msg []byte, edit func(extensions) extensions) []byte {
	const header = 4
	length := header + (int(msg[1])<<16 | int(msg[2])<<8 | int(msg[3]))
	body := msg[:length]
	at := extensionsOffset(body)
	rest := body[at+2:]
	var exts extensions
	for len(rest) > 0 {
		n := int(binary.BigEndian.Uint16(rest[2:]))
		exts = append(exts, extension{id: binary.BigEndian.Uint16(rest), data: rest[4 : 4+n]})
		rest = rest[4+n:]
	}
	var encoded []byte
	for _, e := range edit(exts) {
		encoded = binary.BigEndian.AppendUint16(encoded, e.id)
		encoded = binary.BigEndian.AppendUint16(encoded, uint16(len(e.data)))
		encoded = append(encoded, e.data...)
	}
	out := slices.Clone(body[:at])
	out = binary.BigEndian.AppendUint16(out, uint16(len(encoded)))
	out = append(out, encoded...)
	return append(withLength(out), msg[length:]...)
}

// withLength sets the length of a handshake message.
func withLength(msg []byte) []byte {
	n := len(msg) - 4
	msg[1], msg[2], msg[3] = byte(n>>16), byte(n>>8), byte(n)
	return msg
}

const sessionIDOffset = 4 + 2 + 32

// extensionsOffset returns where the extensions of a message begin, with their length.
func extensionsOffset(msg []byte) int {
	const clientHello, serverHello = 1, 2
	at := sessionIDOffset
	switch msg[0] {
	case clientHello:
		at += 1 + int(msg[at])
		at += 2 + int(binary.BigEndian.Uint16(msg[at:])) // cipher suites
		return at + 1 + int(msg[at])                     // compression methods
	case serverHello:
		return at + 1 + int(msg[at]) + 2 + 1
	}
	return 4
}

// hello starts a handshake in which the peer sends its ClientHello or ServerHello only after it was changed.
func (s *scene) hello(edit func([]byte) []byte) {
	s.t.Helper()
	s.begunWithoutHello()
	s.peer.SendCryptoAt(initial, 0, edit(s.peer.TakeCrypto(initial)))
}

// begunWithoutHello is begun, but nothing is sent to a server yet.
func (s *scene) begunWithoutHello() {
	s.t.Helper()
	if !s.isServer() {
		s.begun()
		s.peer.SetParameters()
		return
	}
	s.peerOptions.HoldHandshake = true
	s.start()
	s.peer.Start()
}

// afterHandshake is a case in which a message in 1-RTT packets closes the connection.
func afterHandshake(code qerr.TransportErrorCode, msg []byte) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.connect()
		s.peer.SendCrypto(oneRTT, msg)
		s.expectClose(wire.FrameTypeCrypto, code)
	}
}

func cryptoAfterLevel(_ *testing.T, s *scene) {
	s.half()
	const behindAnyHello = 5000
	s.peer.Send(initial, &wire.CryptoFrame{Offset: behindAnyHello, Data: []byte("x")})
	s.expectClose(wire.FrameTypeCrypto, qerr.ProtocolViolation)
}

// cryptoLeftOver: one byte of another message follows the last one of its level.
func cryptoLeftOver(_ *testing.T, s *scene) {
	inAdvance := s.pick(2) == 1
	s.begunWithoutHello()
	hello := s.peer.TakeCrypto(initial)
	if inAdvance {
		s.peer.SendCryptoAt(initial, protocol.ByteCount(len(hello)), []byte{1})
		s.peer.SendCryptoAt(initial, 0, hello)
	} else {
		s.peer.SendCryptoAt(initial, 0, append(hello, 1))
	}
	s.expectClose(wire.FrameTypeCrypto, qerr.ProtocolViolation)
}

func onlyTLS12(_ *testing.T, s *scene) {
	s.hello(func(b []byte) []byte {
		return editExtensions(b, func(e extensions) extensions { return e.without(extSupportedVersions) })
	})
	s.expectCode(alertCode(alertProtocolVersion))
}

func wrongServerName(_ *testing.T, s *scene) {
	s.tls.ServerName = "other.example"
	s.start()
	s.expectCode(alertCode(alertBadCertificate))
}

func rejectedNotProcessed(t *testing.T, s *scene) {
	s.config.GetConfigForClient = func(info *quic.ClientInfo) (*quic.Config, error) {
		c := s.config.Clone()
		c.Allow0RTT = s.clients == 1
		return c, nil
	}
	s.resumeServer()
	s.peer.Send(zeroRTT, poison)
	s.peer.Send(zeroRTT, streamFin(s.theirs(bidi, 1), 0, 10))
	s.complete()
	if !s.peer.EarlyDataRejected() {
		t.Error("0-RTT was accepted")
	}
	quictest.ExpectNone(s.peer, time.Second, func(f *wire.StreamFrame) bool { return f.StreamID == s.theirs(bidi, 1) })
}

func rejectedResetsStreams(t *testing.T, s *scene) {
	s.peerOptions.RejectEarlyData = true
	s.resumeClient()
	str, err := s.conn.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	s.peer.ReleaseHandshake()
	s.peer.Handshake()
	s.settle()
	if _, err := str.Write([]byte("late")); !errors.Is(err, quic.Err0RTTRejected) {
		t.Errorf("Write: %v, want %v", err, quic.Err0RTTRejected)
	}
	if _, err := s.conn.OpenStream(); !errors.Is(err, quic.Err0RTTRejected) {
		t.Errorf("OpenStream: %v, want %v", err, quic.Err0RTTRejected)
	}
	next, err := s.conn.NextConnection(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	again, err := next.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	if again.StreamID() != s.ours(bidi, 1) {
		t.Errorf("first stream is %d, want %d", again.StreamID(), s.ours(bidi, 1))
	}
	go again.Write([]byte("again"))
	f := quictest.Expect(s.peer, func(f *wire.StreamFrame) bool { return true })
	if f.Offset != 0 || string(f.Data) != "again" {
		t.Errorf("got %q at %d", f.Data, f.Offset)
	}
}

// alerts: those of a peer come as CONNECTION_CLOSE.
func alerts(t *testing.T, s *scene) {
	level := []protocol.EncryptionLevel{initial, handshake, oneRTT}[s.pick(3)]
	s.early = s.isServer() // the application sees the connection during the handshake
	if level == oneRTT {
		s.connect()
	} else {
		s.half()
		if s.isServer() {
			s.await()
		}
	}
	code := alertCode(alertHandshakeFailure)
	s.peer.Send(level, &wire.ConnectionCloseFrame{ErrorCode: uint64(code), FrameType: 6})
	want := &quic.TransportError{Remote: true, ErrorCode: code, FrameType: 6}
	if err := s.cause(); !errors.Is(err, want) {
		t.Errorf("connection is over because of %v, want %v", err, want)
	}
}

// withSuites replaces the cipher suites of a ClientHello.
func withSuites(hello []byte, suites ...uint16) []byte {
	at := sessionIDOffset + 1 + int(hello[sessionIDOffset])
	old := int(binary.BigEndian.Uint16(hello[at:]))
	out := slices.Clone(hello[:at])
	out = binary.BigEndian.AppendUint16(out, uint16(2*len(suites)))
	for _, suite := range suites {
		out = binary.BigEndian.AppendUint16(out, suite)
	}
	return withLength(append(out, hello[at+2+old:]...))
}

func cipherSuites(_ *testing.T, s *scene) {
	const ccm8, unknown = 0x1305, 0xabcd
	if s.pick(2) == 0 {
		s.hello(func(b []byte) []byte { return withSuites(b, ccm8, unknown, tls.TLS_AES_128_GCM_SHA256) })
		s.peer.ExpectType(protocol.PacketTypeHandshake)
		return
	}
	s.hello(func(b []byte) []byte { return withSuites(b, ccm8, unknown) })
	s.expectCode(alertCode(alertHandshakeFailure))
}

func keyUpdateInHandshake(_ *testing.T, s *scene) {
	s.half()
	s.peer.Send(handshake, &wire.CryptoFrame{Data: keyUpdateMessage})
	s.expectClose(wire.FrameTypeCrypto, alertCode(alertUnexpectedMessage))
}

// noCommonProtocol: a server that knows no protocol chooses none.
func noCommonProtocol(_ *testing.T, s *scene) {
	s.peerOptions.TLS.NextProtos = []string{"other"}
	if !s.isServer() {
		s.peerOptions.TLS.NextProtos = nil
	}
	s.start()
	s.peer.Start()
	s.expectCode(alertCode(alertNoApplicationProtocol))
}

func wrongProtocol(t *testing.T, s *scene) {
	if s.pick(2) == 0 {
		noCommonProtocol(t, s)
		return
	}
	other := extension{id: extProtocols, data: []byte("\x00\x06\x05other")}
	encryptedExtensions(alertCode(alertNoApplicationProtocol), func(e extensions) extensions { return e.with(extProtocols, other) })(t, s)
}

// encryptedExtensions is a case in which the extensions of a server close the connection.
func encryptedExtensions(code qerr.TransportErrorCode, edit func(extensions) extensions) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.half()
		s.peer.SendCryptoAt(handshake, 0, editExtensions(s.peer.TakeCrypto(handshake), edit))
		s.expectCode(code)
	}
}

func helloWithoutParameters(edit func(extensions) extensions) conformanceCase {
	return func(_ *testing.T, s *scene) {
		s.hello(func(b []byte) []byte { return editExtensions(b, edit) })
		s.expectCode(alertCode(alertMissingExtension))
	}
}

func draftParameters(t *testing.T, s *scene) {
	rename := func(e extensions) extensions {
		i := slices.IndexFunc(e, func(x extension) bool { return x.id == extTransportParameters })
		return e.with(extTransportParameters, extension{id: extDraftParameters, data: e[i].data})
	}
	if s.isServer() {
		helloWithoutParameters(rename)(t, s)
		return
	}
	encryptedExtensions(alertCode(alertMissingExtension), rename)(t, s)
}

func endOfEarlyData(_ *testing.T, s *scene) {
	variant := s.pick(3)
	switch variant {
	case 0:
		s.half()
	case 1:
		s.resumeServer()
		s.peer.ExpectType(protocol.PacketTypeHandshake)
	case 2:
		s.connect()
	}
	if variant == 2 {
		s.peer.SendCrypto(oneRTT, endOfEarlyDataMessage)
	} else {
		s.peer.Send(handshake, &wire.CryptoFrame{Data: endOfEarlyDataMessage})
	}
	s.expectCode(alertCode(alertUnexpectedMessage))
}

func sessionID(_ *testing.T, s *scene) {
	s.hello(func(b []byte) []byte {
		out := append(slices.Clone(b[:sessionIDOffset]), 32)
		out = append(out, make([]byte, 32)...)
		return withLength(append(out, b[sessionIDOffset+1:]...))
	})
	s.expectClose(wire.FrameTypeCrypto, qerr.ProtocolViolation)
}

// incompleteMessage: there is no message that a server could wait for.
func incompleteMessage(_ *testing.T, s *scene) {
	s.connect()
	msg := sessionTicket(1000, 0xffffffff)
	for i := range 10 {
		s.peer.SendCrypto(oneRTT, msg[10*i:10*i+10])
	}
	if s.isServer() {
		s.expectClose(wire.FrameTypeCrypto, alertCode(alertUnexpectedMessage))
		return
	}
	s.works()
}

func hugeMessage(_ *testing.T, s *scene) {
	s.connect()
	s.peer.SendCrypto(oneRTT, []byte{4, 0x02, 0, 0})
	s.peer.SendCrypto(oneRTT, make([]byte, 100<<10))
	s.expectCode(qerr.CryptoBufferExceeded, alertCode(alertUnexpectedMessage))
}

// twoMessagesInInitial sends a message of the next level too early.
func twoMessagesInInitial(_ *testing.T, s *scene) {
	s.begunWithoutHello()
	hello, next := s.peer.TakeCrypto(initial), []byte{20, 0, 0, 32}
	next = append(next, make([]byte, 32)...) // Finished
	if !s.isServer() {
		next = s.peer.TakeCrypto(handshake)
	}
	s.peer.SendCryptoAt(initial, 0, append(hello, next...))
	s.expectClose(wire.FrameTypeCrypto, qerr.ProtocolViolation)
}
