//go:build linux

package h1

import "sync"

// Buffer classes. Small ones serve heads and events, large ones bulk bodies.
const (
	class4K = iota
	class16K
	class64K
	class256K // heads at their limit only
	numClasses
	// classOwn are buffers for heads beyond that, where a limit was raised;
	// they are not kept.
	classOwn = numClasses
)

func classSize(class int) int { return 4 << 10 << (2 * class) }

// buffer is a piece of pooled memory; the pointer travels with it so that
// giving it back allocates nothing.
type buffer struct {
	b     []byte
	class int
}

// buffers is a set of pools, one a class. Servers and transports share one.
type buffers struct{ pools [numClasses]sync.Pool }

func (p *buffers) get(class int) *buffer {
	if v, ok := p.pools[class].Get().(*buffer); ok {
		return v
	}
	return &buffer{b: make([]byte, classSize(class)), class: class}
}

func (p *buffers) put(b *buffer) {
	if b != nil && b.class < numClasses {
		p.pools[b.class].Put(b)
	}
}

// classFor returns the smallest class that holds n bytes, the greatest when
// none does.
func classFor(n int) int {
	for c := range numClasses {
		if n <= classSize(c) {
			return c
		}
	}
	return numClasses - 1
}
