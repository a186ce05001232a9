package archtest

import (
	"testing"
	"testing/fstest"
)

func TestClock(t *testing.T) {
	const src = "package p\nimport \"time\"\nvar x = time.Now()\nvar d = time.Second\nvar y = time.NewTimer(d)\n"
	const mono = "package p\nimport \"" + module + "/internal/monotime\"\nvar x = monotime.Now()\nvar y monotime.Time\n"
	runRows(t, []rowTest{
		{"core code", "internal/congestion/cubic.go", src, []string{
			"internal/congestion/cubic.go:3: time.Now outside the files that may read the clock",
			"internal/congestion/cubic.go:5: time.NewTimer outside the files that may read the clock",
		}},
		{"every function", "internal/congestion/cubic.go",
			"package p\nimport \"time\"\nvar x = []any{\ntime.Since,\ntime.Until,\ntime.NewTicker,\ntime.AfterFunc,\ntime.After,\ntime.Tick,\ntime.Sleep}\n", []string{
				"internal/congestion/cubic.go:4: time.Since outside the files that may read the clock",
				"internal/congestion/cubic.go:5: time.Until outside the files that may read the clock",
				"internal/congestion/cubic.go:6: time.NewTicker outside the files that may read the clock",
				"internal/congestion/cubic.go:7: time.AfterFunc outside the files that may read the clock",
				"internal/congestion/cubic.go:8: time.After outside the files that may read the clock",
				"internal/congestion/cubic.go:9: time.Tick outside the files that may read the clock",
				"internal/congestion/cubic.go:10: time.Sleep outside the files that may read the clock",
			}},
		{"monotime.Now in core code", "internal/recovery/loss.go", mono,
			[]string{"internal/recovery/loss.go:3: monotime.Now outside the files that may read the clock"}},
		{"under another name", "internal/recovery/loss.go", "package p\nimport clock \"time\"\nvar x = clock.Now()\n",
			[]string{"internal/recovery/loss.go:3: clock.Now outside the files that may read the clock"}},
		{"a method of the same name", "internal/recovery/loss.go", "package p\nimport \"time\"\nvar t time.Time\nvar x = t.After(t)\n", nil},
		{"a file of the root", "connection_receive.go", mono, []string{"connection_receive.go:3: monotime.Now outside the files that may read the clock"}},
		{"the loop", "connection_loop.go", mono, nil},
		{"a file of that name elsewhere", "internal/recovery/connection_loop.go", mono,
			[]string{"internal/recovery/connection_loop.go:3: monotime.Now outside the files that may read the clock"}},
		{"sockets", "internal/udp/conn.go", mono, nil},
		{"http3", "http3/server.go", src, nil},
		{"the simulated network", "testutils/simnet/link.go", src, nil},
		{"tests", "internal/congestion/cubic_test.go", src, nil},
		{"a test that sleeps", "internal/congestion/cubic_test.go", "package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n",
			[]string{"internal/congestion/cubic_test.go:3: time.Sleep in the tests of a package without testing/synctest"}},
		{"a test that sleeps in a bubble", "internal/congestion/cubic_test.go",
			"package p\nimport (\n\"testing/synctest\"\n\"time\"\n)\nfunc f() { synctest.Wait(); time.Sleep(1) }\n", nil},
	})
	// The bubble may be in a helper of the package.
	file := func(src string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(src)} }
	checkFS(t, fstest.MapFS{
		"qlog/doc.go":       file(docGo),
		"qlog/help_test.go": file("package p\nimport \"testing/synctest\"\nvar x = synctest.Test\n"),
		"qlog/qlog_test.go": file("package p\nimport \"time\"\nfunc f() { time.Sleep(1) }\n"),
	}, nil)
}

