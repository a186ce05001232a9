//go:build !linux && !darwin && !freebsd && !windows

package udp

import (
	"strconv"
	"syscall"

	"github.com/quic-go/quic-go/internal/protocol"
)

var layout = controlLayout{lenSize: strconv.IntSize / 8, align: strconv.IntSize / 8}

const (
	controlSize = 256
	msgTrunc    = 0
)

func configureSocket(syscall.RawConn, Options) features { return features{} }

func bufferSizes(syscall.RawConn) (receive, send int, ok bool) { return 0, 0, false }

func (c *Control) set(int, int, []byte) {}

func appendControl(b []byte, _ *Destination, _ protocol.ECN, _ int, _ *features) []byte { return b }
