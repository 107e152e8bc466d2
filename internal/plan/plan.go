// Package plan compiles a snapshot into what the gateway executes: match
// tables, subscription keys, and for every operation the flat list of steps of
// each section. It knows nothing of sockets and runs nothing itself.
// Start at Build; Plan.Match and Plan.Admit are what the runtime asks.
package plan

import (
	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/policy"
	"sallyport/internal/secret"
	"sallyport/internal/wire"
)

// Plan is one compiled configuration. It is immutable and shared.
type Plan struct {
	Generation uint64
	Snapshot   *model.Snapshot
	APIs       []*API
	Global     *Pipeline // for failures before an API is known
	// Hider knows the secret named values; nil when there are none.
	Hider    *secret.Hider
	routes   *routes
	keys     keyTable
	backends backendTable
	// Transport is for destinations that no backend entity describes.
	Transport wire.Transport
	cache     map[string]*API // by API name and dependencies, for the next build
	base      string          // digest of what all APIs share, for the next build
}

// API is one compiled revision of an API.
type API struct {
	Index     int // position in Plan.APIs; the runtime keeps per-API state by it
	Model     *model.API
	Base      exchange.BaseURL // of the service URL; zero when there is none
	Transport wire.Transport
	Products  []*Product          // products that contain the API
	Open      *Product            // the one that needs no subscription, or nil
	byProduct map[string]*Product // Products by id, once there are many
	tree      opNode
	ops       []*Operation
	// pipelines of the API without an operation's own policies, by product.
	pipelines []*Pipeline
	hash      string
	findings  diag.List // warnings and infos of its build, told again when it is re-used
}

// product finds one of Products.
func (a *API) product(id string) *Product {
	if a.byProduct != nil {
		return a.byProduct[id]
	}
	for _, p := range a.Products {
		if p.Model.ID == id {
			return p
		}
	}
	return nil
}

// Product as seen from one API.
type Product struct {
	Model *model.Product
	slot  int // index into pipelines; 0 is "no product"
}

// Operation is one compiled operation.
type Operation struct {
	Model     *model.Operation
	query     []queryParam
	template  template
	pipelines []*Pipeline // by product slot
}

// Pipeline is the executable form of the effective policies of one operation
// for one product.
type Pipeline struct {
	Sections [exchange.NumSections]Steps
	// Preflight are the cors statements that stand directly in inbound, in
	// execution order; a CORS preflight asks them and nothing else.
	Preflight []policy.Preflighter
}

// Steps are the steps of one section. Infos run parallel to Steps; they are
// looked at for traces and failures only.
type Steps struct {
	Steps []policy.Step
	Infos []StepInfo
}

// StepInfo says where a step comes from.
type StepInfo struct {
	Name     string // policy element
	Scope    policy.Scope
	Path     string // "set-header[2]", counted among siblings of one name from 1
	PolicyID string
	Pos      diag.Pos
}

// Pipeline returns the steps for op (nil: none matched) and product (nil: none).
func (a *API) Pipeline(op *Operation, p *Product) *Pipeline {
	slot := 0
	if p != nil {
		slot = p.slot
	}
	if op == nil {
		return a.pipelines[slot]
	}
	return op.pipelines[slot]
}

// Deps is what compiling needs from outside.
type Deps struct {
	Registry  *policy.Registry
	Tokens    policy.Tokens
	Addresses policy.Addresses
	Hostnames []string // configured host names; empty = serve every Host
	// Transport returns the transport for a backend's TLS settings.
	Transport func(validateChain, validateName bool) wire.Transport
}
