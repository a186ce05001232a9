package qlog

import (
	"crypto/tls"
	"testing"

	"github.com/quic-go/quic-go/internal/protocol"
)

func TestEncryptionLevels(t *testing.T) {
	tests := []struct {
		level EncryptionLevel
		name  string
		typ   PacketType
		space protocol.PacketNumberSpace
		tls   tls.QUICEncryptionLevel
	}{
		{EncryptionInitial, "Initial", PacketTypeInitial, protocol.SpaceInitial, tls.QUICEncryptionLevelInitial},
		{EncryptionHandshake, "Handshake", PacketTypeHandshake, protocol.SpaceHandshake, tls.QUICEncryptionLevelHandshake},
		{Encryption0RTT, "0-RTT", PacketType0RTT, protocol.SpaceAppData, tls.QUICEncryptionLevelEarly},
		{Encryption1RTT, "1-RTT", PacketType1RTT, protocol.SpaceAppData, tls.QUICEncryptionLevelApplication},
	}
	for _, test := range tests {
		l := test.level
		if l.String() != test.name || EncryptionLevelToPacketType(l) != test.typ || l.PacketNumberSpace() != test.space || l.ToTLSEncryptionLevel() != test.tls {
			t.Errorf("level %d: %s, %s, %s, %s; want %+v", l, l, EncryptionLevelToPacketType(l), l.PacketNumberSpace(), l.ToTLSEncryptionLevel(), test)
		}
	}
	defer func() {
		if r := recover(); r != "unknown encryption level: 5" {
			t.Errorf("recovered %v", r)
		}
	}()
	EncryptionLevelToPacketType(5)
}

func TestKeyPhases(t *testing.T) {
	for phase, want := range []string{"0", "1", "0", "1"} {
		if got := KeyPhase(phase).Bit().String(); got != want {
			t.Errorf("bit of key phase %d: %s, want %s", phase, got, want)
		}
	}
	if got := KeyPhaseBit(0).String(); got != "undefined" {
		t.Errorf("no bit: %s", got)
	}
}

func TestArbitraryLenConnectionID(t *testing.T) {
	id := ArbitraryLenConnectionID{1, 2, 255}
	if id.String() != "0102ff" || id.Len() != 3 || len(id.Bytes()) != 3 {
		t.Errorf("%s of %d bytes", id, id.Len())
	}
	if got := (ArbitraryLenConnectionID{}).String(); got != "(empty)" {
		t.Errorf("empty ID: %s", got)
	}
}

func TestChecksum(t *testing.T) {
	if got := CalculateDatagramPayloadChecksum([]byte("123456789")); got != 0xe3069283 { // the check value of CRC-32C
		t.Errorf("checksum %#x", got)
	}
}
