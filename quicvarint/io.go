package quicvarint

import "io"

// A Reader reads bytes one by one and in bulk.
type Reader interface {
	io.Reader
	io.ByteReader
}

// A Writer writes bytes one by one and in bulk.
type Writer interface {
	io.Writer
	io.ByteWriter
}

// A Peeker shows the next bytes of a stream without consuming them.
type Peeker interface {
	// Peek fills b with the next len(b) bytes. It returns an error if it gives fewer.
	Peek(b []byte) (int, error)
}

// NewReader returns r itself if it is a Reader. Otherwise it returns a Reader that reads from r and never
// reads ahead.
func NewReader(r io.Reader) Reader {
	if br, ok := r.(Reader); ok {
		return br
	}
	return &byteReader{Reader: r}
}

// NewWriter returns w itself if it is a Writer. Otherwise it returns a Writer that writes to w and holds
// nothing back.
func NewWriter(w io.Writer) Writer {
	if bw, ok := w.(Writer); ok {
		return bw
	}
	return &byteWriter{Writer: w}
}

// Read reads a number from r, and not a byte more. An error of r is returned as it is: io.EOF does not
// tell whether the number had begun.
func Read(r io.ByteReader) (uint64, error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	v := uint64(first & max1)
	for range lenFromFirstByte(first) - 1 {
		next, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		v = v<<8 | uint64(next)
	}
	return v, nil
}

// Peek decodes the number that p shows next and consumes nothing. An error of p is returned as it is.
func Peek(p Peeker) (uint64, error) {
	var b [8]byte
	if err := peekFull(p, b[:1]); err != nil {
		return 0, err
	}
	n := lenFromFirstByte(b[0])
	if n > 1 {
		if err := peekFull(p, b[:n]); err != nil {
			return 0, err
		}
	}
	return decode(b[:], n), nil
}

func peekFull(p Peeker, b []byte) error {
	n, err := p.Peek(b)
	if n >= len(b) {
		return nil
	}
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

type byteReader struct {
	io.Reader
	buf [1]byte
}

func (r *byteReader) ReadByte() (byte, error) {
	if _, err := io.ReadFull(r.Reader, r.buf[:]); err != nil {
		return 0, err
	}
	return r.buf[0], nil
}

type byteWriter struct {
	io.Writer
	buf [1]byte
}

func (w *byteWriter) WriteByte(c byte) error {
	w.buf[0] = c
	_, err := w.Write(w.buf[:])
	return err
}
