package builtin

import (
	"slices"

	"sallyport/internal/policy"
)

// Section and scope sets of the tables below, as the Azure pages list them.
const (
	in, be, out, oe = policy.InInbound, policy.InBackend, policy.InOutbound, policy.InOnError
	all             = policy.Anywhere

	anyScope    = policy.AllScopes
	noWorkspace = policy.AllScopes &^ (1 << policy.Workspace)
	noOperation = policy.AllScopes &^ (1 << policy.Operation)
	fromProduct = policy.Scopes(1<<policy.Product | 1<<policy.API | 1<<policy.Operation)
	onlyProduct = policy.Scopes(1 << policy.Product)
	onlyGlobal  = policy.Scopes(1 << policy.Global)
)

// known returns the policies that exist but are not executed yet: a document
// that uses one is refused with that reason, and a slip of the keys in any
// name gets a suggestion.
func known() []*policy.Policy {
	var ps []*policy.Policy
	for _, s := range slices.Concat(knownAccess(), knownAuthentication(), knownAI(), knownValidation(), knownFlow(),
		knownTransformation(), knownCaching(), knownIntegration(), knownResolvers()) {
		if s.Page == "" {
			s.Page = s.Name + "-policy"
		}
		ps = append(ps, &policy.Policy{Spec: s})
	}
	return ps
}

func knownAccess() []policy.Spec {
	return []policy.Spec{
		{Name: "get-authorization-context", Sections: in, Scopes: noWorkspace, Summary: "Gets a token from a credential connection.", Unavailable: []string{"self-hosted"}},
		{Name: "limit-concurrency", Sections: all, Scopes: anyScope, Summary: "Bounds how many requests run the enclosed policies at once."},
		{Name: "quota", Sections: in, Scopes: onlyProduct, Once: true, Summary: "Limits calls or bandwidth per subscription over a long period."},
		{Name: "quota-by-key", Sections: in, Scopes: anyScope, Summary: "Limits calls or bandwidth per key over a long period.", Unavailable: []string{"consumption"}},
		{Name: "rate-limit", Sections: in, Scopes: fromProduct, Once: true, Summary: "Limits the call rate per subscription."},
		{Name: "rate-limit-by-key", Sections: in, Scopes: anyScope, Summary: "Limits the call rate per key.", Unavailable: []string{"consumption"}},
		{Name: "validate-azure-ad-token", Sections: in, Scopes: anyScope, Summary: "Checks a token of Microsoft Entra ID."},
		{Name: "validate-client-certificate", Sections: in, Scopes: anyScope, Summary: "Checks the caller's client certificate."},
		{Name: "validate-jwt", Sections: in, Scopes: anyScope, Summary: "Checks a JSON Web Token."},
	}
}

func knownAuthentication() []policy.Spec {
	return []policy.Spec{
		{Name: "authentication-certificate", Sections: in, Scopes: anyScope, Summary: "Authenticates the gateway to the backend with a client certificate."},
		{Name: "proxy", Sections: in, Scopes: anyScope, Summary: "Sends forwarded requests through an HTTP proxy."},
	}
}

func knownAI() []policy.Spec {
	return []policy.Spec{
		{Name: "llm-token-limit", Sections: in, Scopes: anyScope, Summary: "Limits tokens per key: rate and quota.", Unavailable: []string{"consumption"}},
		{Name: "azure-openai-token-limit", Sections: in, Scopes: anyScope, Summary: "Limits tokens per key for Azure OpenAI: rate and quota.", Unavailable: []string{"consumption"}},
		{Name: "llm-emit-token-metric", Sections: in, Scopes: anyScope, Summary: "Reports token usage as metrics."},
		{Name: "azure-openai-emit-token-metric", Sections: in, Scopes: anyScope, Summary: "Reports token usage of Azure OpenAI as metrics."},
		{Name: "llm-semantic-cache-lookup", Sections: in, Scopes: noWorkspace, Once: true, Summary: "Answers from cached completions to similar prompts."},
		{Name: "azure-openai-semantic-cache-lookup", Sections: in, Scopes: noWorkspace, Once: true, Summary: "Answers from cached Azure OpenAI completions to similar prompts."},
		{Name: "llm-semantic-cache-store", Sections: out, Scopes: noWorkspace, Once: true, Summary: "Keeps a completion for similar prompts."},
		{Name: "azure-openai-semantic-cache-store", Sections: out, Scopes: noWorkspace, Once: true, Summary: "Keeps an Azure OpenAI completion for similar prompts."},
		{Name: "llm-content-safety", Sections: in | out, Scopes: noOperation, Summary: "Has prompts and completions judged by Azure AI Content Safety."},
	}
}

func knownValidation() []policy.Spec {
	return []policy.Spec{
		{Name: "validate-content", NotOnHandshake: true, Sections: in | out | oe, Scopes: anyScope, Summary: "Checks size and content of bodies against schemas."},
		{Name: "validate-graphql-request", Sections: in, Scopes: noOperation, Once: true, Summary: "Checks and authorises a GraphQL request."},
		{Name: "validate-headers", NotOnHandshake: true, Sections: out | oe, Scopes: anyScope, Once: true, Summary: "Checks response headers against the API's definition."},
		{Name: "validate-odata-request", Sections: in, Scopes: noOperation, Once: true, Summary: "Checks an OData request."},
		{Name: "validate-parameters", NotOnHandshake: true, Sections: in, Scopes: anyScope, Once: true, Summary: "Checks request parameters against the API's definition."},
		{Name: "validate-status-code", NotOnHandshake: true, Sections: out | oe, Scopes: anyScope, Once: true, Summary: "Checks the response's status against the API's definition."},
	}
}

