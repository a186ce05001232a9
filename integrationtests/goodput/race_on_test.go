//go:build race

package goodput

// raceEnabled says that the race detector is on, which makes everything slow.
const raceEnabled = true
