package udp

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/internal/protocol"
)

// call is one system call that a fakeSender saw.
type call struct {
	size, segment int
	ecn           protocol.ECN
}

// fakeSender answers each call with what fail says.
type fakeSender struct {
	calls []call
	fail  func(i int, c call) error
}

func (s *fakeSender) send(b []byte, segment int, ecn protocol.ECN, _ *Destination) error {
	c := call{len(b), segment, ecn}
	s.calls = append(s.calls, c)
	return s.fail(len(s.calls)-1, c)
}

func newFake(fail func(i int, c call) error) (*batchWriter, *fakeSender) {
	s := &fakeSender{fail: fail}
	w := &batchWriter{out: s}
	w.gso.Store(true)
	w.ecn.Store(true)
	return w, s
}

func write(w *batchWriter, n, segment int) error {
	return w.WriteBatch(make([]byte, n), segment, protocol.ECT0, &Destination{})
}

func TestBatchIsSplit(t *testing.T) {
	for _, tc := range []struct {
		name           string
		total, segment int
		want           []call
	}{
		{"one datagram", 1200, 1200, []call{{1200, 0, protocol.ECT0}}},
		{"no segment size", 1200, 0, []call{{1200, 0, protocol.ECT0}}},
		{"two datagrams", 1300, 1200, []call{{1300, 1200, protocol.ECT0}}},
		{"too many segments", 65 * 100, 100, []call{{6400, 100, protocol.ECT0}, {100, 0, protocol.ECT0}}},
		{"too many bytes", 46 * 1452, 1452, []call{{45 * 1452, 1452, protocol.ECT0}, {1452, 0, protocol.ECT0}}},
		{"huge segments", 120000, 60000, []call{{60000, 0, protocol.ECT0}, {60000, 0, protocol.ECT0}}},
	} {
		w, s := newFake(func(int, call) error { return nil })
		if err := write(w, tc.total, tc.segment); err != nil {
			t.Fatal(err)
		}
		if len(s.calls) != len(tc.want) {
			t.Errorf("%s: calls = %v, want %v", tc.name, s.calls, tc.want)
			continue
		}
		for i, c := range s.calls {
			if c != tc.want[i] {
				t.Errorf("%s: call %d = %v, want %v", tc.name, i, c, tc.want[i])
			}
		}
	}
}

func TestSegmentationRefused(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.EINVAL} {
		w, s := newFake(func(_ int, c call) error {
			if c.segment > 0 {
				return os.NewSyscallError("sendmsg", errno)
			}
			return nil
		})
		if err := write(w, 5000, 1000); err != nil {
			t.Errorf("%v: WriteBatch = %v, want nil", errno, err)
		}
		if len(s.calls) != 6 || w.MaxSegments() != 1 {
			t.Errorf("%v: %d calls, MaxSegments %d, want 6, 1", errno, len(s.calls), w.MaxSegments())
		}
		s.calls = nil
		if err := write(w, 5000, 1000); err != nil || len(s.calls) != 5 {
			t.Errorf("%v: then %d calls, %v, want 5, nil", errno, len(s.calls), err)
		}
	}
}

// Kernels before 6.14 answer EINVAL to segments that are longer than the MTU.
func TestSegmentsLongerThanTheMTUKeepSegmentation(t *testing.T) {
	w, _ := newFake(func(_ int, c call) error {
		if c.segment > 0 {
			return syscall.EINVAL
		}
		return syscall.EMSGSIZE
	})
	if err := write(w, 5000, 1000); !IsMessageTooLong(err) || !errors.Is(err, ErrMessageTooLong) || IsTransient(err) {
		t.Errorf("WriteBatch = %v, want %v", err, ErrMessageTooLong)
	}
	if w.MaxSegments() != MaxGSOSegments {
		t.Error("segmentation is off")
	}
}

