package diag

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPosString(t *testing.T) {
	for pos, want := range map[Pos]string{
		{}: "", {File: "a"}: "a", {"a", 1, 2}: "a:1:2", {Line: 3, Col: 4}: "3:4",
	} {
		if got := pos.String(); got != want {
			t.Errorf("%#v: %q", pos, got)
		}
	}
}

func TestFindingString(t *testing.T) {
	f := Finding{Code: "SP1", Severity: Warning, Pos: Pos{"a", 1, 2}, Message: "m"}
	if got := f.String(); got != "a:1:2: warning SP1: m" {
		t.Error(got)
	}
	if got := f.WithHint("h %d", 1).String(); got != "a:1:2: warning SP1: m (h 1)" {
		t.Error(got)
	}
	if got := (Finding{Code: "SP1", Message: "m"}).String(); got != "error SP1: m" {
		t.Error(got)
	}
}

func TestList(t *testing.T) {
	var l List
	if l.HasErrors() || l.Err() != nil || l.Count(Error) != 0 {
		t.Error("an empty list has no errors")
	}
	l.Add(PolicyMixedValue, Pos{"b", 1, 1}, "", "w")
	if l.HasErrors() || l.Err() != nil || l.Count(Warning) != 1 {
		t.Error("a warning is no error")
	}
	l.Add(PolicyEntity, Pos{"a", 2, 1}, "p", "e%d", 1).WithHint("h")
	if want := (Finding{PolicyEntity, Error, Pos{"a", 2, 1}, "p", "e1", "h"}); l[1] != want {
		t.Errorf("%+v", l[1])
	}
	if got := l.Err().Error(); got != "a:2:1: error SP1202: e1 (h)" {
		t.Error(got)
	}
	l.Add(PolicyXML, Pos{"c", 1, 1}, "", "e2")
	if got := l.Err().Error(); got != "a:2:1: error SP1202: e1 (h) (and 1 more)" {
		t.Error(got)
	}
	if l.Add("SP9999", Pos{}, "", "x").Severity != Error {
		t.Error("an unlisted code must be an error")
	}
}

func TestSort(t *testing.T) {
	f := func(file string, line, col int, s Severity, msg string) Finding {
		return Finding{Severity: s, Pos: Pos{file, line, col}, Message: msg}
	}
	l := List{
		f("b", 1, 1, Error, ""), f("a", 10, 1, Error, ""), f("a", 9, 2, Error, ""), f("a", 9, 1, Info, ""), f("a", 9, 1, Error, "y"),
		f("a", 9, 1, Error, "x"), f("", 0, 0, Info, ""), f("a", 9, 1, Error, "x"),
	}
	l.Sort()
	want := List{
		f("", 0, 0, Info, ""), f("a", 9, 1, Error, "x"), f("a", 9, 1, Error, "y"), f("a", 9, 1, Info, ""), f("a", 9, 2, Error, ""),
		f("a", 10, 1, Error, ""), f("b", 1, 1, Error, ""),
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Error(diff)
	}
}

func TestCatalogue(t *testing.T) {
	form := regexp.MustCompile(`^SP\d{4}$`)
	var last Code
	for _, c := range Catalogue() {
		if !form.MatchString(string(c.Code)) || c.Title == "" || c.Help == "" {
			t.Errorf("%+v is incomplete", c)
		}
		if c.Code <= last {
			t.Errorf("%s after %s: listed twice or not sorted", c.Code, last)
		}
		if c.Code.Severity() != c.Severity {
			t.Errorf("%s: severity %v", c.Code, c.Code.Severity())
		}
		last = c.Code
	}
}
