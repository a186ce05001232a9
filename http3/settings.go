package http3

import (
	"maps"
	"slices"

	"github.com/quic-go/quic-go/quicvarint"
)

const (
	settingTableCapacity       = 0x1  // RFC 9204, Section 5
	settingMaxFieldSectionSize = 0x6  // RFC 9114, Section 7.2.4.1
	settingBlockedStreams      = 0x7  // RFC 9204, Section 5
	settingExtendedConnect     = 0x8  // RFC 9220, Section 5
	settingDatagram            = 0x33 // RFC 9297, Section 2.1.1
)

// Settings are the settings that an endpoint has announced in its SETTINGS frame.
type Settings struct {
	// EnableDatagrams: HTTP Datagrams may be sent to the endpoint (RFC 9297).
	EnableDatagrams bool
	// EnableExtendedConnect: the endpoint understands extended CONNECT (RFC 9220).
	EnableExtendedConnect bool
	// Other holds the settings that this package does not know, at most 64 of them.
	Other map[uint64]uint64
}

// A Settingser knows the settings of the peer. Servers find it in the http.ResponseWriter.
type Settingser interface {
	// ReceivedSettings returns a channel that is closed when the peer's SETTINGS frame has arrived.
	ReceivedSettings() <-chan struct{}
	// Settings returns what the SETTINGS frame said. It is nil before ReceivedSettings is closed.
	Settings() *Settings
}

// A settingsFrame is the payload of a SETTINGS frame.
type settingsFrame struct {
	Settings
	maxFieldSection uint64 // 0 if there is no limit
	// tableCapacity and blockedStreams are among the Other ones, too. We do not use them, but a server must not
	// change them.
	tableCapacity, blockedStreams uint64
}

// newSettings returns the settings that we announce.
func newSettings(r role, datagrams bool, other map[uint64]uint64) *settingsFrame {
	return &settingsFrame{Settings: Settings{
		EnableDatagrams:       datagrams,
		EnableExtendedConnect: r == server,
		Other:                 maps.Clone(other),
	}}
}

// parseSettings parses the payload of a SETTINGS frame.
func parseSettings(b []byte) (*settingsFrame, error) {
	s := &settingsFrame{}
	seen := make(map[uint64]struct{})
	for len(b) > 0 {
		id, n, err := quicvarint.Parse(b)
		if err != nil {
			return nil, connErrorf(ErrCodeFrameError, "SETTINGS frame ends inside a setting")
		}
		value, m, err := quicvarint.Parse(b[n:])
		if err != nil {
			return nil, connErrorf(ErrCodeFrameError, "SETTINGS frame ends inside a setting")
		}
		b = b[n+m:]
		// "The same setting identifier MUST NOT occur more than once in the SETTINGS frame. A
		// receiver MAY treat the presence of duplicate setting identifiers as a connection error
		// of type H3_SETTINGS_ERROR." (RFC 9114, Section 7.2.4)
		if _, ok := seen[id]; ok {
			return nil, connErrorf(ErrCodeSettingsError, "duplicate setting %#x", id)
		}
		seen[id] = struct{}{}
		if err := s.set(id, value); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *settingsFrame) set(id, value uint64) error {
	switch id {
	case 0x0, 0x2, 0x3, 0x4, 0x5:
		// "These reserved settings MUST NOT be sent, and their receipt MUST be treated as a
		// connection error of type H3_SETTINGS_ERROR." (RFC 9114, Section 7.2.4.1)
		return connErrorf(ErrCodeSettingsError, "reserved setting %#x", id)
	case settingMaxFieldSectionSize:
		s.maxFieldSection = value
		return nil
	case settingExtendedConnect:
		return setBool(&s.EnableExtendedConnect, "SETTINGS_ENABLE_CONNECT_PROTOCOL", value)
	case settingDatagram:
		return setBool(&s.EnableDatagrams, "SETTINGS_H3_DATAGRAM", value)
	case settingTableCapacity:
		s.tableCapacity = value
	case settingBlockedStreams:
		s.blockedStreams = value
	}
	if len(s.Other) >= maxOtherSettings {
		return nil
	}
	if s.Other == nil {
		s.Other = make(map[uint64]uint64)
	}
	s.Other[id] = value
	return nil
}

// setBool sets a setting of two values.
//
// "If the SETTINGS_H3_DATAGRAM setting is received with a value that is neither 0 nor 1, the receiver
// MUST terminate the connection with error H3_SETTINGS_ERROR." (RFC 9297, Section 2.1.1)
func setBool(b *bool, name string, value uint64) error {
	if value > 1 {
		return connErrorf(ErrCodeSettingsError, "invalid value of %s: %d", name, value)
	}
	*b = value == 1
	return nil
}

// append appends the SETTINGS frame.
func (s *settingsFrame) append(b []byte) []byte {
	var p []byte
	if s.maxFieldSection > 0 {
		p = appendSetting(p, settingMaxFieldSectionSize, s.maxFieldSection)
	}
	if s.EnableExtendedConnect {
		p = appendSetting(p, settingExtendedConnect, 1)
	}
	if s.EnableDatagrams {
		p = appendSetting(p, settingDatagram, 1)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Other)) {
		p = appendSetting(p, id, s.Other[id])
	}
	return append(appendFrameHeader(b, frameSettings, len(p)), p...)
}

