//go:build !race

package goodput

const raceEnabled = false
