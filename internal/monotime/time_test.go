package monotime

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTimesArePositive(t *testing.T) {
	if now := Now(); now <= 0 {
		t.Errorf("Now() = %d", now)
	}
	synctest.Test(t, func(t *testing.T) {
		now := Now()
		if now <= 0 {
			t.Errorf("Now() = %d in a bubble", now)
		}
		time.Sleep(time.Second)
		if d := Now().Sub(now); d != time.Second {
			t.Errorf("a second lasts %s", d)
		}
	})
}

func TestConversion(t *testing.T) {
	if got := FromTime(time.Time{}); !got.IsZero() {
		t.Errorf("FromTime(zero) = %d", got)
	}
	if got := Time(0).ToTime(); !got.IsZero() {
		t.Errorf("ToTime of zero = %s", got)
	}
	now := time.Now()
	if got := FromTime(now).ToTime(); !got.Equal(now) {
		t.Errorf("there and back = %s, want %s", got, now)
	}
}

func TestEarliest(t *testing.T) {
	for _, c := range []struct{ a, b, want Time }{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {5, 7, 5}, {7, 5, 5}} {
		if got := Earliest(c.a, c.b); got != c.want {
			t.Errorf("Earliest(%d, %d) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
