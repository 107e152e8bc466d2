// Package policy is the contract between policy documents and the runtime:
// what a policy may look like (Spec), how it becomes a step (Build), what a
// step may do (Run). It knows no single policy; those live in policy/builtin.
// Start at Policy, Spec and Step; Check turns a parsed element into a checked one.
package policy

import (
	"sallyport/internal/exchange"
)

// Sections is a set of sections.
type Sections uint8

// Sections a policy may stand in.
const (
	InInbound  = Sections(1 << exchange.Inbound)
	InBackend  = Sections(1 << exchange.Backend)
	InOutbound = Sections(1 << exchange.Outbound)
	InOnError  = Sections(1 << exchange.OnError)
	Anywhere   = InInbound | InBackend | InOutbound | InOnError
)

// Has reports whether s is in the set.
func (ss Sections) Has(s exchange.Section) bool { return ss&(1<<s) != 0 }

// Scope of a policy document.
type Scope uint8

// Scopes, broad to narrow.
const (
	Global Scope = iota
	Workspace
	Product
	API
	Operation
)

// String is the scope's name in LastError.Scope.
func (s Scope) String() string {
	return [...]string{"global", "workspace", "product", "api", "operation"}[s]
}

// Scopes is a set of scopes.
type Scopes uint8

// AllScopes is every scope.
const AllScopes = Scopes(1<<Global | 1<<Workspace | 1<<Product | 1<<API | 1<<Operation)

// Has reports whether s is in the set.
func (ss Scopes) Has(s Scope) bool { return ss&(1<<s) != 0 }

// Type of an attribute's or text's value.
type Type uint8

// Value types.
const (
	String Type = iota
	Bool
	Int
)

// Attr describes an attribute.
type Attr struct {
	Name     string
	Type     Type
	Required bool
	Default  string
	Expr     bool     // an expression is allowed
	Secret   bool     // never shown in traces, findings or docs
	Enum     []string // allowed literal values
	Min, Max int64    // for Int; both 0 = unbounded
	Summary  string
}

// Text says what an element's content may be.
type Text struct {
	Allowed  bool
	Required bool
	Expr     bool
	Raw      bool // may also be literal XML, kept as it stands
	Secret   bool
}

// Child describes a child element with its cardinality (Max 0 = unbounded).
type Child struct {
	Name     string
	Min, Max int
	Attrs    []Attr
	Text     Text
	Children []Child
	AnyOrder bool // for Children
	Summary  string
}

// Example of a policy in a document, checked by a test.
type Example struct{ Title, XML string }

// Spec is everything that is known about a policy besides its code. Parser,
// validator, documentation and tests are fed by it.
type Spec struct {
	Name     string
	Sections Sections
	Scopes   Scopes
	Attrs    []Attr
	Text     Text
	Children []Child
	// AnyOrder allows children of different names to be mixed; otherwise they
	// must come in the order of Children.
	AnyOrder bool
	// Once means at most once per section.
	Once bool
	// NotOnHandshake: not allowed on onHandshake, the operation of WebSocket
	// APIs (Azure documentation: Import a WebSocket API). It is skipped there
	// when it comes from a wider scope.
	NotOnHandshake bool
	Summary        string
	Page           string // page of the Azure documentation
	// Unavailable names the Azure tiers whose gateway lacks the policy
	// (classic, v2, consumption, self-hosted).
	Unavailable []string
	Notes       []string // behaviour users ask about
	Examples    []Example
}
