//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sallyport/bench/internal/lab"
)

// bench is what all sessions share: the binaries, and where things are.
type bench struct {
	o        *options
	root     string // of the repository
	work     string
	ours     bool // work is a temporary folder
	caddy    string
	settings string // the reference of the binary's settings
}

// prepare builds the harness and the gateway, and lays the configuration out.
func prepare(ctx context.Context, o *options) (*bench, error) {
	b := &bench{o: o, work: o.work, caddy: o.caddy}
	var err error
	if b.root, err = lab.Root(ctx); err != nil {
		return nil, err
	}
	if b.work == "" {
		if b.work, err = os.MkdirTemp("", "sallyport-compare-"); err != nil {
			return nil, fmt.Errorf("make a work folder: %w", err)
		}
		b.ours = true
	} else if b.work, err = filepath.Abs(b.work); err != nil {
		return nil, fmt.Errorf("find the work folder: %w", err)
	}
	if err := b.build(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bench) build(ctx context.Context) error {
	bin := filepath.Join(b.work, "bin")
	// nginx's workers are another user and must get through to their files.
	for _, dir := range []string{b.work, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make a work folder: %w", err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return fmt.Errorf("open the work folder: %w", err)
		}
	}
	note("building the harness and the gateway")
	if _, err := lab.Output(ctx, "go", "build", "-C", filepath.Join(b.root, "bench", "harness"), "-o", bin+string(filepath.Separator), "./cmd/..."); err != nil {
		return err
	}
	if b.o.sallyport == "" {
		if err := lab.BuildGateway(ctx, b.root, b.tool("sallyport")); err != nil {
			return err
		}
	} else if err := lab.CopyFile(b.o.sallyport, b.tool("sallyport"), 0o755, nil); err != nil {
		return err
	}
	if b.o.caddy == "build" {
		b.caddy = b.tool("caddy")
		if err := b.buildCaddy(ctx, bin); err != nil {
			return err
		}
	}
	var err error
	if b.settings, err = lab.Output(ctx, b.tool("sallyport"), "settings"); err != nil {
		return err
	}
	return b.configure()
}

// buildCaddy takes Caddy from its module. An old build of a kept work folder
// will do.
func (b *bench) buildCaddy(ctx context.Context, bin string) error {
	if _, err := os.Stat(b.caddy); err == nil || !b.o.wants("caddy") {
		return nil
	}
	note("building %s, which takes minutes", caddyModule)
	cmd := exec.CommandContext(ctx, "go", "install", caddyModule)
	cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod")
	cmd.Dir = b.work // outside of every module
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build Caddy: %w: %s", err, out)
	}
	return nil
}

// configure copies bench/config with the model's address put in.
func (b *bench) configure() error {
	model := strings.NewReplacer("127.0.0.1:9100", fmt.Sprintf("127.0.0.1:%d", b.o.port))
	return lab.CopyTree(filepath.Join(b.root, "bench", "config"), filepath.Join(b.work, "config"), model)
}

func (b *bench) tool(name string) string { return filepath.Join(b.work, "bin", name) }

// knows reports whether the binary has a setting.
func (b *bench) knows(setting string) bool { return strings.Contains(b.settings, "`"+setting+"`") }

// close removes the work folder unless it was asked for.
func (b *bench) close() error {
	if !b.ours {
		return nil
	}
	return os.RemoveAll(b.work)
}

func note(format string, args ...any) { fmt.Fprintf(os.Stderr, "compare: "+format+"\n", args...) }
