package quic_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"time"

	quic "github.com/quic-go/quic-go"
)

// What applications do with the halves of their streams in a soakRun.

type soakWriter interface {
	Write([]byte) (int, error)
	Close() error
	CancelWrite(quic.StreamErrorCode)
	SetReliableBoundary()
	SetWriteDeadline(time.Time) error
}

type soakReader interface {
	Read([]byte) (int, error)
	Peek([]byte) (int, error)
	CancelRead(quic.StreamErrorCode)
	SetReadDeadline(time.Time) error
}

// soakDeadline is how long a call waits if a half has deadlines.
const soakDeadline = 20 * time.Millisecond

// write plays the writer of a half. side is where it is.
func (r *soakRun) write(side int, name string, s soakWriter, h *soakHalf) {
	for off, n := 0, 0; off < h.size; n++ {
		if h.boundary > 0 && off == h.boundary {
			s.SetReliableBoundary()
		}
		end := min(off+h.writeChunk, h.size)
		if off < h.boundary {
			end = min(end, h.boundary)
		}
		if h.deadlines {
			s.SetWriteDeadline(time.Now().Add(soakDeadline))
		}
		k, err := s.Write(h.at(off, end-off))
		off += k
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			r.checkWriteError(side, name, err, h)
			break
		}
		if h.writePause > 0 && n%4 == 3 {
			time.Sleep(h.writePause)
		}
	}
	if h.boundary > 0 && h.boundary == h.size {
		s.SetReliableBoundary()
	}
	if h.reset {
		s.CancelWrite(h.resetCode)
		return
	}
	s.Close() // an error says that the reader has cancelled
}

func (r *soakRun) checkWriteError(side int, name string, err error, h *soakHalf) {
	if se, ok := errors.AsType[*quic.StreamError](err); ok {
		if h.stopAt < 0 || !se.Remote || se.ErrorCode != h.stopCode {
			r.t.Errorf("%s: Write: %v, but the reader does not do that", name, err)
		}
		return
	}
	r.checkConnError(side, name+": Write", err)
}

// read plays the reader of a half. side is where it is.
func (r *soakRun) read(side int, name string, s soakReader, h *soakHalf) {
	buf := make([]byte, h.readChunk)
	for off, n := 0, 0; ; n++ {
		if h.stopAt >= 0 && off >= h.stopAt {
			s.CancelRead(h.stopCode)
			if _, err := s.Read(buf); err == nil {
				r.t.Errorf("%s: Read after CancelRead succeeds", name)
			}
			return
		}
		if h.deadlines {
			s.SetReadDeadline(time.Now().Add(soakDeadline))
		}
		b := buf
		if h.stopAt >= 0 {
			b = buf[:min(len(buf), h.stopAt-off)]
		}
		if h.peek && n%3 == 0 {
			k, _ := s.Peek(b[:1])
			r.checkContent(name, h, off, b[:k])
		}
		k, err := s.Read(b)
		r.checkContent(name, h, off, b[:k])
		off += k
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			r.checkReadError(side, name, off, err, h)
			return
		}
		if h.readPause > 0 && n%4 == 3 {
			time.Sleep(h.readPause)
		}
	}
}

func (r *soakRun) checkContent(name string, h *soakHalf, off int, got []byte) {
	if off+len(got) > h.size {
		r.t.Errorf("%s: %d bytes read, only %d were written", name, off+len(got), h.size)
		return
	}
	for len(got) > 0 {
		want := h.at(off, len(got))
		if !bytes.Equal(got[:len(want)], want) {
			r.t.Errorf("%s: content differs in %d bytes from offset %d", name, len(want), off)
			return
		}
		got, off = got[len(want):], off+len(want)
	}
}

// checkReadError checks how a half ends for its reader, which has read n bytes.
func (r *soakRun) checkReadError(side int, name string, n int, err error, h *soakHalf) {
	se, reset := errors.AsType[*quic.StreamError](err)
	switch {
	case err == io.EOF:
		if h.reset || n != h.size {
			r.t.Errorf("%s: EOF after %d bytes, want %d, reset %t", name, n, h.size, h.reset)
		}
	case reset:
		if !h.reset || !se.Remote || se.ErrorCode != h.resetCode {
			r.t.Errorf("%s: Read: %v, but the writer does not do that", name, err)
		}
		if r.partial && n < h.boundary {
			r.t.Errorf("%s: %d bytes before the reset, want %d", name, n, h.boundary)
		}
	default:
		r.checkConnError(side, name+": Read", err)
	}
}

// sendDatagrams sends datagrams, each with its number and as many bytes as that says.
func (r *soakRun) sendDatagrams(side int, c *quic.Conn) {
	for i := range r.s.datagrams[side] {
		if err := c.SendDatagram(soakDatagram(side, i)); err != nil {
			r.checkConnError(side, "SendDatagram", err)
			return
		}
		if i%8 == 7 {
			time.Sleep(time.Millisecond)
		}
	}
}

func soakDatagram(side, i int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(i))
	return append(b, soakContent[side:][:i*7%1000]...)
}

// receiveDatagrams checks datagrams until the connection is over.
func (r *soakRun) receiveDatagrams(side int, c *quic.Conn) {
	seen := make(map[int]bool)
	for {
		b, err := c.ReceiveDatagram(context.Background())
		if err != nil {
			r.checkConnError(side, "ReceiveDatagram", err)
			return
		}
		i := -1
		if len(b) >= 4 {
			i = int(binary.BigEndian.Uint32(b))
		}
		if i < 0 || i >= r.s.datagrams[1-side] || seen[i] || !bytes.Equal(b, soakDatagram(1-side, i)) {
			r.t.Errorf("datagram %d of %d bytes arrives at side %d: wrong, or twice", i, len(b), side)
			return
		}
		seen[i] = true
	}
}
