package connid

import (
	"errors"
	"slices"
	"time"

	"github.com/quic-go/quic-go/internal/monotime"
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// maxRetired bounds the retired connection IDs that are still routed. At the limit the oldest
	// one expires at once.
	maxRetired = 4 * protocol.MaxIssuedConnectionIDs
	// maxGenerateAttempts bounds how often a connection ID is generated again because it is known.
	maxGenerateAttempts = 8
)

// IssuedParams are the parameters of NewIssued.
type IssuedParams struct {
	// Generate returns a connection ID that no other connection uses.
	Generate func() (protocol.ConnectionID, error)
	// ResetToken returns the stateless reset token that goes with a connection ID.
	ResetToken func(protocol.ConnectionID) protocol.StatelessResetToken
}

// Issued are the connection IDs that we chose. Loop only.
type Issued struct {
	params  IssuedParams
	limit   uint64 // of active connection IDs
	nextSeq uint64
	sentEnd uint64                 // sequence numbers from here on were never sent
	active  []issuedID             // ascending by sequence number
	queue   []uint64               // sequence numbers whose NEW_CONNECTION_ID frames have to be sent
	retired []retiredID            // in the order of their retirement
	origDst *protocol.ConnectionID // until RetireOrigDst
}

type issuedID struct {
	seq   uint64
	cid   protocol.ConnectionID
	acked bool // the peer has it
}

type retiredID struct {
	cid    protocol.ConnectionID
	expiry monotime.Time
}

// NewIssued returns the connection IDs at the start of a connection: initial, which has the sequence
// number 0, and on a server origDst, the Destination Connection ID of the client's first Initial.
// If initial is empty, no others can be issued.
func NewIssued(p IssuedParams, initial protocol.ConnectionID, origDst *protocol.ConnectionID) *Issued {
	return &Issued{
		params:  p,
		limit:   1,
		nextSeq: 1,
		sentEnd: 1,
		active:  []issuedID{{cid: initial, acked: true}},
		origDst: origDst,
	}
}

// SetPeerLimit records the peer's active_connection_id_limit and issues as many connection IDs as it
// allows. added are to be routed from now on, also after an error.
func (s *Issued) SetPeerLimit(n uint64) (added []protocol.ConnectionID, err error) {
	// "An endpoint MUST NOT provide more connection IDs than the peer's limit." (RFC 9000, Section 5.1.1)
	s.limit = min(n, protocol.MaxIssuedConnectionIDs)
	return s.fill()
}

// HandleRetire handles a RETIRE_CONNECTION_ID frame for the sequence number seq in a packet that was
// sent to usedDst. The connection ID stays routable for the time keep. added, which replace it, are
// to be routed from now on, also after an error.
func (s *Issued) HandleRetire(now monotime.Time, seq uint64, usedDst protocol.ConnectionID, keep time.Duration) (added []protocol.ConnectionID, err error) {
	// "An endpoint that provides a zero-length connection ID MUST treat receipt of a
	// RETIRE_CONNECTION_ID frame as a connection error of type PROTOCOL_VIOLATION."
	// (RFC 9000, Section 19.16)
	if s.zeroLength() {
		return nil, retireError("retirement of a zero-length connection ID")
	}
	// "Receipt of a RETIRE_CONNECTION_ID frame containing a sequence number greater than any
	// previously sent to the peer MUST be treated as a connection error of type PROTOCOL_VIOLATION."
	// (RFC 9000, Section 19.16)
	if seq >= s.sentEnd {
		return nil, retireError("retirement of a connection ID that was not issued")
	}
	i := s.find(seq)
	if i < 0 {
		return nil, nil
	}
	// "The sequence number specified in a RETIRE_CONNECTION_ID frame MUST NOT refer to the Destination
	// Connection ID field of the packet in which the frame is contained." (RFC 9000, Section 19.16)
	if s.active[i].cid == usedDst {
		return nil, retireError("retirement of the connection ID of the packet")
	}
	if len(s.retired) >= maxRetired {
		s.retired[len(s.retired)-maxRetired].expiry = now
	}
	s.retired = append(s.retired, retiredID{cid: s.active[i].cid, expiry: now.Add(keep)})
	s.active = slices.Delete(s.active, i, i+1)
	s.unqueue(seq)
	return s.fill()
}

// HasFrames reports whether NEW_CONNECTION_ID frames have to be sent.
func (s *Issued) HasFrames() bool { return len(s.queue) > 0 }

// NextFrame returns the first NEW_CONNECTION_ID frame to send. It stays the first until FrameSent.
func (s *Issued) NextFrame() (wire.NewConnectionIDFrame, bool) {
	if len(s.queue) == 0 {
		return wire.NewConnectionIDFrame{}, false
	}
	id := s.active[s.find(s.queue[0])]
	return wire.NewConnectionIDFrame{
		SequenceNumber:      id.seq,
		ConnectionID:        id.cid,
		StatelessResetToken: s.params.ResetToken(id.cid),
	}, true
}

