// Package node assembles one process from its settings: gateway, management
// and serving plane, each on its listener, fed by one configuration.
// It knows how the rooms fit together and nothing of what they do.
// Start at New; Run serves until its context ends.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sallyport/internal/app/rollout"
	"sallyport/internal/app/settings"
	"sallyport/internal/arm"
	"sallyport/internal/databricks"
	"sallyport/internal/diag"
	"sallyport/internal/egress"
	"sallyport/internal/gateway"
	"sallyport/internal/identity"
	"sallyport/internal/plan"
	"sallyport/internal/policy"
	"sallyport/internal/policy/builtin"
	"sallyport/internal/ranges"
	"sallyport/internal/secret"
	"sallyport/internal/sources/apiops"
	"sallyport/internal/store"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/listen"
)

// Node is one process.
type Node struct {
	set     *settings.Settings
	log     *slog.Logger
	metrics *telemetry.Metrics
	traces  *telemetry.Traces
	debug   *telemetry.DebugCredentials
	gateway *gateway.Gateway
	serving *databricks.Plane
	rollout *rollout.Rollout
	manage  wire.Handler
	keys    *store.KeyFile
	cache   apiops.Cache // of the last load
	env     Environment
	reload  chan struct{}

	intake     intake
	inherited  *listen.Inherited
	succession chan struct{}

	mu        sync.Mutex
	listeners []*listener
}

// Options of New.
type Options struct {
	Version string
	Log     *slog.Logger
	Metrics *telemetry.Metrics
	Env     Environment // nil = the process environment
	// Inherited are sockets to use instead of opening new ones; nil = none.
	Inherited *listen.Inherited
}

// New builds the process and loads its configuration for the first time. A
// configuration with errors is returned as findings; the process could run,
// but it has nothing to serve.
func New(set *settings.Settings, o Options) (*Node, diag.List, error) {
	n := &Node{set: set, log: o.Log, metrics: o.Metrics, debug: telemetry.NewDebugCredentials(), env: o.Env, reload: make(chan struct{}, 1),
		inherited: o.Inherited, succession: make(chan struct{}, 1), intake: intake{own: new(listen.Own)}}
	if n.env == nil {
		n.env = os.LookupEnv
	}
	n.traces = telemetry.NewTraces(int(set.Trace.MaxBytes), set.Trace.TTL)
	var err error
	if n.keys, err = store.Open(filepath.Join(set.State.Dir, "keys.json")); err != nil {
		return nil, nil, fmt.Errorf("open state: %w", err)
	}
	tokens, dialer, err := n.egress()
	if err != nil {
		return nil, nil, err
	}
	deps, err := Deps(dialer, tokens, set.Gateway.Hostnames)
	if err != nil {
		return nil, nil, err
	}
	n.gateway = gateway.New(n.gatewayConfig(tokens))
	n.metrics.WatchInFlight(n.gateway.InFlight)
	if err := n.buildServing(); err != nil {
		return nil, nil, err
	}
	n.rollout = rollout.New(rollout.Config{
		Read: n.read, Deps: deps, Apply: n.apply, Done: n.attempted, Debounce: set.Configuration.Debounce, Log: n.log,
	})
	n.manage = n.management()
	n.buildIntake()
	status := n.rollout.Load()
	return n, status.Findings, nil
}

