package congestion

import "testing"

// The names of states are those of qlog.
func TestNames(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{SlowStart.String(), "slow_start"},
		{Recovery.String(), "recovery"},
		{CongestionAvoidance.String(), "congestion_avoidance"},
		{ApplicationLimited.String(), "application_limited"},
		{State(9).String(), "unknown state"},
		{Loss.String(), "loss"},
		{ECN.String(), "ECN"},
		{Persistent.String(), "persistent congestion"},
		{CongestionKind(9).String(), "unknown congestion kind"},
	} {
		if tc.got != tc.want {
			t.Errorf("String() = %q, want %q", tc.got, tc.want)
		}
	}
}
