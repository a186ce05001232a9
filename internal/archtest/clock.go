package archtest

import (
	"go/ast"
	"path"
	"slices"
	"strconv"
)

// clockReaders are the directories, with "/..." for those below too, and the files that may
// read the clock or start timers. All other code receives now as an argument.
var clockReaders = []string{
	"connection_loop.go", "stream_deadline.go", // the loop, and the waits of Read and Write
	// Transport, listener and dialing: no loop calls them.
	"transport.go", "transport_read.go", "conn_table.go", "zero_rtt_queue.go", "listener.go", "server_initial.go", "client.go",
	"internal/handshake/session.go", // crypto/tls reads it too, for the age of tickets
	"qlogwriter",                    // its Writer stamps events
	"internal/monotime", "internal/udp", "http3",
	"testutils/...", "internal/netsim", "internal/quictest", "integrationtests/...", "interop/...", "example/...", "fuzzing/...", "cmd/...",
}

// clockFunctions are what only clockReaders call, by import path.
var clockFunctions = map[string][]string{
	"time":                        {"Now", "Since", "Until", "NewTimer", "NewTicker", "AfterFunc", "After", "Tick", "Sleep"},
	module + "/internal/monotime": {"Now"},
}

func checkClock(s *source) {
	mayRead := func(p string) bool { return p == s.path || covers(p, s.dir) }
	if s.test || slices.ContainsFunc(clockReaders, mayRead) {
		return
	}
	for name, functions := range clockFunctions {
		s.forbid(name, functions, "%s.%s outside the files that may read the clock")
	}
}

// checkSleep: a test that sleeps outside a bubble of testing/synctest is slow or flaky. If one
// file of a package has bubbles, the sleeps of its other files are taken to be in them too.
func checkSleep(sources []*source) {
	if slices.ContainsFunc(sources, func(s *source) bool { return s.importName("testing/synctest") != "" }) {
		return
	}
	for _, s := range sources {
		if s.test {
			s.forbid("time", []string{"Sleep"}, "%s.%s in the tests of a package without testing/synctest")
		}
	}
}

// forbid reports every use of the given functions of the package name.
func (s *source) forbid(name string, functions []string, format string) {
	local := s.importName(name)
	if local == "" {
		return
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(functions, sel.Sel.Name) {
			s.report(sel.Pos(), format, local, sel.Sel.Name)
		}
		return true
	})
}

// importName returns the name by which the file refers to the package, "" if it does not.
func (s *source) importName(name string) string {
	for _, spec := range s.file.Imports {
		if spec.Path.Value != strconv.Quote(name) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(name)
	}
	return ""
}
