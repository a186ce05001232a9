package handshake

import (
	"bytes"
	"crypto/tls"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
)

// alertUnexpectedMessage is the TLS alert of RFC 8446, Section 6.2.
const alertUnexpectedMessage tls.AlertError = 10

// run takes the events of TLS and gives it CRYPTO data until neither is left.
func (d *Driver) run() error {
	for {
		if err := d.drain(); err != nil {
			return d.fail(err)
		}
		if d.needParameters {
			return nil
		}
		more, err := d.feed()
		if err != nil {
			return d.fail(err)
		}
		if !more {
			return nil
		}
	}
}

// feed passes what TLS may take at once of the current level to TLS. Each time costs two switches to its goroutine and back.
func (d *Driver) feed() (more bool, err error) {
	l := &d.levels[d.reading]
	view := l.recv.Next()
	if len(view) == 0 {
		return false, nil
	}
	if d.reading == protocol.Encryption1RTT {
		n := l.msg.take(view)
		if err := d.checkMessage(&l.msg); err != nil {
			return false, err
		}
		err = d.feedPostHandshake(&l.msg, view[:n])
		l.recv.Consume(n)
		return true, err
	}
	n, fault := d.takeFlight(l, view)
	if n > 0 {
		d.hello.read(view[:n])
		err = d.conn.HandleData(tlsLevel(d.reading), view[:n])
		l.recv.Consume(n)
	}
	if err == nil {
		err = fault
	}
	return true, err
}

// takeFlight returns how much of the view are messages that do not change the level at which TLS reads, and the first that may:
// what follows at the old level then is a fault (RFC 9001, Section 4.1.3). If fault is not nil, it is that of the next message.
func (d *Driver) takeFlight(l *level, view []byte) (n int, fault error) {
	for n < len(view) {
		piece := l.msg.take(view[n:])
		if err := d.checkMessage(&l.msg); err != nil {
			return n, err
		}
		n += piece
		if l.msg.complete() && (d.reading == protocol.EncryptionInitial || l.msg.head[0] == typeFinished) {
			break
		}
	}
	return n, nil
}

// feedPostHandshake collects a message after the handshake and passes it to TLS when it is whole.
func (d *Driver) feedPostHandshake(m *message, piece []byte) error {
	m.body = append(m.body, piece...)
	if !m.complete() {
		return nil
	}
	if !ticketEarlyDataValid(m.body) {
		// RFC 9001, Section 4.6.1: "A client MUST treat receipt of a NewSessionTicket that contains an
		// early_data extension with any other value as a connection error of type PROTOCOL_VIOLATION."
		return cryptoFrameError(qerr.ProtocolViolation, "max_early_data_size is not 0xffffffff")
	}
	msg := m.body
	m.body = nil
	if d.tickets++; d.tickets > maxSessionTickets {
		return nil
	}
	return d.conn.HandleData(tls.QUICEncryptionLevelApplication, msg)
}

// checkMessage finds faults in the part of a message that was received so far that TLS does not find or
// reports with another error code.
func (d *Driver) checkMessage(m *message) error {
	typ := m.head[0]
	switch {
	case d.reading == protocol.Encryption1RTT:
		return d.checkPostHandshake(m)
	case typ == typeKeyUpdate:
		return unexpectedMessage("KeyUpdate") // RFC 9001, Section 6
	case typ == typeClientHello && d.p.Perspective == protocol.PerspectiveServer && m.sessionIDLen() > 0:
		// RFC 9001, Section 8.4: "A server SHOULD treat the receipt of a TLS ClientHello with a non-empty
		// legacy_session_id field as a connection error of type PROTOCOL_VIOLATION."
		return cryptoFrameError(qerr.ProtocolViolation, "legacy_session_id is not empty")
	}
	return nil
}

