package archtest

import (
	"go/ast"
	"go/token"
	"strings"
)

// Limits of size. Between a limit and its hard limit, a comment gives the reason:
// "archtest: long file because ..." or "archtest: long function because ...".
const (
	maxFileLines      = 500
	hardFileLines     = 650
	maxTestFileLines  = 900
	maxFunctionLines  = 60
	hardFunctionLines = 100
	maxParameters     = 6
	maxFields         = 25
)

// manyParameters are exempt from maxParameters.
var manyParameters = map[string]string{
	"AppendLongHeader":     "internal/wire", // the fields of one header; a struct would be filled per packet
	"ComposeInitialPacket": "testutils",     // public API of v0.65.0
}

// wideStructs are exempt from maxFields.
var wideStructs = map[string]string{
	"Conn": ".", // its fields are grouped by owner
}

func checkSizes(s *source) {
	s.checkFileLength()
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			s.checkFunctionLength(n)
			s.checkParameters(n.Name, n.Type)
		case *ast.TypeSpec:
			if st, ok := n.Type.(*ast.StructType); ok {
				s.checkFields(n.Name.Name, st)
			}
		}
		return true
	})
}

func (s *source) checkFileLength() {
	if s.test {
		if s.lines > maxTestFileLines {
			s.report(token.NoPos, "test file of %d lines, allowed are %d", s.lines, maxTestFileLines)
		}
		return
	}
	if s.lines > hardFileLines {
		s.report(token.NoPos, "file of %d lines, allowed are %d even with a reason", s.lines, hardFileLines)
		return
	}
	if s.lines > maxFileLines && !s.hasReason("long file", s.file.FileStart, s.file.FileEnd) {
		s.report(token.NoPos, "file of %d lines, allowed are %d without a reason", s.lines, maxFileLines)
	}
}

func (s *source) checkFunctionLength(f *ast.FuncDecl) {
	lines, start := s.span(f.Type.Pos(), f.End()), f.Pos()
	if f.Doc != nil {
		start = f.Doc.Pos()
	}
	if s.test {
		lines -= s.tableLines(f)
	}
	if lines > hardFunctionLines {
		s.report(f.Name.Pos(), "function %s of %d lines, allowed are %d even with a reason", f.Name.Name, lines, hardFunctionLines)
		return
	}
	if lines > maxFunctionLines && !s.hasReason("long function", start, f.End()) {
		s.report(f.Name.Pos(), "function %s of %d lines, allowed are %d without a reason", f.Name.Name, lines, maxFunctionLines)
	}
}

// tableLines counts the lines of composite literals: the tables of a test are not its code.
func (s *source) tableLines(f *ast.FuncDecl) int {
	lines := 0
	ast.Inspect(f, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if ok {
			lines += s.span(table.Pos(), table.End()) - 1
		}
		return !ok
	})
	return lines
}

// span returns the number of lines from start to end.
func (s *source) span(start, end token.Pos) int { return s.line(end) - s.line(start) + 1 }

// hasReason looks for the comment that excuses what lies between start and end.
func (s *source) hasReason(what string, start, end token.Pos) bool {
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			reason, ok := strings.CutPrefix(c.Text, "// archtest: "+what+" because ")
			if ok && strings.TrimSpace(reason) != "" && c.Pos() >= start && c.Pos() < end {
				return true
			}
		}
	}
	return false
}

func (s *source) checkParameters(name *ast.Ident, t *ast.FuncType) {
	if dir, exempt := manyParameters[name.Name]; exempt && dir == s.dir {
		return
	}
	if n := t.Params.NumFields(); n > maxParameters {
		s.report(name.Pos(), "function %s with %d parameters, allowed are %d", name.Name, n, maxParameters)
	}
}

func (s *source) checkFields(name string, t *ast.StructType) {
	if dir, exempt := wideStructs[name]; exempt && dir == s.dir {
		return
	}
	if n := t.Fields.NumFields(); n > maxFields {
		s.report(t.Pos(), "struct %s with %d fields, allowed are %d", name, n, maxFields)
	}
}
