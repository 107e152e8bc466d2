// Package exchange is one request on its journey through the gateway: the
// message to the backend, the message to the client, who calls, what was
// matched, what failed. It knows nothing of sockets, plans or policies.
// Start at Exchange; Failure is the closed list of what can go wrong.
package exchange

import (
	"context"
	"net/netip"
	"time"

	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
)

// Section of a policy document.
type Section uint8

// Sections, in the order of a request.
const (
	Inbound Section = iota
	Backend
	Outbound
	OnError
	NumSections = 4
)

// String is the section's element name.
func (s Section) String() string {
	return [...]string{"inbound", "backend", "outbound", "on-error"}[s]
}

// TraceName is the section's name in the trace JSON.
func (s Section) TraceName() string {
	return [...]string{telemetry.SectionInbound, telemetry.SectionBackend, telemetry.SectionOutbound, telemetry.SectionOnError}[s]
}

// Exchange is one request. It is pooled: nothing of it may be kept after the
// request ended.
type Exchange struct {
	Ctx   context.Context
	In    *wire.Request // as it arrived; policies never change it
	ID    string        // context.RequestId: correlation id of errors, log and trace
	Start time.Time
	// Client is the effective client address: the socket's, or what a trusted
	// proxy said. The zero Addr means that it could not be established.
	Client netip.Addr
	Span   telemetry.SpanContext
	Parent [8]byte // span of the caller
	// TraceParent is Span as the header value that backends get.
	TraceParent string
	Trace       *telemetry.Trace // nil unless this request is traced

	API          *model.API
	Operation    *model.Operation
	Product      *model.Product
	Subscription *model.Subscription
	Params       []Param // values of the operation's template parameters
	// MatchedPath is the part of the request path that named the API, with
	// version and revision ("/p/v2;rev=3"); for realms and traces.
	MatchedPath string

	Request   Request
	Response  Response
	Section   Section // the section that runs now
	Failure   *Failure
	Target    Target
	Forwarder Forwarder

	// Hider knows the secret named values; nil when there are none.
	Hider *secret.Hider

	vars     []variable
	reply    wire.Header
	Timing   Timing
	Attempts int // calls to backends so far
}

// Param is a template parameter with the raw (still encoded) value it matched.
type Param struct{ Name, Value string }

// Timing of the steps, for log, trace and metrics. It is measured from Start
// with as few readings of the clock as there are steps; docs/trace.md says what
// is made of it.
type Timing struct {
	Accept   time.Duration // before Start: from the first byte of the request's head
	Match    time.Duration // from Start until API, operation and caller were known, or refused
	Connect  time.Duration // making connections to backends; part of Backend
	Backend  time.Duration // waiting for response heads
	FirstOut time.Duration // from Start to the response head towards the client
}

// Request is the message to the backend; policies of inbound and backend
// change it.
type Request struct {
	Method string
	// Path is the part behind the backend's base URL, raw, beginning with "/"
	// (or empty). Query is raw, without "?".
	Path, Query string
	Host        string // Host header set by a policy; "" = the backend's
	Header      wire.Header
	Body        Body
}

// Response is the message to the client.
type Response struct {
	Status int
	Reason string
	Header wire.Header
	Body   Body
	// FromBackend tells that a backend's answer is in here.
	FromBackend  bool
	Trailer      func() wire.Header
	TrailerNames []string
}

// Target says where forward-request sends the request.
type Target struct {
	Base    BaseURL
	Backend *BackendEntity // nil when set by base-url or serviceUrl
	// Breadth is the scope of the document that set the backend: 0 is global,
	// narrower scopes have greater numbers.
	Breadth uint8
}

// BackendEntity is a backend resource ready for use.
type BackendEntity struct {
	ID        string
	Base      BaseURL
	Transport wire.Transport // honours the entity's TLS settings
	// Header, Query and Authorization are the entity's credentials with named
	// values filled in. They replace what the request carries.
	Header, Query []Credential
	Authorization secret.Text
	// Identity asks for a bearer token for this resource; "" = none.
	IdentityResource, IdentityClientID string
}

// Credential is a header or query parameter that holds a secret.
type Credential struct {
	Name   string
	Values []secret.Text
}

// Forwarder sends the exchange's request to its target and puts the answer
// into Response. The gateway implements it; forward-request calls it.
type Forwarder interface {
	Forward(x *Exchange, o ForwardOptions) *Failure
}

// ForwardOptions are the attributes of forward-request.
type ForwardOptions struct {
	Timeout          time.Duration // until the response head; 0 = 300 s
	Version          wire.HTTPVersion
	FollowRedirects  bool
	BufferRequest    bool // keep the body so that it can be sent again
	BufferResponse   bool // gather up to 8 KB before passing on (never for event streams)
	FailOnErrorCodes bool
}

// Param returns the raw value of a template parameter.
func (x *Exchange) Param(name string) (string, bool) {
	for i := range x.Params {
		if x.Params[i].Name == name {
			return x.Params[i].Value, true
		}
	}
	return "", false
}

// Message returns the header that the shared policies (set-header …) of the
// running section work on: the request's in inbound and backend, the
// response's afterwards (Azure documentation: set-header).
func (x *Exchange) Message() *wire.Header {
	if x.Section >= Outbound {
		return &x.Response.Header
	}
	return &x.Request.Header
}

// MessageBody is the body that belongs to Message.
func (x *Exchange) MessageBody() *Body {
	if x.Section >= Outbound {
		return &x.Response.Body
	}
	return &x.Request.Body
}

// SetReplyHeader sets a header on whatever answer finally goes out, also on
// errors and answers made by policies (CORS needs that).
func (x *Exchange) SetReplyHeader(name, value string) { x.reply.Set(name, value) }

// ReplyHeader returns what SetReplyHeader collected.
func (x *Exchange) ReplyHeader() wire.Header { return x.reply }

// Reset makes x ready for another request, keeping its buffers.
func (x *Exchange) Reset() {
	req, res, params, vars, reply := x.Request.Header, x.Response.Header, x.Params, x.vars, x.reply
	clear(req)
	clear(res)
	clear(params)
	clear(vars)
	clear(reply)
	*x = Exchange{}
	x.Request.Header, x.Response.Header = req[:0], res[:0]
	x.Params, x.vars, x.reply = params[:0], vars[:0], reply[:0]
}
