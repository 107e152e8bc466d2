package policy

import (
	"context"
	"net/netip"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/secret"
)

// Outcome of a step.
type Outcome uint8

// Outcomes. Reply sends x.Response and ends the pipeline; Fail runs on-error
// with x.Failure.
const (
	Continue Outcome = iota
	Reply
	Fail
)

// Step is one compiled policy. It is shared by all requests and must not keep
// anything about one of them.
type Step interface {
	Run(x *exchange.Exchange) Outcome
}

// Explainer is implemented by steps that can tell, after Run, what they did;
// asked only when the request is traced.
type Explainer interface {
	Explain(x *exchange.Exchange) any
}

// Preflighter is implemented by cors: it answers a CORS preflight and reports
// whether it did (false lets a broader scope try).
type Preflighter interface {
	Preflight(x *exchange.Exchange) bool
}

// Policy is a spec with the code that builds its step. A policy whose Build is
// nil is known but not executed yet: documents that use it are refused.
type Policy struct {
	Spec  Spec
	Build func(e *Element, env Env) (Step, diag.List)
}

// Tokens gives access tokens for resources (managed identity).
type Tokens interface {
	Token(ctx context.Context, resource, clientID string) (secret.Text, error)
}

// AddressRange is an inclusive range of addresses.
type AddressRange struct{ From, To netip.Addr }

// Addresses resolves named address lists, the extension of ip-filter
// (`@ranges:databricks/azure/eastus/outbound`), to a membership test.
type Addresses interface {
	Ranges(name string) ([]AddressRange, error)
}

// Backends finds backend entities, by resource id.
type Backends interface {
	Backend(id string) (*exchange.BackendEntity, bool)
	BackendIDs() []string
}

// Env is what a policy may use when it is built. It is a value: policies keep
// what they need of it.
type Env struct {
	Scope     Scope
	Section   exchange.Section
	API       *model.API       // nil above API scope
	Operation *model.Operation // nil above operation scope
	Tokens    Tokens
	Addresses Addresses
	Backends  Backends
	Default   exchange.BaseURL // the API's service URL
}

// Registry is a set of policies by name.
type Registry struct {
	byName map[string]*Policy
	names  []string
}

// NewRegistry returns a registry of ps.
func NewRegistry(ps ...*Policy) *Registry {
	r := &Registry{byName: make(map[string]*Policy, len(ps))}
	for _, p := range ps {
		if _, dup := r.byName[p.Spec.Name]; dup {
			panic("BUG: policy registered twice: " + p.Spec.Name)
		}
		r.byName[p.Spec.Name] = p
		r.names = append(r.names, p.Spec.Name)
	}
	return r
}

// Lookup finds a policy.
func (r *Registry) Lookup(name string) (*Policy, bool) { p, ok := r.byName[name]; return p, ok }

// Names lists the policies in the order of registration.
func (r *Registry) Names() []string { return r.names }
