package quic

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const streamDoc = "docs/stream-state.md"

// A docHalf is what docs/stream-state.md says of the one half or the other.
type docHalf struct {
	name        string
	table       []transition
	first, last StreamState
}

var docHalves = []docHalf{
	{"send", sendTransitions, SendStateReady, SendStateAbandoned},
	{"receive", receiveTransitions, ReceiveStateRecv, ReceiveStateAbandoned},
}

// TestStreamStateDoc compares the pictures, the tables and the recipes of docs/stream-state.md with the code.
func TestStreamStateDoc(t *testing.T) {
	old, err := os.ReadFile(streamDoc)
	if err != nil {
		t.Fatal(err)
	}
	want, err := fillDoc(string(old), docSections(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(streamDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want == string(old) {
		return
	}
	for i, line := range strings.Split(want, "\n") {
		if lines := strings.Split(string(old), "\n"); i >= len(lines) || lines[i] != line {
			t.Fatalf("%s:%d differs from the code, which says %q; run the test with -update", streamDoc, i+1, line)
		}
	}
	t.Fatalf("%s is longer than the code says; run the test with -update", streamDoc)
}

// docSections returns what is generated, by the names in the markers of the document.
func docSections(t *testing.T) map[string]string {
	t.Helper()
	sections := make(map[string]string)
	constants := docConstants(t)
	for _, h := range docHalves {
		sections[h.name+" diagram"] = h.diagram(constants)
		sections[h.name+" states"] = h.states(constants)
		sections[h.name+" transitions"] = h.transitions(constants)
	}
	const recipes = "example/recipes/"
	files, err := filepath.Glob(recipes + "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".go")
		if strings.HasSuffix(name, "_test") || name == "doc" {
			continue
		}
		sections["recipe "+name] = goBlock(afterImports(t, file))
	}
	text := afterImports(t, recipes+"example_test.go")
	for _, m := range regexp.MustCompile(`(?ms)^(?://[^\n]*\n)*^func Example(\w+)\(.*?^}\n`).FindAllStringSubmatch(text, -1) {
		sections["example "+m[1]] = goBlock(m[0])
	}
	return sections
}

func goBlock(text string) string { return "```go\n" + strings.TrimSpace(text) + "\n```\n" }

var docMarkers = regexp.MustCompile(`(?s)(<!-- generated: ([^>]*) -->\n)(.*?)(<!-- end -->\n)`)

// fillDoc puts the sections between their markers. Each section has to be there once.
func fillDoc(doc string, sections map[string]string) (filled string, err error) {
	used := make(map[string]bool)
	filled = docMarkers.ReplaceAllStringFunc(doc, func(s string) string {
		m := docMarkers.FindStringSubmatch(s)
		text, ok := sections[m[2]]
		if !ok || used[m[2]] {
			err = fmt.Errorf("the section %q is unknown or there twice", m[2])
		}
		used[m[2]] = true
		return m[1] + text + m[4]
	})
	for name := range sections {
		if !used[name] {
			err = fmt.Errorf("there is no section %q", name)
		}
	}
	return filled, err
}

// A docConstant is a state as stream_state.go declares it.
type docConstant struct{ name, short, meaning string }

// docConstants reads the names and the comments of the states.
func docConstants(t *testing.T) map[StreamState]docConstant {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "stream_state.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	constants := make(map[StreamState]docConstant)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || spec.Doc == nil || !spec.Names[0].IsExported() {
			return true
		}
		c := docConstant{name: spec.Names[0].Name}
		_, c.short, _ = strings.Cut(c.name, "State")
		comment := strings.Join(strings.Fields(spec.Doc.Text()), " ")
		c.meaning = strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(comment, c.name+": "), "."), "; terminal")
		constants[StreamState(len(constants)+1)] = c
		return true
	})
	if len(constants) != numStreamStates-1 {
		t.Fatalf("%d states are declared with a comment, want %d", len(constants), numStreamStates-1)
	}
	return constants
}

// diagram returns the half as a state diagram of Mermaid. Transitions from every state that is not terminal are left to
// the text below it.
func (h docHalf) diagram(constants map[StreamState]docConstant) string {
	var b, everywhere bytes.Buffer
	fmt.Fprintf(&b, "```mermaid\nstateDiagram-v2\n    direction LR\n    [*] --> %s\n", constants[h.first].short)
	labels := make(map[[2]StreamState][]string)
	for _, tr := range h.table {
		if h.alwaysPossible(tr) {
			fmt.Fprintf(&everywhere, "\nNot drawn: %s (%s) leads from every state that is not terminal to %s.\n",
				tr.name, tr.trigger, constants[tr.to].short)
			continue
		}
		for s := h.first; s <= h.last; s++ {
			if tr.from.has(s) {
				labels[[2]StreamState{s, tr.to}] = append(labels[[2]StreamState{s, tr.to}], tr.name)
			}
		}
	}
	for from := h.first; from <= h.last; from++ {
		for to := h.first; to <= h.last; to++ {
			if names := labels[[2]StreamState{from, to}]; names != nil {
				fmt.Fprintf(&b, "    %s --> %s: %s\n", constants[from].short, constants[to].short, strings.Join(names, ", "))
			}
		}
	}
	b.WriteString("    classDef closed stroke-dasharray:5\n    classDef terminal stroke-width:4px\n")
	for s := h.first; s <= h.last; s++ {
		if class := map[[2]bool]string{{true, false}: "closed", {true, true}: "terminal"}[[2]bool{s.Closed(), s.Terminal()}]; class != "" {
			fmt.Fprintf(&b, "    class %s %s\n", constants[s].short, class)
		}
	}
	b.WriteString("```\n")
	return b.String() + everywhere.String()
}

// alwaysPossible reports whether tr is possible in each state that is not terminal.
func (h docHalf) alwaysPossible(tr transition) bool {
	for s := h.first; s <= h.last; s++ {
		if !s.Terminal() && !tr.from.has(s) {
			return false
		}
	}
	return true
}

func (h docHalf) states(constants map[StreamState]docConstant) string {
	var b bytes.Buffer
	b.WriteString("| constant | String() | Closed() | Terminal() | meaning |\n|---|---|---|---|---|\n")
	for s := h.first; s <= h.last; s++ {
		fmt.Fprintf(&b, "| `%s` | %s | %t | %t | %s |\n", constants[s].name, s, s.Closed(), s.Terminal(), constants[s].meaning)
	}
	return b.String()
}

func (h docHalf) transitions(constants map[StreamState]docConstant) string {
	var b bytes.Buffer
	b.WriteString("| | from | trigger | to |\n|---|---|---|---|\n")
	for _, tr := range h.table {
		var from []string
		for s := h.first; s <= h.last; s++ {
			if tr.from.has(s) {
				from = append(from, constants[s].short)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", tr.name, strings.Join(from, ", "), tr.trigger, constants[tr.to].short)
	}
	return b.String()
}

// afterImports returns the text of a Go file after its imports.
func afterImports(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	last := file.Name.End()
	for _, decl := range file.Decls {
		last = decl.End()
	}
	return string(text[fset.Position(last).Offset:])
}
