package rollout

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch loads again after files in the watched directories changed and stayed
// quiet for the debounce time, and whenever trigger receives. It returns when
// ctx ends.
func (r *Rollout) Watch(ctx context.Context, trigger <-chan struct{}) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	defer func() { _ = w.Close() }()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	r.watchDirs(w)
	if r.changedSinceRead() {
		quiet.Reset(r.cfg.Debounce)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev := <-w.Events:
			if ev.Op != fsnotify.Chmod { // editors and indexers touch modes all the time
				quiet.Reset(r.cfg.Debounce)
			}
		case err := <-w.Errors:
			// an overflow loses events: load to be safe
			r.cfg.Log.Warn("watch configuration", slog.String("error", err.Error()))
			quiet.Reset(r.cfg.Debounce)
		case <-trigger:
			quiet.Reset(0)
		case <-quiet.C:
			r.Load()
			r.watchDirs(w)
			if r.changedSinceRead() {
				quiet.Reset(r.cfg.Debounce)
			}
		}
	}
}

// watchDirs brings the watch list up to date: new folders appear with new APIs.
func (r *Rollout) watchDirs(w *fsnotify.Watcher) {
	r.mu.Lock()
	want := make(map[string]bool, len(r.dirs))
	for _, d := range r.dirs {
		want[d] = true
	}
	r.mu.Unlock()
	for _, d := range w.WatchList() {
		if !want[d] {
			_ = w.Remove(d)
		}
		delete(want, d)
	}
	for d := range want {
		if err := w.Add(d); err != nil {
			r.cfg.Log.Warn("watch configuration", slog.String("dir", d), slog.String("error", err.Error()))
		}
	}
}

// changedSinceRead reports whether something in the watched folders is newer
// than the last reading: a change that came before the folder was watched
// makes no event.
func (r *Rollout) changedSinceRead() bool {
	r.mu.Lock()
	dirs, since := r.dirs, r.readAt
	r.mu.Unlock()
	for _, d := range dirs {
		entries, err := os.ReadDir(d)
		if err != nil {
			continue
		}
		for _, e := range entries {
			// a date in the future would count for ever
			if info, err := e.Info(); err == nil && info.ModTime().After(since) && !info.ModTime().After(time.Now()) {
				return true
			}
		}
	}
	return false
}
