package quic_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/quic-go/quic-go/internal/protocol"
)

// The conformance suite has a case for each row of testdata/conformance.tsv: what a peer sends, and how we have to
// react. Each case runs in a bubble of its own, for each role that the row names.

// A conformanceRow is a row of the table.
type conformanceRow struct {
	id, layer, section, input, reaction string
	roles                               []protocol.Perspective // of the endpoint under test
}

// A conformanceCase plays the peer and checks the reaction.
type conformanceCase func(t *testing.T, s *scene)

// conformanceCases are all cases by the ID of their row.
var conformanceCases = joinCases(
	versionCases, packetCases, levelCases, frameCases, streamFrameCases, connectionIDCases, closeCases, resetCases,
	parameterCases, addressCases, tlsCases, keyCases, recoveryCases, datagramCases, pathCases,
)

// waivers are the rows without a case, with the reason.
var waivers = map[string]string{
	"T-040": "cannot be reached: a connection that sends 10^9 packets per second runs out of numbers after 146 years",
	"T-212": "timing cannot be seen from outside: tokens are looked up by a keyed hash of them",
	"T-215": "a rule for deployments: without a key of the application no stateless reset is sent",
	"T-289": "the kernel handles ICMP: internal/udp has it ignore what would lower the MTU",
	"T-290": "the kernel handles ICMP: internal/udp has it ignore what would lower the MTU",
	"T-291": "the simulated network has no fragments: internal/udp tests that the DF bit is set",
	"T-331": "takes 2^36 packets that are not authentic; internal/protect has the test with a lower limit",
	"T-346": "timing cannot be seen from outside: duplicates are found behind decryption, and each packet is decrypted once",
}

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
	roles := map[string][]protocol.Perspective{
		"server": {protocol.PerspectiveServer},
		"client": {protocol.PerspectiveClient},
		"both":   {protocol.PerspectiveClient, protocol.PerspectiveServer},
	}
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
		reason, waived := waivers[row.id]
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
	for _, ids := range []map[string]bool{idsOf(conformanceCases), idsOf(waivers)} {
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			if !known[id] {
				t.Errorf("%s is not in the table", id)
			}
		}
	}
	t.Logf("%d rows, %d cases, %d waivers", len(known), len(conformanceCases), len(waivers))
}

func idsOf[T any](m map[string]T) map[string]bool {
	ids := make(map[string]bool)
	for id := range m {
		ids[id] = true
	}
	return ids
}

func TestConformance(t *testing.T) {
	for _, row := range readConformanceTable(t) {
		c := conformanceCases[row.id]
		if c == nil {
			continue
		}
		for _, role := range row.roles {
			t.Run(fmt.Sprintf("%s/%s", row.id, role), func(t *testing.T) {
				t.Parallel()
				t.Logf("%s: %s: %s", row.section, row.input, row.reaction)
				runCase(t, c, role)
			})
		}
	}
}

// runCase runs all variants of a case, see scene.pick.
func runCase(t *testing.T, c conformanceCase, role protocol.Perspective) {
	t.Helper()
	for variant, variants := 0, 1; variant < variants && !t.Failed(); variant++ {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, role)
			s.variant, s.variants = variant, 1
			defer func() {
				variants = s.variants
				if t.Failed() && variants > 1 {
					t.Logf("variant %d of %d", variant, variants)
				}
			}()
			c(t, s)
		})
	}
}
