package handshake

import (
	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/qerr"
	"github.com/quic-go/quic-go/internal/reassembly"
	"github.com/quic-go/quic-go/internal/sendbuf"
)

// A level is the CRYPTO data of one encryption level in both directions.
type level struct {
	recv reassembly.Buffer
	msg  message            // what of recv was passed to TLS last
	end  protocol.ByteCount // end of the received data, set when TLS has left the level
	send sendbuf.Buffer
}

// push stores received data. If TLS takes data of this level now, only data behind a gap counts towards
// MaxCryptoBuffered, so that there is no limit to the offsets; else all data does.
func (l *level) push(off protocol.ByteCount, data []byte, consumed bool) error {
	end := off + protocol.ByteCount(len(data))
	inOrder := consumed && off <= l.recv.ContiguousEnd()
	if !inOrder && end-l.recv.ReadOffset() > protocol.MaxCryptoBuffered {
		return cryptoFrameError(qerr.CryptoBufferExceeded, "too much CRYPTO data ahead of a gap")
	}
	if _, err := l.recv.Push(off, data); err != nil {
		return cryptoFrameError(qerr.CryptoBufferExceeded, "too many gaps in CRYPTO data")
	}
	return nil
}

func (l *level) release() {
	l.recv.Release()
	l.send.Release()
	l.msg = message{}
}