// egress makes the gateway's dialer and the managed identity.
func (n *Node) egress() (*identity.Tokens, *egress.Dialer, error) {
	e := n.set.Egress
	d, err := egress.New(egress.Config{
		SourceAddress: n.set.Gateway.SourceAddress, Hosts: e.Hosts, AllowCIDRs: e.Allow, DenyCIDRs: e.Deny, ConnectTimeout: e.ConnectTimeout, Engine: n.set.Gateway.Engine,
		Made: n.intake.own.Made, MaxConnsPerHost: int(n.set.Gateway.Limits.BackendConnections),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("set up egress: %w", err)
	}
	// The identity endpoints are the one reason to reach link-local addresses.
	metadata, err := egress.New(egress.Config{Hosts: e.Hosts, AllowLinkLocal: true, ConnectTimeout: e.ConnectTimeout})
	if err != nil {
		return nil, nil, fmt.Errorf("set up egress: %w", err)
	}
	i := n.set.Identity
	tokens, err := identity.New(identity.Config{
		Kind: identity.Kind(i.Kind), TenantID: i.TenantID, ClientID: i.ClientID, ClientSecret: i.ClientSecret, CertificateFile: i.CertificateFile, AuthorityHost: i.AuthorityHost,
	}, metadata, n.log)
	if err != nil {
		return nil, nil, fmt.Errorf("set up identity: %w", err)
	}
	return tokens, d, nil
}

func (n *Node) gatewayConfig(tokens policy.Tokens) gateway.Config {
	g := n.set.Gateway
	return gateway.Config{
		ServiceName: n.set.Service.Name, TrustedProxies: g.TrustedProxies, Correlate: g.Correlation != "None", StripKey: g.StripSubscriptionKey,
		CountTokens: g.Usage.Count, WebSocketWriteTimeout: g.Timeouts.Write, ReadOn: g.Usage.ReadOn,
		CheckProtocols: g.TLS.Listen != "", BackendTimeout: g.Timeouts.Request, MaxBufferedBody: g.Limits.BufferedBody, MaxRequestBody: g.Limits.RequestBody,
		MaskTraceSecrets: n.set.Trace.MaskSecrets, TraceURL: traceURL(n.set.Management), Tokens: tokens, Traces: n.traces, Debug: n.debug, Metrics: n.metrics, Log: n.log, AccessLog: n.set.Log.Access, ServerTiming: g.ServerTiming,
	}
}

func (n *Node) buildServing() error {
	s := n.set.Serving
	d, err := egress.New(egress.Config{SourceAddress: s.SourceAddress, Hosts: n.set.Egress.Hosts, AllowCIDRs: n.set.Egress.Allow, DenyCIDRs: n.set.Egress.Deny, ConnectTimeout: n.set.Egress.ConnectTimeout, Engine: n.set.Gateway.Engine, Made: n.intake.own.Made})
	if err != nil {
		return fmt.Errorf("set up egress of the serving plane: %w", err)
	}
	var tokens []databricks.Token
	for _, t := range n.set.Tokens {
		tokens = append(tokens, databricks.Token{Name: t.Name, Value: t.Value})
	}
	n.serving = databricks.New(databricks.Config{
		Tokens: tokens, Secrets: secretScopes(s.Secrets), Transport: d.Transport(egress.TLSOptions{}), AllowInsecureLoopback: s.AllowInsecureLoopback,
		Traces: n.traces, Log: n.log, MaxBody: s.MaxBody, UpstreamTimeout: s.UpstreamTimeout, WorkspaceHost: hostOf(s.PublicURL),
		Observe: func(r databricks.CallRecord) { n.metrics.Serving(r.Endpoint, r.Status, r.Duration) },
	})
	return nil
}

// traceURL is where single traces are read on the management listener.
func traceURL(m settings.Management) string {
	switch {
	case m.PublicURL != "":
		return m.PublicURL + "/traces/"
	case m.TLS.Listen != "":
		return "https://" + m.TLS.Listen + "/traces/"
	case m.Listen != "":
		return "http://" + m.Listen + "/traces/"
	}
	return ""
}

func hostOf(baseURL string) string {
	_, rest, _ := strings.Cut(baseURL, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

// secretScopes is a set of secret scopes from the settings.
type secretScopes map[string]map[string]secret.Text

// Lookup implements databricks.Secrets.
func (s secretScopes) Lookup(scope, key string) (secret.Text, bool) {
	v, ok := s[scope][key]
	return v, ok
}

// Deps is what compiling a configuration needs of this process. `validate`
// uses the same, so that it finds what `serve` would find.
func Deps(d *egress.Dialer, tokens policy.Tokens, hostnames []string) (plan.Deps, error) {
	feed, err := ranges.Embedded()
	if err != nil {
		return plan.Deps{}, fmt.Errorf("read embedded address ranges: %w", err)
	}
	return plan.Deps{
		Registry: policy.NewRegistry(builtin.All()...), Tokens: tokens, Addresses: addressLists{ranges.NewCatalog(feed)}, Hostnames: hostnames,
		Transport: func(validateChain, validateName bool) wire.Transport {
			return d.Transport(egress.TLSOptions{SkipChain: !validateChain, SkipName: !validateName})
		},
	}, nil
}

// addressLists gives ip-filter its named lists.
type addressLists struct{ catalog ranges.Catalog }

// Ranges implements policy.Addresses.
func (a addressLists) Ranges(name string) ([]policy.AddressRange, error) {
	set, _, err := a.catalog.Resolve(name)
	if err != nil {
		return nil, err
	}
	var out []policy.AddressRange
	for _, r := range set.Ranges() {
		out = append(out, policy.AddressRange{From: r.From, To: r.To})
	}
	return out, nil
}

func (n *Node) management() wire.Handler {
	var tokens []secret.Text
	for _, t := range n.set.Tokens {
		tokens = append(tokens, t.Value)
	}
	return arm.New(arm.Config{
		ServiceName: n.set.Service.Name, Tokens: tokens, Ready: n.gateway.Ready, Status: n.armStatus, Snapshot: n.rollout.Snapshot,
		Metrics: n.metrics, Traces: n.traces, Debug: n.debug, Workspace: n.serving, Pprof: n.set.Management.Pprof, Log: n.log,
	})
}

func (n *Node) armStatus() arm.Status {
	s := n.rollout.Status()
	return arm.Status{Generation: s.Generation, LoadedAt: s.LoadedAt, LastAttempt: s.LastAttempt, Accepted: s.Accepted, Findings: s.Findings}
}

// Status is how the last attempts to load the configuration went.
func (n *Node) Status() rollout.Status { return n.rollout.Status() }

// Reload asks for another attempt; it does not wait for it.
func (n *Node) Reload() {
	select {
	case n.reload <- struct{}{}:
	default:
	}
}

// follow loads the configuration again when its files change, unless that is
// switched off or impossible here, and whenever Reload asks.
func (n *Node) follow(ctx context.Context) {
	if n.set.Configuration.Reload {
		err := n.rollout.Watch(ctx, n.reload)
		if err == nil {
			return
		}
		n.log.Warn("configuration is not watched", slog.String("error", err.Error()))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.reload:
			n.rollout.Load()
		}
	}
}

// Run serves until ctx ends, then drains; or until another process has taken
// over, then leaves.
func (n *Node) Run(ctx context.Context) error {
	if len(n.opened()) == 0 {
		if err := n.Listen(); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // the drain included
	defer end()
	errs := make(chan error, len(n.opened())+1)
	for _, l := range n.opened() {
		go func() { errs <- l.serve() }()
	}
	go n.follow(ctx)
	go n.watchMemory(life)
	go tuneCollector(life)
	n.announce()
	for {
		select {
		case <-ctx.Done():
			return n.drain()
		case err := <-errs:
			stop()
			return errors.Join(err, n.drain())
		case <-n.succession:
			if n.handOver(ctx) {
				stop()
				return n.leave()
			}
		}
	}
}
