package http3

import (
	"testing"

	"github.com/quic-go/quic-go/quicvarint"
)

func TestParsePriority(t *testing.T) {
	tests := []struct {
		in   string
		want priority
	}{
		{"", priority{urgency: 3}},
		{"u=0", priority{urgency: 0}},
		{"u=7, i", priority{urgency: 7, incremental: true}},
		{"i=?1,u=5", priority{urgency: 5, incremental: true}},
		{"i, i=?0", priority{urgency: 3}},
		{"u=1;foo=bar, i;q", priority{urgency: 1, incremental: true}},
		{"u=8", priority{urgency: 3}},
		{"u=-1", priority{urgency: 3}},
		{"u=1.5", priority{urgency: 3}},
		{"u=?1", priority{urgency: 3}},
		{`i="x"`, priority{urgency: 3}},
		{"foo, bar=1, u=2", priority{urgency: 2}},
		{"u=1, u=6", priority{urgency: 6}},
		{"u=1, u=9", priority{urgency: 3}},
		{"u=1,i=?1;a , i=7", priority{urgency: 1}},
		{`foo="a,u=1,i", u=2`, priority{urgency: 2}},
		{`foo="\",u=1", u=5,`, priority{urgency: 5}},
		{`foo="u=1, u=5`, priority{urgency: 3}},
	}
	for _, test := range tests {
		if got := parsePriority(test.in); got != test.want {
			t.Errorf("parsePriority(%q) = %+v, want %+v", test.in, got, test.want)
		}
	}
}

func TestPriorityUpdatesOfStreamsToCome(t *testing.T) {
	c := &serverConn{}
	update := func(id uint64, value string) {
		t.Helper()
		if err := c.handlePriorityUpdate(framePriorityUpdateRequest, append(quicvarint.Append(nil, id), value...)); err != nil {
			t.Errorf("stream %d: %v", id, err)
		}
	}
	for i := range uint64(10 * maxPendingPriorities) {
		update(4*i, "u=1")
	}
	update(0, "u=2") // known already
	if n := len(c.priorities); n != maxPendingPriorities || c.priorities[0].urgency != 2 {
		t.Errorf("%d streams are remembered, the first with %+v", n, c.priorities[0])
	}
	c = &serverConn{}
	c.conn.nextID = 8
	update(4, "u=1") // over
	if len(c.priorities) != 0 {
		t.Error("a stream that was open before is remembered")
	}
}
