package endpoint

import "errors"

// ErrUnsupported says that a test case is not known, or not for this role. Commands exit with the status ExitUnsupported.
var ErrUnsupported = errors.New("unsupported test case")

// ExitUnsupported is the exit status by which the runner recognizes test cases that are not supported.
const ExitUnsupported = 127

// play is how a test case is played. The runner often gives several cases the same name; both names are known.
type play int

const (
	playTransfer     play = iota + 1 // all files on one connection
	playMulticonnect                 // each file on a connection of its own
	playResumption                   // the first file on one connection, the others on a second one that resumes its session
	playZeroRTT                      // the same, with requests in 0-RTT packets
)

// A testcase is what an endpoint has to know of one.
type testcase struct {
	play     play
	http3    bool
	retry    bool // the server validates addresses by Retry packets
	chacha20 bool // the client offers nothing else
	version2 bool // the connection begins with version 1 and goes on with version 2
	noServer bool
}

var testcases = map[string]testcase{
	"handshake": {play: playTransfer}, "longrtt": {play: playTransfer},
	"transfer": {play: playTransfer}, "multiplexing": {play: playTransfer}, "blackhole": {play: playTransfer},
	"amplificationlimit": {play: playTransfer}, "transferloss": {play: playTransfer}, "transfercorruption": {play: playTransfer},
	"ipv6": {play: playTransfer}, "rebind-port": {play: playTransfer}, "rebind-addr": {play: playTransfer},
	"goodput": {play: playTransfer}, "crosstraffic": {play: playTransfer},
	// Key updates, ECN marks and the way to a preferred address need no help.
	"keyupdate": {play: playTransfer}, "ecn": {play: playTransfer},
	"connectionmigration": {play: playTransfer, noServer: true},
	"multiconnect":        {play: playMulticonnect}, "handshakeloss": {play: playMulticonnect}, "handshakecorruption": {play: playMulticonnect},
	"resumption": {play: playResumption},
	"zerortt":    {play: playZeroRTT},
	"retry":      {play: playTransfer, retry: true},
	"chacha20":   {play: playTransfer, chacha20: true},
	"v2":         {play: playTransfer, version2: true},
	"http3":      {play: playTransfer, http3: true},
}
