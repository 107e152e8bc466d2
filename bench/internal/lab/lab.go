//go:build linux

// Package lab is what the programs below bench share: building, starting and
// ending processes, laying a configuration out, reading metrics. It knows
// nothing of what is measured.
// Start at Launch.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Root is the root of the repository, which must hold the current folder.
func Root(ctx context.Context) (string, error) {
	mod, err := Output(ctx, "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	root := filepath.Dir(mod)
	if _, err := os.Stat(filepath.Join(root, "bench", "harness", "go.mod")); err != nil {
		return "", errors.New("this must be run inside the repository")
	}
	return root, nil
}

// BuildGateway builds the binary from the tree.
func BuildGateway(ctx context.Context, root, to string) error {
	_, err := Output(ctx, "go", "build", "-C", root, "-trimpath", "-o", to, "./cmd/sallyport")
	return err
}

// Output runs a command and returns what it printed.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// CopyTree copies a folder with every file edited; what was there before goes.
func CopyTree(from, to string, edit *strings.Replacer) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("clear %s: %w", to, err)
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("copy a folder: %w", err)
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return fmt.Errorf("copy a folder: %w", err)
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return CopyFile(path, filepath.Join(to, rel), 0o644, edit)
	})
}

// CopyFile copies one file; a nil edit changes nothing.
func CopyFile(from, to string, mode fs.FileMode, edit *strings.Replacer) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy a file: %w", err)
	}
	if edit != nil {
		data = []byte(edit.Replace(string(data)))
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		return fmt.Errorf("copy a file: %w", err)
	}
	return nil
}

// RaiseLimit takes as many descriptors as the system gives, for this process
// and those it starts.
func RaiseLimit() {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		l.Cur = l.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // what needs more says so itself
	}
}

// Metrics adds up the samples of each series of a Prometheus text.
func Metrics(text string) map[string]float64 {
	all := map[string]float64{}
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		i := strings.LastIndexByte(l, ' ') // labels may hold blanks, a value does not
		if i < 0 || strings.HasPrefix(l, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(l[i+1:], 64); err == nil {
			name, _, _ := strings.Cut(strings.TrimSpace(l[:i]), "{")
			all[name] += v
		}
	}
	return all
}
