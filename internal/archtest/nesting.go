package archtest

import "go/ast"

// maxNesting is how many statements of the kinds if, for, switch and select may contain each
// other. An else-if continues its chain, and a function literal starts anew. Tests may have
// one more, for the loop over their table.
const (
	maxNesting     = 3
	maxTestNesting = 4
)

func checkNesting(s *source) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				s.checkBlock(n.Body, 0)
			}
		case *ast.FuncLit:
			s.checkBlock(n.Body, 0)
		}
		return true
	})
}

// checkBlock checks what n, which lies in depth statements, contains.
func (s *source) checkBlock(n ast.Node, depth int) {
	ast.Inspect(n, func(child ast.Node) bool {
		if child == n {
			return true
		}
		switch child := child.(type) {
		case *ast.FuncLit:
			return false
		case *ast.IfStmt:
			s.checkIf(child, depth+1)
			return false
		case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
			s.enter(child, depth+1)
			return false
		}
		return true
	})
}

func (s *source) checkIf(n *ast.IfStmt, depth int) {
	s.enter(n.Body, depth)
	switch e := n.Else.(type) {
	case *ast.IfStmt:
		s.checkIf(e, depth)
	case *ast.BlockStmt:
		s.enter(e, depth)
	}
}

func (s *source) enter(n ast.Node, depth int) {
	limit := maxNesting
	if s.test {
		limit = maxTestNesting
	}
	if depth == limit+1 {
		s.report(n.Pos(), "nesting of %d, allowed is %d", depth, limit)
	}
	s.checkBlock(n, depth)
}
