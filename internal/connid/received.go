package connid

import (
	"cmp"
	"crypto/subtle"
	"slices"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/wire"
)

// A TokenChange says which stateless reset tokens the Transport has to know from now on, and which
// to forget.
//
// "An endpoint MUST NOT check for any stateless reset tokens associated with connection IDs it has
// not used or for connection IDs that have been retired." (RFC 9000, Section 10.3.1)
type TokenChange struct {
	Added, Removed []protocol.StatelessResetToken
}

// Received are the connection IDs that the peer chose. Loop only.
//
// Current is used on the main path. Others may be taken for other paths, one for each.
type Received struct {
	current       protocol.ConnectionID // active with the sequence number currentSeq
	currentSeq    uint64
	active        []receivedID // ascending by sequence number, never empty
	retirePriorTo uint64       // the largest received
	seen          sequenceSet  // sequence numbers that were received, active or not
	owed          []owedRetire // RETIRE_CONNECTION_ID frames that are not acknowledged
}

type receivedID struct {
	seq      uint64
	cid      protocol.ConnectionID
	token    protocol.StatelessResetToken
	hasToken bool // the one with the sequence number 0 may have none
	inUse    bool // as Current or by another path
}

type owedRetire struct {
	seq    uint64
	queued bool // to be sent, for the first time or again
}

// NewReceived returns the connection IDs at the start of a connection: initial, which has the
// sequence number 0.
func NewReceived(initial protocol.ConnectionID) *Received {
	r := &Received{current: initial, active: []receivedID{{cid: initial, inUse: true}}}
	r.seen.add(0)
	return r
}

// SetInitial replaces the connection ID with the sequence number 0. A client calls it for a Retry
// and for the first packet of the server.
func (r *Received) SetInitial(cid protocol.ConnectionID) {
	if r.currentSeq != 0 {
		panic("BUG: connid: the initial connection ID is not in use any more")
	}
	r.active[0].cid = cid
	r.current = cid
}

// SetResetToken sets the stateless reset token of the connection ID with the sequence number 0, from
// the server's transport parameters.
func (r *Received) SetResetToken(token protocol.StatelessResetToken) TokenChange {
	if r.active[0].seq != 0 {
		return TokenChange{}
	}
	r.active[0].token, r.active[0].hasToken = token, true
	return TokenChange{Added: []protocol.StatelessResetToken{token}}
}

// AddPreferred adds the connection ID of the server's preferred address, which has the sequence
// number 1.
func (r *Received) AddPreferred(cid protocol.ConnectionID, token protocol.StatelessResetToken) error {
	// "A server that chooses a zero-length connection ID MUST NOT provide a preferred address.
	// Similarly, a server MUST NOT include a zero-length connection ID in this transport parameter."
	// (RFC 9000, Section 18.2)
	if r.current.Len() == 0 || cid.Len() == 0 {
		return &qerr.TransportError{ErrorCode: qerr.TransportParameterError, ErrorMessage: "preferred_address with a zero-length connection ID"}
	}
	if r.conflicts(1, cid, token) {
		return &qerr.TransportError{ErrorCode: qerr.TransportParameterError, ErrorMessage: "preferred_address repeats the connection ID"}
	}
	r.seen.add(1)
	r.insert(receivedID{seq: 1, cid: cid, token: token, hasToken: true})
	return nil
}

