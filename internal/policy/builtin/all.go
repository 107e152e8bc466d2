// Package builtin holds the policies of Azure API Management, one file each:
// the spec first, then build, then the step with its one Run. It knows nothing
// of policy documents as text, of scopes and inheritance, or of sockets.
// Start at All, the one list; set_method.go is the shortest complete policy.
package builtin

import (
	"slices"

	"sallyport/internal/policy"
)

// All returns every policy: those that are executed, then those that are known
// by name only and refused when a document uses them.
func All() []*policy.Policy {
	return slices.Concat(executed(), known())
}

func executed() []*policy.Policy {
	return []*policy.Policy{
		authenticationBasic(),
		authenticationManagedIdentity(),
		checkHeader(),
		cors(),
		forwardRequest(),
		ipFilter(),
		mockResponse(),
		returnResponse(),
		rewriteURI(),
		setBackendService(),
		setBody(),
		setHeader(),
		setMethod(),
		setQueryParameter(),
		setStatus(),
		trace(),
	}
}
