package listen

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// systemFiles is the root of the file system; tests have their own.
func systemFiles() fs.FS { return os.DirFS("/") }

// Where the two generations of cgroups are found (Linux: cgroups(7)).
const (
	cgroupTable = "proc/self/cgroup"
	cgroupV2    = "sys/fs/cgroup"
	cgroupV1    = "sys/fs/cgroup/memory"
)

// unlimited: version 1 spells "no limit" as the largest number of whole pages.
const unlimited = math.MaxInt64 / 2

// cgroupMemory is the memory that the process's control groups allow, 0 for no
// limit or where there are no such groups. Every group up to the root counts.
func cgroupMemory(root fs.FS) int64 {
	table, err := fs.ReadFile(root, cgroupTable)
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(table)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		var base, file string
		switch {
		case f[0] == "0" && f[1] == "":
			base, file = cgroupV2, "memory.max"
		case hasWord(f[1], "memory"):
			base, file = cgroupV1, "memory.limit_in_bytes"
		default:
			continue
		}
		if n := leastOnPath(root, base, f[2], file); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}

// leastOnPath looks at the group and at all above it. In a container the path
// may be one of the host that is not visible here; the root then is the
// container's own group.
func leastOnPath(root fs.FS, base, group, file string) int64 {
	least := int64(0)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if n := readLimit(root, path.Join(base, dir, file)); n > 0 && (least == 0 || n < least) {
			least = n
		}
		if dir == "/" {
			return least
		}
	}
}

func readLimit(root fs.FS, name string) int64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n >= unlimited { // "max" is no number
		return 0
	}
	return n
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}
