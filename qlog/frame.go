package qlog

import (
	"strings"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
	"github.com/quic-go/quic-go/qlogwriter/jsontext"
)

// Frames that are logged as they are.
type (
	// AckFrame is an ACK frame.
	AckFrame = wire.AckFrame
	// AckRange is a range of packet numbers in an ACK frame.
	AckRange = wire.AckRange
	// AckFrequencyFrame is an ACK_FREQUENCY frame.
	AckFrequencyFrame = wire.AckFrequencyFrame
	// ConnectionCloseFrame is a CONNECTION_CLOSE frame.
	ConnectionCloseFrame = wire.ConnectionCloseFrame
	// DataBlockedFrame is a DATA_BLOCKED frame.
	DataBlockedFrame = wire.DataBlockedFrame
	// HandshakeDoneFrame is a HANDSHAKE_DONE frame.
	HandshakeDoneFrame = wire.HandshakeDoneFrame
	// ImmediateAckFrame is an IMMEDIATE_ACK frame.
	ImmediateAckFrame = wire.ImmediateAckFrame
	// MaxDataFrame is a MAX_DATA frame.
	MaxDataFrame = wire.MaxDataFrame
	// MaxStreamDataFrame is a MAX_STREAM_DATA frame.
	MaxStreamDataFrame = wire.MaxStreamDataFrame
	// MaxStreamsFrame is a MAX_STREAMS frame.
	MaxStreamsFrame = wire.MaxStreamsFrame
	// NewConnectionIDFrame is a NEW_CONNECTION_ID frame.
	NewConnectionIDFrame = wire.NewConnectionIDFrame
	// NewTokenFrame is a NEW_TOKEN frame.
	NewTokenFrame = wire.NewTokenFrame
	// PathChallengeFrame is a PATH_CHALLENGE frame.
	PathChallengeFrame = wire.PathChallengeFrame
	// PathResponseFrame is a PATH_RESPONSE frame.
	PathResponseFrame = wire.PathResponseFrame
	// PingFrame is a PING frame.
	PingFrame = wire.PingFrame
	// ResetStreamFrame is a RESET_STREAM frame or, with a ReliableSize, a RESET_STREAM_AT frame.
	ResetStreamFrame = wire.ResetStreamFrame
	// RetireConnectionIDFrame is a RETIRE_CONNECTION_ID frame.
	RetireConnectionIDFrame = wire.RetireConnectionIDFrame
	// StopSendingFrame is a STOP_SENDING frame.
	StopSendingFrame = wire.StopSendingFrame
	// StreamDataBlockedFrame is a STREAM_DATA_BLOCKED frame.
	StreamDataBlockedFrame = wire.StreamDataBlockedFrame
	// StreamsBlockedFrame is a STREAMS_BLOCKED frame.
	StreamsBlockedFrame = wire.StreamsBlockedFrame
)

// A StreamFrame is a STREAM frame without its data.
type StreamFrame struct {
	StreamID StreamID
	Offset   int64
	Length   int64
	Fin      bool
}

// A CryptoFrame is a CRYPTO frame without its data.
type CryptoFrame struct {
	Offset int64
	Length int64
}

// A DatagramFrame is a DATAGRAM frame without its data.
type DatagramFrame struct {
	Length int64
}

// A Frame is one of the frame types of this package, as a pointer.
type Frame struct {
	Frame any
}

// Encode writes the frame as a JSON object. It panics if Frame is something else.
func (f Frame) Encode(enc *jsontext.Encoder) error {
	o := begin(enc)
	o.frame(f.Frame)
	return o.End()
}

// frame writes the members of a frame.
func (o object) frame(f any) {
	switch f := f.(type) {
	case *PingFrame:
		o.frameType("ping")
	case *AckFrame:
		o.ackFrame(f)
	case *CryptoFrame:
		o.frameType("crypto")
		o.Int("offset", f.Offset)
		o.Int("length", f.Length)
	case *StreamFrame:
		o.streamFrame(f)
	case *DatagramFrame:
		o.frameType("datagram")
		o.Int("length", f.Length)
	case *ConnectionCloseFrame:
		o.connectionCloseFrame(f)
	case *HandshakeDoneFrame:
		o.frameType("handshake_done")
	case *NewTokenFrame:
		o.frameType("new_token")
		o.tokenObject(f.Token)
	case *NewConnectionIDFrame:
		o.frameType("new_connection_id")
		o.Uint("sequence_number", f.SequenceNumber)
		o.Uint("retire_prior_to", f.RetirePriorTo)
		o.connectionID("connection_id", f.ConnectionID)
		o.Hex("stateless_reset_token", f.StatelessResetToken[:])
	case *RetireConnectionIDFrame:
		o.frameType("retire_connection_id")
		o.Uint("sequence_number", f.SequenceNumber)
	case *PathChallengeFrame:
		o.frameType("path_challenge")
		o.Hex("data", f.Data[:])
	case *PathResponseFrame:
		o.frameType("path_response")
		o.Hex("data", f.Data[:])
	default:
		o.rareFrame(f)
	}
}

