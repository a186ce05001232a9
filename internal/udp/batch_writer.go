package udp

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// A sender does one system call. If segment is not 0, b is cut by the kernel into datagrams of that
// size. It returns the plain error of the call.
type sender interface {
	send(b []byte, segment int, ecn protocol.ECN, d *Destination) error
}

// Pauses while the send buffer is full. UDP sockets drain fast or, if the interface hangs, not at all;
// a blocking write would hold up the caller for as long as that.
const (
	fullSocketTries    = 8
	minFullSocketPause = 100 * time.Microsecond // doubles, 25 ms in all
)

// A batchWriter is the part of WriteBatch that all implementations share: splitting, and what is done
// about errors.
type batchWriter struct {
	out      sender
	gso, ecn atomic.Bool
}

// MaxSegments implements Conn.
func (w *batchWriter) MaxSegments() int {
	if w.gso.Load() {
		return MaxGSOSegments
	}
	return 1
}

// WriteBatch implements Conn.
func (w *batchWriter) WriteBatch(b []byte, segment int, ecn protocol.ECN, d *Destination) error {
	if segment <= 0 || segment >= len(b) {
		return classify(w.single(b, ecn, d))
	}
	var first error
	for len(b) > segment && w.gso.Load() {
		n := min(len(b), segment*min(MaxGSOSegments, max(1, MaxBatchBytes/segment)))
		if err := classify(w.train(b[:n], segment, ecn, d)); err != nil {
			if isFinal(err) {
				return err
			}
			first = firstOf(first, err)
		}
		b = b[n:]
	}
	if len(b) == 0 {
		return first
	}
	return firstOf(first, w.singles(b, segment, ecn, d))
}

// train sends b by one system call, or singly if the system refuses that.
func (w *batchWriter) train(b []byte, segment int, ecn protocol.ECN, d *Destination) error {
	if len(b) <= segment {
		return w.single(b, ecn, d)
	}
	err := w.retried(b, segment, w.usableECN(ecn), d)
	if err == nil || !hasErrno(err, controlErrnos) {
		return err
	}
	// EIO: the interface has no checksum offload. EINVAL: the driver or the kernel cannot do it.
	// But older kernels also say EINVAL if the segments are longer than the MTU.
	err = w.singles(b, segment, ecn, d)
	if !errors.Is(err, ErrMessageTooLong) {
		w.gso.Store(false)
	}
	return err
}

// singles sends b in one system call per datagram. After an error that passes it goes on with the next
// datagram, unless the socket is full. It returns the first error, classified.
func (w *batchWriter) singles(b []byte, segment int, ecn protocol.ECN, d *Destination) error {
	var first error
	for len(b) > 0 {
		n := min(len(b), segment)
		if err := classify(w.single(b[:n], ecn, d)); err != nil {
			first = firstOf(first, err)
			if isFinal(err) {
				return first
			}
		}
		b = b[n:]
	}
	return first
}

// single sends one datagram.
func (w *batchWriter) single(b []byte, ecn protocol.ECN, d *Destination) error {
	ecn = w.usableECN(ecn)
	err := w.retried(b, 0, ecn, d)
	if err == nil || ecn == protocol.ECNNon || !hasErrno(err, controlErrnos) {
		return err
	}
	// Only a refusal that comes again, and not without ECN, is about ECN.
	if err = w.retried(b, 0, ecn, d); !hasErrno(err, controlErrnos) {
		return err
	}
	if err = w.retried(b, 0, protocol.ECNNon, d); err == nil {
		w.ecn.Store(false)
	}
	return err
}

func (w *batchWriter) usableECN(ecn protocol.ECN) protocol.ECN {
	if w.ecn.Load() {
		return ecn
	}
	return protocol.ECNNon
}

// retried calls send again if the error was about something earlier or the send buffer is full.
func (w *batchWriter) retried(b []byte, segment int, ecn protocol.ECN, d *Destination) error {
	err := w.out.send(b, segment, ecn, d)
	if err == nil {
		return nil
	}
	if hasErrno(err, retryOnce) {
		err = w.out.send(b, segment, ecn, d)
	}
	for i := 0; i < fullSocketTries && hasErrno(err, socketFullErrnos); i++ {
		time.Sleep(minFullSocketPause << i)
		err = w.out.send(b, segment, ecn, d)
	}
	return err
}

// isFinal reports whether more sends make no sense after err: the socket is unusable, or full.
func isFinal(err error) bool {
	return hasErrno(err, socketFullErrnos) || isFatal(err)
}

// firstOf returns the error to report: the first, but a fatal one rather than one that passes.
func firstOf(a, b error) error {
	if a != nil && (b == nil || !isFatal(b)) {
		return a
	}
	return b
}

func isFatal(err error) bool {
	return !errors.Is(err, ErrTransient) && !errors.Is(err, ErrMessageTooLong)
}
