package apiops

import (
	"crypto/sha256"
	"path"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/imports/openapi"
	"sallyport/internal/model"
)

// specification is what an API folder says about its operations.
type specification struct {
	result openapi.Result
	// complete is false when operations are unknown for a reason that is
	// reported already, so that operation folders are not reported as well.
	complete bool
}

// specification reads the API definition. OpenAPI is converted; GraphQL, WADL
// and WSDL are kept.
func (l *loader) specification(f *folder, api string, s *sum) specification {
	out := specification{complete: true}
	for _, ext := range []string{"graphql", "wadl", "wsdl"} {
		name := f.file("specification." + ext)
		if name == "" {
			continue
		}
		out.complete = false
		l.out.Add(diag.SourceSpecification, l.at(name), f.res, "%s specifications are kept, but not served yet", strings.ToUpper(ext))
		if text, ok := l.readText(name, f.res); ok {
			l.keepText(f.res+"/specification", ext, text, l.at(name))
		}
	}
	var used string
	for _, ext := range []string{"yaml", "yml", "json"} {
		name := f.file("specification." + ext)
		if name == "" {
			continue
		}
		if used != "" {
			l.out.Add(diag.SourceSpecification, l.at(name), f.res, "the API has a second specification; '%s' is used", path.Base(used))
			continue
		}
		used = name
		out = l.convert(name, api, f.res, s)
	}
	return out
}

func (l *loader) convert(name, api, res string, s *sum) specification {
	data, ok := l.read(name, res)
	if !ok {
		return specification{}
	}
	sum := sha256.Sum256(data)
	result, findings := l.convertOnce(openapi.Document{Data: data, File: l.shown(name), APIName: api}, sum)
	l.out = append(l.out, findings...)
	s.add("specification", l.shown(name), string(sum[:]))
	return specification{result: result, complete: !findings.HasErrors()}
}

// readOperations attaches operation policies, from folders and from overrides.
func (l *loader) readOperations(f *folder, a *model.API, spec specification, over []*entry, s *sum) {
	if dir := f.dir("operations"); dir != "" {
		list := l.open(dir, f.res)
		for _, id := range list.dirs() {
			of := l.open(path.Join(dir, id), f.res+"/operations/"+id)
			l.operationPolicy(of, a, id, spec.complete, s)
			of.rest()
		}
		list.rest()
	}
	for _, e := range over {
		op := findOperation(a.Operations, e.name)
		if op == nil {
			continue
		}
		e.used = true
		res := f.res + "/operations/" + op.ID + "/policies/policy"
		if d := l.overridePolicy(e.sub("policies"), res); d != nil {
			op.Policy = d
			s.policy(res, d)
		}
	}
	if spec.complete {
		l.reportUnused(over, "operation", operationIDs(a.Operations))
	}
}

func (l *loader) operationPolicy(of *folder, a *model.API, id string, complete bool, s *sum) {
	op := findOperation(a.Operations, id)
	if op != nil {
		op.Policy = l.policy(of, nil, of.res+"/policies/policy", s)
		if op.Policy == nil {
			l.noPolicy(of)
		}
		return
	}
	if complete {
		pos := diag.Pos{File: l.shown(of.name)}
		fd := l.out.Add(diag.SourceOperation, pos, of.res, "API '%s' has no operation '%s'", a.Name(), id)
		if fd.Hint = diag.DidYouMean(id, operationIDs(a.Operations)); len(a.Operations) == 0 {
			fd.Hint = "the API has no specification, so it has no operations"
		}
	}
	if name := of.file("policy.xml"); name != "" {
		if text, ok := l.readText(name, of.res); ok {
			l.keepText(of.res, "policy", text, l.at(name))
		}
	}
}

// findOperation compares ids without case, and also in the slug form that the
// documentation of API import gives (lower case, runs of others as '-').
func findOperation(ops []*model.Operation, id string) *model.Operation {
	for _, op := range ops {
		if strings.EqualFold(op.ID, id) {
			return op
		}
	}
	var found *model.Operation
	want := slug(id)
	for _, op := range ops {
		if want != "" && slug(op.ID) == want {
			if found != nil {
				return nil
			}
			found = op
		}
	}
	return found
}

func slug(id string) string {
	parts := strings.FieldsFunc(strings.ToLower(id), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(parts, "-")
}

func operationIDs(ops []*model.Operation) []string {
	ids := make([]string, len(ops))
	for i, op := range ops {
		ids[i] = op.ID
	}
	return ids
}
