package measure

import "slices"

// ranges is a set of byte ranges, sorted and apart from each other.
type ranges []struct{ from, to int64 }

// add adds [from, to).
func (r *ranges) add(from, to int64) {
	if from >= to {
		return
	}
	i := slices.IndexFunc(*r, func(x struct{ from, to int64 }) bool { return x.to >= from })
	if i < 0 {
		i = len(*r)
	}
	j := i
	for j < len(*r) && (*r)[j].from <= to {
		from, to = min(from, (*r)[j].from), max(to, (*r)[j].to)
		j++
	}
	*r = slices.Replace(*r, i, j, struct{ from, to int64 }{from, to})
}

// covers reports whether [0, end) is in the set.
func (r ranges) covers(end int64) bool {
	return end == 0 || len(r) > 0 && r[0].from == 0 && r[0].to >= end
}
