package handshake

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// What we keep in tls.SessionState.Extra, which we share with others: one entry, appended, that begins with
// one of these IDs. Its last byte is the version of the format.
var (
	clientExtraID = []byte("QUICclient\x01")
	serverExtraID = []byte("QUICserver\x02")
)

// An extra is our entry in a session: the QUIC version, on servers when the ticket was issued, and the
// data of the root package.
type extra struct {
	version protocol.Version
	issued  time.Time // server only
	data    []byte
}

func (e *extra) appendClient(b []byte) []byte {
	b = append(b, clientExtraID...)
	b = binary.BigEndian.AppendUint32(b, uint32(e.version))
	return append(b, e.data...)
}

func (e *extra) appendServer(b []byte) []byte {
	b = append(b, serverExtraID...)
	b = binary.BigEndian.AppendUint32(b, uint32(e.version))
	b = binary.BigEndian.AppendUint64(b, uint64(e.issued.UnixNano()))
	return append(b, e.data...)
}

func findClientExtra(s *tls.SessionState) (extra, bool) {
	b, ok := findExtra(s, clientExtraID, 4)
	if !ok {
		return extra{}, false
	}
	return extra{version: protocol.Version(binary.BigEndian.Uint32(b)), data: b[4:]}, true
}

func findServerExtra(s *tls.SessionState) (extra, bool) {
	b, ok := findExtra(s, serverExtraID, 4+8)
	if !ok {
		return extra{}, false
	}
	return extra{
		version: protocol.Version(binary.BigEndian.Uint32(b)),
		issued:  time.Unix(0, int64(binary.BigEndian.Uint64(b[4:]))),
		data:    b[12:],
	}, true
}

// findExtra returns what follows the ID of the last entry with that ID and at least minLen bytes more.
func findExtra(s *tls.SessionState, id []byte, minLen int) ([]byte, bool) {
	for i := len(s.Extra) - 1; i >= 0; i-- {
		if b, ok := bytes.CutPrefix(s.Extra[i], id); ok && len(b) >= minLen {
			return b, true
		}
	}
	return nil, false
}

// serverExtra returns the entry for a ticket that we issue.
func (d *Driver) serverExtra() []byte {
	e := extra{version: d.p.Version, issued: d.now()}
	if d.p.TicketData != nil {
		e.data = d.p.TicketData()
	}
	return e.appendServer(nil)
}

// now is the clock of crypto/tls, with which it checks the age of tickets.
func (d *Driver) now() time.Time {
	if d.tls.Time != nil {
		return d.tls.Time()
	}
	return time.Now()
}

// storeSession puts a session with our entry into the client's cache.
func (d *Driver) storeSession(s *tls.SessionState) error {
	// A server that sends HelloRetryRequest is likely to do so again and then rejects 0-RTT (RFC 8446, Section
	// 4.2.10). Worse, crypto/tls (Go 1.26) answers with a PSK binder that covers the early_data extension which
	// it then leaves out, so that the handshake fails with decrypt_error.
	if d.ticketData == nil || d.conn.ConnectionState().HelloRetryRequest {
		s.EarlyData = false
	}
	e := extra{version: d.p.Version, data: d.ticketData}
	s.Extra = append(s.Extra, e.appendClient(nil))
	return d.conn.StoreSession(s)
}

// resumeSession decides whether the session that is about to be resumed allows 0-RTT.
func (d *Driver) resumeSession(s *tls.SessionState) {
	if !s.EarlyData {
		return
	}
	if !d.p.EnableEarlyData {
		s.EarlyData = false
		return
	}
	if d.p.Perspective == protocol.PerspectiveServer {
		s.EarlyData = d.acceptEarlyData(s)
		return
	}
	e, ok := findClientExtra(s)
	if !ok || e.version != d.p.Version {
		s.EarlyData = false
		return
	}
	d.emit(Event{Kind: EventSessionRestored, Data: bytes.Clone(e.data)})
}

func (d *Driver) acceptEarlyData(s *tls.SessionState) bool {
	e, ok := findServerExtra(s)
	if !ok || e.version != d.p.Version || d.p.AcceptEarlyData == nil || !d.p.AcceptEarlyData(e.data) {
		return false
	}
	return d.p.Replay == nil || d.p.Replay.FirstUse(d.hello.id, e.issued)
}
