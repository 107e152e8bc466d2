package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// traceDoc is a trace as clients of APIM read it, plus our nesting.
type traceDoc struct {
	ServiceName  string
	TraceID      string `json:"traceId"`
	Kind, Title  string
	Status       int
	TraceEntries map[string][]struct {
		Source, Timestamp, Elapsed string
		Data                       json.RawMessage
	}
	Hops []*traceDoc
}

// debugToken asks for a token that lets calls to the API be traced.
func (c *chain) debugToken(t *testing.T, api string) string {
	t.Helper()
	r := c.manage(t, "POST", "/gateways/managed/listDebugCredentials", fmt.Sprintf(`{"credentialsExpireAfter":"PT1H","apiId":%q,"purposes":["tracing"]}`, api))
	var v struct{ Token string }
	if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.status != 200 || v.Token == "" {
		t.Fatalf("listDebugCredentials: %d %s %v", r.status, r.body, err)
	}
	return v.Token
}

// listTrace fetches a trace; it is complete a moment after the answer.
func (c *chain) listTrace(t *testing.T, id string) (doc *traceDoc, text string) {
	t.Helper()
	eventually(t, "trace", func() error {
		r := c.manage(t, "POST", "/gateways/managed/listTrace", fmt.Sprintf(`{"traceId":%q}`, id))
		if r.status == 404 {
			return errors.New(r.body)
		}
		if r.status != 200 {
			return &finalError{fmt.Errorf("%d %s", r.status, r.body)}
		}
		doc, text = new(traceDoc), r.body
		return json.Unmarshal([]byte(r.body), doc)
	})
	return doc, text
}

func (d *traceDoc) sources(section string) []string {
	var names []string
	for _, e := range d.TraceEntries[section] {
		names = append(names, e.Source)
	}
	return names
}

// The protocol of Azure's documentation, with nothing but HTTP.
func TestTraceProtocol(t *testing.T) {
	t.Parallel()
	c := startChain(t, chainOptions{})
	hc := client(t, "")
	const full = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ApiManagement/service/sallyport-demo/apis/databricks-serving"
	token := c.debugToken(t, full)
	r := mustCall(t, hc, "POST", c.gateway+chatPath, askPlain, keyHeader, userKey, "Apim-Debug-Authorization", token)
	id := r.header.Get("Apim-Trace-Id")
	if r.status != 200 || id == "" {
		t.Fatalf("%d, no trace: %v", r.status, r.header)
	}
	doc, text := c.listTrace(t, id)
	if doc.TraceID != id || doc.ServiceName != "sallyport-demo" {
		t.Errorf("trace %q of %q", doc.TraceID, doc.ServiceName)
	}
	checkEntries(t, doc)
	if want := []string{"api-inspector", "api-inspector"}; len(doc.sources("inbound")) < 3 || doc.sources("inbound")[0] != want[0] || doc.sources("inbound")[1] != want[1] {
		t.Errorf("inbound entries %v", doc.sources("inbound"))
	}
	if got := strings.Join(doc.sources("backend"), " "); !strings.Contains(got, "forward-request forward-request") {
		t.Errorf("backend entries %v", got)
	}
	if out := doc.sources("outbound"); len(out) == 0 || out[len(out)-1] != "transfer-response" {
		t.Errorf("outbound entries %v", out)
	}
	shape(t, doc)
	var kinds []string
	for d := doc; ; d = d.Hops[0] {
		kinds = append(kinds, d.Kind)
		if len(d.Hops) == 0 {
			break
		}
		checkEntries(t, d.Hops[0])
	}
	if got := strings.Join(kinds, " "); got != "gateway serving-endpoint gateway" {
		t.Errorf("hops %q: %s", got, text)
	}

	t.Run("another API", func(t *testing.T) {
		r := mustCall(t, client(t, servingAddress), "POST", c.gateway+modelPath, askPlain, "api-key", modelKey, "Apim-Debug-Authorization", token)
		if r.status != 200 || r.header.Get("Apim-Trace-Id") != "" || r.header.Get("Apim-Debug-Authorization-WrongAPI") == "" {
			t.Errorf("%d %v", r.status, r.header)
		}
	})
	t.Run("no such trace", func(t *testing.T) {
		if r := c.manage(t, "POST", "/gateways/managed/listTrace", `{"traceId":"nothing-1"}`); r.status != 404 {
			t.Errorf("%d %s", r.status, r.body)
		}
	})
	t.Run("refused calls are traced too", func(t *testing.T) {
		r := mustCall(t, hc, "POST", c.gateway+modelPath, askPlain, "api-key", modelKey, "Apim-Debug-Authorization", c.debugToken(t, "/apis/foundry-openai"))
		doc, text := c.listTrace(t, r.header.Get("Apim-Trace-Id"))
		if r.status != 403 || doc.Status != 403 || len(doc.TraceEntries["onError"]) == 0 || len(doc.TraceEntries["backend"]) != 0 {
			t.Errorf("%d %s", r.status, text)
		}
	})
	if r := c.manage(t, "POST", "/gateways/managed/invalidateDebugCredentials", ""); r.status != 204 || r.body != "" {
		t.Errorf("invalidateDebugCredentials: %d %s", r.status, r.body)
	}
	r = mustCall(t, hc, "POST", c.gateway+chatPath, askPlain, keyHeader, userKey, "Apim-Debug-Authorization", token)
	if r.status != 200 || r.header.Get("Apim-Trace-Id") != "" || r.header.Get("Apim-Debug-Authorization-Invalid") == "" {
		t.Errorf("a revoked token: %d %v", r.status, r.header)
	}
}

