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
	had := documents(before)
	for path, d := range documents(now) {
		if old := had[path]; d == nil && old != nil {
			fs.Add(diag.PolicyGone, diag.Pos{File: old.File}, path, "The policy document of '%s' is gone; it is served without.", path)
		}
	}
}

// documents lists where a policy document may stand, with the one that does.
func documents(s *model.Snapshot) map[string]*model.PolicyDoc {
	docs := map[string]*model.PolicyDoc{"policies": s.Policy}
	for _, p := range s.Products {
		docs["products/"+p.ID] = p.Policy
	}
	for _, a := range s.APIs {
		path := "apis/" + a.Name()
		docs[path] = a.Policy
		for _, op := range a.Operations {
			docs[path+"/operations/"+op.ID] = op.Policy
		}
	}
	return docs
}
