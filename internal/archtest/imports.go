package archtest

import (
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/quic-go/quic-go"

// anything stands for every package of the module.
const anything = "*"

// importTable says which packages of this module, and which modules of others, the non-test
// files of a package may import. A name that ends in "/..." covers the directories below.
// The standard library is always allowed, except for what restricted names.
var importTable = map[string][]string{
	// level 0
	"quicvarint": {}, "internal/monotime": {}, "internal/rangeset": {}, "qlogwriter/jsontext": {},
	// level 1
	"internal/protocol": {"quicvarint"},
	// level 2
	"internal/qerr": {"internal/protocol"},
	"qlogwriter":    {"internal/protocol", "qlogwriter/jsontext"},
	// level 3
	"internal/wire": {"internal/protocol", "internal/qerr", "quicvarint", "internal/rangeset"},
	// level 4
	"internal/protect":     {"internal/wire", "internal/protocol", "internal/qerr", "internal/monotime", "golang.org/x/crypto"},
	"internal/connid":      {"internal/wire", "internal/protocol", "internal/qerr", "internal/monotime"},
	"internal/path":        {"internal/wire", "internal/protocol", "internal/qerr", "internal/monotime"},
	"internal/flowcontrol": {"internal/protocol", "internal/qerr", "internal/monotime"},
	"internal/congestion":  {"internal/protocol", "internal/qerr", "internal/monotime"},
	"internal/mtu":         {"internal/protocol", "internal/qerr", "internal/monotime"},
	"internal/udp":         {"internal/protocol", "internal/monotime", "golang.org/x/net"},
	"internal/sendbuf":     {"internal/rangeset", "internal/protocol", "internal/qerr"},
	"internal/reassembly":  {"internal/rangeset", "internal/protocol", "internal/qerr"},
	// level 5
	"internal/recovery": {
		"internal/wire", "internal/congestion", "internal/rangeset", "internal/protocol", "internal/qerr", "internal/monotime",
	},
	"internal/handshake": {
		"internal/wire", "internal/protect", "internal/reassembly", "internal/sendbuf", "internal/protocol", "internal/qerr",
		"internal/monotime",
	},
	"qlog": {"internal/wire", "internal/protocol", "internal/qerr", "qlogwriter", "qlogwriter/jsontext"},
	// level 6: the root
	".": {
		"quicvarint", "qlogwriter", "qlogwriter/jsontext", "qlog", "internal/monotime", "internal/rangeset", "internal/protocol",
		"internal/qerr", "internal/wire", "internal/protect", "internal/connid", "internal/path", "internal/flowcontrol",
		"internal/congestion", "internal/mtu", "internal/udp", "internal/sendbuf", "internal/reassembly", "internal/recovery",
		"internal/handshake",
	},
	// level 7
	"http3":      {".", "http3/qlog", "qlogwriter", "quicvarint", "github.com/quic-go/qpack", "golang.org/x/net"},
	"http3/qlog": {".", "qlogwriter", "qlogwriter/jsontext"},
	// for tests
	"testutils":            {"internal/wire", "internal/protocol", "internal/protect"},
	"testutils/events":     {"qlogwriter"},
	"testutils/simnet":     {},
	"internal/archtest":    {},
	"internal/benchtest":   {},
	"internal/netsim":      {"testutils/simnet"},
	"internal/testcert":    {},
	"internal/quictest":    {"quicvarint", "internal/wire", "internal/protect", "internal/handshake", "internal/protocol", "internal/qerr", "internal/monotime", "testutils/simnet"},
	"integrationtests/...": {anything},
	"fuzzing/...":          {anything},
	"interop/...":          {".", "http3", "qlog", "http3/qlog", "qlogwriter", "quicvarint", "interop/...", "golang.org/x/sync"},
	"interop/link":         {"integrationtests/tools/proxy"},
	"example/...":          {".", "http3", "qlog", "http3/qlog", "qlogwriter", "quicvarint"},
	"cmd/qlogview":         {},
	"metrics":              {".", "qlog", "http3/qlog", "qlogwriter", "github.com/prometheus/client_golang"}, // a module of its own
	"cmd/...":              {".", "qlog", "http3/qlog", "qlogwriter", "quicvarint", "cmd/..."},
}

// testModules may be imported by tests of any package.
var testModules = []string{"github.com/prometheus/client_golang", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sync", "github.com/quic-go/qpack", "go.uber.org/mock"}

// restricted names the packages whose non-test files may import a standard package.
var restricted = map[string][]string{
	"crypto/tls": {
		".", "http3", "internal/handshake", "internal/quictest", "internal/testcert", "integrationtests/...", "interop/...", "example/...",
		"internal/qerr", // for the texts of alerts
		"qlog",          // for a public method
	},
	"unsafe": {
		"internal/udp",
		"interop/endpoint", // for the linkname of the cipher suites of TLS 1.3
	},
}

func checkImports(s *source) {
	allowed, listed := lookUp(s.dir)
	if !listed {
		s.report(s.file.Package, "package %s is not in the import table of internal/archtest", s.dir)
		return
	}
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil && !mayImport(s, name, allowed) {
			s.report(spec.Pos(), "package %s may not import %s", s.dir, name)
		}
	}
}

// lookUp returns the row of dir: its own one or that of the closest directory above.
func lookUp(dir string) (allowed []string, listed bool) {
	if allowed, listed = importTable[dir]; listed {
		return allowed, true
	}
	for pattern, row := range importTable {
		if covers(pattern, dir) {
			return row, true
		}
	}
	return nil, false
}

func mayImport(s *source, name string, allowed []string) bool {
	own, inModule := ownPackage(name)
	first, _, _ := strings.Cut(name, "/")
	std := !inModule && !strings.Contains(first, ".")
	if s.test {
		return std || inModule || slices.ContainsFunc(testModules, func(m string) bool { return within(name, m) })
	}
	if std {
		users, limited := restricted[name]
		return !limited || slices.ContainsFunc(users, func(p string) bool { return covers(p, s.dir) })
	}
	return slices.ContainsFunc(allowed, func(p string) bool {
		if inModule {
			return p == anything || covers(p, own)
		}
		return within(name, p)
	})
}

// ownPackage returns the directory of a package of this module.
func ownPackage(name string) (dir string, ok bool) {
	if name == module {
		return ".", true
	}
	return strings.CutPrefix(name, module+"/")
}

// covers reports whether pattern names dir.
func covers(pattern, dir string) bool {
	above, wildcard := strings.CutSuffix(pattern, "/...")
	return pattern == dir || wildcard && within(dir, above)
}

// within reports whether name is parent or below it.
func within(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}