func knownFlow() []policy.Spec {
	return []policy.Spec{
		{Name: "choose", Sections: all, Scopes: anyScope, Summary: "Runs the first branch whose condition holds."},
		{Name: "emit-metric", Sections: all, Scopes: anyScope, Summary: "Reports a metric of the author's own."},
		{Name: "invoke-request", Sections: in, Scopes: anyScope, Summary: "Calls a URL through a backend entity.", Page: "azure-api-management-policy-toolkit"},
		{Name: "retry", Sections: all, Scopes: anyScope, Summary: "Runs the enclosed policies again while a condition holds."},
		{Name: "send-one-way-request", Sections: all, Scopes: anyScope, Summary: "Sends a request without waiting for the response."},
		{Name: "send-request", Sections: all, Scopes: anyScope, Summary: "Sends a request and keeps its response in a variable."},
		{Name: "set-variable", Sections: all, Scopes: anyScope, Summary: "Sets a context variable."},
		{Name: "wait", Sections: in | be | out, Scopes: anyScope, Summary: "Waits for one or all of the enclosed requests."},
	}
}

func knownTransformation() []policy.Spec {
	return []policy.Spec{
		{Name: "cross-domain", NotOnHandshake: true, Sections: in, Scopes: onlyGlobal, Summary: "Serves a cross-domain policy file to Flash and Silverlight clients."},
		{Name: "find-and-replace", Sections: all, Scopes: anyScope, Summary: "Replaces a text in the body."},
		{Name: "json-to-xml", NotOnHandshake: true, Sections: in | out | oe, Scopes: anyScope, Summary: "Turns a JSON body into XML."},
		{Name: "jsonp", NotOnHandshake: true, Sections: out, Scopes: anyScope, Once: true, Summary: "Wraps a JSON body into a call of the client's function."},
		{Name: "redirect-content-urls", Sections: in | out, Scopes: anyScope, Once: true, Summary: "Replaces the backend's address in bodies and Location by the gateway's."},
		{Name: "xml-to-json", NotOnHandshake: true, Sections: in | out | oe, Scopes: anyScope, Summary: "Turns an XML body into JSON."},
		{Name: "xsl-transform", NotOnHandshake: true, Sections: in | out, Scopes: anyScope, Once: true, Summary: "Transforms an XML body by XSLT."},
	}
}

func knownCaching() []policy.Spec {
	return []policy.Spec{
		{Name: "cache-lookup", NotOnHandshake: true, Sections: in, Scopes: anyScope, Once: true, Summary: "Answers from the response cache."},
		{Name: "cache-lookup-value", NotOnHandshake: true, Sections: all, Scopes: anyScope, Summary: "Reads a value from the cache into a variable."},
		{Name: "cache-remove-value", Sections: all, Scopes: anyScope, Summary: "Removes a value from the cache."},
		{Name: "cache-store", NotOnHandshake: true, Sections: out, Scopes: anyScope, Once: true, Summary: "Stores the response in the response cache."},
		{Name: "cache-store-value", NotOnHandshake: true, Sections: all, Scopes: anyScope, Summary: "Stores a value in the cache."},
		{Name: "cache-value", Sections: all, Scopes: anyScope, Summary: "Reads a value from the cache, computing it once when it is not there.", Page: "azure-api-management-policy-toolkit"},
	}
}

func knownIntegration() []policy.Spec {
	tiers := []string{"classic", "v2", "consumption"}
	return []policy.Spec{
		{Name: "invoke-dapr-binding", Sections: in | out | oe, Scopes: noWorkspace, Summary: "Calls a Dapr output binding.", Unavailable: tiers},
		{Name: "log-to-eventhub", Sections: all, Scopes: noWorkspace, Summary: "Sends a message to an event hub."},
		{Name: "publish-to-dapr", Sections: in, Scopes: noWorkspace, Summary: "Publishes a message through Dapr.", Unavailable: tiers},
		{Name: "send-service-bus-message", Sections: in | out | oe, Scopes: noWorkspace, Summary: "Sends a message to a Service Bus queue or topic.", Unavailable: []string{"v2", "consumption", "self-hosted"}},
	}
}

// knownResolvers stand in the documents of GraphQL resolvers, in no section.
func knownResolvers() []policy.Spec {
	return []policy.Spec{
		{Name: "cosmosdb-data-source", Scopes: noWorkspace, Summary: "Resolves a GraphQL field from Cosmos DB."},
		{Name: "http-data-source", Scopes: noWorkspace, Summary: "Resolves a GraphQL field by an HTTP request."},
		{Name: "publish-event", Scopes: noWorkspace, Summary: "Sends a resolved value to GraphQL subscribers."},
		{Name: "sql-data-source", Scopes: noWorkspace, Summary: "Resolves a GraphQL field from Azure SQL."},
	}
}
