package wire

import (
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// Decoded is one received frame. Only the fields of its Type are set, the others are zero. Slices alias the
// packet or the Parser's scratch space and are valid until the next call of Next or until the buffer of
// the packet is released.
type Decoded struct {
	Type          FrameType           // FrameTypeStream, FrameTypeDatagram and FrameTypeAck for all their variants
	StreamID      protocol.StreamID   // STREAM, RESET_STREAM(_AT), STOP_SENDING, MAX_STREAM_DATA, STREAM_DATA_BLOCKED
	Offset        protocol.ByteCount  // STREAM, CRYPTO
	Fin           bool                // STREAM
	Data          []byte              // STREAM, CRYPTO, DATAGRAM, token of NEW_TOKEN, reason of CONNECTION_CLOSE, 8 bytes of PATH_*
	FinalSize     protocol.ByteCount  // RESET_STREAM(_AT)
	ReliableSize  protocol.ByteCount  // RESET_STREAM_AT
	ErrorCode     uint64              // RESET_STREAM(_AT), STOP_SENDING, CONNECTION_CLOSE
	Limit         uint64              // MAX_DATA, MAX_STREAM_DATA, MAX_STREAMS, DATA_BLOCKED, STREAM_DATA_BLOCKED, STREAMS_BLOCKED, Ack-Eliciting Threshold of ACK_FREQUENCY
	StreamType    protocol.StreamType // MAX_STREAMS, STREAMS_BLOCKED
	Sequence      uint64              // NEW_CONNECTION_ID, RETIRE_CONNECTION_ID, ACK_FREQUENCY
	RetirePriorTo uint64              // NEW_CONNECTION_ID
	ConnectionID  protocol.ConnectionID
	ResetToken    protocol.StatelessResetToken // NEW_CONNECTION_ID
	TriggerFrame  uint64                       // CONNECTION_CLOSE of type 0x1c
	Ack           Ack                          // ACK
	MaxAckDelay   time.Duration                // ACK_FREQUENCY
	Reordering    protocol.PacketNumber        // Reordering Threshold of ACK_FREQUENCY
}

// Ack is the content of a received ACK frame.
type Ack struct {
	Ranges         []AckRange    // descending, at least one
	Delay          time.Duration // scaled by the exponent
	HasECN         bool
	ECT0, ECT1, CE uint64
}

// Frame returns the frame for the log, nil for PADDING. It shares the data of STREAM, CRYPTO and DATAGRAM
// frames with the packet; everything else is copied.
func (d *Decoded) Frame() Frame {
	switch d.Type {
	case FrameTypePing:
		return &PingFrame{}
	case FrameTypeAck:
		return &AckFrame{
			AckRanges: slices.Clone(d.Ack.Ranges), DelayTime: d.Ack.Delay,
			ECT0: d.Ack.ECT0, ECT1: d.Ack.ECT1, ECNCE: d.Ack.CE,
		}
	case FrameTypeAckFrequency:
		return &AckFrequencyFrame{
			SequenceNumber: d.Sequence, AckElicitingThreshold: d.Limit,
			RequestMaxAckDelay: d.MaxAckDelay, ReorderingThreshold: d.Reordering,
		}
	case FrameTypeImmediateAck:
		return &ImmediateAckFrame{}
	case FrameTypeCrypto:
		return &CryptoFrame{Offset: d.Offset, Data: d.Data}
	case FrameTypeNewToken:
		return &NewTokenFrame{Token: slices.Clone(d.Data)}
	case FrameTypeDatagram:
		return &DatagramFrame{DataLenPresent: true, Data: d.Data}
	case FrameTypeNewConnectionID:
		return &NewConnectionIDFrame{
			SequenceNumber: d.Sequence, RetirePriorTo: d.RetirePriorTo,
			ConnectionID: d.ConnectionID, StatelessResetToken: d.ResetToken,
		}
	case FrameTypeRetireConnectionID:
		return &RetireConnectionIDFrame{SequenceNumber: d.Sequence}
	case FrameTypePathChallenge:
		return &PathChallengeFrame{Data: [8]byte(d.Data)}
	case FrameTypePathResponse:
		return &PathResponseFrame{Data: [8]byte(d.Data)}
	case FrameTypeConnectionClose, FrameTypeApplicationClose:
		return &ConnectionCloseFrame{
			IsApplicationError: d.Type == FrameTypeApplicationClose,
			ErrorCode:          d.ErrorCode, FrameType: d.TriggerFrame, ReasonPhrase: string(d.Data),
		}
	case FrameTypeHandshakeDone:
		return &HandshakeDoneFrame{}
	}
	return d.streamsFrame()
}

// streamsFrame is Frame for the frames that concern streams and their limits.
func (d *Decoded) streamsFrame() Frame {
	switch d.Type {
	case FrameTypeStream:
		return &StreamFrame{StreamID: d.StreamID, Offset: d.Offset, Data: d.Data, Fin: d.Fin, DataLenPresent: true}
	case FrameTypeResetStream, FrameTypeResetStreamAt:
		return &ResetStreamFrame{
			StreamID: d.StreamID, ErrorCode: qerr.StreamErrorCode(d.ErrorCode),
			FinalSize: d.FinalSize, ReliableSize: d.ReliableSize,
		}
	case FrameTypeStopSending:
		return &StopSendingFrame{StreamID: d.StreamID, ErrorCode: qerr.StreamErrorCode(d.ErrorCode)}
	case FrameTypeMaxData:
		return &MaxDataFrame{MaximumData: protocol.ByteCount(d.Limit)}
	case FrameTypeMaxStreamData:
		return &MaxStreamDataFrame{StreamID: d.StreamID, MaximumStreamData: protocol.ByteCount(d.Limit)}
	case FrameTypeMaxStreamsBidi, FrameTypeMaxStreamsUni:
		return &MaxStreamsFrame{Type: d.StreamType, MaxStreamNum: protocol.StreamNum(d.Limit)}
	case FrameTypeDataBlocked:
		return &DataBlockedFrame{MaximumData: protocol.ByteCount(d.Limit)}
	case FrameTypeStreamDataBlocked:
		return &StreamDataBlockedFrame{StreamID: d.StreamID, MaximumStreamData: protocol.ByteCount(d.Limit)}
	case FrameTypeStreamsBlockedBidi, FrameTypeStreamsBlockedUni:
		return &StreamsBlockedFrame{Type: d.StreamType, StreamLimit: protocol.StreamNum(d.Limit)}
	}
	return nil
}
