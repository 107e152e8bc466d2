//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	name, mode, method, model  string
	url                        *url.URL
	conns, threads             int
	rate                       float64
	dur, warm, ramp            time.Duration
	bodyFile                   string
	bodySize, expectMin, token int
	once, table, noKeep        bool
	headers                    headers
}

// headers is a repeatable flag.
type headers []string

func (h *headers) String() string     { return strings.Join(*h, ", ") }
func (h *headers) Set(s string) error { *h = append(*h, s); return nil }

func parseFlags() *options {
	o := &options{}
	target := flag.String("url", "http://127.0.0.1:9100/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21", "target")
	flag.StringVar(&o.mode, "mode", "closed", "closed, open or stream")
	flag.StringVar(&o.method, "X", "POST", "method")
	flag.IntVar(&o.conns, "c", 64, "connections (stream mode: concurrent streams)")
	flag.Float64Var(&o.rate, "rate", 1000, "requests a second (open mode)")
	flag.DurationVar(&o.dur, "d", 5*time.Second, "measured time")
	flag.DurationVar(&o.warm, "warmup", time.Second, "time before measuring")
	flag.DurationVar(&o.ramp, "ramp", time.Second, "stream mode: start the streams over this time")
	flag.StringVar(&o.bodyFile, "body", "", "file with the request body")
	flag.IntVar(&o.bodySize, "body-size", 0, "make a chat request of about this many bytes")
	flag.StringVar(&o.model, "model", "gpt-4o", "model name in the made body")
	flag.IntVar(&o.expectMin, "expect-min", 1, "fewest bytes an answer may have")
	flag.IntVar(&o.token, "tokens", 0, "stream mode: tokens every stream must carry (0: not checked)")
	flag.IntVar(&o.threads, "threads", 1, "event loops")
	flag.BoolVar(&o.once, "once", false, "stream mode: every connection runs one stream, then stops")
	flag.BoolVar(&o.table, "table", false, "print a table too (standard error)")
	flag.StringVar(&o.name, "name", "", "a name for the report")
	flag.BoolVar(&o.noKeep, "no-keepalive", false, "a new connection for every request")
	flag.Var(&o.headers, "H", "header, \"Name: value\" (repeatable)")
	flag.Parse()
	if !slices.Contains([]string{"closed", "open", "stream"}, o.mode) {
		log.Fatalf("-mode %s: closed, open or stream expected", o.mode)
	}
	u, err := url.Parse(*target)
	if err != nil || u.Scheme != "http" {
		log.Fatal("-url must be an http:// address")
	}
	o.url = u
	return o
}

func (o *options) streaming() bool { return o.mode == "stream" }

func (o *options) host() string {
	if o.url.Port() == "" {
		return o.url.Host + ":80"
	}
	return o.url.Host
}

// body is the request body: a file, or a chat request of the size asked for.
func (o *options) body() ([]byte, error) {
	if o.bodyFile != "" {
		return os.ReadFile(o.bodyFile)
	}
	if o.method == "GET" {
		return nil, nil
	}
	text := "Say hello."
	if o.bodySize > 200 {
		text = strings.Repeat("the quick brown fox jumps over the lazy dog ", o.bodySize/44+1)[:o.bodySize-150]
	}
	stream := ""
	if o.streaming() {
		stream = `"stream":true,"stream_options":{"include_usage":true},`
	}
	return []byte(`{"model":"` + o.model + `",` + stream + `"temperature":0.2,"max_tokens":200,"messages":[{"role":"system","content":"You are terse."},{"role":"user","content":"` + text + `"}]}`), nil
}

// request is the whole request as every connection sends it.
func (o *options) request() ([]byte, error) {
	body, err := o.body()
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench-load\r\nAccept: */*\r\n", o.method, o.url.RequestURI(), o.url.Host)
	typed := false
	for _, h := range o.headers {
		typed = typed || strings.HasPrefix(strings.ToLower(h), "content-type:")
		b.WriteString(h + "\r\n")
	}
	if len(body) > 0 {
		if !typed {
			b.WriteString("Content-Type: application/json\r\n")
		}
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	if o.noKeep {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes(), nil
}