func appendSetting(b []byte, id, value uint64) []byte {
	return quicvarint.Append(quicvarint.Append(b, id), value)
}

// appendUnderstood appends those settings that mean something to this package.
func (s *settingsFrame) appendUnderstood(b []byte) []byte {
	for _, setting := range []struct{ id, value uint64 }{
		{settingTableCapacity, s.tableCapacity},
		{settingMaxFieldSectionSize, s.maxFieldSection},
		{settingBlockedStreams, s.blockedStreams},
		{settingExtendedConnect, boolSetting(s.EnableExtendedConnect)},
		{settingDatagram, boolSetting(s.EnableDatagrams)},
	} {
		if setting.value > 0 {
			b = appendSetting(b, setting.id, setting.value)
		}
	}
	return b
}

func boolSetting(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

// checkRemembered checks the settings of a server that has accepted 0-RTT against those that we remember.
//
// "If a server accepts 0-RTT but then sends settings that are not compatible with the previously
// specified settings, this MUST be treated as a connection error of type H3_SETTINGS_ERROR. If a server
// accepts 0-RTT but then sends a SETTINGS frame that omits a setting value that the client understands
// (apart from reserved setting identifiers) that was previously specified to have a non-default value,
// this MUST be treated as a connection error of type H3_SETTINGS_ERROR." (RFC 9114, Section 7.2.4.2)
func (s *settingsFrame) checkRemembered(old *settingsFrame) error {
	// "If the remembered value is non-zero, the server MUST send the same non-zero value in its SETTINGS
	// frame. If it specifies any other value, or omits SETTINGS_QPACK_MAX_TABLE_CAPACITY from SETTINGS,
	// the encoder must treat this as a connection error of type QPACK_DECODER_STREAM_ERROR." (RFC 9204,
	// Section 3.2.3)
	if old.tableCapacity > 0 && s.tableCapacity != old.tableCapacity {
		return connErrorf(errCodeQPACKDecoderStream, "SETTINGS_QPACK_MAX_TABLE_CAPACITY is %d after %d", s.tableCapacity, old.tableCapacity)
	}
	// Without a limit maxFieldSection is 0, and one less is the largest number.
	reduced := s.maxFieldSection-1 < old.maxFieldSection-1
	omitted := s.maxFieldSection == 0 && old.maxFieldSection > 0
	switch {
	case reduced || omitted:
		return connErrorf(ErrCodeSettingsError, "SETTINGS_MAX_FIELD_SECTION_SIZE is %d after %d", s.maxFieldSection, old.maxFieldSection)
	case s.blockedStreams < old.blockedStreams:
		return connErrorf(ErrCodeSettingsError, "SETTINGS_QPACK_BLOCKED_STREAMS is %d after %d", s.blockedStreams, old.blockedStreams)
	case old.EnableExtendedConnect && !s.EnableExtendedConnect:
		return connErrorf(ErrCodeSettingsError, "SETTINGS_ENABLE_CONNECT_PROTOCOL is 0 after 1")
	case old.EnableDatagrams && !s.EnableDatagrams:
		// RFC 9297, Section 2.1.1 says the same of this one.
		return connErrorf(ErrCodeSettingsError, "SETTINGS_H3_DATAGRAM is 0 after 1")
	}
	return nil
}
