package plan

import (
	"sallyport/internal/diag"
	"sallyport/internal/model"
)

// gone reports policy documents that the last configuration had and this one
// has not, though what they stood on is still there. That is legal, and rarely
// meant when it is an ip-filter that goes: a file may be missing because a
// deployment is half done.
func gone(before, now *model.Snapshot, fs *diag.List) {
	had := map[standing]*model.PolicyDoc{}
	documents(before, func(at standing, d *model.PolicyDoc) {
		if d != nil {
			had[at] = d
		}
	})
	documents(now, func(at standing, d *model.PolicyDoc) {
		if d != nil {
			return
		}
		if old := had[at]; old != nil {
			fs.Add(diag.PolicyGone, diag.Pos{File: old.File}, at.path(), "The policy document of '%s' is gone; it is served without.", at.path())
		}
	})
}

// standing is where a policy document may stand. Most operations have none, so
// their path is made only when something is to be said about it.
type standing struct{ kind, owner, revision, operation string }

func (s standing) path() string {
	path := s.kind
	if s.owner != "" {
		path += "/" + s.owner
	}
	if s.revision != "" {
		path += ";rev=" + s.revision
	}
	if s.operation != "" {
		path += "/operations/" + s.operation
	}
	return path
}

// documents tells of every place where a policy document may stand, with the
// one that does.
func documents(s *model.Snapshot, tell func(at standing, d *model.PolicyDoc)) {
	tell(standing{kind: "policies"}, s.Policy)
	for _, p := range s.Products {
		tell(standing{kind: "products", owner: p.ID}, p.Policy)
	}
	for _, a := range s.APIs {
		at := standing{kind: "apis", owner: a.ID}
		if !a.IsCurrent {
			at.revision = a.Revision
		}
		tell(at, a.Policy)
		for _, op := range a.Operations {
			at.operation = op.ID
			tell(at, op.Policy)
		}
	}
}
