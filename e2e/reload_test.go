package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// configHealth is what /healthz/config tells.
type configHealth struct {
	Result     string
	Generation int
	Findings   []struct {
		Code     string
		Severity string
		Message  string
		Position struct {
			File   string
			Line   int
			Column int
		}
	}
}

func (c *chain) config() (h configHealth, text string, err error) {
	r, err := call(client(c.t, ""), "GET", c.management+"/healthz/config", "")
	if err != nil {
		return h, "", err
	}
	if r.status != 200 {
		return h, r.body, fmt.Errorf("/healthz/config answers %d %s", r.status, r.body)
	}
	return h, r.body, json.Unmarshal([]byte(r.body), &h)
}

// load sends requests all the time and counts those that fail.
type load struct {
	stop   chan struct{}
	ended  chan error
	passed atomic.Int64
}

const loaders = 6

func startLoad(t *testing.T, c *chain) *load {
	l := &load{stop: make(chan struct{}), ended: make(chan error, loaders)}
	hc := client(t, "")
	for n := range loaders {
		body := askPlain
		if n%2 == 1 {
			body = askStream
		}
		go func() {
			var all error
			for failed := 0; failed < 3; {
				select {
				case <-l.stop:
					l.ended <- all
					return
				default:
				}
				r, err := c.ask(hc, body)
				if err == nil && (r.status != 200 || (n%2 == 1 && !strings.HasSuffix(r.body, doneEvent))) {
					err = fmt.Errorf("%d %s", r.status, tail(r.body, 300))
				}
				if err != nil {
					failed++
					all = errors.Join(all, err)
					continue
				}
				l.passed.Add(1)
			}
			l.ended <- all
		}()
	}
	return l
}

func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	for range loaders {
		if err := <-l.ended; err != nil {
			t.Errorf("requests failed while the configuration changed: %v", err)
		}
	}
	t.Logf("%d requests passed", l.passed.Load())
	if l.passed.Load() < 50 {
		t.Error("there was no load to speak of")
	}
}

// marker of the configuration in force: a header that the global policy sets
// to the value of a named value.
const marker = "X-Config"

func markConfig(t *testing.T, dir string) {
	edit(t, filepath.Join(dir, "apim", "policy.xml"), "<outbound>", "<outbound>\n"+
		`        <set-header name="`+marker+`" exists-action="override"><value>{{generation}}-policy0</value></set-header>`)
	nv := filepath.Join(dir, "apim", "named values", "generation")
	if err := os.MkdirAll(nv, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(nv, "namedValueInformation.json"), namedGeneration("value0"))
}

func namedGeneration(value string) string {
	return `{ "properties": { "displayName": "generation", "secret": false, "value": "` + value + `", "tags": [] } }`
}

// replace writes a file the way editors and deployment tools do: in place,
// in two halves, or beside and renamed over the old one.
func replace(t *testing.T, how int, file, text string) {
	t.Helper()
	switch how % 3 {
	case 0:
		write(t, file, text)
	case 1:
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err1 := f.WriteString(text[:len(text)/2])
		time.Sleep(5 * time.Millisecond) // a slow writer; nothing waits for this
		_, err2 := f.WriteString(text[len(text)/2:])
		if err := errors.Join(err1, err2, f.Close()); err != nil {
			t.Fatal(err)
		}
	default:
		tmp := file + ".new"
		write(t, tmp, text)
		if err := os.Rename(tmp, file); err != nil {
			t.Fatal(err)
		}
	}
}

// Requests never notice that the configuration changes under them, however the
// files are written; each change comes into force.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		_, _ = b.ReadFrom(r.Body)
		if !bytes.Contains(b.Bytes(), []byte(`"stream":true`)) {
			answerPlain(w, r)
			return
		}
		push := stream(w)
		for i := range 5 {
			_ = push(chunk(strconv.Itoa(i)))
		}
		_ = push(doneEvent)
	}), edit: func(dir string) { markConfig(t, dir) }, set: []string{"configuration.debounce=20ms", "log.access=false"}})
	policy := filepath.Join(c.dir, "apim", "policy.xml")
	value := filepath.Join(c.dir, "apim", "named values", "generation", "namedValueInformation.json")
	subscriptions := filepath.Join(c.dir, "configuration.demo.yaml")
	original := map[string]string{}
	for _, f := range []string{policy, subscriptions} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		original[f] = string(b)
	}
	l := startLoad(t, c)
	hc := client(t, "")
	const rounds = 24
	for i := 1; i <= rounds; i++ {
		v, p := "value"+strconv.Itoa(i), "policy"+strconv.Itoa(i)
		replace(t, i, value, namedGeneration(v))
		replace(t, i+1, policy, strings.ReplaceAll(original[policy], "policy0", p))
		replace(t, i+2, subscriptions, strings.ReplaceAll(original[subscriptions], "demo-only-user-key-second-77e2", "second-key-of-round-"+strconv.Itoa(i)))
		eventually(t, "change "+strconv.Itoa(i), func() error {
			r, err := call(hc, "POST", c.gateway+chatPath, askPlain, keyHeader, "second-key-of-round-"+strconv.Itoa(i))
			if err != nil {
				return &finalError{err}
			}
			if got := r.header.Get(marker); r.status != 200 || got != v+"-"+p {
				return fmt.Errorf("status %d, %s %q", r.status, marker, got)
			}
			return nil
		})
	}
	l.end(t)
	h, text, err := c.config()
	if err != nil || h.Result != "accepted" || h.Generation < rounds {
		t.Errorf("after %d changes: %s %v", rounds, text, err)
	}
	if r := mustCall(t, hc, "POST", c.gateway+chatPath, askPlain, keyHeader, "second-key-of-round-1"); r.status != 401 {
		t.Errorf("a key that was replaced still opens: %d", r.status)
	}
}

