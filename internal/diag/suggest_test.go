package diag

import "testing"

func TestSuggest(t *testing.T) {
	known := []string{"set-header", "set-body", "inbound", "on-error", "id"}
	for name, want := range map[string]string{
		"set-heder":  "set-header",
		"SET-HEADER": "set-header",
		"setheader":  "set-header",
		"set-bdoy":   "set-body",
		"inbond":     "inbound",
		"on_error":   "on-error",
		"ix":         "id",
		"choose":     "",
		"x":          "",
		"":           "",
	} {
		if got := Suggest(name, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", name, got, want)
		}
	}
	if got := Suggest("set-bodx", []string{"set-bode", "set-body"}); got != "set-bode" {
		t.Errorf("of two equally near the first counts, got %q", got)
	}
	if got := Suggest("x", nil); got != "" {
		t.Errorf("nothing known, but %q", got)
	}
}

func TestDidYouMean(t *testing.T) {
	if got := DidYouMean("inbond", []string{"inbound"}); got != "did you mean 'inbound'?" {
		t.Error(got)
	}
	if got := DidYouMean("choose", []string{"inbound"}); got != "" {
		t.Error(got)
	}
}
