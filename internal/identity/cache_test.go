package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/secret"
)

// fake counts its calls and answers with "resource|client#n", valid for life.
type fake struct {
	life  time.Duration
	calls atomic.Int32

	mu   sync.Mutex
	fail error
	wait chan struct{} // when set, a fetch waits for it
}

func (f *fake) Fetch(ctx context.Context, resource, clientID string) (Issued, error) {
	n := f.calls.Add(1)
	f.mu.Lock()
	fail, wait := f.fail, f.wait
	f.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return Issued{}, ctx.Err()
		}
	}
	if fail != nil {
		return Issued{}, fail
	}
	return Issued{Token: secret.New(fmt.Sprintf("%s|%s#%d", resource, clientID, n)), Expires: time.Now().Add(f.life)}, nil
}

func (f *fake) set(fail error, wait chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail, f.wait = fail, wait
}

// token asks and returns the characters, or the error text.
func token(t *Tokens, resource, clientID string) string {
	s, err := t.Token(context.Background(), resource, clientID)
	if err != nil {
		return "error: " + err.Error()
	}
	return s.Reveal()
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// bubble runs f in simulated time.
func bubble(t *testing.T, life time.Duration, f func(tk *Tokens, cred *fake)) {
	synctest.Test(t, func(*testing.T) {
		cred := &fake{life: life}
		tk := FromCredential(cred, nil)
		tk.jitter = func() float64 { return 0 }
		defer tk.Close()
		f(tk, cred)
	})
}

func TestCachedByIdentityAndResource(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, _ *fake) {
		want(t, token(tk, "https://a", ""), "https://a|#1")
		want(t, token(tk, "https://a", ""), "https://a|#1")
		want(t, token(tk, "https://a/.default", ""), "https://a|#1")
		want(t, token(tk, "https://a/", ""), "https://a/|#2") // a final slash is another audience
		want(t, token(tk, "https://a", "me"), "https://a|me#3")
		want(t, token(tk, "", ""), "error: get token: no resource")
	})
}

func TestSingleFlight(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		gate := make(chan struct{})
		cred.set(nil, gate)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { want(t, token(tk, "r", ""), "r|#1") })
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		if n := cred.calls.Load(); n != 1 {
			t.Errorf("%d fetches for 100 callers", n)
		}
	})
}

func TestRenewedInTheBackgroundAtTwoThirds(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		want(t, token(tk, "r", ""), "r|#1")
		time.Sleep(40*time.Minute - time.Second)
		want(t, token(tk, "r", ""), "r|#1")
		synctest.Wait()
		if n := cred.calls.Load(); n != 1 {
			t.Fatalf("renewed too early: %d fetches", n)
		}
		time.Sleep(time.Second)
		gate := make(chan struct{})
		cred.set(nil, gate)
		for range 50 { // nobody waits for the renewal, and there is only one
			want(t, token(tk, "r", ""), "r|#1")
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		want(t, token(tk, "r", ""), "r|#2")
		if n := cred.calls.Load(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestJitterOnlyRenewsEarlier(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, _ *fake) {
		began := time.Now()
		for i, j := range []float64{0, 0.5, 1} {
			tk.jitter = func() float64 { return j }
			r := fmt.Sprint(i)
			token(tk, r, "")
			if got := tk.entries[key{r, ""}].renewAt.Sub(began); got != time.Duration(float64(40*time.Minute)*(1-j/10)) {
				t.Errorf("jitter %v: renewed after %v", j, got)
			}
		}
	})
}

func TestOldTokenServesUntilItExpires(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		want(t, token(tk, "r", ""), "r|#1")
		cred.set(errors.New("down"), nil)
		time.Sleep(40 * time.Minute)
		for range 20*60 - 1 {
			want(t, token(tk, "r", ""), "r|#1")
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if n := cred.calls.Load(); n < 10 || n > 30 {
			t.Errorf("%d attempts to renew in 20 minutes", n)
		}
		time.Sleep(2 * time.Second)
		want(t, token(tk, "r", ""), "error: get token for r: down")
		cred.set(nil, nil)
		time.Sleep(failureLife)
		if got := token(tk, "r", ""); !strings.HasPrefix(got, "r|#") || got == "r|#1" {
			t.Errorf("after recovery: %q", got)
		}
	})
}

