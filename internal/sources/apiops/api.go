package apiops

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/imports/openapi"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// apiProperties are the known properties of ApiContractProperties.
func apiProperties() []string {
	return []string{
		"path", "displayName", "description", "termsOfServiceUrl", "contact", "license", "serviceUrl", "protocols", "type",
		"apiType", "subscriptionRequired", "subscriptionKeyParameterNames", "apiRevision", "apiRevisionDescription",
		"apiVersion", "apiVersionDescription", "apiVersionSetId", "apiVersionSet", "isCurrent", "isOnline", "sourceApiId",
		"authenticationSettings", "provisioningState", "format", "value", "wsdlSelector", "translateRequiredQueryParameters",
		"mcpTools", "mcpProperties", "backendId", "isAgent", "agent", "a2aProperties", "jsonRpcProperties",
	}
}

func (l *loader) readAPIs(dir string) {
	l.each(dir, "apis", func(f *folder, name string) {
		defer f.rest()
		over := take(l.over.top("apis"), name)
		s := newSum()
		s.add(name)
		props := f.properties(over, "apiInformation.json")
		a, ok := l.api(f, name, props)
		spec := l.definition(f, a, name, s)
		a.Operations = spec.result.Operations
		a.Policy = l.policy(f, over.sub("policies"), f.res+"/policies/policy", s)
		l.readOperations(f, a, spec, over.sub("operations"), s)
		l.readChildren(f, over, s)
		for _, k := range f.links("tags", "apiTagInformation.json") {
			a.Tags = append(a.Tags, k.name)
		}
		if !ok {
			return
		}
		l.fromSpecification(a, tree.Read(props, f.res, &l.out), spec.result, f.res)
		s.add(string(a.Properties), a.ServiceURL, a.DisplayName)
		l.snap.APIs = append(l.snap.APIs, a)
		l.sums[a] = s
	})
}

// api reads the properties of one revision.
func (l *loader) api(f *folder, name string, props *tree.Node) (*model.API, bool) {
	id, rev, isRevision := strings.Cut(name, ";rev=")
	a := &model.API{ID: id, Revision: rev, IsCurrent: !isRevision}
	if props == nil {
		return a, false
	}
	r := tree.Read(props, f.res, &l.out)
	r.Known(apiProperties()...)
	if a.IsCurrent && !r.Has("path") {
		r.Missing("path")
	}
	a.Path = strings.Trim(r.String("path"), "/")
	a.DisplayName, a.Description = r.String("displayName"), r.String("description")
	a.ServiceURL = r.String("serviceUrl")
	a.Type = strings.ToLower(r.String("type"))
	a.Type = cmp.Or(a.Type, strings.ToLower(r.String("apiType")), "http")
	if a.Protocols = r.Strings("protocols"); len(a.Protocols) == 0 {
		a.Protocols = defaultProtocols(a.Type)
	}
	a.SubscriptionRequired = r.Bool("subscriptionRequired", true)
	l.keyNames(a, r.Sub("subscriptionKeyParameterNames"))
	a.IsOnline = r.Bool("isOnline", true)
	l.version(a, r, f.res)
	l.revision(a, r, f.res)
	a.Properties, a.Pos = props.JSON(), props.Pos
	a.Places = place(r, "path", "displayName", "description", "serviceUrl", "protocols", "type", "apiType", "subscriptionRequired",
		"apiVersion", "apiVersionSetId", "apiVersionDescription", "apiRevision", "subscriptionKeyParameterNames")
	return a, true
}

func (l *loader) keyNames(a *model.API, r tree.Reader) {
	r.Known("header", "query", "bearer")
	a.KeyHeader = cmp.Or(r.String("header"), model.DefaultKeyHeader)
	a.KeyQuery = cmp.Or(r.String("query"), model.DefaultKeyQuery)
	a.KeyBearer = r.OneOf("bearer", "disabled", "enabled", "disabled") == "enabled"
}

func (l *loader) version(a *model.API, r tree.Reader, res string) {
	a.Version = r.String("apiVersion")
	ref := r.String("apiVersionSetId")
	if ref == "" {
		return
	}
	id, ok := referenceID(ref, "apiVersionSets")
	if !ok {
		l.out.Add(diag.SourceReference, r.Pos("apiVersionSetId"), res, "'%s' is not a version set id", r.Show("apiVersionSetId")).WithHint("write /apiVersionSets/{name} or a full ARM id")
		return
	}
	a.VersionSetID = id
}

// revision compares what the folder name says with the properties.
func (l *loader) revision(a *model.API, r tree.Reader, res string) {
	prop := r.String("apiRevision")
	switch {
	case a.IsCurrent:
		a.Revision = cmp.Or(prop, "1")
	case a.Revision == "":
		l.out.Add(diag.SourceRevision, r.Node().Pos, res, "the folder name ends in ;rev= without a number")
	case prop != "" && prop != a.Revision:
		l.out.Add(diag.SourceRevision, r.Pos("apiRevision"), res, "apiRevision is '%s', but the folder is revision '%s'", r.Show("apiRevision"), a.Revision)
	}
	if r.Has("isCurrent") && r.Bool("isCurrent", a.IsCurrent) != a.IsCurrent {
		l.out.Add(diag.SourceRevision, r.Pos("isCurrent"), res, "isCurrent is %t, but the folder name says otherwise", !a.IsCurrent).
			WithHint("the current revision lives in the folder without ;rev=")
	}
}

