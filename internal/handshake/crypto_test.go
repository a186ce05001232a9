package handshake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// tlsMessage returns a TLS handshake message.
func tlsMessage(typ byte, body []byte) []byte {
	return append([]byte{typ, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// sessionTicket returns a NewSessionTicket message with an early_data extension.
func sessionTicket(maxEarlyData uint32) []byte {
	b := []byte{0, 0, 0, 100, 1, 2, 3, 4, 1, 0, 0, 4, 't', 'e', 's', 't', 0, 8, 0, extensionEarlyData, 0, 4}
	return tlsMessage(typeNewSessionTicket, binary.BigEndian.AppendUint32(b, maxEarlyData))
}

// inject passes data to s behind what it has received at that level.
func (p *pair) inject(s *side, lvl protocol.EncryptionLevel, data []byte) error {
	p.t.Helper()
	s.err = s.HandleCrypto(lvl, s.levels[lvl].recv.Highest(), data)
	return s.err
}

// stopped returns a pair whose server has answered the ClientHello. Nothing of that has reached the client.
func stopped(t *testing.T) *pair {
	t.Helper()
	p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
	p.start()
	p.transfer(p.client, p.server)
	if err := errors.Join(p.client.err, p.server.err); err != nil {
		t.Fatal(err)
	}
	return p
}

func complete(t *testing.T) *pair {
	t.Helper()
	return connected(t, clientParams(clientTLS()), serverParams(serverTLS()))
}

// renameParameters gives the quic_transport_parameters extension in flight the number it had in drafts.
func renameParameters(t *testing.T, flight []byte, value string) []byte {
	t.Helper()
	extension := append([]byte{0x00, 0x39, 0, byte(len(value))}, value...)
	if !bytes.Contains(flight, extension) {
		t.Fatal("no transport parameters found")
	}
	renamed := append([]byte{0xff, 0xa5}, extension[2:]...)
	return bytes.Replace(flight, extension, renamed, 1)
}

func TestFaultsInCrypto(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault func(t *testing.T) error
		code  qerr.TransportErrorCode
	}{
		{
			name: "data at an old level beyond its end", // RFC 9001, Section 4.1.3
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.inject(p.server, protocol.EncryptionInitial, []byte{1})
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "data beyond the end of a level that was dropped",
			fault: func(t *testing.T) error {
				p := stopped(t)
				end := p.server.levels[protocol.EncryptionInitial].end
				p.server.DropLevel(protocol.EncryptionInitial)
				return p.server.HandleCrypto(protocol.EncryptionInitial, end-1, []byte{1, 2})
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "a message behind the ClientHello", // RFC 9001, Section 4.1.3
			fault: func(t *testing.T) error {
				p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
				p.start()
				_, hello := p.client.unsent(protocol.EncryptionInitial)
				return p.server.HandleCrypto(protocol.EncryptionInitial, 0, append(hello, 20, 0, 0, 0))
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "data behind a gap behind the ClientHello",
			fault: func(t *testing.T) error {
				p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
				p.start()
				_, hello := p.client.unsent(protocol.EncryptionInitial)
				behind := protocol.ByteCount(len(hello)) + 10
				if err := p.server.HandleCrypto(protocol.EncryptionInitial, behind, []byte{1}); err != nil {
					t.Fatalf("data behind a gap: %v", err)
				}
				return p.server.HandleCrypto(protocol.EncryptionInitial, 0, hello)
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "CRYPTO in 0-RTT", // RFC 9001, Section 8.3
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.inject(p.server, protocol.Encryption0RTT, []byte{1})
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "EndOfEarlyData", // RFC 9001, Section 8.3
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.inject(p.server, protocol.EncryptionHandshake, tlsMessage(5, nil))
			},
			code: 0x10a,
		},
		{
			name: "KeyUpdate during the handshake", // RFC 9001, Section 6
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.inject(p.server, protocol.EncryptionHandshake, tlsMessage(typeKeyUpdate, []byte{0}))
			},
			code: 0x10a,
		},
		{
			name: "KeyUpdate after the handshake, to a server",
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.inject(p.server, protocol.Encryption1RTT, tlsMessage(typeKeyUpdate, []byte{0}))
			},
			code: 0x10a,
		},
		{
			name: "KeyUpdate after the handshake, to a client",
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.inject(p.client, protocol.Encryption1RTT, tlsMessage(typeKeyUpdate, []byte{1}))
			},
			code: 0x10a,
		},
		{
			name: "CertificateRequest after the handshake", // RFC 9001, Section 4.4
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.inject(p.client, protocol.Encryption1RTT, tlsMessage(typeCertificateRequest, []byte{0}))
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "session ticket to a server",
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.inject(p.server, protocol.Encryption1RTT, sessionTicket(0xffffffff))
			},
			code: 0x10a,
		},
		{
			name: "max_early_data_size other than 0xffffffff", // RFC 9001, Section 4.6.1
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.inject(p.client, protocol.Encryption1RTT, sessionTicket(16384))
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "message after the handshake that is too large", // CVE-2023-39322
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.inject(p.client, protocol.Encryption1RTT, []byte{typeNewSessionTicket, 1, 0, 0})
			},
			code: qerr.CryptoBufferExceeded,
		},
		{
			name: "message during the handshake that is too large",
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.inject(p.client, protocol.EncryptionInitial, []byte{2, 0xff, 0xff, 0xff})
			},
			code: 0x150,
		},
		{
			name: "too much data ahead of a gap", // RFC 9000, Section 7.5
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.client.HandleCrypto(protocol.EncryptionInitial, protocol.MaxCryptoBuffered, []byte{1})
			},
			code: qerr.CryptoBufferExceeded,
		},
		{
			name: "too much data for a level that TLS does not read yet",
			fault: func(t *testing.T) error {
				p := stopped(t)
				var err error
				for off := protocol.ByteCount(0); err == nil && off <= protocol.MaxCryptoBuffered; off += 1024 {
					err = p.client.HandleCrypto(protocol.EncryptionHandshake, off, make([]byte, 1024))
				}
				return err
			},
			code: qerr.CryptoBufferExceeded,
		},
		{
			name: "too much data ahead of a gap after the handshake",
			fault: func(t *testing.T) error {
				p := complete(t)
				return p.client.HandleCrypto(protocol.Encryption1RTT, protocol.MaxCryptoBuffered, []byte{1})
			},
			code: qerr.CryptoBufferExceeded,
		},
		{
			name: "ClientHello with legacy_session_id", // RFC 9001, Section 8.4
			fault: func(t *testing.T) error {
				p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
				p.start()
				_, hello := p.client.unsent(protocol.EncryptionInitial)
				hello[sessionIDOffset] = 32
				return p.server.HandleCrypto(protocol.EncryptionInitial, 0, hello)
			},
			code: qerr.ProtocolViolation,
		},
		{
			name: "ClientHello without transport parameters", // RFC 9001, Section 8.2
			fault: func(t *testing.T) error {
				p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
				p.start()
				_, hello := p.client.unsent(protocol.EncryptionInitial)
				return p.server.HandleCrypto(protocol.EncryptionInitial, 0, renameParameters(t, hello, "client parameters"))
			},
			code: 0x16d,
		},
		{
			name: "EncryptedExtensions without transport parameters", // RFC 9001, Section 8.2
			fault: func(t *testing.T) error {
				p := stopped(t)
				_, hello := p.server.unsent(protocol.EncryptionInitial)
				if err := p.client.HandleCrypto(protocol.EncryptionInitial, 0, hello); err != nil {
					t.Fatal(err)
				}
				_, rest := p.server.unsent(protocol.EncryptionHandshake)
				return p.client.HandleCrypto(protocol.EncryptionHandshake, 0, renameParameters(t, rest, "server parameters"))
			},
			code: 0x16d,
		},
		{
			name: "unknown message",
			fault: func(t *testing.T) error {
				p := stopped(t)
				return p.inject(p.client, protocol.EncryptionInitial, tlsMessage(77, nil))
			},
			code: 0x10a,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantCode(t, "HandleCrypto", tc.fault(t), tc.code)
		})
	}
}

