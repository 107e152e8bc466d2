package exchange

import (
	"bytes"
	"io"
	"math/bits"
	"sync"
)

// BodyMode says what a body is at the moment.
type BodyMode uint8

// Body modes. A stream can be read once; a buffered body as often as needed.
const (
	BodyNone BodyMode = iota
	BodyStream
	BodyBuffered
	BodyConsumed
)

// Body of a message. The zero value is "no body".
type Body struct {
	mode   BodyMode
	stream io.ReadCloser
	size   int64 // -1 = unknown
	data   []byte
	pooled *[]byte // memory of data, given back by Close
}

// Bodies in memory of a middling size are frequent, and clearing fresh memory
// for each costs more than reading them. Memory comes in powers of two, so that a
// stream which holds its request for minutes does not hold much more.
const (
	smallestClass = 10 // 1 KiB
	greatestClass = 17 // 128 KiB, for 64 KiB and the byte that shows the end
)

var bodyMemory [greatestClass - smallestClass + 1]sync.Pool

// memoryFor returns empty memory for n bytes, pooled where n is middling.
func memoryFor(n int64) (memory []byte, pooled *[]byte) {
	class := max(bits.Len64(uint64(n-1)), smallestClass)
	if n <= 0 || class > greatestClass {
		return make([]byte, 0, n), nil
	}
	if p, ok := bodyMemory[class-smallestClass].Get().(*[]byte); ok {
		return (*p)[:0], p
	}
	b := make([]byte, 1<<class)
	return b[:0], &b
}

func freeMemory(p *[]byte) {
	if p != nil {
		bodyMemory[bits.Len64(uint64(len(*p)-1))-smallestClass].Put(p)
	}
}

// SetStream makes the body a stream of size bytes (-1 = unknown). A nil r is
// no body.
func (b *Body) SetStream(r io.ReadCloser, size int64) {
	if r == nil {
		*b = Body{}
		return
	}
	*b = Body{mode: BodyStream, stream: r, size: size}
}

// SetBytes replaces the body. The stream it replaces is closed: nobody will
// read it any more.
func (b *Body) SetBytes(p []byte) {
	b.Close()
	*b = Body{mode: BodyBuffered, data: p, size: int64(len(p))}
}

// Mode returns what the body is.
func (b *Body) Mode() BodyMode { return b.mode }

// Size returns the length in bytes, -1 when unknown.
func (b *Body) Size() int64 {
	if b.mode == BodyStream {
		return b.size
	}
	return int64(len(b.data))
}

// Bytes returns the content of a buffered body, nil otherwise.
func (b *Body) Bytes() []byte { return b.data }

// Stream returns the stream of a streaming body, nil otherwise.
func (b *Body) Stream() io.ReadCloser {
	if b.mode != BodyStream {
		return nil
	}
	return b.stream
}

// Buffer reads a streaming body into memory, at most limit bytes; ok is false
// when there is more.
func (b *Body) Buffer(limit int64) (ok bool, err error) {
	if b.mode != BodyStream {
		return true, nil
	}
	room := b.size + 1 // the end shows itself in the byte more
	if b.size < 0 || b.size > limit {
		room = min(bytes.MinRead, limit+1)
	}
	memory, pooled := memoryFor(room)
	data, err := readUpTo(b.stream, memory, limit+1)
	if err != nil || int64(len(data)) > limit {
		freeMemory(pooled)
		return err != nil, err
	}
	_ = b.stream.Close()
	if cap(data) != cap(memory) { // it has grown out of it
		freeMemory(pooled)
		pooled = nil
	}
	*b = Body{mode: BodyBuffered, data: data, size: int64(len(data)), pooled: pooled}
	return true, nil
}

// readUpTo appends r to data until its end, or until there are limit bytes.
func readUpTo(r io.Reader, data []byte, limit int64) ([]byte, error) {
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		end := int(min(int64(cap(data)), limit))
		n, err := r.Read(data[len(data):end])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF || int64(len(data)) >= limit:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}

// Take returns what to send: a reader for a stream, which is consumed by this,
// or the bytes of a body in memory, which can be taken again.
func (b *Body) Take() (r io.Reader, data []byte, size int64) {
	switch b.mode {
	case BodyStream:
		s, n := b.stream, b.size
		b.mode, b.stream = BodyConsumed, nil
		return s, nil, n
	case BodyBuffered:
		return nil, b.data, int64(len(b.data))
	default:
		return nil, nil, 0
	}
}

// Close closes a stream that nobody read to its end; for a backend's answer
// this ends the call on the other side. Bytes of a body in memory must not be
// used any more. A second Close does nothing.
func (b *Body) Close() {
	if b.pooled != nil {
		freeMemory(b.pooled)
		*b = Body{mode: BodyConsumed}
	}
	if b.mode == BodyStream && b.stream != nil {
		_ = b.stream.Close()
		*b = Body{mode: BodyConsumed}
	}
}