// HandleNew handles a NEW_CONNECTION_ID frame. After an error nothing has changed.
func (r *Received) HandleNew(f *wire.Decoded) (change TokenChange, err error) {
	// "An endpoint that is sending packets with a zero-length Destination Connection ID MUST treat
	// receipt of a NEW_CONNECTION_ID frame as a connection error of type PROTOCOL_VIOLATION."
	// (RFC 9000, Section 19.15)
	if r.current.Len() == 0 {
		return TokenChange{}, newError(qerr.ProtocolViolation, "zero-length connection ID in use")
	}
	// "[...] repeats a previously issued connection ID with a different Stateless Reset Token field
	// value or a different Sequence Number field value, or if a sequence number is used for different
	// connection IDs, the endpoint MAY treat that receipt as a connection error of type
	// PROTOCOL_VIOLATION." (RFC 9000, Section 19.15)
	if r.conflicts(f.Sequence, f.ConnectionID, f.ResetToken) {
		return TokenChange{}, newError(qerr.ProtocolViolation, "conflicts with an earlier connection ID")
	}
	// "A receiver MUST ignore any Retire Prior To fields that do not increase the largest received
	// Retire Prior To value." (RFC 9000, Section 19.15)
	retirePriorTo := max(r.retirePriorTo, f.RetirePriorTo)
	isNew := !r.seen.contains(f.Sequence)
	if err := r.checkLimits(f.Sequence, retirePriorTo, isNew); err != nil {
		return TokenChange{}, err
	}
	r.retirePriorTo = retirePriorTo
	if isNew {
		r.seen.add(f.Sequence)
		r.insert(receivedID{seq: f.Sequence, cid: f.ConnectionID, token: f.ResetToken, hasToken: true})
	}
	// "Upon receipt of an increased Retire Prior To field, the peer MUST stop using the corresponding
	// connection IDs and retire them with RETIRE_CONNECTION_ID frames" (RFC 9000, Section 5.1.2). This
	// also covers a new ID "with a sequence number smaller than the Retire Prior To field of a
	// previously received NEW_CONNECTION_ID frame" (RFC 9000, Section 19.15).
	for r.active[0].seq < retirePriorTo {
		r.retire(0, &change)
	}
	if r.currentSeq < retirePriorTo {
		r.setCurrent(max(0, r.findUnused()), &change)
	}
	return change, nil
}

// Current returns the connection ID for packets on the main path.
func (r *Received) Current() protocol.ConnectionID { return r.current }

// Rotate makes an unused connection ID the current one and retires the one before. ok is false, and
// nothing changes, if there is no unused one or if the peer does not acknowledge retirements.
func (r *Received) Rotate() (change TokenChange, ok bool) {
	unused := r.findUnused()
	if unused < 0 || len(r.owed) >= protocol.MaxQueuedRetireConnectionIDs {
		return TokenChange{}, false
	}
	return r.Use(r.active[unused].seq)
}

// Take returns an unused connection ID for packets on another path, which names it by its sequence
// number from then on. ok is false if there is none or if the peer does not acknowledge retirements. If
// the peer chose an empty connection ID, all paths share it.
func (r *Received) Take() (seq uint64, change TokenChange, ok bool) {
	if r.current.Len() == 0 {
		return r.currentSeq, TokenChange{}, true
	}
	unused := r.findUnused()
	if unused < 0 || len(r.owed) >= protocol.MaxQueuedRetireConnectionIDs {
		return 0, TokenChange{}, false
	}
	r.markUsed(unused, &change)
	return r.active[unused].seq, change, true
}

// Lookup returns the connection ID with the sequence number seq. ok is false if it was retired; the
// path that took it needs another one.
func (r *Received) Lookup(seq uint64) (cid protocol.ConnectionID, ok bool) {
	i := r.find(seq)
	if i < 0 {
		return protocol.ConnectionID{}, false
	}
	return r.active[i].cid, true
}

// Use makes the connection ID with the sequence number seq the current one, because the path that took
// it became the main path, and retires the one before. ok is false, and nothing changes, if it was
// retired.
func (r *Received) Use(seq uint64) (change TokenChange, ok bool) {
	if seq == r.currentSeq {
		return TokenChange{}, true
	}
	i := r.find(seq)
	if i < 0 {
		return TokenChange{}, false
	}
	old := r.currentSeq
	r.setCurrent(i, &change)
	r.retire(r.find(old), &change)
	return change, true
}

// Retire retires a connection ID that was taken for a path that is given up.
func (r *Received) Retire(seq uint64) (change TokenChange) {
	if i := r.find(seq); i >= 0 && seq != r.currentSeq {
		r.retire(i, &change)
	}
	return change
}

// Tokens returns the stateless reset tokens of the connection IDs in use.
func (r *Received) Tokens() []protocol.StatelessResetToken {
	var tokens []protocol.StatelessResetToken
	for _, id := range r.active {
		if id.inUse && id.hasToken {
			tokens = append(tokens, id.token)
		}
	}
	return tokens
}

// IsResetToken reports whether token belongs to a connection ID in use. The time it takes does not
// depend on the token.
func (r *Received) IsResetToken(token protocol.StatelessResetToken) bool {
	// "[...] endpoints MUST perform the comparison without leaking information about the value of the
	// token." (RFC 9000, Section 10.3.1)
	equal := 0
	for i := range r.active {
		if id := &r.active[i]; id.inUse && id.hasToken {
			equal |= subtle.ConstantTimeCompare(id.token[:], token[:])
		}
	}
	return equal == 1
}