// RFC 9000, Section 7.5: "Implementations MUST support buffering at least 4096 bytes of data received in
// out-of-order CRYPTO frames."
func TestDataAheadOfGapIsBuffered(t *testing.T) {
	p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
	p.start()
	_, hello := p.client.unsent(protocol.EncryptionInitial)
	// The ClientHello, reversed in pieces.
	for i := len(hello); i > 0; {
		n := min(100, i)
		i -= n
		if err := p.server.HandleCrypto(protocol.EncryptionInitial, protocol.ByteCount(i), hello[i:i+n]); err != nil {
			t.Fatal(err)
		}
	}
	p.server.collect()
	if !p.server.has(EventPeerParameters) {
		t.Error("the ClientHello was not processed")
	}
	p = stopped(t)
	if err := p.client.HandleCrypto(protocol.EncryptionInitial, protocol.MaxCryptoBuffered-1, []byte{1}); err != nil {
		t.Errorf("the last byte within the limit: %v", err)
	}
}

func TestRepeatedDataOfOldLevelIsIgnored(t *testing.T) {
	p := newPair(t, clientParams(clientTLS()), serverParams(serverTLS()))
	p.start()
	_, hello := p.client.unsent(protocol.EncryptionInitial)
	for range 3 {
		if err := p.server.HandleCrypto(protocol.EncryptionInitial, 0, hello); err != nil {
			t.Fatal(err)
		}
	}
	p.server.DropLevel(protocol.EncryptionInitial)
	if err := p.server.HandleCrypto(protocol.EncryptionInitial, 0, hello); err != nil {
		t.Errorf("after DropLevel: %v", err)
	}
}

