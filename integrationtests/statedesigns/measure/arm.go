package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	quic "github.com/quic-go/quic-go"
)

// An application uses a stream.
type application interface {
	io.ReadWriteCloser
	CancelRead(quic.StreamErrorCode)
	CancelWrite(quic.StreamErrorCode)
}

// An arm is a design: how a layer learns of the states of its streams.
type arm struct {
	states bool // it reports states, and with them when a stream is over
	sweeps bool // it hears of the end of the connection only from the connection

	// attach begins to observe a stream and returns what the application is to use.
	attach func(*entry) application
	// send sends a datagram that belongs to the stream.
	send func(*entry, []byte) error
	// mayReceive is asked before a datagram is delivered.
	mayReceive func(*entry) bool
	// drain is called before the results are read.
	drain func(*entry)
}

// newArm returns a design. It belongs to one connection.
func newArm(name string) (*arm, error) {
	a := &arm{
		send:       func(e *entry, b []byte) error { return e.layer.conn.SendDatagram(b) },
		mayReceive: func(*entry) bool { return true },
		drain:      func(*entry) {},
	}
	switch name {
	case None:
		a.attach = func(e *entry) application { return e.stream }
	case Wrapper:
		a.attach, a.sweeps = wrap, true
	case Completion:
		a.attach, a.sweeps = watchCompletion, true
	default:
		if !a.becomeNative(name) {
			return nil, fmt.Errorf("this build has no design %q", name)
		}
	}
	return a, nil
}

// A wrapper is a stream that guesses its states from what the application does with it.
type wrapper struct {
	*quic.Stream
	entry *entry
}

func wrap(e *entry) application {
	context.AfterFunc(e.stream.Context(), e.closedForSending)
	return &wrapper{e.stream, e}
}

// Read implements io.Reader.
func (w *wrapper) Read(b []byte) (int, error) {
	n, err := w.Stream.Read(b)
	if err != nil && !isTimeout(err) {
		w.entry.closedForReceiving()
	}
	return n, err
}

// Write implements io.Writer.
func (w *wrapper) Write(b []byte) (int, error) {
	n, err := w.Stream.Write(b)
	if err != nil && !isTimeout(err) {
		w.entry.closedForSending()
	}
	return n, err
}

// Close closes the send half.
func (w *wrapper) Close() error {
	err := w.Stream.Close()
	w.entry.closedForSending()
	return err
}

// CancelRead stops the receive half.
func (w *wrapper) CancelRead(code quic.StreamErrorCode) {
	w.Stream.CancelRead(code)
	w.entry.closedForReceiving()
}

// CancelWrite resets the send half.
func (w *wrapper) CancelWrite(code quic.StreamErrorCode) {
	w.Stream.CancelWrite(code)
	w.entry.closedForSending()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, net.ErrClosed)
}

// watchCompletion takes the two signals that quic-go v0.65.0 has: the context of the send half and the final size of the
// receive half. When the stream is complete is decided by the library, which tells nobody.
func watchCompletion(e *entry) application {
	context.AfterFunc(e.stream.Context(), e.closedForSending)
	e.stream.SetReceiveFinalSizeCallback(func(int64) { e.closedForReceiving() })
	return e.stream
}
