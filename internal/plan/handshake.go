package plan

import (
	"sallyport/internal/diag"
	"sallyport/internal/policy"
	"sallyport/internal/policyxml"
)

// forHandshake is docs as a WebSocket API sees them: policies that onHandshake
// cannot have are skipped (Azure documentation: Import a WebSocket API). Its own
// document has none of them, so what is skipped was inherited.
func forHandshake(docs []*document) []*document {
	out := make([]*document, len(docs))
	for i, d := range docs {
		seen := &document{}
		for s := range d.sections {
			seen.sections[s].present = d.sections[s].present
			for _, it := range d.sections[s].items {
				if !it.notOnHandshake {
					seen.sections[s].items = append(seen.sections[s].items, it)
				}
			}
		}
		out[i] = seen
	}
	return out
}

// onHandshake judges a policy that onHandshake cannot have. It reports whether
// the statement is to be compiled.
func (w *sectionWalk) onHandshake(n *policyxml.Node, p *policy.Policy) bool {
	if !p.Spec.NotOnHandshake || w.at.api == nil || !w.at.api.IsWebSocket() {
		return true
	}
	if w.at.scope == policy.Operation {
		w.findings.Add(diag.PolicyHandshake, n.Pos, w.at.path, "The policy '%s' is not allowed on the operation '%s' of a WebSocket API.", n.Name, w.at.op.ID)
		return false
	}
	w.findings.Add(diag.PolicyHandshakeSkipped, n.Pos, w.at.path, "The policy '%s' never runs: '%s' is a WebSocket API.", n.Name, w.at.api.ID)
	return true
}
