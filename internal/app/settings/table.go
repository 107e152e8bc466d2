package settings

import (
	"net/netip"
	"time"

	"sallyport/internal/secret"
)

// table lists every setting: name, kind of value, default, meaning, place in
// Settings. Order is that of the reference.
func table() []setting {
	var all []setting
	for _, part := range [][]setting{serviceTable(), gatewayTable(), managementTable(), servingTable(), configurationTable(), accessTable(), runtimeTable(), sandboxTable()} {
		all = append(all, part...)
	}
	return all
}

func serviceTable() []setting {
	return []setting{
		one("service.name", serviceName(), "sallyport", "Name of the service in resource ids and traces.", func(s *Settings) *string { return &s.Service.Name }),
	}
}

func gatewayTable() []setting {
	limit, wait := size(1<<10, 1<<30), duration(time.Millisecond, 24*time.Hour)
	return []setting{
		one("gateway.listen", listen(), "127.0.0.1:8080", "Address of the plain HTTP listener; empty = none.", func(s *Settings) *string { return &s.Gateway.Listen }),
		one("gateway.tls.listen", listen(), "", "Address of the TLS listener, usually port 8443; empty = none.", func(s *Settings) *string { return &s.Gateway.TLS.Listen }),
		one("gateway.tls.certFile", file(), "", "Certificate chain (PEM).", func(s *Settings) *string { return &s.Gateway.TLS.CertFile }),
		one("gateway.tls.keyFile", file(), "", "Private key (PEM).", func(s *Settings) *string { return &s.Gateway.TLS.KeyFile }),
		list("gateway.hostnames", hostname(), "", "Host names that the gateway answers for; none = every name.", func(s *Settings) *[]string { return &s.Gateway.Hostnames }),
		one("gateway.engine", oneOf("fast", "std"), "fast", "HTTP engine: fast is Sallyport's own HTTP/1.1, std is Go's net/http. HTTP/2 is always net/http's; so is everything on systems other than Linux.", func(s *Settings) *string { return &s.Gateway.Engine }),
		list("gateway.trustedProxies", cidr(), "", "Proxies whose X-Forwarded-For is believed.", func(s *Settings) *[]netip.Prefix { return &s.Gateway.TrustedProxies }),
		list("gateway.proxyProtocol.trusted", cidr(), "", "Load balancers that begin every connection with a PROXY header (version 1 or 2); none = the header is never read.", func(s *Settings) *[]netip.Prefix { return &s.Gateway.ProxyProtocol.Trusted }),
		one("gateway.reusePort", boolean(), "false", "Let another process listen on the same ports (SO_REUSEPORT, Linux only).", func(s *Settings) *bool { return &s.Gateway.ReusePort }),
		one("gateway.sourceAddress", ip(), "", "Local address of connections to backends; empty = the system's choice.", func(s *Settings) *netip.Addr { return &s.Gateway.SourceAddress }),
		one("gateway.correlation", oneOf("W3C", "None"), "W3C", "Whether calls without a trace context are given one, so that the hops of a call can be joined.", func(s *Settings) *string { return &s.Gateway.Correlation }),
		one("gateway.stripSubscriptionKey", boolean(), "false", "Remove the subscription key before forwarding when the backend has credentials of its own. Azure forwards it.", func(s *Settings) *bool { return &s.Gateway.StripSubscriptionKey }),
		one("gateway.serverTiming", boolean(), "false", "Tell clients in the header Server-Timing where the time went.", func(s *Settings) *bool { return &s.Gateway.ServerTiming }),
		one("gateway.limits.requestLine", limit, "16KiB", "Longest request line.", func(s *Settings) *int64 { return &s.Gateway.Limits.RequestLine }),
		one("gateway.limits.headers", limit, "64KiB", "Largest request head.", func(s *Settings) *int64 { return &s.Gateway.Limits.Headers }),
		one("gateway.limits.bufferedBody", limit, "16MiB", "Largest body that a policy may hold in memory.", func(s *Settings) *int64 { return &s.Gateway.Limits.BufferedBody }),
		one("gateway.limits.requestBody", size(0, 1<<50), "0", "Largest request body; 0 = unlimited.", func(s *Settings) *int64 { return &s.Gateway.Limits.RequestBody }),
		one("gateway.limits.backendConnections", count(1<<20), "16384", "Connections to one backend host; more calls wait. Azure allows 2048 for each unit.", func(s *Settings) *int64 { return &s.Gateway.Limits.BackendConnections }),
		one("gateway.limits.connections", count(1<<30), "0", "Client connections open at a time; 0 = four fifths of the file descriptors that the process may open. More are answered 503 and closed.", func(s *Settings) *int64 { return &s.Gateway.Limits.Connections }),
		one("gateway.limits.inFlight", count(1<<30), "20000", "Requests served at a time; 0 = unlimited. A request that passes the gateway twice counts twice.", func(s *Settings) *int64 { return &s.Gateway.Limits.InFlight }),
		one("gateway.limits.queue", count(1<<20), "1000", "Requests that may wait for their turn when inFlight is reached; more are answered 503.", func(s *Settings) *int64 { return &s.Gateway.Limits.Queue }),
		one("gateway.limits.memory", size(0, 1<<50), "0", "Memory above which new requests are answered 503; 0 = GOMEMLIMIT, else nine tenths of what the container may use, else no ceiling.", func(s *Settings) *int64 { return &s.Gateway.Limits.Memory }),
		one("gateway.timeouts.readHeader", wait, "10s", "Time a client has for a request head.", func(s *Settings) *time.Duration { return &s.Gateway.Timeouts.ReadHeader }),
		one("gateway.timeouts.readBody", wait, "60s", "Time a client may let pass between two pieces of a request body.", func(s *Settings) *time.Duration { return &s.Gateway.Timeouts.ReadBody }),
		one("gateway.timeouts.idle", wait, "120s", "Time an idle client connection is kept.", func(s *Settings) *time.Duration { return &s.Gateway.Timeouts.Idle }),
		one("gateway.timeouts.request", wait, "300s", "Time a backend has for its response head, unless forward-request says otherwise.", func(s *Settings) *time.Duration { return &s.Gateway.Timeouts.Request }),
		one("gateway.timeouts.write", wait, "30s", "Time a client may take to accept a piece of the answer.", func(s *Settings) *time.Duration { return &s.Gateway.Timeouts.Write }),
		one("gateway.timeouts.queue", wait, "5s", "Time a request may wait for its turn before it is answered 503.", func(s *Settings) *time.Duration { return &s.Gateway.Timeouts.Queue }),
		one("gateway.usage.count", boolean(), "true", "Look for the token counts that models report in their answers, for log and metrics.", func(s *Settings) *bool { return &s.Gateway.Usage.Count }),
		one("gateway.usage.readOn", duration(0, 10*time.Minute), "0s", "How long an answer is read on for its token counts after its client has left; 0 ends the backend call at once.", func(s *Settings) *time.Duration { return &s.Gateway.Usage.ReadOn }),
		one("gateway.drainDelay", duration(0, 5*time.Minute), "250ms", "At shutdown, time between \"not ready\" and the wait for running requests, for load balancers to notice; everything is served meanwhile.", func(s *Settings) *time.Duration { return &s.Gateway.DrainDelay }),
		one("gateway.drainTimeout", duration(0, time.Hour), "30s", "Time that running requests have to finish at shutdown.", func(s *Settings) *time.Duration { return &s.Gateway.DrainTimeout }),
	}
}

