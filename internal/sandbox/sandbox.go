// Package sandbox is a stand-in Azure AI Foundry (Azure OpenAI) resource for
// demo, tests and rehearsals: the inference surface, its network rule, its
// Entra authentication, and the identity endpoints that issue the tokens.
// It must not know the gateway or anything else of this product; every answer
// carries x-sallyport-sandbox, so that nobody takes it for a real model.
// Start at Config and Sandbox.ServeWire.
package sandbox

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"sallyport/internal/wire"
)

// Label is the header on every answer.
const Label = "x-sallyport-sandbox"

// Sandbox is one resource. It implements wire.Handler.
type Sandbox struct {
	cfg    Config
	signer *signer
	stats  recorder
	faults faults
	window window

	gap       atomic.Int64 // nanoseconds between two streamed deltas
	firstByte atomic.Int64 // nanoseconds before the head of an answer
}

// New checks c, fills its defaults and makes the signing key when c has none.
func New(c Config) (*Sandbox, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s := &Sandbox{cfg: c}
	var err error
	if s.signer, err = newSigner(c.SigningKey); err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	s.SetGap(c.Gap)
	return s, nil
}

// call is one request on its way through the sandbox.
type call struct {
	*Sandbox
	ctx        context.Context
	r          *wire.Request
	w          wire.Responder
	path       string
	query      url.Values
	now        time.Time
	v1         bool      // routes below /openai/v1 name the model in the body
	op         operation // of a v1 route
	deployment *Deployment
}

// ServeWire implements wire.Handler.
func (s *Sandbox) ServeWire(ctx context.Context, r *wire.Request, w wire.Responder) {
	path, rawQuery, _ := strings.Cut(r.Target, "?")
	query, err := url.ParseQuery(rawQuery)
	c := &call{Sandbox: s, ctx: ctx, r: r, w: w, path: path, query: query, now: s.cfg.Now()}
	if err != nil {
		c.refuse(ReasonRequest, fault(400, "BadRequest", "The query string is malformed."))
		return
	}
	switch {
	case path == "/metadata/identity/oauth2/token":
		c.serveIMDS()
	case path == "/MSI/token":
		c.serveAppService()
	case path == "/discovery/keys" || strings.HasSuffix(path, "/discovery/keys") ||
		strings.HasSuffix(path, "/discovery/v2.0/keys"):
		c.serveKeys()
	case strings.HasSuffix(path, "/.well-known/openid-configuration"):
		c.serveDiscovery()
	default:
		c.serveModel()
	}
}

// serveModel is the data plane. The order is the real resource's: the network
// rule answers before the credentials are looked at, and a caller without
// credentials learns nothing about deployments.
func (c *call) serveModel() {
	c.stats.arrive(c.r)
	if f := c.admit(); f != nil {
		c.refuse(f.reason, f)
		return
	}
	if f := c.faults.take(); f != nil {
		c.refuse(ReasonInjected, f)
		return
	}
	op, f := c.route()
	if f != nil {
		c.refuse(f.reason, f)
		return
	}
	op(c)
}

// route finds the operation and, where the path names one, the deployment.
func (c *call) route() (func(*call), *failure) {
	notFound := fault(404, "404", "Resource not found").because(ReasonRoute)
	rest, ok := strings.CutPrefix(c.path, "/openai/")
	if !ok {
		return nil, notFound
	}
	if v1, ok := strings.CutPrefix(rest, "v1/"); ok {
		c.v1 = true
		return c.routeV1(v1, notFound)
	}
	if !validVersion(c.query.Get("api-version")) {
		return nil, notFound
	}
	if rest == "models" && c.r.Method == "GET" {
		return (*call).listModels, nil
	}
	if rest == "realtime" {
		return c.routeRealtime(c.query.Get("deployment"))
	}
	rest, ok = strings.CutPrefix(rest, "deployments/")
	if !ok {
		return nil, notFound
	}
	name, action, ok := strings.Cut(rest, "/")
	op := operationFor(action)
	if !ok || op.serve == nil || c.r.Method != "POST" {
		return nil, notFound
	}
	name, err := url.PathUnescape(name)
	if err != nil {
		return nil, notFound
	}
	if f := c.useDeployment(name, op); f != nil {
		return nil, f
	}
	return op.serve, nil
}

func (c *call) routeV1(rest string, notFound *failure) (func(*call), *failure) {
	if rest == "realtime" {
		return c.routeRealtime(c.query.Get("model"))
	}
	if c.r.Method == "GET" {
		if rest == "models" {
			return (*call).listModels, nil
		}
		if _, ok := strings.CutPrefix(rest, "models/"); ok {
			return (*call).getModel, nil
		}
		return nil, notFound
	}
	if op := operationFor(rest); op.serve != nil && c.r.Method == "POST" {
		c.op = op // the deployment is in the body, still unread
		return op.serve, nil
	}
	return nil, notFound
}

// operation is one thing a deployment can do.
type operation struct {
	kind  Kind
	word  string // as the resource spells it in its errors
	serve func(*call)
}

// operationFor returns the operation behind the deployment's path; serve is
// nil when there is none.
func operationFor(action string) operation {
	switch action {
	case "chat/completions":
		return operation{Chat, "chatCompletion", (*call).serveChat}
	case "completions":
		return operation{Completion, "completion", (*call).serveCompletion}
	case "embeddings":
		return operation{Embedding, "embeddings", (*call).serveEmbeddings}
	}
	return operation{}
}

// useDeployment sets c.deployment, or says why it cannot be used.
func (c *call) useDeployment(name string, op operation) *failure {
	d := c.cfg.deployment(name)
	if d == nil {
		f := fault(404, "DeploymentNotFound", "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.").because(ReasonDeployment)
		if c.v1 {
			f.body.Error.Type = "invalid_request_error"
		}
		return f
	}
	if d.Kind != op.kind {
		return fault(400, "OperationNotSupported", "The "+op.word+" operation does not work with the specified model, "+d.Model+". Please choose different model and try again.").because(ReasonDeployment)
	}
	c.deployment = d
	return nil
}

// validVersion reports whether v looks like a version of the inference API:
// 2024-10-21, 2025-03-01-preview.
func validVersion(v string) bool {
	v = strings.TrimSuffix(v, "-preview")
	_, err := time.Parse(time.DateOnly, v)
	return err == nil
}
