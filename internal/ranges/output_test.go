package ranges

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
)

func TestWritePolicy(t *testing.T) {
	s := build(t, "20.42.4.208", "128.203.119.64/26", "128.203.119.128/25", "9.9.9.9", "2603:1000:4::160/123")
	var b bytes.Buffer
	if err := WritePolicy(&b, s, Options{Action: "forbid"}); err != nil {
		t.Fatal(err)
	}
	want := `<ip-filter action="forbid">
    <address>9.9.9.9</address>
    <address>20.42.4.208</address>
    <address-range from="128.203.119.64" to="128.203.119.255" />
    <address-range from="2603:1000:4::160" to="2603:1000:4::17f" />
</ip-filter>
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestNothingIsWrittenOfAnEmptySet(t *testing.T) {
	var b bytes.Buffer
	for name, err := range map[string]error{
		"policy": WritePolicy(&b, nil, Options{}),
		"cidr":   WriteCIDR(&b, build(t)),
		"json":   WriteJSON(&b, build(t), Options{}),
		"action": WritePolicy(&b, build(t, "1.2.3.4"), Options{Action: "deny"}),
	} {
		if err == nil || b.Len() > 0 {
			t.Errorf("%s: %v, %q", name, err, b.String())
		}
	}
}

// A source is chosen by people and named by servers; it must not end the
// comment and start elements of its own.
func TestHeaderCannotBeEscaped(t *testing.T) {
	evil := `x--><ip-filter action="allow"><address>6.6.6.6</address></ip-filter><!---` + "\x00\n\xff-"
	var b bytes.Buffer
	if err := WritePolicy(&b, build(t, "1.2.3.4"), Options{Info: Info{Name: evil, Source: evil, Hash: evil}}); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(&b)
	elements := 0
	for {
		tok, err := d.Token()
		if tok == nil {
			if err.Error() != "EOF" {
				t.Fatalf("not well-formed: %v\n%s", err, b.String())
			}
			break
		}
		if _, ok := tok.(xml.StartElement); ok {
			elements++
		}
	}
	if elements != 2 {
		t.Errorf("%d elements, want 2", elements)
	}
}

func TestWriteCIDRAndJSON(t *testing.T) {
	g := eastUS(t, "outbound")
	var b bytes.Buffer
	if err := WriteCIDR(&b, g.Set); err != nil {
		t.Fatal(err)
	}
	again := build(t, strings.Fields(b.String())...)
	if !again.Equal(g.Set) || strings.Count(b.String(), "\n") != 138 {
		t.Error("the CIDR list does not give the set again")
	}
	b.Reset()
	if err := WriteJSON(&b, g.Set, Options{Info: g.Info}); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Name, Source, Hash, Taken string
		Prefixes, Addresses       int
		Ranges                    []Range
		CIDRs                     []netip.Prefix
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Name != g.Name || doc.Hash != g.Hash || doc.Prefixes != 138 || doc.Addresses != 3459 || len(doc.CIDRs) != 138 || !cmp.Equal(texts(doc.Ranges), texts(g.Set.Ranges())) || doc.Taken != "2026-05-04T00:00:00Z" {
		t.Errorf("document = %+v", doc)
	}
}

func TestCompare(t *testing.T) {
	want := group(t, "20.42.4.208/32", "128.203.119.64/26", "128.203.119.128/25", "2603:1000:4::160/123")
	policy := build(t, "128.203.119.64-128.203.119.139", "2603:1000:4::160-2603:1000:4::17f", "8.8.8.8", "10.0.0.0/30")
	r := Compare(policy, want.Set, want.Prefixes...)
	if d := cmp.Diff([]string{"20.42.4.208", "128.203.119.140-128.203.119.255"}, texts(r.Missing)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"8.8.8.8", "10.0.0.0-10.0.0.3"}, texts(r.Excess)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"20.42.4.208/32", "128.203.119.128/25 (116 of 128 addresses)"}, texts(r.Lacking)); d != "" {
		t.Error(d)
	}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	wantText := `The policy lacks 2 of 4 published prefixes (117 addresses):
  - 20.42.4.208/32
  - 128.203.119.128/25 (116 of 128 addresses)
The policy admits 2 ranges beyond what is published (5 addresses):
  + 8.8.8.8
  + 10.0.0.0-10.0.0.3
`
	if d := cmp.Diff(wantText, b.String()); d != "" {
		t.Error(d)
	}
	found := r.Findings(diag.Pos{File: "policy.xml", Line: 3, Col: 5}, "inbound/ip-filter")
	if d := cmp.Diff([]string{"SP1614", "SP1614", "SP1615", "SP1615"}, codes(found)); d != "" || r.OK() {
		t.Error(d)
	}
	if got := found[0].String(); got != "policy.xml:3:5: error SP1614: published prefix 20.42.4.208/32 is not admitted" {
		t.Error(got)
	}
}

func TestCompareEqual(t *testing.T) {
	g := eastUS(t, "outbound")
	r := Compare(g.Set, g.Set, g.Prefixes...)
	var text, doc bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&doc); err != nil {
		t.Fatal(err)
	}
	if !r.OK() || text.String() != "The policy admits exactly what is published: 138 prefixes, 3459 addresses.\n" {
		t.Errorf("%v %q", r, text.String())
	}
	var m map[string]any
	if err := json.Unmarshal(doc.Bytes(), &m); err != nil || m["ok"] != true || len(m["missing"].([]any)) != 0 || len(m["lacking"].([]any)) != 0 {
		t.Errorf("%s", doc.String())
	}
	// Without published prefixes the minimal ones name the gaps.
	if r := Compare(nil, build(t, "1.0.0.0/24", "1.0.1.0/24")); len(r.Lacking) != 1 || r.Lacking[0].String() != "1.0.0.0/23" {
		t.Errorf("%+v", r.Lacking)
	}
}

// Adjacent prefixes are one missing range, yet each is named, in full.
func TestCompareNamesEveryPrefixOfAMissingRange(t *testing.T) {
	g := eastUS(t, "outbound")
	r := Compare(build(t, "8.8.8.8"), g.Set, g.Prefixes...)
	if d := cmp.Diff(texts(g.Prefixes), texts(r.Lacking)); d != "" {
		t.Error(d)
	}
	if len(r.Missing) != g.Set.Len() || r.MissingAddresses != 3459 || r.ExcessAddresses != 1 {
		t.Errorf("%d ranges, %d missing, %d in excess", len(r.Missing), r.MissingAddresses, r.ExcessAddresses)
	}
	all6 := build(t, "::/0")
	if r := Compare(nil, all6, netip.MustParsePrefix("2603::/16")); len(r.Lacking) != 1 || r.Lacking[0].String() != "2603::/16" || !strings.Contains(plural(r.MissingAddresses, "a", "b"), "2^64 or more") {
		t.Errorf("%v, %d", r.Lacking, r.MissingAddresses)
	}
}
