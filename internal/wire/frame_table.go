package wire

import "github.com/quic-go/quic-go/internal/protocol"

// levelSet is a set of encryption levels.
type levelSet uint8

const (
	levelI = levelSet(1) << protocol.EncryptionInitial
	levelH = levelSet(1) << protocol.EncryptionHandshake
	level0 = levelSet(1) << protocol.Encryption0RTT
	level1 = levelSet(1) << protocol.Encryption1RTT

	levelsIH01 = levelI | levelH | level0 | level1
	levelsIH1  = levelI | levelH | level1
	levels01   = level0 | level1
	levels1    = level1
)

func (s levelSet) contains(lvl protocol.EncryptionLevel) bool { return s>>lvl&1 != 0 }

// frameRow is what is known about a frame type.
type frameRow struct {
	name            string
	levels          levelSet // packets in which the frame may be received
	notAckEliciting bool
	probing         bool
}

// frameTable is Table 3 of RFC 9000 with the frames of the extensions.
//
// RETIRE_CONNECTION_ID is not allowed in 0-RTT packets: RFC 9000, Section 12.5 names it among the frames
// which "it is not possible to send [...] in 0-RTT packets for various reasons", and Table 3 has an erratum.
var frameTable = [...]frameRow{
	FrameTypePadding:            {"PADDING", levelsIH01, true, true},
	FrameTypePing:               {"PING", levelsIH01, false, false},
	FrameTypeAck:                {"ACK", levelsIH1, true, false},
	FrameTypeAckECN:             {"ACK", levelsIH1, true, false},
	FrameTypeResetStream:        {"RESET_STREAM", levels01, false, false},
	FrameTypeStopSending:        {"STOP_SENDING", levels01, false, false},
	FrameTypeCrypto:             {"CRYPTO", levelsIH1, false, false},
	FrameTypeNewToken:           {"NEW_TOKEN", levels1, false, false},
	FrameTypeStream:             {"STREAM", levels01, false, false},
	FrameTypeMaxData:            {"MAX_DATA", levels01, false, false},
	FrameTypeMaxStreamData:      {"MAX_STREAM_DATA", levels01, false, false},
	FrameTypeMaxStreamsBidi:     {"MAX_STREAMS", levels01, false, false},
	FrameTypeMaxStreamsUni:      {"MAX_STREAMS", levels01, false, false},
	FrameTypeDataBlocked:        {"DATA_BLOCKED", levels01, false, false},
	FrameTypeStreamDataBlocked:  {"STREAM_DATA_BLOCKED", levels01, false, false},
	FrameTypeStreamsBlockedBidi: {"STREAMS_BLOCKED", levels01, false, false},
	FrameTypeStreamsBlockedUni:  {"STREAMS_BLOCKED", levels01, false, false},
	FrameTypeNewConnectionID:    {"NEW_CONNECTION_ID", levels01, false, true},
	FrameTypeRetireConnectionID: {"RETIRE_CONNECTION_ID", levels1, false, false},
	FrameTypePathChallenge:      {"PATH_CHALLENGE", levels01, false, true},
	FrameTypePathResponse:       {"PATH_RESPONSE", levels1, false, true},
	FrameTypeConnectionClose:    {"CONNECTION_CLOSE", levelsIH01, true, false},
	FrameTypeApplicationClose:   {"CONNECTION_CLOSE", levels01, true, false},
	FrameTypeHandshakeDone:      {"HANDSHAKE_DONE", levels1, false, false},
	FrameTypeImmediateAck:       {"IMMEDIATE_ACK", levels1, false, false},
	FrameTypeResetStreamAt:      {"RESET_STREAM_AT", levels01, false, false},
	FrameTypeDatagram:           {"DATAGRAM", levels01, false, false},
	FrameTypeDatagramLen:        {"DATAGRAM", levels01, false, false},
	FrameTypeAckFrequency:       {"ACK_FREQUENCY", levels1, false, false},
}

// row returns the row of a frame type, an empty one if the type is unknown.
func (t FrameType) row() frameRow {
	if t&^streamFlags == FrameTypeStream {
		t = FrameTypeStream
	}
	if t >= FrameType(len(frameTable)) {
		return frameRow{}
	}
	return frameTable[t]
}