func TestComments(t *testing.T) {
	const path = "internal/wire/ack.go"
	ref := func(quoted string) []string {
		return []string{path + ":3: \"" + quoted + "\" should be of the form \"RFC 9000, Section 4.6\""}
	}
	row := func(name, comment string, want []string) rowTest {
		return rowTest{name, path, "package p\n\n" + comment + "\nvar x int\n", want}
	}
	runRows(t, []rowTest{
		row("the grammar", "// See RFC 9000, Section 17.2.5.2-2 and (RFC 9001, Appendix A.1).", nil),
		row("several sections", "// RFC 9438, Sections 4.4 and 4.5; RFC 9000, Figure 2; RFC 9000, Appendices A and B.", nil),
		row("over two lines", "// RFC 9000,\n// Section 4.6", nil),
		row("an RFC as a whole", "// x is the frame of RFC 9221. RFC 9000 knows none.", nil),
		row("quoted from an RFC", "// \"as described in Section 8.1 of [QUIC-TRANSPORT] and [RFC6928]\"", nil),
		row("the name of a file", "// rfc9000_test.go, specs/rfc9000.txt", nil),
		row("no space", "// RFC9000, Section 4.6", ref("RFC9000, Section 4.6")),
		row("lower case", "// rfc 9000, Section 4.6", ref("rfc 9000, Section 4.6")),
		row("a hyphen", "// RFC-9000", ref("RFC-9000")),
		row("no comma", "// RFC 9000 Section 4.6", ref("RFC 9000 Section 4.6")),
		row("lower case section", "// RFC 9000, section 4.6", ref("RFC 9000, section 4.6")),
		row("a section sign", "// RFC 9000 §4.6", ref("RFC 9000 §4.6")),
		row("a bare number", "// RFC 9000 4.6", ref("RFC 9000 4.6")),
		row("an abbreviation", "// RFC 9000, Sec. 4.6", ref("RFC 9000, Sec. 4.6")),
		row("a bare appendix", "// RFC 9001 A.1", ref("RFC 9001 A.1")),
		row("no comma over two lines", "// RFC 9000\n// Section 4.6", ref("RFC 9000 Section 4.6")),
		row("the wrong way round", "/* Section 4.6 of RFC 9000 */", ref("Section 4.6 of RFC 9000")),
		row("not in strings", "var s = \"RFC9000 TODO\"", nil),
		row("an open task", "// TODO: more", []string{path + ":3: comment with TODO"}),
		row("an open task with an owner", "// x\n// FIXME(me): more", []string{path + ":4: comment with FIXME"}),
		row("words that contain one", "// XXXL todos", nil),
	})
}

func TestDoc(t *testing.T) {
	file := func(src string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(src)} }
	for _, tc := range []struct {
		name string
		fsys fstest.MapFS
		want []string
	}{
		{"present", fstest.MapFS{"qlog/doc.go": file(docGo)}, nil},
		{"missing", fstest.MapFS{"qlog/event.go": file("package p\n")}, []string{"qlog/event.go:1: package qlog without doc.go"}},
		{"missing in a package of tests", fstest.MapFS{"fuzzing/ack/fuzz_test.go": file("package p\n")}, []string{"fuzzing/ack/fuzz_test.go:1: package fuzzing/ack without doc.go"}},
		{"not needed by a program", fstest.MapFS{"example/main.go": file("package main\n")}, nil},
		{"too short", fstest.MapFS{"qlog/doc.go": file("// Package p.\npackage p\n")},
			[]string{"qlog/doc.go:1: doc.go of 2 lines, want a package comment and 5 to 40 lines"}},
		{"too long", fstest.MapFS{"qlog/doc.go": file(docGo + lines(36)[len("package p"):])},
			[]string{"qlog/doc.go:1: doc.go of 41 lines, want a package comment and 5 to 40 lines"}},
		{"without a comment", fstest.MapFS{"qlog/doc.go": file(lines(10))},
			[]string{"qlog/doc.go:1: doc.go of 10 lines, want a package comment and 5 to 40 lines"}},
		{"a second package comment", fstest.MapFS{"qlog/doc.go": file(docGo), "qlog/event.go": file("\n// Package p again.\npackage p\n")},
			[]string{"qlog/event.go:2: package comment outside doc.go"}},
	} {
		t.Run(tc.name, func(t *testing.T) { checkFS(t, tc.fsys, tc.want) })
	}
}

func TestSkippedFiles(t *testing.T) {
	bad := "package p\n\n// TODO\nvar x int\n"
	want := func(path string, line string) []string { return []string{path + ":" + line + ": comment with TODO"} }
	runRows(t, []rowTest{
		{"another platform", "internal/wire/ack.go", "//go:build windows\n\n" + bad, want("internal/wire/ack.go", "5")},
		{"not a platform", "internal/wire/ack.go", "//go:build !linux\n\n" + bad, want("internal/wire/ack.go", "5")},
		{"testdata", "internal/wire/testdata/ack.go", bad, nil},
		{"a hidden directory", "internal/wire/.old/ack.go", bad, nil},
	})
	checkFS(t, fstest.MapFS{"other/go.mod": {Data: []byte("module other\n")}, "other/p/ack.go": {Data: []byte(bad)}}, nil)
	if _, err := Check(fstest.MapFS{"qlog/a.go": {Data: []byte("package")}}); err == nil {
		t.Error("no error for a file that does not parse")
	}
}
