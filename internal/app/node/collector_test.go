package node

import (
	"runtime"
	"testing"
)

func TestCollectorFollowsTheLoad(t *testing.T) {
	for _, tc := range []struct {
		name            string
		now             int
		perSecond, kept uint64
		want            int
	}{
		{"busy, little kept", 100, 60 << 20, 8 << 20, 400},
		{"busy, much kept", 100, 60 << 20, 300 << 20, 100},
		{"much is kept now", 400, 60 << 20, 300 << 20, 100},
		{"between, was busy", 400, 8 << 20, 8 << 20, 400},
		{"between, was quiet", 100, 8 << 20, 8 << 20, 100},
		{"quiet again", 400, 1 << 20, 8 << 20, 100},
	} {
		if got := percentFor(tc.now, tc.perSecond, tc.kept); got != tc.want {
			t.Errorf("%s: %d", tc.name, got)
		}
	}
	runtime.GC() // what is kept is known from the first collection on
	before := garbage()
	keep := make([]byte, 1<<20)
	if after := garbage(); after.made < before.made+uint64(len(keep)) || after.kept == 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}
