//go:build !race

package endpoint

// The client changes a variable that the server of the test reads: later, but the race detector sees no connection.
func init() {
	caseTests = append(caseTests, caseTest{name: "chacha20", files: 1, size: 100 << 10})
}
