package plan_test

import (
	"net/url"
	"strings"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/plan"
	"sallyport/internal/secret"
)

func TestPlanHidesSecretNamedValues(t *testing.T) {
	s := snapshot()
	add := func(name, value string, isSecret bool) {
		s.NamedValues = append(s.NamedValues, &model.NamedValue{ID: name, DisplayName: name, Secret: isSecret, Value: secret.New(value)})
	}
	add("short", "canary", true)
	add("long", "canary and more", true)
	add("open", "readable", false)
	add("tiny", "abc", true)
	p, _ := plan.Build(nil, s, deps())
	shown := p.Hider.Hide("x=canary&y=" + url.QueryEscape("canary and more") + "&z=readable&w=abc/" + url.PathEscape("canary and more"))
	if strings.Contains(shown, "canary") || strings.Contains(shown, "more") || !strings.Contains(shown, "z=readable&w=abc/") {
		t.Errorf("shown: %s", shown)
	}
	s.NamedValues = nil
	if p, _ := plan.Build(nil, s, deps()); p.Hider != nil {
		t.Error("nothing to hide, yet there is a hider")
	}
}
