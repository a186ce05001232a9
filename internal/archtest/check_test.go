package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const docGo = "// Package p\n// has\n// a\n// comment.\npackage p\n"

// A rowTest is a file that is alone in its package, but for doc.go, and what Check says of it.
type rowTest struct {
	name string
	path string
	src  string
	want []string
}

func runRows(t *testing.T, rows []rowTest) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			fsys := fstest.MapFS{row.path: {Data: []byte(row.src)}}
			fsys[path.Join(path.Dir(row.path), "doc.go")] = &fstest.MapFile{Data: []byte(docGo)}
			checkFS(t, fsys, row.want)
		})
	}
}

func checkFS(t *testing.T, fsys fstest.MapFS, want []string) {
	t.Helper()
	violations, err := Check(fsys)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range violations {
		got = append(got, v.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("Check() = %q, want %q", got, want)
	}
}

// imports returns a file that imports the given packages.
func imports(names ...string) string {
	src := "package p\n"
	for _, name := range names {
		src += "import _ \"" + strings.Replace(name, "~", module, 1) + "\"\n"
	}
	return src
}

func TestImports(t *testing.T) {
	runRows(t, []rowTest{
		{"the standard library is free", "internal/rangeset/set.go", imports("fmt", "net/http", "math/rand/v2"), nil},
		{"what the table allows", "internal/wire/ack.go", imports("~/internal/protocol", "~/internal/qerr", "~/quicvarint", "~/internal/rangeset"), nil},
		{"a package of a higher level", "internal/wire/ack.go", imports("~/internal/recovery"),
			[]string{"internal/wire/ack.go:2: package internal/wire may not import " + module + "/internal/recovery"}},
		{"a package of the same level", "internal/sendbuf/buffer.go", imports("fmt", "~/internal/reassembly"),
			[]string{"internal/sendbuf/buffer.go:3: package internal/sendbuf may not import " + module + "/internal/reassembly"}},
		{"a level 0 package imports nothing", "quicvarint/varint.go", imports("~/internal/protocol"),
			[]string{"quicvarint/varint.go:2: package quicvarint may not import " + module + "/internal/protocol"}},
		{"the root from below", "internal/recovery/loss.go", imports("~"),
			[]string{"internal/recovery/loss.go:2: package internal/recovery may not import " + module}},
		{"qlog from below the root", "internal/recovery/loss.go", imports("~/qlog"),
			[]string{"internal/recovery/loss.go:2: package internal/recovery may not import " + module + "/qlog"}},
		{"the root imports the internal packages", "connection.go", imports("~/internal/wire", "~/internal/udp", "~/qlog", "crypto/tls"), nil},
		{"the root does not import http3", "connection.go", imports("~/http3"),
			[]string{"connection.go:2: package . may not import " + module + "/http3"}},
		{"http3 uses public packages", "http3/server.go", imports("~", "~/http3/qlog", "~/qlogwriter", "~/quicvarint", "github.com/quic-go/qpack"), nil},
		{"http3 does not use internal ones", "http3/server.go", imports("~/internal/protocol"),
			[]string{"http3/server.go:2: package http3 may not import " + module + "/internal/protocol"}},
		{"a package below a wildcard", "fuzzing/token/doc2.go", imports("~/internal/handshake", "~"), nil},
		{"a package without a row", "internal/misc/misc.go", imports("fmt"), []string{
			"internal/misc/doc.go:5: package internal/misc is not in the import table of internal/archtest",
			"internal/misc/misc.go:1: package internal/misc is not in the import table of internal/archtest",
		}},
		{"a module that the package may use", "internal/protect/suite.go", imports("golang.org/x/crypto/chacha20poly1305"), nil},
		{"a module that another package may use", "internal/udp/conn.go", imports("golang.org/x/crypto/chacha20", "golang.org/x/net/ipv4"),
			[]string{"internal/udp/conn.go:2: package internal/udp may not import golang.org/x/crypto/chacha20"}},
		{"crypto/tls in handshake", "internal/handshake/driver.go", imports("crypto/tls"), nil},
		{"crypto/tls elsewhere", "internal/protect/suite.go", imports("crypto/tls"),
			[]string{"internal/protect/suite.go:2: package internal/protect may not import crypto/tls"}},
		{"unsafe in udp", "internal/udp/cmsg.go", imports("unsafe"), nil},
		{"unsafe elsewhere", "internal/wire/ack.go", imports("unsafe"), []string{"internal/wire/ack.go:2: package internal/wire may not import unsafe"}},
		{"a test imports the module freely", "internal/wire/ack_test.go", imports("~/internal/recovery", "~", "unsafe", "crypto/tls", "golang.org/x/net/ipv4"), nil},
		{"a test imports no assertion library", "internal/wire/ack_test.go", imports("github.com/stretchr/testify/require"),
			[]string{"internal/wire/ack_test.go:2: package internal/wire may not import github.com/stretchr/testify/require"}},
	})
}

// lines returns a package of exactly n lines.
func lines(n int, text ...string) string {
	src := "package p\n" + strings.Join(text, "")
	return src + strings.Repeat("\n", n-strings.Count(src, "\n"))
}

// function returns a function of exactly n lines with the given lines in it.
func function(n int, inner string) string {
	return "func f() {\n" + inner + strings.Repeat("\n", n-2-strings.Count(inner, "\n")) + "}\n"
}

func TestFileLength(t *testing.T) {
	const reason = "// archtest: long file because the table is one.\n"
	runRows(t, []rowTest{
		{"500 lines", "internal/wire/ack.go", lines(500), nil},
		{"501 lines", "internal/wire/ack.go", lines(501), []string{"internal/wire/ack.go:1: file of 501 lines, allowed are 500 without a reason"}},
		{"501 lines with a reason", "internal/wire/ack.go", lines(501, reason), nil},
		{"501 lines with an empty reason", "internal/wire/ack.go", lines(501, "// archtest: long file because \n"),
			[]string{"internal/wire/ack.go:1: file of 501 lines, allowed are 500 without a reason"}},
		{"650 lines with a reason", "internal/wire/ack.go", lines(650, reason), nil},
		{"651 lines with a reason", "internal/wire/ack.go", lines(651, reason),
			[]string{"internal/wire/ack.go:1: file of 651 lines, allowed are 650 even with a reason"}},
		{"test of 900 lines", "internal/wire/ack_test.go", lines(900), nil},
		{"test of 901 lines", "internal/wire/ack_test.go", lines(901), []string{"internal/wire/ack_test.go:1: test file of 901 lines, allowed are 900"}},
		{"generated file", "internal/wire/ack.go", "// Code generated by mockgen. DO NOT EDIT.\n\n" + lines(2000), nil},
	})
}

func TestFunctionLength(t *testing.T) {
	const reason = "// archtest: long function because it is one switch.\n"
	table := "\ttable := []int{\n" + strings.Repeat("\t\t1,\n", 99) + "\t}\n"
	runRows(t, []rowTest{
		{"60 lines", "internal/wire/ack.go", "package p\n" + function(60, ""), nil},
		{"61 lines", "internal/wire/ack.go", "package p\n" + function(61, ""),
			[]string{"internal/wire/ack.go:2: function f of 61 lines, allowed are 60 without a reason"}},
		{"61 lines with a reason inside", "internal/wire/ack.go", "package p\n" + function(61, reason), nil},
		{"61 lines with a reason above", "internal/wire/ack.go", "package p\n\n// f is long.\n//\n" + reason + function(61, ""), nil},
		{"61 lines with a reason for another function", "internal/wire/ack.go", "package p\n\n" + reason + "func g() {}\n" + function(61, ""),
			[]string{"internal/wire/ack.go:5: function f of 61 lines, allowed are 60 without a reason"}},
		{"a long comment does not count", "internal/wire/ack.go", "package p\n\n" + strings.Repeat("// f\n", 50) + function(60, ""), nil},
		{"100 lines with a reason", "internal/wire/ack.go", "package p\n" + function(100, reason), nil},
		{"101 lines with a reason", "internal/wire/ack.go", "package p\n" + function(101, reason),
			[]string{"internal/wire/ack.go:2: function f of 101 lines, allowed are 100 even with a reason"}},
		{"a table counts", "internal/wire/ack.go", "package p\n" + function(103, table),
			[]string{"internal/wire/ack.go:2: function f of 103 lines, allowed are 100 even with a reason"}},
		{"the table of a test does not count", "internal/wire/ack_test.go", "package p\n" + function(160, table), nil},
		{"the code of a test counts", "internal/wire/ack_test.go", "package p\n" + function(161, table),
			[]string{"internal/wire/ack_test.go:2: function f of 61 lines, allowed are 60 without a reason"}},
	})
}

func TestParametersAndFields(t *testing.T) {
	conn := "package p\ntype Conn struct {\n" + strings.Repeat("a, b int\n", 13) + "}\n"
	runRows(t, []rowTest{
		{"six parameters", "internal/wire/ack.go", "package p\nfunc (x T) f(a, b, c int, d, e, g string) {}\n", nil},
		{"seven parameters", "internal/wire/ack.go", "package p\nfunc f(a, b, c int, d, e, g string, h ...int) {}\n",
			[]string{"internal/wire/ack.go:2: function f with 7 parameters, allowed are 6"}},
		{"the exempt function", "internal/wire/long_header.go", "package p\nfunc AppendLongHeader(a, b, c, d, e, f, g int) {}\n", nil},
		{"an exempt name elsewhere", "internal/udp/conn.go", "package p\nfunc AppendLongHeader(a, b, c, d, e, f, g int) {}\n",
			[]string{"internal/udp/conn.go:2: function AppendLongHeader with 7 parameters, allowed are 6"}},
		{"25 fields", "internal/wire/ack.go", "package p\ntype T struct {\nU\n" + strings.Repeat("a, b int\n", 12) + "}\n", nil},
		{"26 fields", "internal/wire/ack.go", "package p\ntype T struct {\n" + strings.Repeat("a, b int\n", 13) + "}\n",
			[]string{"internal/wire/ack.go:2: struct T with 26 fields, allowed are 25"}},
		{"Conn is exempt", "connection.go", conn, nil},
		{"another Conn is not", "internal/udp/conn.go", conn, []string{"internal/udp/conn.go:2: struct Conn with 26 fields, allowed are 25"}},
	})
}

func TestNesting(t *testing.T) {
	runRows(t, []rowTest{
		{"three of different kinds", "internal/wire/ack.go", "package p\nfunc f() {\nfor {\nswitch {\ncase true:\nif true {\n}\n}\n}\n}\n", nil},
		{"four of different kinds", "internal/wire/ack.go", "package p\nfunc f() {\nfor range 3 {\nselect {\ndefault:\nif true {\nfor {\n}\n}\n}\n}\n}\n",
			[]string{"internal/wire/ack.go:7: nesting of 4, allowed is 3"}},
		{"five are reported once", "internal/wire/ack.go", "package p\nfunc f() {\nfor {\nfor {\nfor {\nfor {\nfor {\n}\n}\n}\n}\n}\n}\n",
			[]string{"internal/wire/ack.go:6: nesting of 4, allowed is 3"}},
		{"plain blocks and else-if do not nest", "internal/wire/ack.go",
			"package p\nfunc f() {\nfor {\n{\nfor {\nif false {\n} else if false {\n} else if false {\n} else {\n}\n}\n}\n}\n}\n", nil},
		{"what an else contains", "internal/wire/ack.go", "package p\nfunc f() {\nfor {\nfor {\nif true {\n} else if true {\n} else {\nfor {\n}\n}\n}\n}\n}\n",
			[]string{"internal/wire/ack.go:8: nesting of 4, allowed is 3"}},
		{"a function literal starts anew", "internal/wire/ack.go",
			"package p\nfunc f() {\nfor {\nfor {\nfor {\ng(func() {\nif true {\n}\n})\n}\n}\n}\n}\n", nil},
		{"and has the same limit", "internal/wire/ack.go", "package p\nvar f = func() {\nfor {\nfor {\nfor {\nswitch x := y.(type) {\n}\n}\n}\n}\n}\n",
			[]string{"internal/wire/ack.go:6: nesting of 4, allowed is 3"}},
		{"four in a test", "internal/wire/ack_test.go", "package p\nfunc f() {\nfor {\nfor {\nfor {\nfor {\n}\n}\n}\n}\n}\n", nil},
		{"five in a test", "internal/wire/ack_test.go", "package p\nfunc f() {\nfor {\nfor {\nfor {\nfor {\nfor {\n}\n}\n}\n}\n}\n}\n",
			[]string{"internal/wire/ack_test.go:7: nesting of 5, allowed is 4"}},
	})
}
