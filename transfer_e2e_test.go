package quic_test

import (
	"fmt"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	quic "github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/internal/netsim"
)

// A randomReader yields the same bytes for the same seed.
func randomReader(seed uint64, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1}), n)
}

// A hasher tells byte sequences apart without keeping them.
type hasher struct {
	hash maphash.Hash
	n    int64
}

func newHasher(seed maphash.Seed) *hasher {
	h := &hasher{}
	h.hash.SetSeed(seed)
	return h
}

func (h *hasher) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	return h.hash.Write(p)
}

// transferAll sends n bytes on a new stream and compares what arrives.
func transferAll(t *testing.T, from, to *quic.Conn, seed uint64, n int64) {
	t.Helper()
	s, err := from.OpenUniStream()
	if err != nil {
		t.Error(err)
		return
	}
	hashSeed := maphash.MakeSeed()
	sent, received := newHasher(hashSeed), newHasher(hashSeed)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.CopyBuffer(io.MultiWriter(s, sent), randomReader(seed, n), make([]byte, 32<<10)); err != nil {
			t.Errorf("Write: %v", err)
		}
		s.Close()
	}()
	r, err := to.AcceptUniStream(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := io.CopyBuffer(onlyWriter{received}, onlyReader{r}, make([]byte, 32<<10)); err != nil {
		t.Errorf("Read after %d bytes: %v", received.n, err)
	}
	<-done
	if received.n != n || received.hash.Sum64() != sent.hash.Sum64() {
		t.Errorf("%d bytes arrived, %d were sent, their hashes differ: %t", received.n, sent.n, received.hash.Sum64() != sent.hash.Sum64())
	}
}

type onlyWriter struct{ io.Writer }

type onlyReader struct{ io.Reader }

// largeTransfer is how much the tests transfer that -race makes slow.
func largeTransfer() int64 {
	if raceEnabled || testing.Short() {
		return 4 << 20
	}
	return 64 << 20
}

func TestLargeTransferIsExact(t *testing.T) {
	perfect := delayed()
	reordering := delayed()
	reordering.Up.Reorder, reordering.Up.ReorderBy, reordering.Up.Jitter = 0.2, 15*time.Millisecond, 2*time.Millisecond
	duplicating := delayed()
	duplicating.Up.Duplicate, duplicating.Down.Duplicate = 0.3, 0.3
	for name, o := range map[string]netsim.Options{
		"perfect network": perfect, "loss, reordering and duplication": lossy(), "much reordering": reordering, "much duplication": duplicating,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{seed: 11, net: o})
				start := time.Now()
				transferAll(t, p.client, p.server, 1, largeTransfer())
				t.Logf("%d bytes in %s", largeTransfer(), time.Since(start))
			})
		})
	}
}

func TestLargeTransferBothWaysIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairOptions{seed: 12, net: lossy()})
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() { transferAll(t, p.client, p.server, 1, largeTransfer()) })
		wg.Go(func() { transferAll(t, p.server, p.client, 2, largeTransfer()) })
		wg.Wait()
		t.Logf("%d bytes each way in %s", largeTransfer(), time.Since(start))
	})
}

// Many streams share a connection whose network is bad.
func TestManyTransfersAreExact(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairOptions{seed: seed, net: lossy()})
				r := rand.New(rand.NewPCG(seed, 9))
				var wg sync.WaitGroup
				for range 40 {
					n := r.IntN(300_000)
					wg.Go(func() { echoExactly(t, p, n) })
				}
				wg.Wait()
				settle()
				expectNoStreams(t, p.client, p.server)
			})
		})
	}
}

// echoExactly sends n bytes on a stream of one connection, whose peer sends them back.
func echoExactly(t *testing.T, p *pair, n int) {
	s, err := p.client.OpenStreamSync(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	go func() {
		b, err := p.server.AcceptStream(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(b, b)
		b.Close()
	}()
	seed := maphash.MakeSeed()
	sent, received := newHasher(seed), newHasher(seed)
	go func() {
		io.Copy(io.MultiWriter(s, sent), randomReader(uint64(n), int64(n)))
		s.Close()
	}()
	if _, err := io.Copy(received, s); err != nil {
		t.Errorf("Read: %v", err)
	}
	if received.n != int64(n) || received.hash.Sum64() != sent.hash.Sum64() {
		t.Errorf("%d bytes came back, %d were sent", received.n, n)
	}
}

// Tiny windows make transfers slow but do not stall them.
func TestTransferThroughTinyWindows(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			tiny := func() *quic.Config {
				return &quic.Config{
					InitialStreamReceiveWindow: 1000, MaxStreamReceiveWindow: 1000,
					InitialConnectionReceiveWindow: 1500, MaxConnectionReceiveWindow: 1500,
				}
			}
			p := newPair(t, pairOptions{seed: seed, net: lossy(), client: tiny(), server: tiny()})
			var wg sync.WaitGroup
			for i := range 5 {
				wg.Go(func() { echoExactly(t, p, 20_000+i) })
			}
			wg.Wait()
		})
	}
}
