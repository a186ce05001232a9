package http3

import "testing"

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
	}
	for _, test := range tests {
		if got := parsePriority(test.in); got != test.want {
			t.Errorf("parsePriority(%q) = %+v, want %+v", test.in, got, test.want)
		}
	}
}
