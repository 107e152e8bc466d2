package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/store"
)

func open(t *testing.T, path string) *store.KeyFile {
	t.Helper()
	k, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeysAreMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "keys.json")
	k := open(t, path)
	if _, _, ok := k.Lookup("team-a"); ok {
		t.Error("Lookup made keys")
	}
	p1, s1, created, err := k.Keys("team-a")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	form := regexp.MustCompile(`^[0-9a-f]{32}$`)
	if !form.MatchString(p1.Reveal()) || !form.MatchString(s1.Reveal()) || p1 == s1 {
		t.Error("keys are not two different texts of 32 hexadecimal digits")
	}
	p2, _, created, err := open(t, path).Keys("TEAM-A") // ARM ids ignore case
	if err != nil || created || p2.Reveal() != p1.Reveal() {
		t.Errorf("keys changed after opening again: created %v, %v", created, err)
	}
	if p, s, ok := open(t, path).Lookup("team-a"); !ok || p.Reveal() != p1.Reveal() || s.Reveal() != s1.Reveal() {
		t.Error("Lookup does not find the keys")
	}
	assertMode(t, path, 0o600)
	assertMode(t, filepath.Dir(path), 0o700)
}

func assertMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %04o, want %04o", path, got, want)
	}
}

func TestOpenRefuses(t *testing.T) {
	write := func(content string, mode os.FileMode) func(dir string) error {
		return func(dir string) error {
			path := filepath.Join(dir, "keys.json")
			return errors.Join(os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode))
		}
	}
	good := `{"version":1,"subscriptions":{"a":{"primaryKey":"k3y-one","secondaryKey":"k3y-two"}}}`
	tests := []struct {
		name, want string
		prepare    func(dir string) error
	}{
		{"file for the group", "chmod 600", write(good, 0o640)},
		{"file for all", "chmod 600", write(good, 0o604)},
		{"folder for all", "chmod go-w", func(dir string) error { return os.Chmod(dir, 0o777) }},
		{"half a file", "not the JSON", write(good[:40], 0o600)},
		{"later version", "version 2 is not known", write(`{"version":2}`, 0o600)},
		{"one key only", "lacks a key", write(`{"version":1,"subscriptions":{"a":{"primaryKey":"k3y-one"}}}`, 0o600)},
		{"symbolic link", "not a regular file", func(dir string) error { return os.Symlink("/dev/null", filepath.Join(dir, "keys.json")) }},
		{"folder in its place", "not a regular file", func(dir string) error { return os.Mkdir(filepath.Join(dir, "keys.json"), 0o700) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := errors.Join(os.Mkdir(dir, 0o700), tt.prepare(dir)); err != nil {
				t.Fatal(err)
			}
			_, err := store.Open(filepath.Join(dir, "keys.json"))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got error %v, want one with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "k3y") {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
}

func TestKeysReportsWriteError(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	k := open(t, filepath.Join(dir, "keys.json"))
	// A folder in the place of the temporary file cannot be overwritten.
	if err := os.MkdirAll(filepath.Join(dir, "keys.json.new", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, created, err := k.Keys("a"); err == nil || created {
		t.Fatal("keys that are not on disk were handed out")
	}
	if _, _, ok := k.Lookup("a"); ok {
		t.Error("keys that are not on disk are known")
	}
	if _, _, _, err := k.Keys(""); err == nil {
		t.Error("a subscription without id got keys")
	}
}

// Several users of one file, as gateway and command line are, agree on keys.
func TestKeysSharedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	const users, ids = 4, 10
	got := make([]map[string]string, users)
	var wg sync.WaitGroup
	for u := range users {
		got[u] = map[string]string{}
		k := open(t, path)
		wg.Go(func() {
			for i := range ids {
				id := fmt.Sprint("s", i)
				p, _, _, err := k.Keys(id)
				if err != nil {
					t.Error(err)
				}
				got[u][id] = p.Reveal()
			}
		})
	}
	wg.Wait()
	for u := range users {
		for id, key := range got[0] {
			if got[u][id] != key {
				t.Errorf("user %d has another key for %s", u, id)
			}
		}
	}
}

// TestMain turns the test binary into the victim of TestKeysSurviveKill.
func TestMain(m *testing.M) {
	if path := os.Getenv("KEYFILE_VICTIM"); path != "" {
		k, err := store.Open(path)
		for i := 0; err == nil; i++ {
			id := fmt.Sprint("s", i)
			p, _, _, kerr := k.Keys(id)
			fmt.Println(id, p.Reveal())
			err = kerr
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A process killed while it makes keys leaves a file that opens, with every key
// it had handed out.
func TestKeysSurviveKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "KEYFILE_VICTIM="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		told := map[string]string{}
		for len(told) < 10*(round+1) && lines.Scan() {
			id, key, _ := strings.Cut(lines.Text(), " ")
			told[id] = key
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if id, key, ok := strings.Cut(lines.Text(), " "); ok && len(key) == 32 {
				told[id] = key
			}
		}
		_ = cmd.Wait() // "signal: killed"
		k := open(t, path)
		for id, key := range told {
			if p, _, ok := k.Lookup(id); !ok || p.Reveal() != key {
				t.Fatalf("round %d: the key of %s was handed out and is lost", round, id)
			}
		}
	}
}