func managementTable() []setting {
	return []setting{
		one("management.listen", listen(), "127.0.0.1:8081", "Address of the management listener; empty = none.", func(s *Settings) *string { return &s.Management.Listen }),
		one("management.publicUrl", baseURL(), "", "URL under which clients reach the management plane, when it is not the listener's; Ocp-Apim-Trace-Location is made of it.", func(s *Settings) *string { return &s.Management.PublicURL }),
		one("management.tls.listen", listen(), "", "Address of the TLS listener; empty = none.", func(s *Settings) *string { return &s.Management.TLS.Listen }),
		one("management.tls.certFile", file(), "", "Certificate chain (PEM).", func(s *Settings) *string { return &s.Management.TLS.CertFile }),
		one("management.tls.keyFile", file(), "", "Private key (PEM).", func(s *Settings) *string { return &s.Management.TLS.KeyFile }),
		one("management.pprof", boolean(), "false", "Answer /debug/pprof with profiles of this process, to callers with a token.", func(s *Settings) *bool { return &s.Management.Pprof }),
	}
}

func servingTable() []setting {
	return []setting{
		one("serving.enabled", boolean(), "false", "Run the serving plane.", func(s *Settings) *bool { return &s.Serving.Enabled }),
		one("serving.listen", listen(), "127.0.0.1:8082", "Address of the serving listener.", func(s *Settings) *string { return &s.Serving.Listen }),
		one("serving.publicUrl", baseURL(), "", "URL under which clients reach the serving plane.", func(s *Settings) *string { return &s.Serving.PublicURL }),
		one("serving.bundle", file(), "", "Databricks Asset Bundle with the serving endpoints.", func(s *Settings) *string { return &s.Serving.Bundle }),
		one("serving.target", text(), "", "Target of the bundle; empty = its default.", func(s *Settings) *string { return &s.Serving.Target }),
		one("serving.allowInsecureLoopback", boolean(), "false", "Permit plain http to loopback addresses in custom_provider_url; Databricks refuses it.", func(s *Settings) *bool { return &s.Serving.AllowInsecureLoopback }),
		one("serving.sourceAddress", ip(), "", "Local address of connections to providers; empty = the system's choice.", func(s *Settings) *netip.Addr { return &s.Serving.SourceAddress }),
		named("serving.variables", text(), "Values of bundle variables.", func(s *Settings) *map[string]string { return &s.Serving.Variables }),
		scoped("serving.secrets", secretText(), "Secrets by scope and key, for {{secrets/<scope>/<key>}}.", func(s *Settings) *map[string]map[string]secret.Text { return &s.Serving.Secrets }),
		one("serving.maxBody", size(1<<10, 1<<30), "16MiB", "Largest request body.", func(s *Settings) *int64 { return &s.Serving.MaxBody }),
		one("serving.upstreamTimeout", duration(time.Millisecond, time.Hour), "297s", "Time a provider has for its response head, and for every silence after it.", func(s *Settings) *time.Duration { return &s.Serving.UpstreamTimeout }),
	}
}

