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
			kept += len(q.waiting)
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
