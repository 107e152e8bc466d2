package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// memory is the most that the process has had resident so far, in bytes.
func (p *process) memory(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the system does not tell")
	return 0
}

// grownLimit is what a process may grow by under an attack.
func grownLimit() int64 {
	if raceBuild() {
		return 600 << 20 // the race detector keeps shadows of all memory
	}
	return 60 << 20
}
