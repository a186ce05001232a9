package measure

import (
	"io"

	quic "github.com/quic-go/quic-go"
)

// loggedCalls logs the calls that an application makes.
type loggedCalls struct {
	application
	key key
	log *log
}

// Read implements io.Reader.
func (c *loggedCalls) Read(b []byte) (int, error) {
	n, err := c.application.Read(b)
	c.log.add(event{kind: calledRead, key: c.key, n: int64(n), failed: err != nil && err != io.EOF})
	return n, err
}

// Close closes the send half.
func (c *loggedCalls) Close() error {
	index := c.log.add(event{kind: calledClose, key: c.key})
	err := c.application.Close()
	if err != nil {
		c.log.fail(index)
	}
	return err
}

// CancelRead stops the receive half.
func (c *loggedCalls) CancelRead(code quic.StreamErrorCode) {
	c.log.add(event{kind: calledCancelRead, key: c.key})
	c.application.CancelRead(code)
}

// CancelWrite resets the send half.
func (c *loggedCalls) CancelWrite(code quic.StreamErrorCode) {
	c.log.add(event{kind: calledCancelWrite, key: c.key})
	c.application.CancelWrite(code)
}
