package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/app/journey"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// traceOptions are the flags of trace, named after curl's.
type traceOptions struct {
	remote
	method, data string
	headers      []string
	show         bool
}

func newTrace(e *env) *cobra.Command {
	var o traceOptions
	c := &cobra.Command{
		Use: "trace PATH", GroupID: "look", Args: cobra.ExactArgs(1),
		Short: "Send a request through a running gateway and print its journey",
		Long: `Trace obtains a debug token for the API that PATH belongs to, sends the request,
fetches the trace and prints it: per section and policy what ran, for how long
and what it changed, the backend call, and the hops of a chain inside one another.

It speaks APIM's own protocol (listDebugCredentials, Apim-Debug-Authorization,
listTrace), so the same works with az rest.`,
		Example: `  eval "$(sallyport demo --print-env)"
  sallyport trace /serving-endpoints/chat/completions -d '{"model":"dublin-chat","messages":[{"role":"user","content":"Hello"}]}'
  sallyport trace '/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21' --key "$SALLYPORT_MODEL_KEY" -d '{}' -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runTrace(cmd.Context(), e, &o, args[0]) },
	}
	o.flags(c)
	f := c.Flags()
	f.StringVarP(&o.method, "request", "X", "", "method (default GET, POST with data)")
	f.StringVarP(&o.data, "data", "d", "", "request body; @FILE reads a file, @- standard input")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "request header 'Name: value' (repeatable)")
	f.StringVar(&o.key, "key", "", "subscription key, sent in the API's own header (SALLYPORT_API_KEY)")
	f.BoolVar(&o.show, "show-body", false, "print the response body too")
	return c
}

func runTrace(ctx context.Context, e *env, o *traceOptions, path string) error {
	o.open()
	req, err := o.request(e, path)
	if err != nil {
		return err
	}
	service, err := o.serviceName(ctx)
	if err != nil {
		return err
	}
	api, err := o.findAPI(ctx, service, path)
	if err != nil {
		return err
	}
	o.authorise(&req.header, api)
	var cred struct{ Token string }
	in := map[string]any{"credentialsExpireAfter": "PT10M", "apiId": "/apis/" + api.Name, "purposes": []string{"tracing"}}
	if err := o.manage(ctx, "POST", o.service(service)+"/gateways/managed/listDebugCredentials", in, &cred); err != nil {
		return err
	}
	req.header.Add("Apim-Debug-Authorization", cred.Token)
	res, err := o.send(ctx, req.method, strings.TrimRight(o.gateway, "/")+path, req.header, req.body)
	if err != nil {
		return unreachable("gateway", o.gateway, err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	_ = res.Body.Close()
	if err != nil {
		fmt.Fprintln(e.stderr, "sallyport: the response broke off:", err)
	}
	id := res.Header.Get("Apim-Trace-Id")
	if id == "" {
		return &exit{code: 1, err: fmt.Errorf("the gateway made no trace (status %d)%s", res.Status, refusal(res))}
	}
	doc, err := o.fetch(ctx, service, id)
	if err != nil {
		return err
	}
	return o.print(e, doc, body)
}

type traceRequest struct {
	method string
	header wire.Header
	body   []byte
}

func (o *traceOptions) request(e *env, path string) (*traceRequest, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("PATH %q: a path on the gateway is expected, beginning with /", path)
	}
	r := &traceRequest{method: o.method}
	var err error
	switch {
	case o.data == "@-":
		r.body, err = io.ReadAll(e.stdin)
	case strings.HasPrefix(o.data, "@"):
		r.body, err = os.ReadFile(o.data[1:])
	default:
		r.body = []byte(o.data)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	if r.method == "" {
		if r.method = "GET"; len(r.body) > 0 {
			r.method = "POST"
		}
	}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || !wire.ValidName(name) {
			return nil, fmt.Errorf("-H %q: 'Name: value' expected", h)
		}
		r.header.Add(name, strings.TrimSpace(value))
	}
	if len(r.body) > 0 && !r.header.Has("Content-Type") {
		r.header.Add("Content-Type", "application/json")
	}
	return r, nil
}

// apiItem is an API as the management API lists it.
type apiItem struct {
	Name       string
	Properties struct {
		Path                          string
		SubscriptionKeyParameterNames struct{ Header, Query string }
	}
}

// findAPI finds the API that PATH belongs to: a debug token is valid for one
// API only. The longest path wins, as in the gateway.
func (o *traceOptions) findAPI(ctx context.Context, service, path string) (*apiItem, error) {
	var list struct{ Value []apiItem }
	if err := o.manage(ctx, "GET", o.service(service)+"/apis", nil, &list); err != nil {
		return nil, err
	}
	clean, _, _ := strings.Cut(strings.Trim(strings.ToLower(path), "/"), "?")
	var best *apiItem
	var paths []string
	for i, a := range list.Value {
		p := strings.ToLower(strings.Trim(a.Properties.Path, "/"))
		paths = append(paths, "/"+p)
		if p != "" && clean != p && !strings.HasPrefix(clean, p+"/") && !strings.HasPrefix(clean, p+";") {
			continue
		}
		if best == nil || len(p) > len(strings.Trim(best.Properties.Path, "/")) {
			best = &list.Value[i]
		}
	}
	if best == nil {
		return nil, &exit{code: 1, err: fmt.Errorf("no API is published at %s; there are: %s", path, strings.Join(paths, ", "))}
	}
	return best, nil
}

// authorise adds the subscription key in the header that the API wants.
func (o *traceOptions) authorise(h *wire.Header, a *apiItem) {
	key := o.key
	if key == "" {
		key = os.Getenv("SALLYPORT_API_KEY")
	}
	if name := a.Properties.SubscriptionKeyParameterNames.Header; key != "" && name != "" && !h.Has(name) {
		h.Add(name, key)
	}
}

func refusal(res *wire.Incoming) string {
	for _, f := range res.Header {
		if strings.HasPrefix(strings.ToLower(f.Name), "apim-debug-authorization-") {
			return ": " + f.Name + ": " + f.Value
		}
	}
	return ""
}

// fetchTries times 50 ms is longer than a trace waits for its last hop.
const fetchTries = 60

// fetch gets a trace. It is complete a moment after the client has its answer.
func (o *traceOptions) fetch(ctx context.Context, service, id string) (*telemetry.Document, error) {
	for try := 0; ; try++ {
		var doc telemetry.Document
		err := o.manage(ctx, "POST", o.service(service)+"/gateways/managed/listTrace", map[string]string{"traceId": id}, &doc)
		var se *statusError
		if err == nil {
			return &doc, nil
		}
		if !errors.As(err, &se) || se.status != 404 || try == fetchTries {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (o *traceOptions) print(e *env, doc *telemetry.Document, body []byte) error {
	if e.output == "json" {
		return e.json(doc)
	}
	journey.Print(e.stdout, doc, journey.Options{Color: e.color()})
	if o.show && len(body) > 0 {
		fmt.Fprintf(e.stdout, "\n%s\n", strings.TrimRight(string(body), "\n"))
	}
	return nil
}
