package arm

import (
	"strings"
	"testing"

	"sallyport/internal/wire/wiretest"
)

// FuzzTarget asks for anything without a token: nothing but health may answer,
// and no key may ever be in the answer.
func FuzzTarget(f *testing.F) {
	f.Add("GET", base+"/apis"+version)
	f.Add("POST", base+"/subscriptions/s1/listSecrets"+version)
	f.Add("GET", "/healthz/config")
	f.Add("GET", "//%2e%2e/healthz?%")
	r := newRig()
	r.cfg.Workspace = nil
	f.Fuzz(func(t *testing.T, method, target string) {
		q := wiretest.NewRequest(method, "/", "")
		q.Target = target
		rec := wiretest.Serve(r, q)
		health := strings.Contains(target, "health") || strings.Contains(target, "ready") || strings.Contains(target, "metrics") || strings.Contains(target, "%")
		if rec.Status() == 200 && !health || strings.Contains(rec.Body(), canary) || rec.HeadTwice() {
			t.Errorf("%s %q: %d %s", method, target, rec.Status(), rec.Body())
		}
	})
}