func (d *Driver) checkPostHandshake(m *message) error {
	client := d.p.Perspective == protocol.PerspectiveClient
	switch {
	case client && m.head[0] == typeNewSessionTicket:
		if m.length() > maxPostHandshakeMessage {
			return cryptoFrameError(qerr.CryptoBufferExceeded, "session ticket is too large")
		}
		return nil
	case client && m.head[0] == typeCertificateRequest:
		// RFC 9001, Section 4.4: "clients MUST treat receipt of such messages as a connection error of
		// type PROTOCOL_VIOLATION."
		return cryptoFrameError(qerr.ProtocolViolation, "CertificateRequest after the handshake")
	case m.head[0] == typeKeyUpdate:
		return unexpectedMessage("KeyUpdate") // RFC 9001, Section 6
	}
	return unexpectedMessage("message after the handshake")
}

func unexpectedMessage(what string) error {
	e := qerr.NewCryptoError(uint8(alertUnexpectedMessage), alertUnexpectedMessage)
	e.FrameType = frameTypeCrypto
	e.ErrorMessage = "unexpected " + what
	return e
}

// drain handles the events of TLS.
func (d *Driver) drain() error {
	for d.conn != nil {
		e := d.conn.NextEvent()
		switch e.Kind {
		case tls.QUICNoEvent:
			return nil
		case tls.QUICErrorEvent:
			return e.Err
		case tls.QUICSetReadSecret:
			d.emitKeys(EventReadKeys, &e)
			if err := d.enterLevel(levelOf(e.Level)); err != nil {
				return err
			}
		case tls.QUICSetWriteSecret:
			d.emitKeys(EventWriteKeys, &e)
		case tls.QUICWriteData:
			lvl := levelOf(e.Level)
			d.levels[lvl].send.Write(e.Data)
			d.emit(Event{Kind: EventCryptoReady, Level: lvl})
		case tls.QUICTransportParameters:
			d.emit(Event{Kind: EventPeerParameters, Data: bytes.Clone(e.Data)})
		case tls.QUICTransportParametersRequired:
			d.needParameters = true
			d.emit(Event{Kind: EventTransportParametersRequired})
		case tls.QUICRejectedEarlyData:
			d.emit(Event{Kind: EventEarlyDataRejected})
		case tls.QUICHandshakeDone:
			d.emit(Event{Kind: EventHandshakeComplete})
		case tls.QUICResumeSession:
			d.resumeSession(e.SessionState)
		case tls.QUICStoreSession:
			if err := d.storeSession(e.SessionState); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Driver) emit(e Event) { d.events = append(d.events, e) }

func (d *Driver) emitKeys(kind EventKind, e *tls.QUICEvent) {
	d.emit(Event{Kind: kind, Level: levelOf(e.Level), Suite: e.Suite, Secret: bytes.Clone(e.Data)})
}

// enterLevel notes that TLS reads at a new level from now on.
func (d *Driver) enterLevel(lvl protocol.EncryptionLevel) error {
	if lvl == protocol.Encryption0RTT {
		return nil
	}
	old := &d.levels[d.reading]
	old.end = old.recv.Highest()
	d.reading = lvl
	// RFC 9001, Section 4.1.3: "When TLS provides keys for a higher encryption level, if there is data from
	// a previous encryption level that TLS has not consumed, this MUST be treated as a connection error
	// of type PROTOCOL_VIOLATION."
	if old.end > old.recv.ReadOffset() {
		return cryptoFrameError(qerr.ProtocolViolation, "CRYPTO data after the last message of its level")
	}
	return nil
}

func tlsLevel(l protocol.EncryptionLevel) tls.QUICEncryptionLevel {
	switch l {
	case protocol.EncryptionInitial:
		return tls.QUICEncryptionLevelInitial
	case protocol.Encryption0RTT:
		return tls.QUICEncryptionLevelEarly
	case protocol.EncryptionHandshake:
		return tls.QUICEncryptionLevelHandshake
	case protocol.Encryption1RTT:
	}
	return tls.QUICEncryptionLevelApplication
}

// levelOf is the inverse of tlsLevel.
func levelOf(l tls.QUICEncryptionLevel) protocol.EncryptionLevel {
	switch l {
	case tls.QUICEncryptionLevelInitial:
		return protocol.EncryptionInitial
	case tls.QUICEncryptionLevelEarly:
		return protocol.Encryption0RTT
	case tls.QUICEncryptionLevelHandshake:
		return protocol.EncryptionHandshake
	case tls.QUICEncryptionLevelApplication:
	}
	return protocol.Encryption1RTT
}
