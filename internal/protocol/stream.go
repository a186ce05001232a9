package protocol

// A StreamID identifies a stream within a connection (RFC 9000, Section 2.1).
// Its two low bits say who opened the stream and whether it is unidirectional.
type StreamID int64

// InvalidStreamID is never used on the wire.
const InvalidStreamID StreamID = -1

// A StreamNum counts the streams of one type and one initiator, starting at 1.
type StreamNum int64

// InvalidStreamNum is the number of no stream.
const InvalidStreamNum StreamNum = 0

// MaxStreamCount is the largest number of streams of one type that a connection can have.
// RFC 9000, Section 4.6: "a maximum number of streams [...] greater than 2^60 [...]
// would allow a maximum stream ID that cannot be expressed".
const MaxStreamCount StreamNum = 1 << 60

// A StreamType tells unidirectional from bidirectional streams.
type StreamType uint8

// The two types of stream.
const (
	StreamTypeUni  StreamType = 0
	StreamTypeBidi StreamType = 1
)

// InitiatedBy returns the endpoint that opened, or would open, the stream.
func (id StreamID) InitiatedBy() Perspective {
	if id&1 == 0 {
		return PerspectiveClient
	}
	return PerspectiveServer
}

// Type returns whether the stream is unidirectional or bidirectional.
func (id StreamID) Type() StreamType {
	if id&2 == 0 {
		return StreamTypeBidi
	}
	return StreamTypeUni
}

// StreamNum returns the position of the stream among those of its type and initiator,
// starting at 1.
func (id StreamID) StreamNum() StreamNum {
	return StreamNum(id>>2) + 1
}

// StreamID returns the ID of the n-th stream of the given type opened by pers, or
// InvalidStreamID if n is zero.
func (n StreamNum) StreamID(typ StreamType, pers Perspective) StreamID {
	if n == InvalidStreamNum {
		return InvalidStreamID
	}
	id := StreamID(n-1) << 2
	if typ == StreamTypeUni {
		id |= 2
	}
	if pers == PerspectiveServer {
		id |= 1
	}
	return id
}
