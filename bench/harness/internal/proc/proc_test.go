package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// fake makes a proc file system of processes: pid, parent, user and system
// ticks, resident kB.
func fake(t *testing.T, processes [][5]int) FS {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range processes {
		pid := strconv.Itoa(p[0])
		write(pid+"/stat", fmt.Sprintf("%d (a (b) c) S %d 1 1 0 -1 0 0 0 0 0 %d %d 0 0", p[0], p[1], p[2], p[3]))
		write(pid+"/status", fmt.Sprintf("Name:\tx\nVmHWM:\t  999999 kB\nVmRSS:\t  %d kB\n", p[4]))
	}
	write("stat", "cpu  100 20 30 1000 500 4 3 200 7 8\ncpu0 9 9 9 9 9 9 9 9 9 9\n")
	write("self/stat", "no process")
	return FS(dir)
}

func TestProcesses(t *testing.T) {
	f := fake(t, [][5]int{{10, 1, 100, 50, 1024}, {11, 10, 10, 0, 2048}, {12, 11, 0, 5, 512}, {20, 1, 900, 0, 4096}})
	tree := f.Tree([]int{10})
	if fmt.Sprint(tree) != "[10 11 12]" {
		t.Errorf("tree %v", tree)
	}
	if got := f.CPU(append(tree, 99)); fmt.Sprintf("%.2f", got) != "1.65" {
		t.Errorf("CPU %v s", got)
	}
	if got := f.RSS(append(tree, 99)); got != 3.5 {
		t.Errorf("RSS %v MB", got)
	}
	if got := f.Busy(); fmt.Sprintf("%.2f", got) != "3.57" { // all but idle, iowait and guest
		t.Errorf("busy %v s", got)
	}
}

func TestThisProcess(t *testing.T) {
	f := FS("/proc")
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("there is no /proc here")
	}
	if tree := f.Tree([]int{os.Getpid()}); len(tree) == 0 || f.RSS(tree) < 1 {
		t.Errorf("tree %v, %v MB", tree, f.RSS(tree))
	}
}