func TestErrnosOfSends(t *testing.T) {
	transient := []syscall.Errno{
		syscall.ENOBUFS, syscall.EPERM, syscall.ENETUNREACH, syscall.EHOSTUNREACH,
		syscall.ECONNREFUSED, syscall.ENOMEM, syscall.EINTR, syscall.EINVAL, syscall.EIO,
	}
	for _, errno := range transient {
		w, s := newFake(func(int, call) error { return &net.OpError{Op: "write", Err: os.NewSyscallError("sendmsg", errno)} })
		err := write(w, 5000, 1000)
		if !errors.Is(err, ErrTransient) || !errors.Is(err, errno) || !IsTransient(err) || IsMessageTooLong(err) {
			t.Errorf("%v: WriteBatch = %v, want a transient error", errno, err)
		}
		if len(s.calls) > 20 {
			t.Errorf("%v: %d calls", errno, len(s.calls))
		}
	}
	w, s := newFake(func(int, call) error { return syscall.EBADF })
	if err := write(w, 5000, 1000); !errors.Is(err, syscall.EBADF) || IsTransient(err) || len(s.calls) != 1 {
		t.Errorf("EBADF: WriteBatch = %v after %d calls", err, len(s.calls))
	}
	if IsTransient(nil) || IsMessageTooLong(nil) {
		t.Error("no error has a class")
	}
}

func TestErrorsAboutEarlierPacketsAreRetried(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EINTR, syscall.ECONNREFUSED} {
		w, s := newFake(func(i int, _ call) error {
			if i == 0 {
				return errno
			}
			return nil
		})
		if err := write(w, 3000, 1000); err != nil || len(s.calls) != 2 || s.calls[1].segment != 1000 {
			t.Errorf("%v: WriteBatch = %v, calls %v", errno, err, s.calls)
		}
	}
}

func TestOneLostDatagramDoesNotTakeTheRest(t *testing.T) {
	w, s := newFake(func(i int, _ call) error {
		if i == 1 {
			return syscall.ENOBUFS
		}
		return nil
	})
	w.gso.Store(false)
	if err := write(w, 5000, 1000); !errors.Is(err, syscall.ENOBUFS) || len(s.calls) != 5 {
		t.Errorf("WriteBatch = %v, %d calls, want ENOBUFS, 5", err, len(s.calls))
	}
}

func TestFullSocketPausesForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newFake(func(i int, _ call) error {
			if i < 3 {
				return syscall.EAGAIN
			}
			return nil
		})
		if err := write(w, 3000, 1000); err != nil {
			t.Errorf("WriteBatch = %v, want nil", err)
		}
		s.fail = func(int, call) error { return syscall.EAGAIN }
		s.calls = nil
		start := time.Now()
		w.gso.Store(false)
		if err := write(w, 50000, 1000); !errors.Is(err, syscall.EAGAIN) || !IsTransient(err) {
			t.Errorf("WriteBatch = %v, want a transient EAGAIN", err)
		}
		if d := time.Since(start); d > 30*time.Millisecond || len(s.calls) != 1+fullSocketTries {
			t.Errorf("paused %v in %d calls, want at most 30ms in %d", d, len(s.calls), 1+fullSocketTries)
		}
	})
}

func TestECNRefused(t *testing.T) {
	w, s := newFake(func(_ int, c call) error {
		if c.ecn != protocol.ECNNon {
			return syscall.EINVAL
		}
		return nil
	})
	if err := write(w, 1000, 0); err != nil || w.ecn.Load() {
		t.Errorf("WriteBatch = %v, ECN %v, want nil, false", err, w.ecn.Load())
	}
	s.calls = nil
	if err := write(w, 1000, 0); err != nil || len(s.calls) != 1 {
		t.Errorf("then WriteBatch = %v, calls %v, want one", err, s.calls)
	}
	// A single EINVAL says nothing about ECN.
	w, _ = newFake(func(i int, _ call) error {
		if i == 0 {
			return syscall.EINVAL
		}
		return nil
	})
	if err := write(w, 1000, 0); err != nil || !w.ecn.Load() {
		t.Errorf("WriteBatch = %v, ECN %v, want nil, true", err, w.ecn.Load())
	}
}
