package endpoint

import (
	"net"
	"time"

	"github.com/quic-go/quic-go/interop/link"
)

// Other systems have only 127.0.0.1.
func init() {
	caseTests = append(caseTests, caseTest{
		name: "rebind-addr", files: 1, size: 500 << 10, check: checkRebinding, rebound: 1,
		link: &link.Options{
			Rate: 10e6, RebindAfter: 100 * time.Millisecond, RebindEvery: 200 * time.Millisecond,
			RebindAddrs: []net.IP{net.IPv4(127, 0, 0, 2), net.IPv4(127, 0, 0, 3)},
		},
	})
}