// HasFrames reports whether RETIRE_CONNECTION_ID frames have to be sent.
func (r *Received) HasFrames() bool { return r.firstQueued() >= 0 }

// NextFrame returns the sequence number of the first RETIRE_CONNECTION_ID frame to send. It stays the
// first until FrameSent.
func (r *Received) NextFrame() (seq uint64, ok bool) {
	i := r.firstQueued()
	if i < 0 {
		return 0, false
	}
	return r.owed[i].seq, true
}

// FrameSent records that the frame of NextFrame was sent.
func (r *Received) FrameSent() { r.owed[r.firstQueued()].queued = false }

// OnAcked records that the RETIRE_CONNECTION_ID frame for seq was acknowledged.
func (r *Received) OnAcked(seq uint64) {
	r.owed = slices.DeleteFunc(r.owed, func(o owedRetire) bool { return o.seq == seq })
}

// OnLost queues the RETIRE_CONNECTION_ID frame for seq again, unless it was acknowledged meanwhile.
func (r *Received) OnLost(seq uint64) {
	for i := range r.owed {
		if r.owed[i].seq == seq {
			r.owed[i].queued = true
		}
	}
}

func (r *Received) firstQueued() int {
	return slices.IndexFunc(r.owed, func(o owedRetire) bool { return o.queued })
}

func (r *Received) find(seq uint64) int {
	return slices.IndexFunc(r.active, func(id receivedID) bool { return id.seq == seq })
}

func (r *Received) findUnused() int {
	return slices.IndexFunc(r.active, func(id receivedID) bool { return !id.inUse })
}

// conflicts reports whether one, but not all, of the three values belongs to an active connection ID.
func (r *Received) conflicts(seq uint64, cid protocol.ConnectionID, token protocol.StatelessResetToken) bool {
	return slices.ContainsFunc(r.active, func(id receivedID) bool {
		sameToken := id.token == token && id.hasToken
		if id.seq == seq {
			return id.cid != cid || id.hasToken && !sameToken
		}
		return id.cid == cid || sameToken
	})
}

// checkLimits checks what there would be after a NEW_CONNECTION_ID frame.
func (r *Received) checkLimits(seq, retirePriorTo uint64, isNew bool) error {
	active, owed := 0, len(r.owed)
	count := func(seq uint64) {
		if seq >= retirePriorTo {
			active++
			return
		}
		owed++
	}
	for _, id := range r.active {
		count(id.seq)
	}
	if isNew {
		count(seq)
	}
	// "[...] if the number of active connection IDs exceeds the value advertised in its
	// active_connection_id_limit transport parameter, an endpoint MUST close the connection with an
	// error of type CONNECTION_ID_LIMIT_ERROR." (RFC 9000, Section 5.1.1)
	if active > protocol.MaxActiveConnectionIDs {
		return newError(qerr.ConnectionIDLimitError, "too many active connection IDs")
	}
	if owed > protocol.MaxQueuedRetireConnectionIDs && owed > len(r.owed) {
		return newError(qerr.ConnectionIDLimitError, "too many connection IDs to retire")
	}
	if active == 0 {
		return newError(qerr.ProtocolViolation, "no connection ID left")
	}
	return nil
}

func (r *Received) insert(id receivedID) {
	i, _ := slices.BinarySearchFunc(r.active, id, func(a, b receivedID) int { return cmp.Compare(a.seq, b.seq) })
	r.active = slices.Insert(r.active, i, id)
}

func (r *Received) markUsed(i int, change *TokenChange) {
	id := &r.active[i]
	if !id.inUse && id.hasToken {
		change.Added = append(change.Added, id.token)
	}
	id.inUse = true
}

func (r *Received) setCurrent(i int, change *TokenChange) {
	r.markUsed(i, change)
	r.current, r.currentSeq = r.active[i].cid, r.active[i].seq
}

// retire removes an active connection ID and queues its RETIRE_CONNECTION_ID frame.
func (r *Received) retire(i int, change *TokenChange) {
	id := r.active[i]
	if id.inUse && id.hasToken {
		change.Removed = append(change.Removed, id.token)
	}
	r.active = slices.Delete(r.active, i, i+1)
	r.owed = append(r.owed, owedRetire{seq: id.seq, queued: true})
}

func newError(code qerr.TransportErrorCode, reason string) error {
	return qerr.FrameError(code, uint64(wire.FrameTypeNewConnectionID), reason)
}
