package password

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// defaultMemory returns the default budget in bytes.
func defaultMemory() uint64 {
	limit := uint64(debug.SetMemoryLimit(-1)) // reads GOMEMLIMIT; changes nothing
	return budgetWithin(min(limit, cgroupLimit(os.DirFS("/"))))
}

func budgetWithin(limit uint64) uint64 { return min(256<<20, limit/4) }

// cgroupLimit returns the lowest memory limit of the cgroup of this process and of
// the ones around it, version 2 or 1, or MaxUint64 if there is none to be seen.
func cgroupLimit(root fs.FS) uint64 {
	limit := readLimit(root, "sys/fs/cgroup/memory/memory.limit_in_bytes")
	group := "/"
	if b, err := fs.ReadFile(root, "proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "0::"); ok {
				group = path.Clean("/" + strings.TrimSpace(name))
			}
		}
	}
	for ; ; group = path.Dir(group) {
		limit = min(limit, readLimit(root, path.Join("sys/fs/cgroup", group, "memory.max")))
		if group == "/" {
			return limit
		}
	}
}

func readLimit(root fs.FS, name string) uint64 {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxUint64
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil { // "max"
		return math.MaxUint64
	}
	return n
}