// rareFrame writes the frames of flow control, the ends of streams and extensions.
func (o object) rareFrame(f any) {
	switch f := f.(type) {
	case *ResetStreamFrame:
		o.resetStreamFrame(f)
	case *StopSendingFrame:
		o.frameType("stop_sending")
		o.Int("stream_id", int64(f.StreamID))
		o.Uint("error_code", uint64(f.ErrorCode))
	case *MaxDataFrame:
		o.frameType("max_data")
		o.Int("maximum", int64(f.MaximumData))
	case *MaxStreamDataFrame:
		o.frameType("max_stream_data")
		o.Int("stream_id", int64(f.StreamID))
		o.Int("maximum", int64(f.MaximumStreamData))
	case *MaxStreamsFrame:
		o.frameType("max_streams")
		o.Text("stream_type", streamTypeName(f.Type))
		o.Int("maximum", int64(f.MaxStreamNum))
	case *DataBlockedFrame:
		o.frameType("data_blocked")
		o.Int("limit", int64(f.MaximumData))
	case *StreamDataBlockedFrame:
		o.frameType("stream_data_blocked")
		o.Int("stream_id", int64(f.StreamID))
		o.Int("limit", int64(f.MaximumStreamData))
	case *StreamsBlockedFrame:
		o.frameType("streams_blocked")
		o.Text("stream_type", streamTypeName(f.Type))
		o.Int("limit", int64(f.StreamLimit))
	case *AckFrequencyFrame:
		o.frameType("ack_frequency")
		o.Uint("sequence_number", f.SequenceNumber)
		o.Uint("ack_eliciting_threshold", f.AckElicitingThreshold)
		o.Milliseconds("request_max_ack_delay", f.RequestMaxAckDelay)
		o.Int("reordering_threshold", int64(f.ReorderingThreshold))
	case *ImmediateAckFrame:
		o.frameType("immediate_ack")
	default:
		panic("unknown frame type")
	}
}

func (o object) frameType(name string) { o.Text("frame_type", name) }

func streamTypeName(t protocol.StreamType) string {
	if t == protocol.StreamTypeBidi {
		return "bidirectional"
	}
	return "unidirectional"
}

func (o object) ackFrame(f *AckFrame) {
	o.frameType("ack")
	o.optMilliseconds("ack_delay", f.DelayTime)
	o.BeginArray("acked_ranges")
	for _, r := range f.AckRanges {
		o.BeginArray("")
		o.Int("", int64(r.Smallest))
		if r.Largest != r.Smallest {
			o.Int("", int64(r.Largest))
		}
		o.EndArray()
	}
	o.EndArray()
	if f.ECT0|f.ECT1|f.ECNCE != 0 {
		o.Uint("ect0", f.ECT0)
		o.Uint("ect1", f.ECT1)
		o.Uint("ce", f.ECNCE)
	}
}

func (o object) streamFrame(f *StreamFrame) {
	o.frameType("stream")
	o.Int("stream_id", int64(f.StreamID))
	o.Int("offset", f.Offset)
	o.Int("length", f.Length)
	o.optBool("fin", f.Fin)
}

func (o object) resetStreamFrame(f *ResetStreamFrame) {
	name := "reset_stream"
	if f.ReliableSize > 0 {
		name = "reset_stream_at"
	}
	o.frameType(name)
	o.Int("stream_id", int64(f.StreamID))
	o.Uint("error_code", uint64(f.ErrorCode))
	o.Int("final_size", int64(f.FinalSize))
	o.optInt("reliable_size", int64(f.ReliableSize))
}

func (o object) connectionCloseFrame(f *ConnectionCloseFrame) {
	o.frameType("connection_close")
	if f.IsApplicationError {
		o.Text("error_space", "application")
		o.applicationError("error", ApplicationErrorCode(f.ErrorCode))
		o.Text("reason", f.ReasonPhrase)
		return
	}
	o.Text("error_space", "transport")
	o.transportError("error", TransportErrorCode(f.ErrorCode))
	o.Text("reason", f.ReasonPhrase)
	if f.FrameType == 0 {
		return
	}
	name := wire.FrameType(f.FrameType).String()
	if strings.HasPrefix(name, "unknown") {
		o.Uint("trigger_frame_type", f.FrameType)
		return
	}
	o.Text("trigger_frame_type", strings.ToLower(name))
}

// tokenObject writes a token of address validation.
func (o object) tokenObject(token []byte) {
	o.BeginObject("token")
	o.BeginObject("raw")
	o.Hex("data", token)
	o.EndObject()
	o.EndObject()
}

// applicationError writes an error code whose meaning only the application knows.
func (o object) applicationError(name string, code ApplicationErrorCode) {
	o.Text(name, "unknown")
	o.Uint("error_code", uint64(code))
}

// transportError writes the name of an error code; one without a name also as a number.
func (o object) transportError(name string, code qerr.TransportErrorCode) {
	s := code.String()
	if strings.HasPrefix(s, "unknown") {
		o.Text(name, "unknown")
		o.Uint("error_code", uint64(code))
		return
	}
	o.Text(name, strings.ReplaceAll(strings.ToLower(s), " ", "_"))
}
