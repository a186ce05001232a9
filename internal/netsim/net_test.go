package netsim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const seed = 7

// arrival is a datagram that was read.
type arrival struct {
	n    int
	at   time.Duration
	from string
}

// numbered returns a datagram of size bytes, at least 8, that carries its number.
func numbered(n, size int) []byte {
	b := make([]byte, size)
	binary.BigEndian.PutUint64(b, uint64(n))
	return b
}

// run sends count datagrams of 1000 bytes from the client, gap apart, and returns what arrives at the server.
func run(t *testing.T, o Options, count int, gap time.Duration) (got []arrival, s Stats) {
	t.Helper()
	client, server, n := Pair(seed, o)
	defer n.Close()
	start := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() {
		b := make([]byte, 2000)
		for {
			k, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if k != 1000 {
				t.Errorf("a datagram of %d bytes arrived, want 1000", k)
			}
			got = append(got, arrival{int(binary.BigEndian.Uint64(b)), time.Since(start), from.String()})
		}
	})
	for i := range count {
		if _, err := client.WriteTo(numbered(i+1, 1000), server.LocalAddr()); err != nil {
			t.Errorf("WriteTo: %v", err)
		}
		time.Sleep(gap)
	}
	time.Sleep(time.Hour)
	s = n.UpStats()
	n.Close()
	wg.Wait()
	return got, s
}

func numbers(got []arrival) []int {
	var ns []int
	for _, a := range got {
		ns = append(ns, a.n)
	}
	return ns
}

func TestPerfectNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, s := run(t, Options{}, 2000, 0)
		if len(got) != 2000 || !slices.IsSorted(numbers(got)) {
			t.Errorf("%d datagrams arrived, in order %v, want 2000, true", len(got), slices.IsSorted(numbers(got)))
		}
		if want := (Stats{Sent: 2000, Delivered: 2000}); s != want {
			t.Errorf("Stats = %+v, want %+v", s, want)
		}
	})
}

func TestDelayAndJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, _ := run(t, Options{Up: Direction{Delay: 30 * time.Millisecond, Jitter: 20 * time.Millisecond}}, 500, time.Second)
		lo, hi := time.Hour, time.Duration(0)
		for _, a := range got {
			d := a.at - time.Duration(a.n-1)*time.Second
			lo, hi = min(lo, d), max(hi, d)
		}
		if len(got) != 500 || lo < 30*time.Millisecond || lo > 32*time.Millisecond || hi < 48*time.Millisecond || hi > 50*time.Millisecond {
			t.Errorf("%d datagrams took %v to %v, want 500 from 30 to 50 ms", len(got), lo, hi)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		got, _ := run(t, Options{Up: Direction{Jitter: 20 * time.Millisecond}}, 500, time.Millisecond)
		if len(got) != 500 || !slices.IsSorted(numbers(got)) {
			t.Error("jitter changed the order")
		}
	})
}

func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, s := run(t, Options{Up: Direction{Loss: 0.1}}, 5000, 0)
		if len(got)+s.Lost != 5000 || s.Lost < 400 || s.Lost > 600 {
			t.Errorf("%d arrived, %d lost, want about 500 of 5000 lost", len(got), s.Lost)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		got, s := run(t, Options{Up: Direction{DropNth: []int{1, 3, 4}}}, 6, 0)
		if want := []int{2, 5, 6}; !slices.Equal(numbers(got), want) || s.Lost != 3 {
			t.Errorf("arrived %v, %d lost, want %v, 3", numbers(got), s.Lost, want)
		}
	})
}

func TestMTUAndBlackHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got, s := run(t, Options{Up: Direction{MTU: 999}}, 3, 0); len(got) != 0 || s.TooLong != 3 {
			t.Errorf("%d arrived, %d too long, want 0, 3", len(got), s.TooLong)
		}
		if got, _ := run(t, Options{Up: Direction{MTU: 1000}}, 3, 0); len(got) != 3 {
			t.Errorf("%d arrived, want 3", len(got))
		}
		holes := []Window{{time.Second, 3 * time.Second}, {5 * time.Second, 6 * time.Second}}
		got, s := run(t, Options{Up: Direction{BlackHoles: holes}}, 8, time.Second)
		if want := []int{1, 4, 5, 7, 8}; !slices.Equal(numbers(got), want) || s.BlackHoled != 3 {
			t.Errorf("arrived %v, %d dropped, want %v, 3", numbers(got), s.BlackHoled, want)
		}
	})
}

func TestRateAndQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, s := run(t, Options{Up: Direction{Rate: 100_000, QueueBytes: 5000, Delay: time.Second}}, 10, 0)
		if want := []int{1, 2, 3, 4, 5}; !slices.Equal(numbers(got), want) || s.QueueFull != 5 {
			t.Errorf("arrived %v, %d dropped, want %v, 5", numbers(got), s.QueueFull, want)
		}
		for i, a := range got {
			if want := time.Second + time.Duration(i+1)*10*time.Millisecond; (a.at - want).Abs() > time.Microsecond {
				t.Errorf("datagram %d arrives after %v, want %v", a.n, a.at, want)
			}
		}
		if got, _ := run(t, Options{Up: Direction{Rate: 100_000, QueueBytes: 1000}}, 10, 10*time.Millisecond); len(got) != 10 {
			t.Errorf("%d datagrams arrive at the rate of the link, want 10", len(got))
		}
	})
}

func TestReorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, s := run(t, Options{Up: Direction{Reorder: 0.2, ReorderBy: 5 * time.Millisecond}}, 500, time.Millisecond)
		late := 0
		for i, a := range got {
			if slices.ContainsFunc(got[:i], func(b arrival) bool { return b.n > a.n }) {
				late++
			}
		}
		if len(got) != 500 || s.Reordered < 70 || s.Reordered > 130 || late < s.Reordered-10 || late > s.Reordered {
			t.Errorf("%d arrived, %d late, %d reordered, want 500, about 100", len(got), late, s.Reordered)
		}
	})
}

func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, s := run(t, Options{Up: Direction{Duplicate: 0.3}}, 1000, 0)
		if len(got) != 1000+s.Duplicated || s.Duplicated < 240 || s.Duplicated > 360 || s.Delivered != len(got) {
			t.Errorf("%d arrived, %+v", len(got), s)
		}
	})
}

func TestCorruptFlipsOneBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, n := Pair(seed, Options{Up: Direction{Corrupt: 1, Duplicate: 1}})
		defer n.Close()
		want := numbered(1, 100)
		places := make(map[int]bool)
		for range 50 {
			if _, err := client.WriteTo(want, server.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				got := make([]byte, 200)
				k, _, err := server.ReadFrom(got)
				if err != nil || k != 100 {
					t.Fatalf("ReadFrom = %d, %v", k, err)
				}
				flipped := 0
				for i := range want {
					if x := want[i] ^ got[i]; x != 0 {
						flipped += bits.OnesCount8(x)
						places[i] = true
					}
				}
				if flipped != 1 {
					t.Fatalf("%d bits differ, want 1", flipped)
				}
			}
		}
		if len(places) < 20 {
			t.Errorf("only %d places in 50 datagrams", len(places))
		}
	})
}

func TestSeedDecides(t *testing.T) {
	bad := Direction{Delay: 9 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1, Reorder: 0.1, Duplicate: 0.1}
	var runs [][]arrival
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			got, _ := run(t, Options{Up: bad}, 1000, time.Millisecond)
			runs = append(runs, got)
		})
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Error("two runs with the same seed differ")
	}
	// Other elements do not change which datagrams are lost.
	synctest.Test(t, func(t *testing.T) {
		got, _ := run(t, Options{Up: Direction{Loss: 0.1}}, 1000, time.Millisecond)
		kept := numbers(runs[0])
		slices.Sort(kept)
		if !slices.Equal(slices.Compact(kept), numbers(got)) {
			t.Error("delay, jitter, reorder and duplicate changed which datagrams are lost")
		}
	})
}

func TestRebinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, n := Pair(seed, Options{Rebind: []time.Duration{time.Second, 2 * time.Second}, Down: Direction{Delay: 100 * time.Millisecond}})
		defer n.Close()
		b := make([]byte, 100)
		seen := make(map[string]bool)
		for i := range 3 {
			if _, err := client.WriteTo([]byte("ping"), server.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			_, from, err := server.ReadFrom(b)
			if err != nil {
				t.Fatal(err)
			}
			seen[from.String()] = true
			if from.String() != n.ClientAddr(client.LocalAddr()).String() {
				t.Errorf("from %v, want %v", from, n.ClientAddr(client.LocalAddr()))
			}
			if _, err := server.WriteTo(fmt.Appendf(nil, "pong %d", i), from); err != nil {
				t.Fatal(err)
			}
			k, _, err := client.ReadFrom(b)
			if err != nil || string(b[:k]) != fmt.Sprint("pong ", i) {
				t.Errorf("read %q, %v", b[:k], err)
			}
			// This one is on its way when the binding goes.
			time.Sleep(time.Duration(i+1)*time.Second - n.Elapsed() - 50*time.Millisecond)
			if _, err := server.WriteTo([]byte("late"), from); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if s := n.DownStats(); len(seen) != 3 || s.Unroutable != 2 {
			t.Errorf("%d addresses, %d datagrams to old ones, want 3, 2", len(seen), s.Unroutable)
		}
	})
}

func TestHooksSeeEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sent, delivered [][]byte
		start := time.Now()
		hook := func(list *[][]byte, at time.Duration) Hook {
			return func(now time.Time, from, to net.Addr, data []byte) {
				mu.Lock()
				defer mu.Unlock()
				*list = append(*list, bytes.Clone(data))
				if now.Sub(start) != at || from.String() != "192.0.2.1:1000" || to.String() != "198.51.100.1:443" {
					t.Errorf("hook: %v, from %v to %v", now.Sub(start), from, to)
				}
			}
		}
		o := Options{Up: Direction{DropNth: []int{2}, Delay: time.Second}}
		o.OnSent, o.OnDelivered = hook(&sent, 0), hook(&delivered, time.Second)
		got, _ := run(t, o, 3, 0)
		if len(sent) != 3 || len(delivered) != 2 || len(got) != 2 {
			t.Errorf("sent %d, delivered %d, read %d, want 3, 2, 2", len(sent), len(delivered), len(got))
		}
	})
}

func TestChangeDuringRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, n := Pair(seed, Options{})
		defer n.Close()
		n.SetDown(Direction{Loss: 1})
		n.SetUp(Direction{Delay: time.Minute})
		if _, err := server.WriteTo([]byte("x"), client.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if _, err := client.WriteTo([]byte("x"), server.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, _, err := server.ReadFrom(make([]byte, 9)); err != nil || time.Since(start) != time.Minute {
			t.Errorf("read after %v, %v, want 1m, nil", time.Since(start), err)
		}
		if s := n.DownStats(); s.Lost != 1 {
			t.Errorf("%d lost, want 1", s.Lost)
		}
	})
}

// Nothing may be left in the bubble when a Net is closed while a delivery waits for a reader.
func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, n := Pair(seed, Options{Down: Direction{Delay: time.Hour}, Rebind: []time.Duration{time.Hour}})
		for range 200 {
			if _, err := client.WriteTo([]byte("nobody reads"), server.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			if _, err := server.WriteTo([]byte("on its way"), client.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for range 2 {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, c := range []net.PacketConn{client, server} {
			if _, _, err := c.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
				t.Errorf("ReadFrom after Close: %v, want %v", err, net.ErrClosed)
			}
		}
	})
}

func fixed(f Fault) func() Fault { return func() Fault { return f } }

func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, n := Pair(seed, Options{})
		defer n.Close()
		send := func(f Fault, count, size int, gap time.Duration) (failed int) {
			c := WithFaults(client, nil, f)
			for range count {
				k, err := c.WriteTo(make([]byte, size), server.LocalAddr())
				if err != nil {
					failed++
					var op *net.OpError
					if k != 0 || !errors.Is(err, syscall.ENOBUFS) || !errors.As(err, &op) {
						t.Errorf("WriteTo = %d, %v, want 0, ENOBUFS", k, err)
					}
				}
				time.Sleep(gap)
			}
			if _, w := c.Failures(); w != failed {
				t.Errorf("Failures() = %d, want %d", w, failed)
			}
			return failed
		}
		go func() {
			for {
				if _, _, err := server.ReadFrom(make([]byte, 2000)); err != nil {
					return
				}
			}
		}()
		for _, tc := range []struct {
			name                string
			f                   func() Fault
			count, size, lo, hi int
			gap                 time.Duration
		}{
			{name: "once", f: fixed(OnNth(3, syscall.ENOBUFS)), count: 10, lo: 1, hi: 1},
			{name: "one percent", f: fixed(WithProbability(seed, 0.01, syscall.ENOBUFS)), count: 10000, lo: 70, hi: 130},
			{name: "ten seconds", f: func() Fault { return For(10*time.Second, syscall.ENOBUFS) }, count: 20, gap: time.Second, lo: 10, hi: 10},
			{name: "forever", f: fixed(Always(syscall.ENOBUFS)), count: 10, lo: 10, hi: 10},
			{name: "long", f: fixed(LongerThan(100, syscall.ENOBUFS)), count: 10, size: 100},
			{name: "longer", f: fixed(LongerThan(100, syscall.ENOBUFS)), count: 10, size: 101, lo: 10, hi: 10},
			{name: "never", f: fixed(nil), count: 10},
		} {
			if got := send(tc.f(), tc.count, tc.size, tc.gap); got < tc.lo || got > tc.hi {
				t.Errorf("%s: %d of %d writes failed, want %d to %d", tc.name, got, tc.count, tc.lo, tc.hi)
			}
		}
	})
}

func TestReadFaultsGiveWayToDeadlineAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _, n := Pair(seed, Options{})
		defer n.Close()
		c := WithFaults(client, Always(syscall.ECONNREFUSED), nil)
		if _, _, err := c.ReadFrom(nil); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("ReadFrom = %v, want ECONNREFUSED", err)
		}
		if err := c.SetReadDeadline(time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadFrom(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadFrom = %v, want %v", err, os.ErrDeadlineExceeded)
		}
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadFrom = %v, want %v", err, net.ErrClosed)
		}
		if r, _ := c.Failures(); r != 1 {
			t.Errorf("%d failed reads, want 1", r)
		}
	})
}
