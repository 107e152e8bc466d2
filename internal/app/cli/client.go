package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

// apiVersion is the management API version that the commands ask for.
const apiVersion = "2024-05-01"

// remote is how commands reach a running node.
type remote struct {
	gateway, management, token, key string
	transport                       wire.Transport
}

func (r *remote) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&r.gateway, "gateway", envOr("SALLYPORT_GATEWAY_URL", "http://127.0.0.1:8080"), "gateway URL (SALLYPORT_GATEWAY_URL)")
	r.managementFlags(c)
}

func (r *remote) managementFlags(c *cobra.Command) {
	c.Flags().StringVar(&r.management, "management", envOr("SALLYPORT_MANAGEMENT_URL", "http://127.0.0.1:8081"), "management URL (SALLYPORT_MANAGEMENT_URL)")
	c.Flags().StringVar(&r.token, "token", "", "bearer token for management (SALLYPORT_TOKEN)")
}

func (r *remote) open() {
	if r.token == "" {
		r.token = os.Getenv("SALLYPORT_TOKEN")
	}
	r.transport = std.NewTransport(wire.TransportConfig{ConnectTimeout: 5 * time.Second})
}

func envOr(name, def string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return def
}

// send makes one call.
func (r *remote) send(ctx context.Context, method, rawURL string, header wire.Header, body []byte) (*wire.Incoming, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%q is not an http or https URL", rawURL)
	}
	out := &wire.Outgoing{Method: method, Scheme: u.Scheme, Authority: u.Host, Target: u.RequestURI(), Header: header}
	if len(body) > 0 {
		out.Body, out.ContentLength = strings.NewReader(string(body)), int64(len(body))
	}
	return r.transport.RoundTrip(ctx, out)
}

// service is the base of the management API of a node. Subscription and
// resource group have no meaning here; any are accepted.
func (r *remote) service(name string) string {
	return strings.TrimRight(r.management, "/") + "/subscriptions/local/resourceGroups/local/providers/Microsoft.ApiManagement/service/" + url.PathEscape(name)
}

// manage calls the management API and decodes its JSON answer into out.
func (r *remote) manage(ctx context.Context, method, url string, in, out any) error {
	var body []byte
	h := wire.Header{{Name: "Authorization", Value: "Bearer " + r.token}, {Name: "Accept", Value: "application/json"}}
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
		h.Add("Content-Type", "application/json")
	}
	sep := "?"
	if strings.Contains(url, "?") {
		sep = "&"
	}
	res, err := r.send(ctx, method, url+sep+"api-version="+apiVersion, h, body)
	if err != nil {
		return unreachable("management", r.management, err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read the answer of management: %w", err)
	}
	if res.Status/100 != 2 {
		return managementError(res.Status, b)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decode the answer of management: %w", err)
	}
	return nil
}

// statusError is an answer other than 2xx.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func managementError(status int, body []byte) error {
	var env struct {
		Error struct{ Code, Message string }
	}
	_ = json.Unmarshal(body, &env)
	text := fmt.Sprintf("management answered %d %s: %s", status, env.Error.Code, env.Error.Message)
	if status == 401 {
		text += " (give --token or SALLYPORT_TOKEN; for the demo: eval \"$(sallyport demo --print-env)\")"
	}
	return &statusError{status, text}
}

func unreachable(what, url string, err error) error {
	if wire.KindOf(err) == wire.KindConnect {
		return fmt.Errorf("no %s at %s: is it running? (%w)", what, url, err)
	}
	return err
}

// serviceName asks a node what it calls itself.
func (r *remote) serviceName(ctx context.Context) (string, error) {
	res, err := r.send(ctx, "GET", strings.TrimRight(r.management, "/")+"/healthz/config", nil, nil)
	if err != nil {
		return "", unreachable("management", r.management, err)
	}
	defer func() { _ = res.Body.Close() }()
	var v struct {
		ServiceName string `json:"serviceName"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 16<<20)).Decode(&v); err != nil {
		return "", fmt.Errorf("%s is not a management listener of sallyport: %w", r.management, err)
	}
	if v.ServiceName == "" {
		return "", errors.New("the management listener does not tell its service name")
	}
	return v.ServiceName, nil
}
