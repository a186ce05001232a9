package http3_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The conformance suite has a case for each row of testdata/conformance.tsv: what a peer sends, and how we have to
// react. Each case runs in a world of its own, for each role that the row names.

// A conformanceRow is a row of the table.
type conformanceRow struct {
	id, layer, section, input, reaction string
	roles                               []role // of the endpoint under test
}

// A conformanceCase plays the peer and checks the reaction.
type conformanceCase func(t *testing.T, r *rogue)

// conformanceCases are all cases by the ID of their row.
var conformanceCases = joinCases(streamCases, frameCases, endCases, settingsCases, connCases, messageCases, qpackCases, datagramCases, connectCases, priorityCases)

// conformanceWaivers are the rows without a case, with the reason.
var conformanceWaivers = map[string]string{}

func joinCases(files ...map[string]conformanceCase) map[string]conformanceCase {
	all := make(map[string]conformanceCase)
	for _, cases := range files {
		for id, c := range cases {
			if all[id] != nil {
				panic("BUG: two cases for " + id)
			}
			all[id] = c
		}
	}
	return all
}

func readConformanceTable(t *testing.T) []conformanceRow {
	t.Helper()
	b, err := os.ReadFile("testdata/conformance.tsv")
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string][]role{"server": {roleServer}, "client": {roleClient}, "both": {roleClient, roleServer}}
	var rows []conformanceRow
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
		f := strings.Split(line, "\t")
		if len(f) != 6 || roles[f[5]] == nil {
			t.Fatalf("line %d of the table: %q", i+2, line)
		}
		rows = append(rows, conformanceRow{id: f[0], layer: f[1], section: f[2], input: f[3], reaction: f[4], roles: roles[f[5]]})
	}
	return rows
}

// TestConformanceTable finds rows without a case, cases without a row and waivers without a reason.
func TestConformanceTable(t *testing.T) {
	known := make(map[string]bool)
	for _, row := range readConformanceTable(t) {
		if known[row.id] {
			t.Errorf("two rows %s", row.id)
		}
		known[row.id] = true
		reason, waived := conformanceWaivers[row.id]
		hasCase := conformanceCases[row.id] != nil
		switch {
		case waived && hasCase:
			t.Errorf("%s has a case and is waived", row.id)
		case waived && reason == "":
			t.Errorf("%s is waived without a reason", row.id)
		case !waived && !hasCase:
			t.Errorf("%s has no case: %s", row.id, row.input)
		}
	}
	for _, id := range slices.Concat(slices.Sorted(maps.Keys(conformanceCases)), slices.Sorted(maps.Keys(conformanceWaivers))) {
		if !known[id] {
			t.Errorf("%s is not in the table", id)
		}
	}
	t.Logf("%d rows, %d cases, %d waivers", len(known), len(conformanceCases), len(conformanceWaivers))
}

func TestConformance(t *testing.T) {
	for _, row := range readConformanceTable(t) {
		c := conformanceCases[row.id]
		if c == nil {
			continue
		}
		for _, role := range row.roles {
			t.Run(fmt.Sprintf("%s/%s", row.id, role), func(t *testing.T) {
				t.Logf("%s: %s: %s", row.section, row.input, row.reaction)
				inWorld(t, func(t *testing.T, w *world) { c(t, &rogue{t: t, w: w, role: role}) })
			})
		}
	}
}
