// Command refproxy holds small reference proxies that do the work every AI
// gateway must do (check a subscription key, swap in the backend key, forward,
// pass streams through unbuffered) in different ways, to show what each way of
// building a gateway in Go costs. They know no policies, and most know only
// what the load client sends: they are a measure, not products.
// Start at proxy.serve.
//
//	-kind splice    TCP splice, no HTTP at all (the floor for a user-space hop)
//	-kind reverse   net/http server + httputil.ReverseProxy, tuned Transport
//	-kind naive     net/http server + httputil.ReverseProxy, default Transport
//	-kind own       net/http server + own HTTP/1.1 upstream client
//	-kind fasthttp  fasthttp server + fasthttp client
//	-kind raw       own HTTP/1.1 server loop (a goroutine a connection) + own upstream client
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
)

// proxy is one reference proxy.
type proxy struct {
	upstream   string
	backendKey string
	duplex     bool
	keys       map[string]int
	pool       upstreamPool
	copies     sync.Pool // *[]byte for copying bodies
}

func main() {
	kind := flag.String("kind", "reverse", "splice, reverse, naive, own, fasthttp or raw")
	addr := flag.String("addr", "127.0.0.1:9200", "listen address")
	key := flag.String("key", "bench-key", "subscription key clients must send as api-key")
	p := &proxy{copies: sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}}
	flag.StringVar(&p.upstream, "upstream", "127.0.0.1:9100", "backend host:port")
	flag.StringVar(&p.backendKey, "backend-key", "backend-key", "api-key sent to the backend")
	flag.BoolVar(&p.duplex, "full-duplex", false, "reverse: EnableFullDuplex on every request")
	flag.Parse()
	p.pool.addr = p.upstream
	p.keys = map[string]int{*key: 1}
	for i := range 1000 {
		p.keys["key-"+strconv.Itoa(i)] = i
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintf(os.Stderr, "refproxy %s pid %d on %s\n", *kind, os.Getpid(), *addr)
	log.Fatal(p.serve(*kind, l))
}

func (p *proxy) serve(kind string, l net.Listener) error {
	switch kind {
	case "splice":
		return each(l, p.splice)
	case "reverse", "naive":
		return http.Serve(l, p.reverse(kind == "reverse"))
	case "own":
		return http.Serve(l, http.HandlerFunc(p.own))
	case "fasthttp":
		return p.fast(l)
	case "raw":
		return each(l, p.raw)
	}
	return fmt.Errorf("there is no -kind %s", kind)
}

// each serves every connection of l in a goroutine of its own.
func each(l net.Listener, serve func(net.Conn)) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go serve(c)
	}
}

// splice joins c with a connection to the backend.
func (p *proxy) splice(c net.Conn) {
	defer func() { _ = c.Close() }()
	u, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer func() { _ = u.Close() }()
	go func() {
		_, _ = io.Copy(u, c)
		_ = u.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, u)
}
