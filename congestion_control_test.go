package quic

import (
	"fmt"
	"testing"
)

func TestCongestionControlOfConfig(t *testing.T) {
	for c, want := range map[CongestionControl]string{
		CongestionCUBIC: "*congestion.cubic", CongestionNewReno: "*congestion.newReno", CongestionBBRv3: "*congestion.bbr",
	} {
		got := c.newController(func() int { return 0 })(1200)
		if name := fmt.Sprintf("%T", got); name != want {
			t.Errorf("%s is %s, want %s", c, name, want)
		}
	}
}
