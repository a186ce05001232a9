package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// What the command writes, from the root of the module.
const (
	reportFile = "docs/state-designs.md"
	plotsOut   = "docs/state-designs"
)

//go:embed preamble.md
var preamble string

// A report is the document that the command writes.
type report struct {
	tables  string // as they were printed
	figures []figure
	remarks []string
	took    time.Duration
	seed    uint64
}

// write writes the document.
func (r *report) write(root string) error {
	var b bytes.Buffer
	b.WriteString(preamble)
	fmt.Fprintf(&b, "\nThis run: %s, seed %d, %.0f s.\n\n", machine(), r.seed, r.took.Seconds())
	for _, remark := range r.remarks {
		fmt.Fprintf(&b, "%s\n\n", remark)
	}
	for _, f := range r.figures {
		fmt.Fprintf(&b, "![%s](state-designs/%s.svg)\n\n", f.Title, f.File)
	}
	b.WriteString(r.tables)
	return os.WriteFile(filepath.Join(root, reportFile), append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), 0o644)
}

// machine says what the numbers were measured on.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %s/%s, %d processors, %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model)
}