// A broken file changes nothing: the previous configuration serves on, and the
// finding can be read.
func TestBrokenFileKeepsThePreviousConfiguration(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain), set: []string{"configuration.debounce=20ms"}, edit: func(dir string) { markConfig(t, dir) }})
	policy := filepath.Join(c.dir, "apim", "policy.xml")
	b, err := os.ReadFile(policy)
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	works := func(want string) error {
		r, err := c.ask(client(t, ""), askPlain)
		if err != nil {
			return err
		}
		if r.status != 200 || r.header.Get(marker) != want {
			return fmt.Errorf("%d, %s %q, want %q", r.status, marker, r.header.Get(marker), want)
		}
		return nil
	}
	if err := works("value0-policy0"); err != nil {
		t.Fatal(err)
	}
	for i, broken := range []string{"", "<policies><inbound>", strings.Replace(good, "<outbound>", "<outbound><no-such-policy />", 1), strings.Replace(good, "policy0", "{{no-such-value}}", 1)} {
		write(t, policy, broken)
		eventually(t, "rejection", func() error {
			h, text, err := c.config()
			if err != nil {
				return &finalError{err}
			}
			if h.Result != "rejected" || len(h.Findings) == 0 || !strings.HasSuffix(h.Findings[0].Position.File, "policy.xml") || h.Findings[0].Severity != "error" {
				return errors.New(text)
			}
			if h.Generation != i+1 {
				return &finalError{fmt.Errorf("generation %d after a rejection", h.Generation)}
			}
			return nil
		})
		for series, want := range map[string]string{"sallyport_config_generation": strconv.Itoa(i + 1), `sallyport_config_reload_total{result="accepted"}`: strconv.Itoa(i + 1)} {
			if err := c.metric(series, want); err != nil {
				t.Error(err)
			}
		}
		if err := c.metric(`sallyport_config_findings{severity="error"}`, "0"); err == nil {
			t.Error("the metric knows of no error")
		}
		if err := works(fmt.Sprintf("value0-policy%d", i)); err != nil {
			t.Errorf("with a broken file: %v", err)
		}
		write(t, policy, strings.ReplaceAll(good, "policy0", fmt.Sprintf("policy%d", i+1)))
		eventually(t, "repair", func() error { return works(fmt.Sprintf("value0-policy%d", i+1)) })
	}
}

// SIGHUP loads also where files are not watched.
func TestHangupReloads(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain), set: []string{"configuration.reload=false"}})
	c.node.signal(syscall.SIGHUP)
	eventually(t, "reload", func() error { return c.metric("sallyport_config_generation", "2") })
}

// What a crash may not lose: subscription keys that the gateway made up.
func TestGeneratedKeysSurviveKill(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{model: startModel(t, answerPlain), edit: func(dir string) {
		edit(t, filepath.Join(dir, "configuration.demo.yaml"), "      primaryKey: demo-only-user-key-3a7d6e90b41c\n      secondaryKey: demo-only-user-key-second-77e2\n", "      allowTracing: false\n")
	}})
	keys := func() (primary, secondary string) {
		r := c.manage(t, "POST", "/subscriptions/team-dublin/listSecrets", "")
		var v struct{ PrimaryKey, SecondaryKey string }
		if err := json.Unmarshal([]byte(r.body), &v); r.status != 200 || err != nil || len(v.PrimaryKey) < 32 || len(v.SecondaryKey) < 32 {
			t.Fatalf("listSecrets: %d %v", r.status, err)
		}
		return v.PrimaryKey, v.SecondaryKey
	}
	primary, secondary := keys()
	if primary == secondary {
		t.Error("both keys are the same")
	}
	for round := range 3 {
		c.node.signal(syscall.SIGKILL)
		c.node.wait()
		files, err := filepath.Glob(filepath.Join(c.dir, "state", "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no state file: %v", err)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v, want mode 0600", filepath.Base(f), info.Mode(), err)
			}
		}
		if err := c.serve(); err != nil {
			t.Fatal(err)
		}
		p, s := keys()
		if p != primary || s != secondary {
			t.Fatalf("round %d: other keys after a restart", round)
		}
		for _, k := range []string{p, s} {
			if r := mustCall(t, client(t, ""), "POST", c.gateway+chatPath, askPlain, keyHeader, k); r.status != 200 {
				t.Errorf("a generated key answers %d %s", r.status, r.body)
			}
		}
	}
}
