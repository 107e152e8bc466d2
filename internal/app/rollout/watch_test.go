package rollout

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/policy/builtin"
	"sallyport/internal/wire"
)

// watched starts a rollout that watches dir and tells of every load.
func watched(t *testing.T, dir string) (trigger chan struct{}, loads chan Status) {
	t.Helper()
	trigger, loads = make(chan struct{}), make(chan Status, 16)
	r := New(Config{
		Read:  func() Candidate { return Candidate{Snapshot: &model.Snapshot{}, Dirs: []string{dir}} },
		Deps:  plan.Deps{Registry: policy.NewRegistry(builtin.All()...), Transport: func(bool, bool) wire.Transport { return nil }},
		Apply: func(*plan.Plan) {}, Done: func(s Status) { loads <- s }, Log: slog.New(slog.DiscardHandler),
	})
	r.Load()
	<-loads
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Watch(ctx, trigger) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return trigger, loads
}

func TestTriggerLoads(t *testing.T) {
	trigger, loads := watched(t, t.TempDir())
	trigger <- struct{}{}
	if s := <-loads; !s.Accepted || s.Generation != 2 {
		t.Errorf("%+v", s)
	}
}

func TestChangedFileLoads(t *testing.T) {
	dir := t.TempDir()
	trigger, loads := watched(t, dir)
	trigger <- struct{}{} // by its end the folder is watched
	<-loads
	if err := os.WriteFile(filepath.Join(dir, "policy.xml"), []byte("<policies/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := <-loads; !s.Accepted {
		t.Errorf("%+v", s)
	}
}

func touch(t *testing.T, dir string, i int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "file"+string(rune('a'+i))), []byte{byte(i)}, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A change between the first reading and the watch makes no event.
func TestChangeBeforeTheWatchLoads(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "policy.xml")
	loads := make(chan Status, 16)
	r := New(Config{
		Read:  func() Candidate { return Candidate{Snapshot: &model.Snapshot{}, Dirs: []string{dir}} },
		Deps:  plan.Deps{Registry: policy.NewRegistry(builtin.All()...), Transport: func(bool, bool) wire.Transport { return nil }},
		Apply: func(*plan.Plan) {}, Done: func(s Status) { loads <- s }, Log: slog.New(slog.DiscardHandler),
	})
	first := r.Load()
	<-loads
	if err := os.WriteFile(file, []byte("<policies/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Time{}, first.LastAttempt.Add(time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "future.xml")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = r.Watch(ctx, nil) }()
	if s := <-loads; s.Generation != 2 {
		t.Errorf("%+v", s)
	}
	stop()
	if r.changedSinceRead() {
		t.Error("a file dated in the future counts as changed for ever")
	}
}
