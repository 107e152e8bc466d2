//go:build linux && !race

package h1

const raceEnabled = false
