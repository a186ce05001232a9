package handshake

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/sendbuf"
)

// Params are what a Driver is made from.
type Params struct {
	Perspective protocol.Perspective
	TLS         *tls.Config // is not modified
	// Server is TLS in the form for all connections of a server. nil: this one gets a copy of its own.
	Server     *ServerConfig
	ServerName string // client: used if TLS.ServerName is empty
	Version    protocol.Version
	// TransportParameters are ours. nil: EventTransportParametersRequired asks for them.
	TransportParameters []byte
	// EnableEarlyData makes a client try 0-RTT if its session allows it, and makes a server issue tickets
	// for 0-RTT and accept it if AcceptEarlyData agrees.
	EnableEarlyData bool
	// AcceptEarlyData decides on a server whether 0-RTT is possible, given what TicketData returned on
	// the connection that issued the ticket. nil: never.
	AcceptEarlyData func(ticketData []byte) bool
	// TicketData returns what a server stores in a ticket. nil: nothing.
	TicketData func() []byte
	// Replay makes a server accept 0-RTT at most once with each ClientHello. nil: no such limit.
	Replay *ReplayFilter
	// LocalAddr and RemoteAddr are what tls.ClientHelloInfo.Conn reports.
	LocalAddr, RemoteAddr net.Addr
}

// usualEvents is how many events of a handshake wait at most, in the usual case.
const usualEvents = 6

// A Driver is one end of a TLS handshake.
type Driver struct {
	p       Params
	tls     *tls.Config
	conn    *tls.QUICConn // nil if it was given up
	levels  [protocol.NumEncryptionLevels]level
	reading protocol.EncryptionLevel // the level at which TLS reads

	events []Event
	next   int

	needParameters bool // TLS waits for SetTransportParameters
	closed         bool
	err            error
	ticketData     []byte // client: what to store with sessions
	tickets        int    // client: how many have come
	hello          helloID

	mu    sync.Mutex           // guards that conn is given up, for ConnectionState
	final *tls.ConnectionState // the state of the conn that was given up
}

// New returns a Driver that is yet to be started.
func New(p Params) *Driver {
	d := &Driver{p: p, events: make([]Event, 0, usualEvents)}
	if p.Perspective == protocol.PerspectiveClient {
		d.tls = clientConfig(&p)
		d.conn = tls.QUICClient(&tls.QUICConfig{TLSConfig: d.tls, EnableSessionEvents: true})
	} else {
		d.tls = serverConfig(&p)
		d.conn = tls.QUICServer(&tls.QUICConfig{TLSConfig: d.tls, EnableSessionEvents: true})
	}
	if p.TransportParameters != nil {
		d.conn.SetTransportParameters(p.TransportParameters)
	}
	return d
}

// Start begins the handshake. The values of ctx are visible to the application's TLS callbacks.
func (d *Driver) Start(ctx context.Context) error {
	if d.closed {
		return net.ErrClosed
	}
	if err := d.conn.Start(ctx); err != nil {
		return d.fail(err)
	}
	return d.run()
}

// HandleCrypto handles the content of a CRYPTO frame of a packet of the given level. An error ends the
// connection; later calls return it again.
func (d *Driver) HandleCrypto(lvl protocol.EncryptionLevel, off protocol.ByteCount, data []byte) error {
	if d.err != nil {
		return d.err
	}
	if d.closed {
		return net.ErrClosed
	}
	l := &d.levels[lvl]
	switch {
	case lvl == protocol.Encryption0RTT:
		// RFC 9001, Section 8.3: "A server MUST treat receipt of a CRYPTO frame in a 0-RTT packet as a
		// connection error of type PROTOCOL_VIOLATION."
		return d.fail(cryptoFrameError(qerr.ProtocolViolation, "CRYPTO in a 0-RTT packet"))
	case lvl < d.reading:
		// RFC 9001, Section 4.1.3: if "the packet is from a previously installed encryption level, it MUST
		// NOT contain data that extends past the end of previously received data in that flow".
		if off+protocol.ByteCount(len(data)) > l.end {
			return d.fail(cryptoFrameError(qerr.ProtocolViolation, "CRYPTO data after the end of its level"))
		}
		return nil
	}
	if err := l.push(off, data, lvl == d.reading && !d.needParameters); err != nil {
		return d.fail(err)
	}
	return d.run()
}