var elapsedForm = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{7}$`)

// checkEntries checks what every entry has.
func checkEntries(t *testing.T, d *traceDoc) {
	t.Helper()
	for section, entries := range d.TraceEntries {
		last := ""
		for i, e := range entries {
			if _, err := time.Parse("2006-01-02T15:04:05.0000000Z", e.Timestamp); err != nil {
				t.Errorf("%s[%d] %s: %v", section, i, e.Source, err)
			}
			if !elapsedForm.MatchString(e.Elapsed) || e.Elapsed < last {
				t.Errorf("%s[%d] %s: elapsed %q after %q", section, i, e.Source, e.Elapsed, last)
			}
			last = e.Elapsed
			if e.Source == "" || len(e.Data) == 0 || string(e.Data) == "null" {
				t.Errorf("%s[%d]: source %q, data %s", section, i, e.Source, e.Data)
			}
		}
	}
}

// shape checks the data of the entries that clients of APIM look into.
func shape(t *testing.T, d *traceDoc) {
	t.Helper()
	type pair struct{ Name, Value string }
	var first struct {
		Request struct {
			Method, URL string
			Headers     []pair
		}
	}
	var second struct {
		Configuration struct {
			API struct {
				From, Revision string
			} `json:"api"`
			Operation struct{ Method, URITemplate string }
			Product   struct{ ID string }
		}
	}
	var sent struct {
		Request struct {
			Method, URL string
			Headers     []pair
		}
	}
	var got struct {
		Response struct {
			Status  struct{ Code int }
			Headers []pair
		}
	}
	in, back := d.TraceEntries["inbound"], d.TraceEntries["backend"]
	if len(in) < 2 || len(back) < 2 {
		t.Fatal("entries are missing")
	}
	var forwards []json.RawMessage
	for _, e := range back {
		if e.Source == "forward-request" {
			forwards = append(forwards, e.Data)
		}
	}
	if len(forwards) < 2 {
		t.Fatal("no forward-request entries")
	}
	if err := errors.Join(json.Unmarshal(in[0].Data, &first), json.Unmarshal(in[1].Data, &second), json.Unmarshal(forwards[0], &sent), json.Unmarshal(forwards[1], &got)); err != nil {
		t.Fatal(err)
	}
	if first.Request.Method != "POST" || !strings.HasSuffix(first.Request.URL, chatPath) || len(first.Request.Headers) == 0 {
		t.Errorf("request %+v", first)
	}
	if c := second.Configuration; c.API.From != "/serving-endpoints" || c.API.Revision != "1" || c.Operation.Method != "POST" || c.Operation.URITemplate != "/chat/completions" || c.Product.ID != "serving" {
		t.Errorf("configuration %+v", second)
	}
	if sent.Request.Method != "POST" || !strings.HasPrefix(sent.Request.URL, "http://127.0.0.1:") || got.Response.Status.Code != 200 || len(got.Response.Headers) == 0 {
		t.Errorf("backend call %+v %+v", sent, got)
	}
}
