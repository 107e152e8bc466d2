package ranges

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/diag"
)

type feedCase struct {
	doc  string
	want []string // start of each finding
}

const goodGroup = `{"platform":"azure","region":"eastus","service":"Databricks","type":"outbound","ipv4Prefixes":["20.42.4.208/32"],"ipv6Prefixes":[]}`

func root(groups string) string { return `{"schemaVersion":"1.0","prefixes":[` + groups + `]}` }

func runFeedCases(t *testing.T, tests map[string]feedCase) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			found := lint(tt.doc)
			ok := len(found) == len(tt.want)
			for i := 0; ok && i < len(found); i++ {
				ok = strings.HasPrefix(found[i].String(), tt.want[i])
			}
			if !ok {
				t.Errorf("got:\n%swant:\n%s", text(found), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestFeedIsReadLeniently(t *testing.T) {
	const good = goodGroup
	runFeedCases(t, map[string]feedCase{
		"good":              {root(good), nil},
		"unknown keys":      {`{"x":[{"y":[1,null,"\"]}"]}],"schemaVersion":"1.7","prefixes":[{"cidr":{"a":[]},"activeAfter":null,` + good[1:] + `],"z":-1.5e3}`, nil},
		"other service":     {root(strings.Replace(good, `"Databricks"`, `"Apps"`, 1)), nil},
		"no service":        {root(strings.Replace(good, `"service":"Databricks",`, ``, 1)), nil},
		"null list":         {root(strings.Replace(good, `[]`, `null`, 1)), nil},
		"byte order mark":   {"\ufeff" + root(good), nil},
		"number as version": {`{"schemaVersion":1.0,"prefixes":[]}`, nil},
		"bare address":      {feedJSON("20.42.4.211"), nil},
		"IPv6":              {root(strings.Replace(good, `"ipv6Prefixes":[]`, `"ipv6Prefixes":["2603:1000:4::160/123"]`, 1)), nil},
		"wide but allowed":  {feedJSON("20.42.0.0/16", "2603:1000::/32"), nil},
	})
}

func TestFeedDocumentFindings(t *testing.T) {
	const good = goodGroup
	runFeedCases(t, map[string]feedCase{
		"malformed":         {"{\n  \"prefixes\": [,]\n}", []string{"feed.json:2:16: error SP1601: not valid JSON: invalid character ','"}},
		"cut off":           {feedJSON("20.42.4.208/32")[:80], []string{"feed.json:1:80: error SP1601: not valid JSON: unexpected end"}},
		"empty file":        {"", []string{"feed.json:1:1: error SP1601: not valid JSON"}},
		"two documents":     {root(good) + root(good), []string{"feed.json:1:169: error SP1601"}},
		"sign-in page":      {"<!DOCTYPE html>", []string{"feed.json:1:1: error SP1601"}},
		"a list":            {"[]", []string{"feed.json:1:1: error SP1601: neither"}},
		"another object":    {`{"a":1}`, []string{"feed.json:1:1: error SP1601: neither"}},
		"both kinds":        {`{"schemaVersion":"1.0","prefixes":[],"values":[]}`, []string{"feed.json:1:1: error SP1601: both"}},
		"version missing":   {`{"prefixes":[` + good + `]}`, []string{"feed.json:1:1: error SP1603: schemaVersion is missing"}},
		"version 2":         {`{"schemaVersion":"2.0","prefixes":[` + good + `]}`, []string{`feed.json:1:1: error SP1603: schemaVersion "2.0" is not supported`}},
		"version 10":        {`{"schemaVersion":"10","prefixes":[]}`, []string{`feed.json:1:1: error SP1603`}},
		"prefixes no list":  {`{"schemaVersion":"1.0","prefixes":{}}`, []string{"feed.json:1:35: error SP1604: 'prefixes' must be a list"}},
		"group no object":   {root(`7`), []string{"feed.json:1:36: error SP1604: a group must be an object"}},
		"region missing":    {root(strings.Replace(good, "region", "Region", 1)), []string{"feed.json:1:36: error SP1604: group has no usable 'region'"}},
		"region with slash": {root(strings.Replace(good, "eastus", "a/b", 1)), []string{"feed.json:1:36: error SP1604: group has no usable 'region'"}},
		"type no string":    {root(strings.Replace(good, `"outbound"`, `1`, 1)), []string{"feed.json:1:104: error SP1604: 'type' must be a string", "feed.json:1:36: error SP1604"}},
		"list no list":      {root(strings.Replace(good, `["20.42.4.208/32"]`, `"20.42.4.208/32"`, 1)), []string{"feed.json:1:130: error SP1604: 'ipv4Prefixes' must be a list"}},
		"prefix no string":  {root(strings.Replace(good, `"20.42.4.208/32"`, `1`, 1)), []string{"feed.json:1:131: error SP1604: 'ipv4Prefixes' must be a list of strings"}},
		"unknown platform":  {root(strings.Replace(good, "azure", "oci", 1)), []string{`feed.json:1:36: warning SP1605: unknown platform "oci"`}},
		"unknown type":      {root(strings.Replace(good, "outbound", "sideways", 1)), []string{`feed.json:1:36: warning SP1605: unknown type "sideways"`}},
	})
}

func TestFeedListFindings(t *testing.T) {
	const good = goodGroup
	runFeedCases(t, map[string]feedCase{
		"no prefix":          {feedJSON("20.42.4"), []string{`feed.json:1:161: error SP1606: "20.42.4" is not`}},
		"zone":               {feedJSON("fe80::1%eth0/64"), []string{`feed.json:1:161: error SP1606`}},
		"length too large":   {feedJSON("20.42.4.0/33"), []string{`feed.json:1:161: error SP1606`}},
		"mixed families":     {feedJSON("::ffff:20.42.4.0/90"), []string{`feed.json:1:161: error SP1606`}},
		"host bits":          {feedJSON("20.42.4.209/28"), []string{"feed.json:1:161: warning SP1607: 20.42.4.209/28 has host bits set; taken as 20.42.4.208/28"}},
		"repeated":           {feedJSON("20.42.4.208/32", "20.42.4.208"), []string{"feed.json:1:178: warning SP1608: 20.42.4.208/32 is listed before, in line 1"}},
		"repeated, masked":   {feedJSON("20.42.4.0/28", "20.42.4.1/28"), []string{"feed.json:1:176: warning SP1607", "feed.json:1:176: warning SP1608"}},
		"group twice":        {root(good + "," + strings.Replace(good, "208", "210", 1)), []string{`feed.json:1:168: warning SP1608: group databricks/azure/eastus/outbound is listed again`}},
		"private":            {feedJSON("10.1.0.0/24"), []string{"feed.json:1:161: error SP1609: 10.1.0.0/24 is not public: it lies in or covers 10.0.0.0/8 (private network)"}},
		"loopback":           {feedJSON("127.0.0.1"), []string{"feed.json:1:161: error SP1609"}},
		"metadata service":   {feedJSON("169.254.169.254/32"), []string{"feed.json:1:161: error SP1609"}},
		"multicast":          {feedJSON("239.1.2.3/32"), []string{"feed.json:1:161: error SP1609"}},
		"mapped private":     {feedJSON("::ffff:192.168.1.0/120"), []string{"feed.json:1:161: error SP1609: 192.168.1.0/24"}},
		"unique local IPv6":  {feedJSON("fd00::/48"), []string{"feed.json:1:161: error SP1609"}},
		"loopback IPv6":      {feedJSON("::1/128"), []string{"feed.json:1:161: error SP1609"}},
		"documentation IPv6": {feedJSON("2001:db8:1::/48"), []string{"feed.json:1:161: error SP1609"}},
		"too wide":           {feedJSON("20.42.0.0/15"), []string{"feed.json:1:161: error SP1610: 20.42.0.0/15 is wider than /16"}},
		"everything":         {feedJSON("0.0.0.0/0", "::/0"), []string{"feed.json:1:161: error SP1610: 0.0.0.0/0", "feed.json:1:173: error SP1610: ::/0 is wider than /32"}},
		"IPv6 too wide":      {feedJSON("2603::/31"), []string{"feed.json:1:161: error SP1610: 2603::/31"}},
		"empty group":        {feedJSON(), []string{"feed.json:1:66: error SP1611: databricks/azure/eastus/outbound lists no address"}},
	})
}

func TestListIsTakenWholeOrNotAtAll(t *testing.T) {
	g, found := parse(t, feedJSON("20.42.4.208/32", "nonsense")).Select("azure", "eastus", "outbound")
	if !found.HasErrors() || g.Set != nil || len(g.Prefixes) != 0 {
		t.Errorf("group = %+v, findings %v", g, found)
	}
}

func TestFaultyListLeavesOthersUsable(t *testing.T) {
	feed := parse(t, `{"schemaVersion":"1.0","prefixes":[
		{"platform":"azure","region":"westus","type":"outbound","ipv4Prefixes":["10.0.0.0/8"]},
		{"platform":"azure","region":"eastus","type":"outbound","ipv4Prefixes":["20.42.4.208/32"]}]}`)
	if _, found := feed.Select("azure", "westus", "outbound"); !found.HasErrors() {
		t.Error("private range was taken")
	}
	if g, found := feed.Select("azure", "eastus", "outbound"); len(found) > 0 || g.Set.Count() != 1 {
		t.Errorf("eastus: %v, %v", g, found)
	}
	if d := cmp.Diff([]string{"SP1610"}, codes(feed.Check())); d != "" {
		t.Error(d)
	}
}

func TestPositionsInPrettyPrintedFeed(t *testing.T) {
	doc := "{\"schemaVersion\": \"1.0\",\r\n \"prefixes\": [\r\n  {\"platform\": \"azure\", \"region\": \"zürich\", \"type\": \"outbound\",\r\n   \"ipv4Prefixes\": [\"20.42.4.208/32\",\r\n     \"ü\", \"20.42.4.1/24\"]}]}"
	want := []string{"feed.json:5:6", "feed.json:5:11"}
	var got []string
	for _, f := range lint(doc) {
		got = append(got, f.Pos.String())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestHugeGroup(t *testing.T) {
	prefixes := make([]string, 0, 60_000)
	for i := range 60_000 {
		prefixes = append(prefixes, fmt.Sprintf("20.%d.%d.%d/32", i>>14, i>>6&255, i&63*4))
	}
	g := group(t, prefixes...)
	if g.Entries != 60_000 || g.Set.Count() != 60_000 {
		t.Errorf("%d prefixes, %d addresses", g.Entries, g.Set.Count())
	}
}

func TestNonsenseHasABoundedReport(t *testing.T) {
	prefixes := make([]string, 5000)
	for i := range prefixes {
		prefixes[i] = strings.Repeat("x", 200)
	}
	found := lint(feedJSON(prefixes...))
	if len(found) != maxFindings || !strings.Contains(found[len(found)-1].Hint, "4900 more") {
		t.Errorf("%d findings, last: %v", len(found), found[len(found)-1])
	}
	if m := found[0].Message; len(m) > 120 {
		t.Errorf("message of %d bytes: %s", len(m), m)
	}
	// Warnings may fill the report, the error that refuses the list still shows.
	for i := range prefixes {
		prefixes[i] = "20.42.4.1/24"
	}
	prefixes[4999] = "10.0.0.0/24"
	if found := lint(feedJSON(prefixes...)); !found.HasErrors() {
		t.Error("the error is lost among the warnings")
	}
	if found := lint(`{"schemaVersion":"1.0","prefixes":[` + strings.Repeat("1,", 5000) + `1]}`); len(found) != maxFindings {
		t.Errorf("%d findings", len(found))
	}
}

func TestSizeCaps(t *testing.T) {
	pad := func(doc string, size int) []byte { return []byte(doc + strings.Repeat(" ", size-len(doc))) }
	tag := `{"changeNumber":1,"values":[]}`
	for _, tt := range []struct {
		doc  string
		size int
		want []string
	}{
		{feedJSON("20.42.4.208/32"), MaxFeedBytes, []string{}},
		{feedJSON("20.42.4.208/32"), MaxFeedBytes + 1, []string{string(diag.RangesTooLarge)}},
		{tag, MaxTagFileBytes, []string{}},
		{tag, MaxTagFileBytes + 1, []string{string(diag.RangesTooLarge)}},
	} {
		_, found := Parse(pad(tt.doc, tt.size), Origin{})
		if d := cmp.Diff(tt.want, codes(found)); d != "" {
			t.Errorf("%d bytes: %s", tt.size, d)
		}
	}
}

func TestDeepNestingIsNoProblem(t *testing.T) {
	doc := `{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `,` + feedJSON("20.42.4.208/32")[1:]
	if found := lint(doc); len(found) > 0 {
		t.Error(found)
	}
}

func TestHashFollowsContentOnly(t *testing.T) {
	doc := feedJSON("20.42.4.208/32", "20.42.4.210/32")
	base := parse(t, doc)
	hashes := func(f *Feed) [2]string {
		g, _ := f.Select("azure", "eastus", "outbound")
		return [2]string{f.Hash(), g.Hash}
	}
	same := map[string]string{
		"timestamp": strings.Replace(doc, "1770871875", "1790000000", 1),
		"layout":    strings.ReplaceAll(doc, ",", ",\n  "),
		"order":     feedJSON("20.42.4.210/32", "20.42.4.208/32"),
	}
	for name, d := range same {
		if hashes(parse(t, d)) != hashes(base) {
			t.Errorf("%s changes the hash", name)
		}
	}
	changed := parse(t, feedJSON("20.42.4.208/32", "20.42.4.211/32"))
	if changed.Published != base.Published {
		t.Fatal("the timestamps were meant to be equal")
	}
	if got := hashes(changed); got[0] == hashes(base)[0] || got[1] == hashes(base)[1] {
		t.Error("a changed address under an unchanged timestamp does not change the hash")
	}
	if !strings.HasPrefix(hashes(base)[1], "sha256:") || len(hashes(base)[1]) != 71 {
		t.Errorf("hash = %q", hashes(base)[1])
	}
}

func FuzzParse(f *testing.F) {
	f.Add(feedJSON("20.42.4.208/32", "::ffff:1.2.3.4/120", "2603::/40"))
	f.Add(`{"values":[{"name":"A.B","properties":{"addressPrefixes":["1.2.3.4/31"]}}],"changeNumber":7}`)
	f.Add("\ufeff{\"prefixes\":[{}],\"schemaVersion\":1}")
	f.Add(`{"a":"\\\"","b":[[],{}],"c":-1e5}`)
	f.Fuzz(func(t *testing.T, doc string) {
		feed, found := Parse([]byte(doc), Origin{Source: "f"})
		if (feed == nil) != found.HasErrors() {
			t.Fatalf("feed %v with findings %v", feed, found)
		}
		if feed == nil {
			return
		}
		feed.Hash()
		for _, name := range feed.Names() {
			g, found := feed.Group(name)
			if (g.Set == nil) != found.HasErrors() {
				t.Fatalf("%s: set %v with findings %v", name, g.Set, found)
			}
			for _, p := range g.Prefixes {
				if !g.Set.Contains(p.Addr()) || p != p.Masked() {
					t.Fatalf("%s: %s", name, p)
				}
			}
		}
	})
}