// NextEvent returns the next event, of kind EventNone if there is none.
func (d *Driver) NextEvent() Event {
	if d.next == len(d.events) {
		d.events, d.next = d.events[:0], 0
		if d.conn == nil {
			d.events = nil
		}
		return Event{}
	}
	e := d.events[d.next]
	d.events[d.next] = Event{}
	d.next++
	return e
}

// SetTransportParameters sets our transport parameters if they were not part of Params. The error is that of
// the part of the handshake that waited for them.
func (d *Driver) SetTransportParameters(tp []byte) error {
	if d.err != nil || d.closed {
		return d.err
	}
	d.needParameters = false
	d.conn.SetTransportParameters(tp)
	return d.run()
}

// SetVersion tells the version that the connection has switched to. Sessions that are issued or stored from now on are bound to
// it.
func (d *Driver) SetVersion(v protocol.Version) { d.p.Version = v }

// Crypto returns the CRYPTO data to send at a level.
func (d *Driver) Crypto(lvl protocol.EncryptionLevel) *sendbuf.Buffer { return &d.levels[lvl].send }

// StoreTicketData sets what a client remembers with the sessions of this connection. It is to be
// called after EventPeerParameters; without it sessions are stored without 0-RTT.
func (d *Driver) StoreTicketData(data []byte) { d.ticketData = bytes.Clone(data) }

// SendSessionTicket makes a server issue a session ticket, once, after the handshake is complete. It does
// nothing if tickets are disabled.
func (d *Driver) SendSessionTicket() error {
	if d.err != nil || d.closed {
		return d.err
	}
	opts := tls.QUICSessionTicketOptions{EarlyData: d.p.EnableEarlyData, Extra: [][]byte{d.serverExtra()}}
	if err := d.conn.SendSessionTicket(opts); err != nil {
		return transportError(err)
	}
	return d.run()
}

// ReleaseTLS gives up the memory that crypto/tls and the handshake have needed on a server. It is to be called after
// SendSessionTicket. The CRYPTO data stays; any more from the client is a fault.
func (d *Driver) ReleaseTLS() {
	state := d.conn.ConnectionState()
	d.closeTLS()
	d.mu.Lock()
	d.conn, d.final = nil, &state
	d.mu.Unlock()
	d.tls = nil
	d.p = Params{Perspective: d.p.Perspective, Version: d.p.Version}
}

// DropLevel forgets the CRYPTO data of a level whose keys are discarded.
func (d *Driver) DropLevel(lvl protocol.EncryptionLevel) { d.levels[lvl].release() }

// ConnectionState returns the state of the TLS connection. It may be called at any time, from any goroutine.
func (d *Driver) ConnectionState() tls.ConnectionState {
	d.mu.Lock()
	conn, final := d.conn, d.final
	d.mu.Unlock()
	if final != nil {
		return *final
	}
	return conn.ConnectionState()
}

// Close ends the handshake and releases what the Driver holds. It may be called at any time and repeatedly.
func (d *Driver) Close() error {
	if d.closed {
		return nil
	}
	d.closed = true
	d.closeTLS()
	for i := range d.levels {
		d.levels[i].release()
	}
	return nil
}

// closeTLS ends the goroutine of crypto/tls. What it returns is the alert for its own end.
func (d *Driver) closeTLS() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// fail notes the error that ends the connection.
func (d *Driver) fail(err error) error {
	d.err = transportError(err)
	d.closeTLS()
	return d.err
}

// transportError turns an error of crypto/tls into the CRYPTO_ERROR of its alert (RFC 9001, Section 4.8).
func transportError(err error) error {
	if t, ok := errors.AsType[*qerr.TransportError](err); ok {
		return t
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return qerr.NewCryptoError(uint8(alert), err)
	}
	return qerr.NewLocalError(qerr.InternalError, err)
}

const frameTypeCrypto = 0x06

func cryptoFrameError(code qerr.TransportErrorCode, reason string) error {
	return qerr.FrameError(code, frameTypeCrypto, reason)
}
