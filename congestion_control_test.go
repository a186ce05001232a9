package quic

import (
	"fmt"
	"net"
	"testing"
)

func TestCongestionControlOfTransport(t *testing.T) {
	for c, want := range map[CongestionControl]struct{ name, controller string }{
		CongestionCUBIC:   {"CUBIC", "*congestion.cubic"},
		CongestionNewReno: {"NewReno", "*congestion.newReno"},
		CongestionBBRv3:   {"BBRv3", "*congestion.bbr"},
	} {
		if c.String() != want.name {
			t.Errorf("CongestionControl(%d).String() = %q, want %q", int(c), c, want.name)
		}
		got := c.newController(func() int { return 0 })(1200)
		if name := fmt.Sprintf("%T", got); name != want.controller {
			t.Errorf("%s is %s, want %s", c, name, want.controller)
		}
	}
}

func TestTransportRefusesUnknownCongestionControl(t *testing.T) {
	for _, c := range []CongestionControl{-1, 3} {
		tr := &Transport{Conn: &net.UDPConn{}, CongestionControl: c}
		want := fmt.Sprintf("quic: invalid congestion control: %d", int(c))
		if err := tr.init(); err == nil || err.Error() != want {
			t.Errorf("init = %v, want %s", err, want)
		}
		if got, want := c.String(), fmt.Sprintf("unknown congestion control %d", int(c)); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}
