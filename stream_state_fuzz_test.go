package quic

import "testing"

// FuzzStreamState drives a stream by the input and compares it with the reference machine, see walk.
func FuzzStreamState(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 1000 {
			return
		}
		runWalk(t, script)
	})
}
