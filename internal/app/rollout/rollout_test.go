package rollout

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/policy/builtin"
	"sallyport/internal/wire"
)

// bench is a rollout whose source and results a test holds in its hands.
type bench struct {
	*Rollout
	mu      sync.Mutex
	next    Candidate
	applied []*plan.Plan
	log     bytes.Buffer
}

func newBench() *bench {
	b := &bench{}
	b.Rollout = New(Config{
		Read: func() Candidate {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.next
		},
		Deps:  plan.Deps{Registry: policy.NewRegistry(builtin.All()...), Transport: func(bool, bool) wire.Transport { return nil }},
		Apply: func(p *plan.Plan) { b.applied = append(b.applied, p) },
		Log:   slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	return b
}

func (b *bench) offer(c Candidate) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = c
}

func snapshot(policies ...string) *model.Snapshot {
	s := &model.Snapshot{ServiceName: "test"}
	for i, text := range policies {
		name := string(rune('a' + i))
		s.APIs = append(s.APIs, &model.API{
			ID: name, Path: name, DisplayName: name, Revision: "1", IsCurrent: true, Protocols: []string{"http"}, ServiceURL: "http://backend.test", Hash: name + text, Type: "http", KeyHeader: "Ocp-Apim-Subscription-Key", KeyQuery: "subscription-key",
			Policy:     &model.PolicyDoc{Text: text, File: name + "/policy.xml"},
			Operations: []*model.Operation{{ID: "get", DisplayName: "get", Method: "GET", URLTemplate: "/x"}},
		})
	}
	return s
}

const fine = `<policies><inbound><base/></inbound><backend><base/></backend><outbound><base/></outbound><on-error><base/></on-error></policies>`

func withHeader(value string) string {
	return strings.Replace(fine, "<base/>", `<base/><set-header name="X" exists-action="override"><value>`+value+`</value></set-header>`, 1)
}

func TestBrokenCandidateChangesNothing(t *testing.T) {
	b := newBench()
	if s := b.Load(); s.Accepted || s.Generation != 0 || b.Snapshot() != nil {
		t.Fatalf("nothing was read, yet %+v", s)
	}
	good := snapshot(fine)
	b.offer(Candidate{Snapshot: good})
	first := b.Load()
	if !first.Accepted || first.Generation != 1 || b.Snapshot() != good || len(b.applied) != 1 {
		t.Fatalf("%+v, %d applied", first, len(b.applied))
	}
	unreadable := Candidate{Snapshot: snapshot(fine)}
	unreadable.Findings.Add(diag.SourceYAMLSyntax, diag.Pos{File: "f", Line: 1, Col: 1}, "", "no YAML")
	for name, c := range map[string]Candidate{
		"policy":   {Snapshot: snapshot(`<policies><inbound><no-such-policy/></inbound></policies>`)},
		"source":   unreadable,
		"nothing":  {},
		"two APIs": {Snapshot: &model.Snapshot{APIs: append(snapshot(fine).APIs, snapshot(fine).APIs...)}},
	} {
		b.offer(c)
		s := b.Load()
		if s.Accepted || s.Generation != 1 || !s.LoadedAt.Equal(first.LoadedAt) || !s.LastAttempt.After(first.LastAttempt) || b.Snapshot() != good || len(b.applied) != 1 {
			t.Errorf("%s: %+v", name, s)
		}
		if name != "nothing" && !s.Findings.HasErrors() {
			t.Errorf("%s: no findings", name)
		}
	}
	if log := b.log.String(); !strings.Contains(log, "the previous one stays in force") || !strings.Contains(log, "no-such-policy") {
		t.Errorf("log: %s", log)
	}
	b.offer(Candidate{Snapshot: snapshot(withHeader("new"))})
	if s := b.Load(); !s.Accepted || s.Generation != 2 || len(s.Findings) != 0 || len(b.applied) != 2 {
		t.Errorf("after the repair: %+v", s)
	}
}

func TestUnchangedAPIsAreUsedAgain(t *testing.T) {
	b := newBench()
	b.offer(Candidate{Snapshot: snapshot(fine, fine, fine)})
	if s := b.Load(); s.Compiled != 3 || s.Reused != 0 {
		t.Fatalf("%+v", s)
	}
	b.offer(Candidate{Snapshot: snapshot(fine, withHeader("1"), fine)})
	if s := b.Load(); s.Compiled != 1 || s.Reused != 2 {
		t.Errorf("one of three changed: compiled %d, used again %d", s.Compiled, s.Reused)
	}
	if before, after := b.applied[0].APIs, b.applied[1].APIs; before[1] == after[1] {
		t.Error("the changed API was not compiled anew")
	}
	b.offer(Candidate{Snapshot: snapshot(fine, withHeader("{{missing}}"), fine)})
	b.Load()
	b.offer(Candidate{Snapshot: snapshot(fine, withHeader("1"), fine)})
	if s := b.Load(); s.Compiled != 0 || s.Reused != 3 {
		t.Errorf("back to what is in force: compiled %d, used again %d", s.Compiled, s.Reused)
	}
}

func TestDoneIsToldOfEveryAttempt(t *testing.T) {
	b := newBench()
	var told []bool
	b.cfg.Done = func(s Status) { told = append(told, s.Accepted) }
	for _, c := range []Candidate{{}, {Snapshot: snapshot(fine)}, {Snapshot: snapshot("<broken")}} {
		b.offer(c)
		b.Load()
	}
	if !slices.Equal(told, []bool{false, true, false}) {
		t.Errorf("%v", told)
	}
}

// A burst of changes is one load: the files have to be quiet first. What
// counts is the number of loads, not how long they take.
func TestBurstIsOneLoad(t *testing.T) {
	b := newBench()
	b.cfg.Debounce = time.Second
	dir := t.TempDir()
	b.offer(Candidate{Snapshot: snapshot(fine), Dirs: []string{dir}})
	b.Load()
	loads := make(chan Status, 64)
	b.cfg.Done = func(s Status) { loads <- s }
	trigger := make(chan struct{})
	go func() { _ = b.Watch(t.Context(), trigger) }()
	trigger <- struct{}{}
	<-loads // the folder is watched now
	for i := range 20 {
		touch(t, dir, i)
	}
	if s := <-loads; s.Generation != 3 {
		t.Errorf("generation %d after one burst", s.Generation)
	}
	trigger <- struct{}{}
	if s := <-loads; s.Generation != 4 {
		t.Errorf("generation %d: the burst was loaded more than once", s.Generation)
	}
}
