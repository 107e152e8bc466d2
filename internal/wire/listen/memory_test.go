package listen

import (
	"math"
	"testing"
	"testing/fstest"
)

func TestCeiling(t *testing.T) {
	const none = math.MaxInt64
	for _, k := range []struct {
		set, goLimit, cgroup int64
		want                 Ceiling
	}{
		{0, none, 0, Ceiling{}},
		{5, 7, 9, Ceiling{5, "setting"}},
		{0, 7, 9, Ceiling{7, "GOMEMLIMIT"}},
		{0, none, 1000, Ceiling{900, "cgroup"}},
	} {
		if got := ceiling(k.set, k.goLimit, k.cgroup); got != k.want {
			t.Errorf("%v: %v", k, got)
		}
	}
}

func TestGaugeHasHysteresis(t *testing.T) {
	g := gauge{ceiling: 1000}
	for i, k := range []struct {
		used           int64
		changed, short bool
	}{
		{900, false, false}, {1000, false, false}, {1001, true, true}, {960, false, true}, {950, false, true}, {949, true, false}, {999, false, false},
	} {
		if g.changed(k.used) != k.changed || g.short != k.short {
			t.Errorf("%d: %d bytes", i, k.used)
		}
	}
}

func TestWatchSeesMemory(t *testing.T) {
	if used := newSample().used(); used < 1<<20 || used > 1<<40 {
		t.Errorf("%d bytes in use", used)
	}
	told := make(chan bool, 1)
	go Ceiling{Bytes: 1}.Watch(t.Context(), func(short bool) { told <- short })
	if !<-told {
		t.Error("memory is not short with one byte")
	}
	Ceiling{}.Watch(t.Context(), nil) // no ceiling: ends at once
}

func TestCgroups(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, k := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"no groups":          {fstest.MapFS{}, 0},
		"v2":                 {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n")}, 1000},
		"v2, a parent's":     {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("700\n")}, 700},
		"v2, least of both":  {fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("500\n"), "sys/fs/cgroup/a/memory.max": file("700\n")}, 500},
		"v2, container":      {fstest.MapFS{"proc/self/cgroup": file("0::/host/path\n"), "sys/fs/cgroup/memory.max": file("300\n")}, 300},
		"v2, no limit":       {fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 0},
		"v1":                 {fstest.MapFS{"proc/self/cgroup": file("5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n"), "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("400\n")}, 400},
		"v1, no limit":       {fstest.MapFS{"proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 0},
		"nonsense":           {fstest.MapFS{"proc/self/cgroup": file("what\n0::\n"), "sys/fs/cgroup/memory.max": file("lots\n")}, 0},
		"outside the system": {fstest.MapFS{"proc/self/cgroup": file("0::/../../x\n"), "sys/fs/cgroup/x/memory.max": file("8\n")}, 8},
	} {
		if got := cgroupMemory(k.files); got != k.want {
			t.Errorf("%s: %d, want %d", name, got, k.want)
		}
	}
}