func configurationTable() []setting {
	return []setting{
		one("configuration.apiops", file(), "", "Folder in the APIOps layout.", func(s *Settings) *string { return &s.Configuration.APIOps }),
		list("configuration.overrides", needed(file()), "", "Override files (configuration.<environment>.yaml), applied in order.", func(s *Settings) *[]string { return &s.Configuration.Overrides }),
		named("configuration.tokens", secretText(), "Values of {#NAME#} in override files.", func(s *Settings) *map[string]secret.Text { return &s.Configuration.Tokens }),
		one("configuration.reload", boolean(), "true", "Reload when files change.", func(s *Settings) *bool { return &s.Configuration.Reload }),
		one("configuration.debounce", duration(0, time.Minute), "200ms", "Quiet time after a change before the reload.", func(s *Settings) *time.Duration { return &s.Configuration.Debounce }),
	}
}

func accessTable() []setting {
	return []setting{
		tokens("tokens", "Bearer tokens for the management and serving planes.", func(s *Settings) *[]Token { return &s.Tokens }),
		one("identity.kind", oneOf("", "managedIdentity", "workloadIdentity", "clientSecret", "clientCertificate", "azureCli"), "", "How to sign in to Microsoft Entra; empty = the default chain of the Azure SDK.", func(s *Settings) *string { return &s.Identity.Kind }),
		one("identity.tenantId", text(), "", "Directory of the identity.", func(s *Settings) *string { return &s.Identity.TenantID }),
		one("identity.clientId", text(), "", "Client id of the application or user-assigned identity.", func(s *Settings) *string { return &s.Identity.ClientID }),
		one("identity.clientSecret", secretText(), "", "Secret of the application.", func(s *Settings) *secret.Text { return &s.Identity.ClientSecret }),
		one("identity.certificateFile", file(), "", "Certificate and key of the application (PEM or PKCS #12).", func(s *Settings) *string { return &s.Identity.CertificateFile }),
		one("identity.authorityHost", baseURL(), "", "Sign-in host; empty = the public cloud.", func(s *Settings) *string { return &s.Identity.AuthorityHost }),
		named("egress.hosts", endpoint(), "Addresses of names (name or name:port), instead of asking DNS.", func(s *Settings) *map[string]string { return &s.Egress.Hosts }),
		list("egress.allow", cidr(), "", "Destinations that may be connected to; none = all.", func(s *Settings) *[]netip.Prefix { return &s.Egress.Allow }),
		list("egress.deny", cidr(), "", "Destinations that may not be connected to; wins over allow.", func(s *Settings) *[]netip.Prefix { return &s.Egress.Deny }),
		one("egress.connectTimeout", duration(time.Millisecond, time.Hour), "10s", "Time to connect, for everything but the gateway's backends.", func(s *Settings) *time.Duration { return &s.Egress.ConnectTimeout }),
	}
}