// FrameSent records that the frame of NextFrame was sent.
func (s *Issued) FrameSent() {
	s.sentEnd = max(s.sentEnd, s.queue[0]+1)
	s.queue = slices.Delete(s.queue, 0, 1)
}

// OnAcked records that the NEW_CONNECTION_ID frame for seq was acknowledged.
func (s *Issued) OnAcked(seq uint64) {
	if i := s.find(seq); i >= 0 {
		s.active[i].acked = true
		s.unqueue(seq)
	}
}

// OnLost queues the NEW_CONNECTION_ID frame for seq again, unless the peer has it or has retired it.
func (s *Issued) OnLost(seq uint64) {
	if i := s.find(seq); i >= 0 && !s.active[i].acked && !slices.Contains(s.queue, seq) {
		s.queue = append(s.queue, seq)
	}
}

// RetireOrigDst lets the Destination Connection ID of the client's first Initial expire.
func (s *Issued) RetireOrigDst(expiry monotime.Time) {
	if s.origDst == nil {
		return
	}
	s.retired = append(s.retired, retiredID{cid: *s.origDst, expiry: expiry})
	s.origDst = nil
}

// Expired forgets the retired connection IDs whose time is over and returns them; they are not to be
// routed any more.
func (s *Issued) Expired(now monotime.Time) []protocol.ConnectionID {
	var expired []protocol.ConnectionID
	s.retired = slices.DeleteFunc(s.retired, func(id retiredID) bool {
		if id.expiry.After(now) {
			return false
		}
		expired = append(expired, id.cid)
		return true
	})
	return expired
}

// Deadline returns when Expired has to be called next, or zero.
func (s *Issued) Deadline() monotime.Time {
	var deadline monotime.Time
	for _, id := range s.retired {
		deadline = monotime.Earliest(deadline, id.expiry)
	}
	return deadline
}

// All returns all connection IDs that are routed.
func (s *Issued) All() []protocol.ConnectionID {
	all := make([]protocol.ConnectionID, 0, len(s.active)+len(s.retired)+1)
	for _, id := range s.active {
		all = append(all, id.cid)
	}
	for _, id := range s.retired {
		all = append(all, id.cid)
	}
	if s.origDst != nil {
		all = append(all, *s.origDst)
	}
	return all
}

// zeroLength reports that we chose an empty connection ID, which is never retired.
func (s *Issued) zeroLength() bool { return len(s.active) == 1 && s.active[0].cid.Len() == 0 }

// fill issues connection IDs up to the limit.
func (s *Issued) fill() (added []protocol.ConnectionID, err error) {
	// "An endpoint that selects a zero-length connection ID during the handshake cannot issue a new
	// connection ID." (RFC 9000, Section 5.1.1)
	if s.zeroLength() {
		return nil, nil
	}
	missing := max(int(s.limit)-len(s.active), 0)
	s.active, s.queue = slices.Grow(s.active, missing), slices.Grow(s.queue, missing)
	for uint64(len(s.active)) < s.limit {
		cid, err := s.generate()
		if err != nil {
			return added, err
		}
		s.active = append(s.active, issuedID{seq: s.nextSeq, cid: cid})
		s.queue = append(s.queue, s.nextSeq)
		s.nextSeq++
		added = append(added, cid)
	}
	return added, nil
}

// generate returns a connection ID that this connection does not route yet.
func (s *Issued) generate() (protocol.ConnectionID, error) {
	for range maxGenerateAttempts {
		cid, err := s.params.Generate()
		if err != nil {
			return protocol.ConnectionID{}, err
		}
		if cid.Len() == 0 {
			return protocol.ConnectionID{}, errors.New("generated connection ID is empty")
		}
		if !s.routes(cid) {
			return cid, nil
		}
	}
	return protocol.ConnectionID{}, errors.New("generated connection IDs repeat")
}

func (s *Issued) routes(cid protocol.ConnectionID) bool {
	return slices.ContainsFunc(s.active, func(id issuedID) bool { return id.cid == cid }) ||
		slices.ContainsFunc(s.retired, func(id retiredID) bool { return id.cid == cid }) ||
		s.origDst != nil && *s.origDst == cid
}

// find returns the index of the active connection ID with the sequence number seq, or -1.
func (s *Issued) find(seq uint64) int {
	return slices.IndexFunc(s.active, func(id issuedID) bool { return id.seq == seq })
}

func (s *Issued) unqueue(seq uint64) {
	if i := slices.Index(s.queue, seq); i >= 0 {
		s.queue = slices.Delete(s.queue, i, i+1)
	}
}

func retireError(reason string) error {
	return qerr.FrameError(qerr.ProtocolViolation, uint64(wire.FrameTypeRetireConnectionID), reason)
}
