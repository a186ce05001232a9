package http3

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
)

func TestDatagramQueue(t *testing.T) {
	c := &connection{}
	q := &datagramQueue{conn: c}
	for i := range maxStreamDatagrams + 5 {
		q.push([]byte{byte(i)})
	}
	if n := c.datagramBytes.Load(); n != maxStreamDatagrams*(1+datagramOverhead) {
		t.Errorf("%d bytes of %d datagrams are accounted", n, maxStreamDatagrams)
	}
	for i := range maxStreamDatagrams {
		if b, err := q.pop(t.Context()); err != nil || b[0] != byte(i) {
			t.Fatalf("datagram %d: got %d, %v", i, b, err)
		}
	}
	if n := c.datagramBytes.Load(); n != 0 {
		t.Errorf("%d bytes are accounted, want 0", n)
	}
}

func TestDatagramQueueAfterTheEnd(t *testing.T) {
	c := &connection{}
	q := &datagramQueue{conn: c}
	q.push([]byte("one"))
	q.close(io.EOF)
	q.close(io.ErrClosedPipe) // the first error counts
	q.push([]byte("two"))
	q.retire()
	q.retire()
	if n := c.datagramBytes.Load(); n != 0 {
		t.Errorf("%d bytes of a retired stream are accounted", n)
	}
	if b, err := q.pop(t.Context()); string(b) != "one" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if b, err := q.pop(t.Context()); err != io.EOF {
		t.Errorf("got %q, %v, want %v", b, err, io.EOF)
	}
	if n := c.datagramBytes.Load(); n != 0 {
		t.Errorf("%d bytes are accounted", n)
	}
}

// The streams of a connection share a budget, which empty datagrams use up too.
func TestDatagramBytesAreBounded(t *testing.T) {
	for _, size := range []int{0, 1200} {
		c := &connection{}
		kept, each := 0, size+datagramOverhead
		for range 100 {
			q := &datagramQueue{conn: c}
			for range maxStreamDatagrams {
				q.push(make([]byte, size))
			}
			kept += q.waiting.n
		}
		if want := maxDatagramBytes / each; kept != want || int(c.datagramBytes.Load()) != kept*each {
			t.Errorf("%d datagrams of %d bytes are kept and %d bytes accounted, want %d", kept, size, c.datagramBytes.Load(), want)
		}
	}
}

func TestDatagramQueueWakesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &datagramQueue{conn: &connection{}}
		results := make(chan error, 3)
		for range 3 {
			go func() { _, err := q.pop(context.Background()); results <- err }()
		}
		synctest.Wait()
		q.push([]byte("for one of them"))
		if err := <-results; err != nil {
			t.Error(err)
		}
		q.close(io.EOF)
		for range 2 {
			if err := <-results; err != io.EOF {
				t.Errorf("got %v, want %v", err, io.EOF)
			}
		}
	})
}

// A queue that is never empty goes round its memory many times.
func TestDatagramQueueKeepsOrderAndMemory(t *testing.T) {
	c := &connection{}
	q := &datagramQueue{conn: c}
	payloads := make([][]byte, 256)
	for i := range payloads {
		payloads[i] = []byte{byte(i)}
	}
	pushed, popped := 0, 0
	move := func(in, out int) {
		for range in {
			q.push(payloads[pushed%256])
			pushed++
		}
		for range out {
			if b, _, err := q.tryPop(); err != nil || len(b) != 1 || b[0] != byte(popped) {
				t.Fatalf("datagram %d: got %v, %v", popped, b, err)
			}
			popped++
		}
	}
	move(3, 0)
	for range 20 { // grows with its first slot in the middle
		move(7, 5)
	}
	if n := testing.AllocsPerRun(100, func() { move(21, 21) }); n != 0 {
		t.Errorf("%v allocations for 21 datagrams, want none", n)
	}
	move(0, pushed-popped)
	if n := c.datagramBytes.Load(); n != 0 {
		t.Errorf("%d bytes are accounted, want 0", n)
	}
}
