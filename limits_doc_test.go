package quic_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLimitsAreDocumented finds rows of docs/limits.md whose constants or tests are not there, and limits without a row.
func TestLimitsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	source := readSources(t)
	declared := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\s*(?:const |type |func )?(\w+)\b.*(?:=|struct|\()`).FindAllStringSubmatch(source, -1) {
		declared[m[1]] = true
	}
	names := regexp.MustCompile("`(\\w+)`|\\b(T-\\d{3})\\b")
	rows := 0
	for line := range strings.Lines(string(doc)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(line, "|---") || strings.HasSuffix(strings.TrimSpace(line), "| Tests |") {
			continue
		}
		rows++
		for _, m := range names.FindAllStringSubmatch(cells[2], -1) {
			if !declared[m[1]] {
				t.Errorf("there is no %s: %s", m[1], line)
			}
		}
		tests := names.FindAllStringSubmatch(cells[4], -1)
		if len(tests) == 0 {
			t.Errorf("row without a test: %s", line)
		}
		for _, m := range tests {
			if m[2] != "" && conformanceCases[m[2]] == nil || m[1] != "" && !strings.Contains(source, "\nfunc "+m[1]+"(t *testing.T)") {
				t.Errorf("there is no test %s: %s", m[0], line)
			}
		}
	}
	if rows < 45 {
		t.Errorf("%d rows", rows)
	}
	limits, err := os.ReadFile("internal/protocol/limits.go")
	if err != nil {
		t.Fatal(err)
	}
	bounds, _, _ := strings.Cut(string(limits), "// Defaults and advertised values.")
	for _, m := range regexp.MustCompile(`(?m)^\t(Max\w+) .*=`).FindAllStringSubmatch(bounds, -1) {
		if !ignoredLimits[m[1]] && !strings.Contains(string(doc), "`"+m[1]+"`") {
			t.Errorf("%s is not in docs/limits.md", m[1])
		}
	}
}

// ignoredLimits are sizes that bound nothing a peer can fill.
var ignoredLimits = map[string]bool{"MaxConfiguredPacketSize": true, "MaxDatagramSize": true}

// readSources returns all Go files but those of http3 and what is not part of the module's packages.
func readSources(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "http3" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(path)
		b.Write(src)
		b.WriteByte('\n')
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
