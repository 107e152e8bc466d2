//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// caddyModule is built when -caddy build asks for it.
const caddyModule = "github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9"

// contestant is one target: how it is started and reached.
type contestant struct {
	name   string
	work   string // what it does, for the report
	port   int    // relative to -port-base
	manage int    // the same of the management listener, 0 = none
	path   string
	key    string
	cases  []string // only these; empty = all
	// command is what to run. absent, when not empty, is why it cannot be.
	command func(s *stand, c *contestant) (argv []string, absent string, err error)
}

const (
	chat    = "/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21"
	bareKey = "bench-key"
)

func contestants() []contestant {
	const (
		keySwap  = "key check, key swap"
		standard = "key check, key swap, address list of 138 ranges, six header and query steps in product and API scope, JSON access log to a file, metrics"
	)
	all := []contestant{
		{name: "nginx", work: keySwap + "; default buffers", port: 11, command: nginx("nginx.conf", "4k")},
		{name: "nginx-64k", work: keySwap + "; 64 KB buffers", port: 12, cases: []string{"D"}, command: nginx("nginx.conf", "64k")},
		{name: "nginx-standard", work: "what nginx can do of the standard configuration: address list, headers, query, JSON access log (buffered)", port: 13,
			path: "/standard" + chat, key: "bench-key-standard", command: nginx("nginx-standard.conf", "4k")},
		{name: "haproxy", work: keySwap, port: 14, command: haproxy},
		{name: "caddy", work: keySwap, port: 15, command: caddy},
		{name: "fast-bare", work: "Sallyport, engine fast: " + keySwap, port: 21, manage: 41, command: gateway("fast", false)},
		{name: "fast-standard", work: "Sallyport, engine fast: " + standard, port: 22, manage: 42, path: "/standard" + chat, key: "bench-key-standard", command: gateway("fast", true)},
		{name: "std-bare", work: "Sallyport, engine std: " + keySwap, port: 23, manage: 43, command: gateway("std", false)},
		{name: "std-standard", work: "Sallyport, engine std: " + standard, port: 24, manage: 44, path: "/standard" + chat, key: "bench-key-standard", command: gateway("std", true)},
	}
	for i, k := range []struct{ kind, work string }{
		{"raw", "own server loop and client"}, {"fasthttp", "fasthttp on both sides"},
		{"own", "net/http server, own client"}, {"reverse", "net/http, tuned httputil.ReverseProxy"},
	} {
		all = append(all, contestant{name: "go-" + k.kind, work: "reference proxy, " + k.work + ": " + keySwap, port: 31 + i, command: reference(k.kind)})
	}
	for i := range all {
		if all[i].path == "" {
			all[i].path, all[i].key = chat, bareKey
		}
	}
	return all
}

func names(cs []contestant) []string {
	var all []string
	for _, c := range cs {
		all = append(all, c.name)
	}
	return all
}

func (c *contestant) url(s *stand) string { return "http://" + s.address(c.port) + c.path }

// managed is a URL of the management listener.
func (c *contestant) managed(s *stand, path string) string {
	return "http://" + s.address(c.manage) + path
}

func missing(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return "there is no " + program + " here (Debian: apt-get install " + program + ")"
	}
	return ""
}

func nginx(file, buffer string) func(*stand, *contestant) ([]string, string, error) {
	return func(s *stand, c *contestant) ([]string, string, error) {
		if why := missing("nginx"); why != "" {
			return nil, why, nil
		}
		var ranges strings.Builder
		for i := 1; i < 138; i++ {
			fmt.Fprintf(&ranges, "    198.18.%d.0/28 1;\n", i)
		}
		name, err := s.fill(c, file, "@BUFFER@", buffer, "@RANGES@", strings.TrimSuffix(ranges.String(), "\n"))
		return []string{"nginx", "-p", filepath.Dir(name), "-c", name}, "", err
	}
}

func haproxy(s *stand, c *contestant) ([]string, string, error) {
	if why := missing("haproxy"); why != "" {
		return nil, why, nil
	}
	name, err := s.fill(c, "haproxy.cfg")
	return []string{"haproxy", "-db", "-f", name}, "", err
}

func caddy(s *stand, c *contestant) ([]string, string, error) {
	program, absent := s.bench.caddy, ""
	if _, err := exec.LookPath(program); err != nil {
		absent = "there is no Caddy here (-caddy names a binary, -caddy build builds one)"
	}
	if absent != "" {
		return nil, absent, nil
	}
	name, err := s.fill(c, "Caddyfile")
	return []string{program, "run", "--adapter", "caddyfile", "--config", name}, "", err
}

func reference(kind string) func(*stand, *contestant) ([]string, string, error) {
	return func(s *stand, c *contestant) ([]string, string, error) {
		return []string{s.bench.tool("refproxy"), "-kind", kind, "-addr", s.address(c.port), "-upstream", s.address(0)}, "", nil
	}
}

// gateway is Sallyport. Its log goes to a file, as everything it writes.
func gateway(engine string, standard bool) func(*stand, *contestant) ([]string, string, error) {
	return func(s *stand, c *contestant) ([]string, string, error) {
		b := s.bench
		argv := []string{
			b.tool("sallyport"), "serve", "-c", filepath.Join(b.work, "config", "sallyport.yaml"),
			"--set", "gateway.listen=" + s.address(c.port), "--set", "management.listen=" + s.address(c.manage),
			"--set", "state.dir=" + filepath.Join(s.dir, c.name, "state"),
		}
		if b.knows("gateway.engine") {
			argv = append(argv, "--set", "gateway.engine="+engine)
		} else if engine != "std" {
			return nil, "this binary has only the engine std", nil
		}
		if b.knows("management.pprof") {
			argv = append(argv, "--set", "management.pprof=true")
		}
		if standard {
			argv = append(argv, "--set", "log.level=info", "--set", "log.access=true")
		}
		return argv, "", nil
	}
}
