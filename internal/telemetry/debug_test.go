package telemetry

import (
	"strings"
	"testing"
	"time"
)

func TestDebugCredentials(t *testing.T) {
	c := NewDebugCredentials()
	clk := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.now = clk.now
	token := c.Issue("Chat", time.Hour)
	tests := map[string]struct {
		token, api string
		want       DebugStatus
	}{
		"good":                     {token, "Chat", DebugOK},
		"ids compare without case": {token, "chat", DebugOK},
		"another API":              {token, "models", DebugWrongAPI},
		"prefix of the API":        {token, "cha", DebugWrongAPI},
		"expired":                  {c.Issue("chat", -time.Second), "chat", DebugExpired},
		"expires at once":          {c.Issue("chat", 0), "chat", DebugExpired},
		"another gateway":          {NewDebugCredentials().Issue("chat", time.Hour), "chat", DebugInvalid},
		"later expiry":             {strings.Replace(token, "ex=2026", "ex=2027", 1), "chat", DebugInvalid},
		"other API written in":     {strings.Replace(token, "aid=chat", "aid=models", 1), "models", DebugInvalid},
		"no signature":             {token[:strings.Index(token, "&sn=")], "chat", DebugInvalid},
		"empty signature":          {token[:strings.Index(token, "&sn=")+4], "chat", DebugInvalid},
		"empty":                    {"", "chat", DebugInvalid},
		"odd id":                   {c.Issue("a&ex=1&sn=b c", time.Hour), "a&ex=1&sn=b c", DebugOK},
	}
	for name, tc := range tests {
		got := c.Check(tc.token, tc.api)
		if got.Status != tc.want {
			t.Errorf("%s: %d, want %d", name, got.Status, tc.want)
		}
		if (got.Detail == "") != (tc.want == DebugOK) {
			t.Errorf("%s: detail %q", name, got.Detail)
		}
	}
	if want := "p=tracing&aid=chat&ex=20260102040405&sn="; !strings.HasPrefix(token, want) {
		t.Errorf("token %q does not begin with %q", token, want)
	}
	if got := c.Check(c.Issue("chat", -time.Second), "chat").Detail; got != "2026-01-02T03:04:04Z" {
		t.Errorf("expiry %q", got)
	}
}

func TestDebugLifetimeIsCapped(t *testing.T) {
	c := NewDebugCredentials()
	clk := &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.now = clk.now
	token := c.Issue("a", 100*time.Hour)
	clk.t = clk.t.Add(MaxDebugLifetime - time.Second)
	if c.Check(token, "a").Status != DebugOK {
		t.Error("expired before an hour")
	}
	clk.t = clk.t.Add(time.Second)
	if c.Check(token, "a").Status != DebugExpired {
		t.Error("alive after an hour")
	}
}

func TestDebugInvalidate(t *testing.T) {
	c := NewDebugCredentials()
	old := c.Issue("a", time.Hour)
	c.Invalidate()
	if c.Check(old, "a").Status != DebugInvalid {
		t.Error("a revoked token still opens")
	}
	if c.Check(c.Issue("a", time.Hour), "a").Status != DebugOK {
		t.Error("a new token does not open")
	}
}

func FuzzDebugCheck(f *testing.F) {
	c := NewDebugCredentials()
	f.Add("p=tracing&aid=a&ex=20990101000000&sn=AAAA", "a")
	f.Add(c.Issue("a", time.Hour)+"x", "a")
	f.Fuzz(func(t *testing.T, token, api string) {
		if got := c.Check(token, api); got.Status != DebugInvalid {
			t.Errorf("%q was accepted as %d", token, got.Status)
		}
	})
}
