package identity

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"sallyport/internal/secret"
)

const (
	maxEntries   = 1024
	fetchTimeout = 30 * time.Second
	// failureLife keeps callers from asking again at once; refreshPause and
	// maxPause space the attempts while an old token still serves.
	failureLife  = time.Second
	refreshPause = 2 * time.Second
	maxPause     = time.Minute
)

// Tokens keeps tokens by identity and resource. One request at a time fetches
// each of them; a token is renewed in the background after about two thirds of
// its life and serves until it expires when that fails.
type Tokens struct {
	cred   Credential
	log    *slog.Logger
	now    func() time.Time
	jitter func() float64 // 0 to 1
	ctx    context.Context
	stop   context.CancelFunc

	mu      sync.Mutex
	entries map[key]*entry
}

type key struct{ resource, clientID string }

type entry struct {
	token    secret.Text
	expires  time.Time
	renewAt  time.Time
	pause    time.Duration // before the next attempt to renew, after a failure
	err      error
	errUntil time.Time
	used     time.Time
	running  *fetch
}

// fetch is one attempt that any number of callers wait for.
type fetch struct {
	done  chan struct{}
	token secret.Text
	err   error
}

// FromCredential returns tokens of any credential.
func FromCredential(c Credential, log *slog.Logger) *Tokens {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Tokens{cred: c, log: log, now: time.Now, jitter: rand.Float64, ctx: ctx, stop: stop,
		entries: make(map[key]*entry)}
}

// Close ends fetches that are under way.
func (t *Tokens) Close() { t.stop() }

// Token returns a valid token for resource, the audience exactly as its owner
// writes it ("https://cognitiveservices.azure.com", a final slash counts).
// clientID names a user-assigned managed identity, "" the configured identity.
func (t *Tokens) Token(ctx context.Context, resource, clientID string) (secret.Text, error) {
	// The scope form of a resource is accepted, since documentation mixes both.
	k := key{strings.TrimSuffix(resource, "/.default"), clientID}
	if k.resource == "" {
		return secret.Text{}, fmt.Errorf("get token: no resource")
	}
	t.mu.Lock()
	now := t.now()
	e := t.entryLocked(k, now)
	valid := !e.token.IsZero() && now.Before(e.expires)
	if valid {
		if e.running == nil && !now.Before(e.renewAt) {
			t.startLocked(k, e)
		}
		token := e.token
		t.mu.Unlock()
		return token, nil
	}
	if e.running == nil && e.err != nil && now.Before(e.errUntil) {
		err := e.err
		t.mu.Unlock()
		return secret.Text{}, err
	}
	if e.running == nil {
		t.startLocked(k, e)
	}
	f := e.running
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return secret.Text{}, fmt.Errorf("get token for %s: %w", k.resource, context.Cause(ctx))
	}
}

func (t *Tokens) entryLocked(k key, now time.Time) *entry {
	e, ok := t.entries[k]
	if !ok {
		if len(t.entries) >= maxEntries {
			t.evictLocked()
		}
		e = new(entry)
		t.entries[k] = e
	}
	e.used = now
	return e
}

// evictLocked drops the entry unused for longest. A fetch under way for it
// still reaches those who wait.
func (t *Tokens) evictLocked() {
	var oldest key
	var found *entry
	for k, e := range t.entries {
		if found == nil || e.used.Before(found.used) {
			oldest, found = k, e
		}
	}
	delete(t.entries, oldest)
}

func (t *Tokens) startLocked(k key, e *entry) {
	f := &fetch{done: make(chan struct{})}
	e.running = f
	// The fetch belongs to all who wait, so no single caller's end cancels it.
	go t.run(k, e, f)
}

func (t *Tokens) run(k key, e *entry, f *fetch) {
	ctx, cancel := context.WithTimeout(t.ctx, fetchTimeout)
	defer cancel()
	got, err := t.ask(ctx, k)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if err == nil && (got.Token.IsZero() || !now.Before(got.Expires)) {
		err = errExpired
	}
	e.running = nil
	defer close(f.done)
	if err != nil {
		f.err = fmt.Errorf("get token for %s: %w", k.resource, err)
		t.failedLocked(k, e, now, f.err)
		return
	}
	f.token = got.Token
	e.token, e.expires = got.Token, got.Expires
	e.err, e.pause = nil, 0
	// Two thirds of life, up to a tenth earlier, so that many gateways started
	// together do not renew together.
	life := got.Expires.Sub(now)
	e.renewAt = now.Add(time.Duration(float64(life) * 2 / 3 * (1 - t.jitter()/10)))
}

func (t *Tokens) ask(ctx context.Context, k key) (got Issued, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("credential panicked: %v", v)
		}
	}()
	return t.cred.Fetch(ctx, k.resource, k.clientID)
}

func (t *Tokens) failedLocked(k key, e *entry, now time.Time, err error) {
	e.err, e.errUntil = err, now.Add(failureLife)
	e.pause = min(max(2*e.pause, refreshPause), maxPause)
	e.renewAt = now.Add(e.pause)
	if !e.token.IsZero() && now.Before(e.expires) {
		t.log.Warn("token not renewed; the old one serves on", "resource", k.resource, "client_id", k.clientID,
			"expires", e.expires, "error", err)
		return
	}
	t.log.Error("no token", "resource", k.resource, "client_id", k.clientID, "error", err)
}
