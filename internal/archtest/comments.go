package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

const (
	minDocLines = 5
	maxDocLines = 40
)

var (
	// rfcMention is every way to name an RFC, but not identifiers such as rfc9000_test.go, nor
	// "[RFC9000]" in a sentence that is quoted from an RFC.
	rfcMention = regexp.MustCompile(`(?i)(^|[^\[\w/])(RFC[- ]?\d+)\b([^_]|$)`)
	rfcName    = regexp.MustCompile(`^RFC \d{3,5}$`)
	// rfcPlace is what may follow the name of an RFC to say where: house rule 12.
	rfcPlace = regexp.MustCompile(`^, (Sections? \d|(Appendix|Appendices) [A-Z]|(Tables?|Figures?) \d)`)
	// rfcLoosePlace is an attempt to say where that rfcPlace does not match.
	rfcLoosePlace = regexp.MustCompile(`(?i)^,?\s*(sections?|sec\.|appendix|appendices|figures?|tables?|§|\d+\.\d|[A-Z]\.\d)`)
	rfcReversed   = regexp.MustCompile(`(?i)\bsections? [0-9A-Z.-]+ of RFC ?\d+`)
	todo          = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
)

func checkComments(s *source) {
	for _, group := range s.file.Comments {
		s.checkReferences(group)
		for _, c := range group.List {
			if m := todo.FindString(c.Text); m != "" {
				s.report(c.Pos(), "comment with %s", m)
			}
		}
	}
}

// checkReferences enforces the one grammar "RFC 9000, Section 4.6".
func (s *source) checkReferences(group *ast.CommentGroup) {
	text := joinLines(group)
	for _, m := range rfcReversed.FindAllString(text, -1) {
		s.report(group.Pos(), "%q should be of the form \"RFC 9000, Section 4.6\"", m)
	}
	for _, m := range rfcMention.FindAllStringSubmatchIndex(text, -1) {
		name, after := text[m[4]:m[5]], text[m[5]:]
		loose := rfcLoosePlace.MatchString(after) && !rfcPlace.MatchString(after)
		if !rfcName.MatchString(name) || loose {
			s.report(group.Pos(), "%q should be of the form \"RFC 9000, Section 4.6\"", name+cut(after, 20))
		}
	}
}

// joinLines returns the text of a comment on one line.
func joinLines(group *ast.CommentGroup) string {
	var words []string
	for _, c := range group.List {
		text := strings.TrimPrefix(strings.TrimPrefix(c.Text, "//"), "/*")
		words = append(words, strings.Fields(strings.TrimSuffix(text, "*/"))...)
	}
	return strings.Join(words, " ")
}

func cut(s string, n int) string { return s[:min(n, len(s))] }

// checkDoc asks for a doc.go with the package comment, and for no other package comment.
func checkDoc(sources []*source) {
	if sources[0].file.Name.Name == "main" {
		return
	}
	found := false
	for _, s := range sources {
		if s.base() != "doc.go" {
			if s.file.Doc != nil {
				s.report(s.file.Doc.Pos(), "package comment outside doc.go")
			}
			continue
		}
		found = true
		if s.file.Doc == nil || s.lines < minDocLines || s.lines > maxDocLines {
			s.report(token.NoPos, "doc.go of %d lines, want a package comment and %d to %d lines", s.lines, minDocLines, maxDocLines)
		}
	}
	if !found {
		sources[0].report(token.NoPos, "package %s without doc.go", sources[0].dir)
	}
}