// fromSpecification fills in what the properties leave open; properties win
// over the document (Azure documentation: API import restrictions).
func (l *loader) fromSpecification(a *model.API, r tree.Reader, spec openapi.Result, res string) {
	if a.IsCurrent {
		a.DisplayName = cmp.Or(a.DisplayName, spec.Title)
		a.Description = cmp.Or(a.Description, spec.Description)
		if a.DisplayName == "" {
			r.Missing("displayName")
		}
	}
	if a.ServiceURL != "" || spec.ServiceURL == "" {
		return
	}
	if isGatewayItself(spec.ServiceURL, a.Path) {
		l.out.Add(diag.SourceSelfServer, r.Pos("serviceUrl"), res, "the server of the specification is the gateway it was exported from; it is not used as backend")
		return
	}
	a.ServiceURL = spec.ServiceURL
}

// isGatewayItself recognises the server that an export writes: the gateway's
// own address followed by the API path. Used as backend it would be a loop.
func isGatewayItself(server, apiPath string) bool {
	u, err := url.Parse(server)
	if err != nil || !strings.HasSuffix(strings.ToLower(u.Hostname()), ".azure-api.net") {
		return false
	}
	p := strings.ToLower(strings.Trim(u.Path, "/"))
	apiPath = strings.ToLower(apiPath)
	return p == apiPath || apiPath == "" || strings.HasPrefix(p, apiPath+"/")
}

// readChildren keeps what belongs to an API and is not used yet.
func (l *loader) readChildren(f *folder, over *entry, s *sum) {
	children := []struct {
		folder, noun string
		files        []string
	}{
		{"diagnostics", "diagnostic", []string{"diagnosticInformation.json", "apiDiagnosticInformation.json"}},
		{"releases", "release", []string{"apiReleaseInformation.json", "releaseInformation.json"}},
		{"schemas", "schema", []string{"apiSchemaInformation.json", "schemaInformation.json"}},
	}
	for _, c := range children {
		kind, entries := f.res+"/"+c.folder, over.sub(c.folder)
		if dir := f.dir(c.folder); dir != "" {
			for _, r := range l.resources(dir, kind, entries, nil, c.files...) {
				s.add(r.Kind, r.ID, string(r.Properties))
				l.keep(r)
			}
		}
		l.reportUnused(entries, c.noun, l.ids[kind])
	}
}

// finishAPIs runs once everything that adds to an API was read.
func (l *loader) finishAPIs() {
	for _, a := range l.snap.APIs {
		if !a.IsCurrent {
			l.inherit(a)
		}
	}
	for _, a := range l.snap.APIs {
		s := l.sums[a]
		s.add("tags")
		s.add(a.Tags...)
		a.Hash = s.hex()
	}
}

// inherit gives a revision what it leaves out and may not change: these
// properties belong to the API, not to a revision (Azure documentation:
// Revisions).
func (l *loader) inherit(a *model.API) {
	i := slices.IndexFunc(l.snap.APIs, func(c *model.API) bool { return c.IsCurrent && strings.EqualFold(c.ID, a.ID) })
	if i < 0 {
		return // model.Validate reports it
	}
	cur := l.snap.APIs[i]
	a.ID = cur.ID
	absent := func(name string) bool { return a.Places.At(name, diag.Pos{}) == diag.Pos{} }
	if absent("path") {
		a.Path = cur.Path
	}
	a.DisplayName = cmp.Or(a.DisplayName, cur.DisplayName)
	a.Description = cmp.Or(a.Description, cur.Description)
	a.Version = cmp.Or(a.Version, cur.Version)
	a.VersionSetID = cmp.Or(a.VersionSetID, cur.VersionSetID)
	if absent("type") && absent("apiType") {
		a.Type = cur.Type
	}
	if absent("protocols") {
		a.Protocols = cur.Protocols
	}
	if absent("subscriptionRequired") {
		a.SubscriptionRequired = cur.SubscriptionRequired
	}
	if absent("subscriptionKeyParameterNames") {
		a.KeyHeader, a.KeyQuery, a.KeyBearer = cur.KeyHeader, cur.KeyQuery, cur.KeyBearer
	}
	l.sums[a].add("inherited", a.Path, a.DisplayName, a.Description, a.Version, a.VersionSetID, a.Type, a.KeyHeader, a.KeyQuery,
		strings.Join(a.Protocols, ","), strconv.FormatBool(a.SubscriptionRequired), strconv.FormatBool(a.KeyBearer))
}