func TestFailuresAreKeptForASecond(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		cred.set(errors.New("down"), nil)
		for range 100 {
			want(t, token(tk, "r", ""), "error: get token for r: down")
		}
		if n := cred.calls.Load(); n != 1 {
			t.Errorf("%d fetches in the same second", n)
		}
		cred.set(nil, nil)
		time.Sleep(failureLife - time.Millisecond)
		want(t, token(tk, "r", ""), "error: get token for r: down")
		time.Sleep(time.Millisecond)
		want(t, token(tk, "r", ""), "r|#2")
	})
}

func TestCallerGivesUpFetchGoesOn(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		gate := make(chan struct{})
		cred.set(nil, gate)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := tk.Token(ctx, "r", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		close(gate)
		synctest.Wait()
		want(t, token(tk, "r", ""), "r|#1")
	})
}

func TestStuckFetchEnds(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		cred.set(nil, make(chan struct{}))
		began := time.Now()
		want(t, token(tk, "r", ""), "error: get token for r: context deadline exceeded")
		if took := time.Since(began); took != fetchTimeout {
			t.Errorf("ended after %v", took)
		}
	})
}

func TestCloseEndsFetches(t *testing.T) {
	bubble(t, time.Hour, func(tk *Tokens, cred *fake) {
		cred.set(nil, make(chan struct{}))
		go func() {
			synctest.Wait()
			tk.Close()
		}()
		want(t, token(tk, "r", ""), "error: get token for r: context canceled")
	})
}

func TestExpiredAndEmptyTokensAreErrors(t *testing.T) {
	bubble(t, -time.Second, func(tk *Tokens, _ *fake) {
		want(t, token(tk, "r", ""), "error: get token for r: the token has expired already")
	})
}

type panicky struct{}

func (panicky) Fetch(context.Context, string, string) (Issued, error) { panic("boom") }

func TestCredentialPanicIsAnError(t *testing.T) {
	tk := FromCredential(panicky{}, nil)
	defer tk.Close()
	want(t, token(tk, "r", ""), "error: get token for r: credential panicked: boom")
}

func TestEntriesAreBounded(t *testing.T) {
	bubble(t, 100*time.Hour, func(tk *Tokens, cred *fake) {
		for i := range maxEntries + 10 {
			token(tk, fmt.Sprint(i), "")
			time.Sleep(time.Second)
			token(tk, "0", "") // in use, so it stays
		}
		if n := len(tk.entries); n != maxEntries {
			t.Errorf("%d entries", n)
		}
		want(t, token(tk, "0", ""), "0|#1")
		if n := cred.calls.Load(); n != maxEntries+10 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	cred := &fake{life: 30 * time.Millisecond} // renewals and expiries all the time
	tk := FromCredential(cred, nil)
	defer tk.Close()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			r := fmt.Sprint(i % 3)
			for range 300 {
				if got := token(tk, r, ""); !strings.HasPrefix(got, r+"|#") {
					t.Errorf("%q", got)
				}
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	wg.Wait()
}

func TestCachedTokenAllocatesNothing(t *testing.T) {
	tk := FromCredential(&fake{life: time.Hour}, nil)
	defer tk.Close()
	token(tk, "https://cognitiveservices.azure.com", "")
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() { _, _ = tk.Token(ctx, "https://cognitiveservices.azure.com", "") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkToken: 0 allocations.
func BenchmarkToken(b *testing.B) {
	tk := FromCredential(&fake{life: time.Hour}, nil)
	defer tk.Close()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tk.Token(ctx, "https://cognitiveservices.azure.com", ""); err != nil {
			b.Fatal(err)
		}
	}
}
