package archtest

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// A Violation is one offence against a rule.
type Violation struct {
	Path string
	Line int
	Text string
}

// String returns the violation in the form of a compiler message.
func (v Violation) String() string { return fmt.Sprintf("%s:%d: %s", v.Path, v.Line, v.Text) }

// A source is one parsed Go file.
type source struct {
	path, dir string // slash separated, relative to the module; dir is "." for the root
	test      bool   // *_test.go
	lines     int
	fset      *token.FileSet
	file      *ast.File

	violations []Violation
}

func (s *source) report(pos token.Pos, format string, args ...any) {
	s.violations = append(s.violations, Violation{s.path, s.line(pos), fmt.Sprintf(format, args...)})
}

// line returns the line of pos, or 1 for token.NoPos.
func (s *source) line(pos token.Pos) int { return max(s.fset.Position(pos).Line, 1) }

func (s *source) base() string { return path.Base(s.path) }

// Check returns the violations of all Go files in fsys, the root directory of the module, in
// the order of their positions.
func Check(fsys fs.FS) ([]Violation, error) {
	packages, err := load(fsys)
	var violations []Violation
	for _, sources := range packages {
		for _, s := range sources {
			for _, rule := range []func(*source){checkImports, checkSizes, checkNesting, checkClock, checkComments} {
				rule(s)
			}
		}
		checkSleep(sources)
		checkDoc(sources)
		for _, s := range sources {
			violations = append(violations, s.violations...)
		}
	}
	slices.SortFunc(violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
	})
	return violations, err
}

// load parses the files of the module, by directory.
func load(fsys fs.FS) (map[string][]*source, error) {
	packages := make(map[string][]*source)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(fsys, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		s, err := parse(fsys, name)
		if s != nil {
			packages[s.dir] = append(packages[s.dir], s)
		}
		return err
	})
	return packages, err
}

// skipDir passes over what the go command does not build either, other modules among it.
func skipDir(fsys fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// parse returns nil for generated files.
func parse(fsys fs.FS, name string) (*source, error) {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	s := &source{
		path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(text, []byte("\n")), fset: token.NewFileSet(),
	}
	s.file, err = parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(s.file) {
		return nil, nil
	}
	return s, nil
}
