package quic_test

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
	"github.com/quic-go/quic-go/internal/wire"
)

const (
	// soakSeeds is how many scenarios a run of the tests plays.
	soakSeeds = 30
	// The environment variables for more: QUIC_TEST_SEEDS is how many, QUIC_TEST_SEED the first one, alone if the other
	// variable is not set.
	soakSeedsVariable = "QUIC_TEST_SEEDS"
	soakSeedVariable  = "QUIC_TEST_SEED"
	// soakRealLimit is in real time: a scenario takes some ten milliseconds.
	soakRealLimit = 3 * time.Minute
	// soakReportEvery is after how many seeds a long run says how far it is.
	soakReportEvery = 500
)

// TestSoak plays random scenarios: networks that lose, reorder, duplicate, corrupt and delay, that carry smaller datagrams all of
// a sudden or nothing for a while, NATs that forget, and applications that do what they like.
func TestSoak(t *testing.T) {
	first, count, long := soakRange(t)
	outcomes := make(map[string]int)
	for seed := first; seed < first+count; seed++ {
		ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			outcomes[soakSeed(t, seed)]++
		})
		if !ok {
			t.Logf("replay it with %s=%d", soakSeedVariable, seed)
		}
		if long && (seed-first+1)%soakReportEvery == 0 {
			fmt.Fprintf(os.Stderr, "soak: seeds %d to %d: %v\n", first, seed, outcomes)
		}
	}
	t.Logf("%d seeds: %v", count, outcomes)
}

// soakRange returns which seeds to run, and whether that takes long.
func soakRange(t *testing.T) (first, count uint64, long bool) {
	number := func(name string, otherwise uint64) uint64 {
		text, ok := os.LookupEnv(name)
		if !ok {
			return otherwise
		}
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	count = soakSeeds
	if raceEnabled || testing.Short() {
		count /= 3
	}
	_, one := os.LookupEnv(soakSeedVariable)
	if one {
		count = 1
	}
	count = number(soakSeedsVariable, count)
	return number(soakSeedVariable, 0), count, count > soakReportEvery
}

// soakSeed plays one scenario in a bubble.
func soakSeed(t *testing.T, seed uint64) (outcome string) {
	cryptotest.SetGlobalRandom(t, seed)
	watchdog := time.AfterFunc(soakRealLimit, func() {
		fmt.Fprintln(os.Stderr, strings.Join(goroutineStacks(), "\n\n"))
		panic(fmt.Sprintf("seed %d takes more than %s", seed, soakRealLimit))
	})
	defer watchdog.Stop()
	outcome = "failed"
	synctest.Test(t, func(t *testing.T) {
		s := newSoakScenario(seed)
		outcome = runSoak(t, s)
		if t.Failed() {
			t.Logf("scenario of seed %d: %s", seed, s)
		}
	})
	return outcome
}

// String describes the scenario.
func (s *soakScenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "harsh %t, dead %t at %s, lossless %t, retry %t, DF %t\n", s.harsh, s.dead, s.deadAt, s.lossless, s.retry, s.dontFrag)
	fmt.Fprintf(&b, "up   %+v\ndown %+v\nMTU changes %+v, rebinding at %v\n", s.net.Up, s.net.Down, s.changes, s.rebinds)
	fmt.Fprintf(&b, "client %+v\nserver %+v\ndatagrams %v, end %+v\n", *s.config[0], *s.config[1], s.datagrams, s.end)
	for side := range s.streams {
		for _, st := range s.streams[side] {
			fmt.Fprintf(&b, "side %d opens %+v\n", side, *st)
		}
	}
	return b.String()
}

// An amplificationOracle checks that the server keeps RFC 9000, Section 8.1, as far as can be seen on the wire: until it has got a
// Handshake packet from an address, it sends at most three times as much as it has received from there.
type amplificationOracle struct {
	t   *testing.T
	off bool // tokens prove addresses

	mu       sync.Mutex
	received int
	sent     int
	proved   bool
}

func (o *amplificationOracle) onSent(_ time.Time, from, _ net.Addr, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if from.(*net.UDPAddr).Port != soakServerPort || o.proved || o.off {
		return
	}
	if o.sent += len(data); o.sent > protocol.AmplificationFactor*o.received {
		o.t.Errorf("the server has sent %d bytes to an address from which it has got %d", o.sent, o.received)
	}
}

func (o *amplificationOracle) onDelivered(_ time.Time, _, to net.Addr, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if to.(*net.UDPAddr).Port != soakServerPort {
		return
	}
	o.received += len(data)
	for len(data) > 0 {
		h, err := wire.ParseLongHeader(data)
		if err != nil || h.Type == protocol.PacketTypeHandshake {
			o.proved = true // or it cannot be told
			return
		}
		data = data[h.PacketLen:]
	}
}

// soakServerPort is that of netsim.Pair.
const soakServerPort = 443
