package nethttp_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/net-http.md")

// A row is one behaviour.
type row struct {
	name    string
	options options
	quiet   bool // handlers end without an entry in the log
	handler func(c *trial, w http.ResponseWriter, r *http.Request)
	client  func(c *trial) // gets / if nil
}

// A difference is one observation that the stacks do not have in common.
type difference struct {
	row, what    string // of the row and of the note
	http2, http3 string // what is noted, absent if nothing is
	reason       reason
}

const absent = "-"

func allRows() []row {
	return slices.Concat(requestRows, requestBodyRows, responseRows, responseBodyRows, controlRows, endRows, clientRows, traceRows, libraryRows)
}

// TestMatrix runs each row with both stacks and compares what is seen with the list of differences.
func TestMatrix(t *testing.T) {
	rows := allRows()
	listed := make(map[[2]string]difference)
	for _, d := range differences {
		listed[[2]string{d.row, d.what}] = d
	}
	if len(listed) != len(differences) {
		t.Error("the list of differences has duplicates")
	}
	seen := make(map[string]bool)
	for i := range rows {
		r := &rows[i]
		if seen[r.name] {
			t.Errorf("two rows are named %q", r.name)
		}
		seen[r.name] = true
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.compare(t, listed)
		})
	}
	for _, d := range differences {
		if !seen[d.row] {
			t.Errorf("a difference is listed for %q, which is no row", d.row)
		}
	}
	if len(rows) < 80 {
		t.Errorf("%d rows", len(rows))
	}
}

// compare runs a row with both stacks.
func (r *row) compare(t *testing.T, listed map[[2]string]difference) {
	two, three := r.run(t, newHTTP2), r.run(t, newHTTP3)
	whats := slices.Clone(two.keys)
	for _, key := range three.keys {
		if !slices.Contains(whats, key) {
			whats = append(whats, key)
		}
	}
	for key, d := range listed {
		if key[0] == r.name && !slices.Contains(whats, key[1]) {
			t.Errorf("the listed difference is gone: %+v", d)
		}
	}
	for _, what := range whats {
		got := difference{row: r.name, what: what, http2: two.value(what), http3: three.value(what)}
		want, ok := listed[[2]string{r.name, what}]
		got.reason = want.reason
		switch {
		case got.http2 == got.http3 && ok:
			t.Errorf("%q is listed as a difference, but both have %q", what, got.http2)
		case got.http2 != got.http3 && !ok:
			t.Errorf("%q differs:\n  HTTP/2 %s\n  HTTP/3 %s", what, got.http2, got.http3)
		case ok && got != want:
			t.Errorf("got a difference other than listed:\n  got  %+v\n  want %+v", got, want)
		}
	}
}

// value returns what was noted.
func (n *notes) value(key string) string {
	if v, ok := n.values[key]; ok {
		return v
	}
	return absent
}

const docFile = "../../docs/net-http.md"

// TestDifferencesAreDocumented compares docs/net-http.md with the list.
func TestDifferencesAreDocumented(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the list of differences says; run the test with -update", docFile)
	}
}

const docHead = `# Differences from net/http

%d cases of servers, handlers and clients run over net/http with HTTP/2 and over http3.Server and http3.Transport, see
integrationtests/nethttp. They agree in all that they note, but for what this table says. The test that compares them fails if
there is a difference that is not here, and if one of these does not exist any more. This file is written by
` + "`go test ./integrationtests/nethttp -update`" + `.

| Case | What | net/http with HTTP/2 | HTTP/3 | Reason |
|---|---|---|---|---|
`

// document renders the list of differences.
func document() string {
	var b strings.Builder
	fmt.Fprintf(&b, docHead, len(allRows()))
	for _, r := range allRows() {
		for _, d := range differences {
			if d.row == r.name {
				fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", d.row, d.what, cell(d.http2), cell(d.http3), d.reason)
			}
		}
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
