//go:build linux

// Command mockmodel is a very fast stand-in for an Azure OpenAI / OpenAI
// endpoint on loopback. It answers chat completions (plain JSON or SSE) and
// embeddings from an epoll loop per -threads, so that the backend is never the
// bottleneck of a proxy measurement; it knows nothing of prompts.
// Start at loop.run; behaviour.go holds what the answers look like.
//
// Behaviour can be changed while it runs:
//
//	GET /_mock/set?chunks=50&gap=20ms&first=0s&size=1024&latency=0s
//	GET /_mock/stats
//
// Every streamed token is "tok#<index>@<unix nanoseconds> ", so a client on
// the same machine can measure the delay each hop adds to each chunk.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9100", "listen address")
	threads := flag.Int("threads", 1, "event loops")
	key := flag.String("key", "", "when set, requests must carry it as api-key or Bearer token")
	b := behaviour{}
	flag.IntVar(&b.chunks, "chunks", 50, "tokens a stream")
	flag.DurationVar(&b.gap, "gap", 20*time.Millisecond, "time between tokens")
	flag.DurationVar(&b.first, "first", 0, "time to the first token")
	flag.IntVar(&b.size, "size", 1024, "bytes of a plain answer")
	flag.DurationVar(&b.wait, "latency", 0, "wait before a plain answer")
	flag.IntVar(&b.dims, "dims", 256, "embedding dimensions")
	flag.Parse()
	b.build()
	m := &model{key: *key}
	m.current.Store(&b)
	for i := 1; i < *threads; i++ {
		go serve(m, *addr)
	}
	fmt.Fprintf(os.Stderr, "mockmodel pid %d on %s\n", os.Getpid(), *addr)
	serve(m, *addr)
}

// serve runs one event loop for ever.
func serve(m *model, addr string) {
	l, err := newLoop(m, addr)
	if err == nil {
		err = l.run()
	}
	log.Fatal(err)
}
