// Package demo runs the whole chain on one machine and checks every hop:
// user → gateway → serving endpoint → gateway → model and back, and what must
// be refused. The configuration is the embedded copy of an example, read like
// any other. Start at Run; checks.go is the list of what is checked.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"sallyport/examples"
	"sallyport/internal/app/node"
	"sallyport/internal/app/settings"
	"sallyport/internal/diag"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
)

// Example is the folder that the demo runs.
const Example = "foundry-databricks"

// Keys and tokens of the demo. They are published in this repository and open
// nothing but the demo.
const (
	UserKey   = "demo-only-user-key-3a7d6e90b41c"
	ModelKey  = "demo-only-model-key-5f2b9c7d1e8a"
	PausedKey = "demo-only-paused-key-c9d8e7f6a5b4"
	Token     = "dapi-demo-only-6b1f0c2e9d73"
)

// Addresses that the hops call from; see the example's sallyport.yaml.
const servingAddress = "127.0.0.3"

// Options of Run.
type Options struct {
	PortBase int // gateway; management, serving and sandbox follow
	Once     bool
	Color    bool
	Command  string // how the user calls this program, for the hints
	Stdout   io.Writer
	Stderr   io.Writer
	Verbose  bool
}

// ErrFailed says that a check failed; the table tells which.
var ErrFailed = errors.New("a check failed")

// URLs of the planes.
type URLs struct{ Gateway, Management, Serving, Sandbox string }

// PlaneURLs are the URLs of a demo on these ports.
func PlaneURLs(portBase int) URLs {
	u := func(n int) string { return "http://127.0.0.1:" + strconv.Itoa(portBase+n) }
	return URLs{u(0), u(1), u(2), u(3)}
}

// chain is the running demo.
type chain struct {
	node *node.Node
	box  *node.Sandbox
	urls URLs
	log  *slog.Logger
}

// Run starts the chain, checks it and, unless Once, stays up until ctx ends.
func Run(ctx context.Context, o Options) error {
	dir, err := os.MkdirTemp("", "sallyport-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo's configuration: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	start := time.Now()
	c, err := build(dir, o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- c.box.Serve() }()
	nodeDone := make(chan error, 1)
	go func() { nodeDone <- c.node.Run(ctx) }()
	p := &printer{w: o.Stdout, color: o.Color}
	p.head(c.urls)
	ok := c.check(ctx, p, time.Since(start))
	if ok && !o.Once {
		p.tryOut(c.urls, o.Command)
	}
	if o.Once || !ok {
		stop()
	}
	err = <-nodeDone
	stop()
	_ = c.box.Stop()
	if !ok {
		return ErrFailed
	}
	return err
}

// build writes the embedded example to dir and assembles the chain on the
// wanted ports. Nothing is taken from the environment: the demo is the same
// everywhere.
func build(dir string, o Options) (*chain, error) {
	sub, err := fs.Sub(examples.FS, Example)
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(dir, sub); err != nil {
		return nil, fmt.Errorf("write the demo's configuration: %w", err)
	}
	set, findings := settings.Load(settings.Options{File: filepath.Join(dir, "sallyport.yaml")})
	if findings.HasErrors() {
		return nil, findings.Err()
	}
	c := &chain{urls: PlaneURLs(o.PortBase)}
	ports(set, o.PortBase, c.urls)
	set.Gateway.DrainDelay, set.Gateway.DrainTimeout = 0, 3*time.Second
	level := slog.LevelError
	if o.Verbose {
		level = slog.LevelInfo
	}
	c.log = slog.New(slog.NewTextHandler(o.Stderr, &slog.HandlerOptions{Level: level}))
	if c.box, err = node.NewSandbox(set, c.log); err != nil {
		return nil, err
	}
	n, findings, err := node.New(set, node.Options{Log: c.log, Metrics: telemetry.NewMetrics("demo"), Env: func(string) (string, bool) { return "", false }})
	if err != nil {
		return nil, err
	}
	if findings.HasErrors() {
		return nil, fmt.Errorf("the demo's configuration has %d error(s): %w", findings.Count(diag.Error), findings.Err())
	}
	c.node = n
	if err := c.node.Listen(); err != nil {
		return nil, err
	}
	if err := c.box.Listen(); err != nil {
		c.node.Close()
		return nil, err
	}
	return c, nil
}

// ports puts the planes on the wanted ports; the example's own are 8080–8083.
func ports(set *settings.Settings, base int, u URLs) {
	at := func(n int) string { return "127.0.0.1:" + strconv.Itoa(base+n) }
	set.Gateway.Listen, set.Management.Listen, set.Serving.Listen, set.Sandbox.Listen = at(0), at(1), at(2), at(3)
	set.Egress.Hosts["169.254.169.254:80"] = at(3)
	set.Serving.Variables["gateway_url"] = u.Gateway
	set.Configuration.Tokens["DEMO_FOUNDRY_URL"] = secret.New(u.Sandbox)
	set.Configuration.Tokens["DEMO_SERVING_URL"] = secret.New(u.Serving)
}