func runtimeTable() []setting {
	return []setting{
		one("state.dir", file(), ".sallyport", "Folder for what must survive a restart.", func(s *Settings) *string { return &s.State.Dir }),
		one("trace.ttl", duration(time.Second, 24*time.Hour), "1h", "How long request traces are kept.", func(s *Settings) *time.Duration { return &s.Trace.TTL }),
		one("trace.maxBytes", size(1<<20, 1<<34), "32MiB", "Memory for request traces.", func(s *Settings) *int64 { return &s.Trace.MaxBytes }),
		one("trace.maskSecrets", boolean(), "true", "Mask keys and secret named values in traces. Azure shows them.", func(s *Settings) *bool { return &s.Trace.MaskSecrets }),
		one("log.level", oneOf("debug", "info", "warn", "error"), "info", "Least level that is logged.", func(s *Settings) *string { return &s.Log.Level }),
		one("log.format", oneOf("json", "text"), "json", "Format of log lines.", func(s *Settings) *string { return &s.Log.Format }),
		one("log.file", file(), "", "File that log lines are appended to; empty = standard error. It is opened again at SIGHUP, for logrotate.", func(s *Settings) *string { return &s.Log.File }),
		one("log.access", boolean(), "true", "Log a line for every request.", func(s *Settings) *bool { return &s.Log.Access }),
	}
}

func sandboxTable() []setting {
	return []setting{
		one("sandbox.listen", listen(), "127.0.0.1:8083", "Address of the sandbox model.", func(s *Settings) *string { return &s.Sandbox.Listen }),
		list("sandbox.deployments", deployment(), "", "Deployments that the sandbox offers; none = one of each kind.", func(s *Settings) *[]Deployment { return &s.Sandbox.Deployments }),
		list("sandbox.allowFrom", cidr(), "127.0.0.0/8, ::1/128", "Addresses the sandbox model answers to; none = nobody.", func(s *Settings) *[]netip.Prefix { return &s.Sandbox.AllowFrom }),
		list("sandbox.tokensFrom", cidr(), "", "Addresses that may ask the sandbox's metadata service for tokens; none = loopback.", func(s *Settings) *[]netip.Prefix { return &s.Sandbox.TokensFrom }),
		one("sandbox.gap", duration(0, time.Minute), "20ms", "Pause between two events of a stream.", func(s *Settings) *time.Duration { return &s.Sandbox.Gap }),
	}
}
