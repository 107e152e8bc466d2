// Package proc reads what Linux says about running processes: CPU time, memory,
// and which ones descend from which. It knows no benchmark and ends nothing.
// Start at Tree.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticks a second of the times in /proc (USER_HZ, 100 on every Linux).
const ticks = 100

// FS is a proc file system, usually "/proc".
type FS string

// Tree returns pids and all processes that descend from them.
func (f FS) Tree(pids []int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir(string(f))
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s := f.stat(pid); len(s) > 1 {
			parent, _ := strconv.Atoi(s[1])
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	seen := map[int]bool{}
	var walk func(int)
	walk = func(pid int) {
		if seen[pid] {
			return
		}
		seen[pid] = true
		all = append(all, pid)
		for _, c := range children[pid] {
			walk(c)
		}
	}
	for _, p := range pids {
		walk(p)
	}
	return all
}

// stat returns the fields after the command name: state, parent, …
func (f FS) stat(pid int) []string {
	b, err := os.ReadFile(filepath.Join(string(f), strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil // it has ended
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

// CPU is the user and system time of the processes in seconds. The kernel
// scales it from exact run time, so a window of seconds is good to about 1 %.
func (f FS) CPU(pids []int) (seconds float64) {
	for _, p := range pids {
		s := f.stat(p)
		if len(s) < 13 {
			continue
		}
		user, _ := strconv.ParseFloat(s[11], 64)
		system, _ := strconv.ParseFloat(s[12], 64)
		seconds += (user + system) / ticks
	}
	return seconds
}

// RSS is the resident memory of the processes in MB.
func (f FS) RSS(pids []int) (mb float64) {
	for _, p := range pids {
		b, err := os.ReadFile(filepath.Join(string(f), strconv.Itoa(p), "status"))
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(b)) {
			var kb float64
			if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kb); n == 1 {
				mb += kb / 1024
			}
		}
	}
	return mb
}

// Busy is all CPU time of the machine that was not idle, stolen time included.
func (f FS) Busy() (seconds float64) {
	b, _ := os.ReadFile(filepath.Join(string(f), "stat"))
	line, _, _ := strings.Cut(string(b), "\n")
	for i, x := range strings.Fields(line) {
		switch i {
		case 0, 4, 5, 9, 10: // the name, idle, iowait; guest time is counted in user time
			continue
		}
		v, _ := strconv.ParseFloat(x, 64)
		seconds += v / ticks
	}
	return seconds
}
