package monotime

import "time"

// A Time is a point in monotonic time, in nanoseconds since an arbitrary origin.
type Time int64

// origin lies so far before the start of the process that every Time is positive, also in a testing/synctest
// bubble, whose clock starts in the year 2000.
var origin = time.Now().Add(-100 * 365 * 24 * time.Hour)

// Now returns the current time.
func Now() Time { return FromTime(time.Now()) }

// FromTime converts t, which should carry a monotonic reading. The zero time.Time gives the zero Time.
func FromTime(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	if d := t.Sub(origin); d != 0 {
		return Time(d)
	}
	return 1
}

// ToTime converts back. The zero Time gives the zero time.Time.
func (t Time) ToTime() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return origin.Add(time.Duration(t))
}

// IsZero reports whether t is not set.
func (t Time) IsZero() bool { return t == 0 }

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Before reports whether t is before u.
func (t Time) Before(u Time) bool { return t < u }

// After reports whether t is after u.
func (t Time) After(u Time) bool { return t > u }

// Earliest returns the earlier of two times, where zero means never.
func Earliest(a, b Time) Time {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
