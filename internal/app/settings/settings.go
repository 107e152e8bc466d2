// Package settings reads the process settings: the file sallyport.yaml, the
// environment (SALLYPORT_*) and flags, in rising priority.
// It knows nothing of what the settings are used for, nor of the configuration
// that the gateway serves, which is never kept here.
// Start at Load; table.go lists every setting once, for decoding, environment
// names, defaults and the reference alike.
package settings

import (
	"net/netip"
	"time"

	"sallyport/internal/secret"
)

// Settings are the settings of one process, defaults filled in. Paths that
// come from the file are already joined with its folder.
type Settings struct {
	File string // the settings file; "" when there is none
	Dir  string // its folder; "" = working directory

	Service       Service
	Gateway       Gateway
	Management    Management
	Serving       Serving
	Configuration Configuration
	Tokens        []Token
	Identity      Identity
	Egress        Egress
	State         State
	Trace         Trace
	Log           Log
	Sandbox       Sandbox
}

// Service is what the process calls itself.
type Service struct{ Name string }

// TLS of a listener. An empty Listen means none.
type TLS struct{ Listen, CertFile, KeyFile string }

// Gateway is the data plane.
type Gateway struct {
	Listen               string // host:port; "" = no plain listener
	TLS                  TLS
	Hostnames            []string
	TrustedProxies       []netip.Prefix
	SourceAddress        netip.Addr // zero = the system's choice
	Engine               string     // fast or std
	Correlation          string     // W3C or None
	StripSubscriptionKey bool
	ServerTiming         bool
	ProxyProtocol        ProxyProtocol
	ReusePort            bool
	Limits               Limits
	Timeouts             Timeouts
	Usage                Usage
	DrainDelay           time.Duration // between "not ready" and turning requests away
	DrainTimeout         time.Duration
}

// ProxyProtocol names the peers that begin connections with a PROXY header.
type ProxyProtocol struct{ Trusted []netip.Prefix }

// Usage says how token counts are taken from answers.
type Usage struct {
	Count  bool
	ReadOn time.Duration
}

// Limits of requests in bytes, and of what goes on at a time. RequestBody,
// InFlight 0 = unlimited; Connections, Memory 0 = what the system allows.
type Limits struct {
	RequestLine, Headers, BufferedBody, RequestBody int64
	Connections, BackendConnections                 int64
	InFlight, Queue, Memory                         int64
}

// Timeouts of the gateway's connections.
type Timeouts struct{ ReadHeader, ReadBody, Idle, Request, Write, Queue time.Duration }

// Management is the listener for administration, health and metrics.
type Management struct {
	Listen    string
	PublicURL string // without trailing slash; "" = the listener's
	TLS       TLS
	Pprof     bool
}

// Serving is the plane of model serving endpoints.
type Serving struct {
	Enabled               bool
	Listen                string
	PublicURL             string
	Bundle                string // path of databricks.yml
	Target                string
	AllowInsecureLoopback bool
	SourceAddress         netip.Addr
	Variables             map[string]string
	Secrets               map[string]map[string]secret.Text // scope, key
	MaxBody               int64
	UpstreamTimeout       time.Duration
}

// Configuration says where the gateway's configuration comes from.
type Configuration struct {
	APIOps    string // folder
	Overrides []string
	Tokens    map[string]secret.Text // values of {#NAME#}
	Reload    bool
	Debounce  time.Duration
}

// Token is a bearer token that opens the management and serving planes.
type Token struct {
	Name  string
	Value secret.Text
}

// Identity is who the process is towards Microsoft Entra.
type Identity struct {
	Kind            string // "" = the chain of the Azure SDK
	TenantID        string
	ClientID        string
	ClientSecret    secret.Text
	CertificateFile string
	AuthorityHost   string
}

// Egress rules every outgoing connection.
type Egress struct {
	Hosts          map[string]string // name overrides (private DNS): address or address:port
	Allow, Deny    []netip.Prefix
	ConnectTimeout time.Duration
}

// State is where the process keeps what must survive a restart.
type State struct{ Dir string }

// Trace bounds the request traces kept in memory.
type Trace struct {
	TTL         time.Duration
	MaxBytes    int64
	MaskSecrets bool
}

// Log of the process.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // json, text
	File   string // "" = standard error
	Access bool
}

// Sandbox is the stand-in model of demo and rehearsals.
type Sandbox struct {
	Listen      string
	Deployments []Deployment   // none = the sandbox's own selection
	AllowFrom   []netip.Prefix // none = nobody
	TokensFrom  []netip.Prefix // who may ask for tokens; none = loopback
	Gap         time.Duration  // between two events of a stream
}

// Deployment of the sandbox model.
type Deployment struct {
	Name string
	Kind string // chat, completion or embedding
}
