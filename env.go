package quic

import (
	"fmt"
	"log"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/quic-go/quic-go/internal/udp"
)

// The environment variables. Switches are on if strconv.ParseBool says true.
//
//	QUIC_GO_LOG_LEVEL                       debug, info or error in any case: what is logged by package log;
//	                                        read once, all else turns logging off
//	QUIC_GO_DISABLE_GSO                     no segmentation offload (Linux)
//	QUIC_GO_DISABLE_ECN                     no ECN
//	QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING  no log line about UDP buffers that are too small
//	QUIC_GO_DISABLE_CLIENTHELLO_SCRAMBLING  the ClientHello is sent in order
//
// QLOGDIR belongs to package qlog.
const (
	envLogLevel           = "QUIC_GO_LOG_LEVEL"
	envDisableGSO         = "QUIC_GO_DISABLE_GSO"
	envDisableECN         = "QUIC_GO_DISABLE_ECN"
	envNoBufferWarning    = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"
	envDisableScrambling  = "QUIC_GO_DISABLE_CLIENTHELLO_SCRAMBLING"
	bufferWarningTemplate = "quic: the UDP buffers hold %d KiB (receive) and %d KiB (send), %d KiB are better; " +
		"the limits of the system may have to be raised"
)

func envSwitch(name string) bool {
	on, err := strconv.ParseBool(os.Getenv(name))
	return err == nil && on
}

// socketOptions returns what the environment says about sockets.
func socketOptions() udp.Options {
	return udp.Options{DisableGSO: envSwitch(envDisableGSO), DisableECN: envSwitch(envDisableECN)}
}

// scrambleClientHello reports whether a client sends its ClientHello in pieces out of order.
func scrambleClientHello() bool { return !envSwitch(envDisableScrambling) }

var bufferWarning sync.Once

// checkSocketBuffers warns, once in a process, of small socket buffers.
func checkSocketBuffers(pc net.PacketConn) {
	receive, send, ok := udp.SocketBuffers(pc)
	if !ok || min(receive, send) >= udp.DesiredSocketBuffer || envSwitch(envNoBufferWarning) {
		return
	}
	bufferWarning.Do(func() {
		log.Printf(bufferWarningTemplate, receive>>10, send>>10, udp.DesiredSocketBuffer>>10)
	})
}

// A logLevel says how much is logged.
type logLevel uint8

const (
	logNothing logLevel = iota
	logErrors
	logInfos
	logDebugs
)

// parseLogLevel reports whether s is a level. The empty string is logNothing.
func parseLogLevel(s string) (logLevel, bool) {
	switch strings.ToLower(s) {
	case "":
		return logNothing, true
	case "error":
		return logErrors, true
	case "info":
		return logInfos, true
	case "debug":
		return logDebugs, true
	}
	return logNothing, false
}

var currentLogLevel = sync.OnceValue(func() logLevel {
	level, ok := parseLogLevel(os.Getenv(envLogLevel))
	if !ok {
		fmt.Fprintf(os.Stderr, "invalid %s %q, want debug, info or error\n", envLogLevel, os.Getenv(envLogLevel))
	}
	return level
})

// logf logs if the environment asks for that level. The arguments must not be text of a peer.
func logf(level logLevel, format string, args ...any) {
	if level <= currentLogLevel() {
		log.Printf("quic: "+format, args...)
	}
}
