//go:build !upstream

package measure

import (
	"testing"

	quic "github.com/quic-go/quic-go"
)

// State is the same enumeration as quic.StreamState.
func TestStatesAreThoseOfQUIC(t *testing.T) {
	for s := SendReady; s <= Retired; s++ {
		native := quic.StreamState(s)
		if s.String() != native.String() || s != Retired && s.closed() != native.Closed() || s.terminal() != native.Terminal() {
			t.Errorf("%d: %s, closed %t, terminal %t; quic has %s, %t, %t", s, s, s.closed(), s.terminal(), native, native.Closed(), native.Terminal())
		}
	}
	if quic.StreamStateRetired != quic.StreamState(Retired) {
		t.Errorf("Retired is %d, quic has %d", Retired, quic.StreamStateRetired)
	}
}