// There is no limit to the CRYPTO data of a connection, only to what is incomplete.
func TestManySessionTickets(t *testing.T) {
	p := complete(t)
	ticket := sessionTicket(0xffffffff)
	n := 4 * int(protocol.MaxCryptoBuffered) / len(ticket)
	for range n {
		if err := p.inject(p.client, protocol.Encryption1RTT, ticket); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := p.client.levels[protocol.Encryption1RTT].recv.ReadOffset(), protocol.ByteCount(n*len(ticket)); got != want {
		t.Errorf("consumed %d bytes, want %d", got, want)
	}
}

// CVE-2023-39321: an incomplete message after the handshake must wait for its rest.
func TestIncompleteMessageAfterHandshake(t *testing.T) {
	p := complete(t)
	ticket := sessionTicket(0xffffffff)
	for range 2 {
		for _, b := range ticket {
			if err := p.inject(p.client, protocol.Encryption1RTT, []byte{b}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.inject(p.client, protocol.Encryption1RTT, ticket[:5]); err != nil {
		t.Fatal(err)
	}
	if got := len(p.client.levels[protocol.Encryption1RTT].msg.body); got != 5 {
		t.Errorf("waiting for the rest with %d bytes, want 5", got)
	}
}

// A ticket of nearly 64 KiB in pieces is within the limit; TLS decides.
func TestLargeSessionTicket(t *testing.T) {
	p := complete(t)
	body := []byte{0, 0, 0, 100, 1, 2, 3, 4, 1, 0, 0xf0, 0}
	body = append(body, make([]byte, 0xf000)...)
	msg := tlsMessage(typeNewSessionTicket, append(body, 0, 0))
	for len(msg) > 0 {
		n := min(1000, len(msg))
		if err := p.inject(p.client, protocol.Encryption1RTT, msg[:n]); err != nil {
			t.Fatal(err)
		}
		msg = msg[n:]
	}
}

func TestMalformedSessionTicketIsLeftToTLS(t *testing.T) {
	ticket := sessionTicket(1)
	for n := range ticket {
		if !ticketEarlyDataValid(ticket[:n]) {
			t.Errorf("ticketEarlyDataValid of the first %d bytes = false, want true", n)
		}
	}
	if ticketEarlyDataValid(ticket) {
		t.Error("ticketEarlyDataValid = true, want false")
	}
}
