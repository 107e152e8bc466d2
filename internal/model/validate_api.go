package model

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"sallyport/internal/diag"
)

// revisions finds the current revision of every API and checks the others
// against it (Azure documentation: Revisions).
func (v *validator) revisions() {
	v.current = map[string]*API{}
	byName := map[string]*API{}
	for _, a := range v.s.APIs {
		key := fold(a.ID) + ";" + a.Revision
		if first, taken := byName[key]; taken {
			v.out.Add(diag.RuleDuplicateID, a.Pos, "apis/"+a.Name(), "revision %s of API '%s' is there twice (%s)", a.Revision, a.ID, first.Pos)
			continue
		}
		byName[key] = a
		if !a.IsCurrent {
			continue
		}
		if first, taken := v.current[fold(a.ID)]; taken {
			v.out.Add(diag.RuleCurrentRevision, a.Pos, "apis/"+a.Name(), "API '%s' has two current revisions, %s and %s", a.ID, first.Revision, a.Revision)
			continue
		}
		v.current[fold(a.ID)] = a
	}
	for _, a := range v.s.APIs {
		if a.IsCurrent {
			continue
		}
		cur := v.current[fold(a.ID)]
		if cur == nil {
			v.out.Add(diag.RuleCurrentRevision, a.Pos, "apis/"+a.Name(), "API '%s' has revision %s, but no current revision", a.ID, a.Revision).
				WithHint("add the folder apis/%s", a.ID)
			v.current[fold(a.ID)] = a // reported once
			continue
		}
		if !cur.IsCurrent {
			continue
		}
		v.sameAsCurrent(a, cur)
	}
}

// sameAsCurrent checks the properties that only the current revision may change.
func (v *validator) sameAsCurrent(a, cur *API) {
	fields := []struct {
		name  string
		equal bool
	}{
		{"displayName", a.DisplayName == cur.DisplayName},
		{"type", a.Type == cur.Type},
		{"description", a.Description == cur.Description},
		{"subscriptionRequired", a.SubscriptionRequired == cur.SubscriptionRequired},
		{"apiVersion", a.Version == cur.Version},
		{"apiVersionDescription", property(a, "apiVersionDescription") == property(cur, "apiVersionDescription")},
		{"path", a.Path == cur.Path},
		{"protocols", slices.Equal(sorted(a.Protocols), sorted(cur.Protocols))},
	}
	for _, f := range fields {
		if f.equal || a.Properties != nil && property(a, f.name) == "" {
			continue
		}
		v.out.Add(diag.RuleRevisionField, a.Places.At(f.name, a.Pos), "apis/"+a.Name(), "'%s' differs from the current revision %s", f.name, cur.Revision).
			WithHint("make it equal to the one at %s", cur.Places.At(f.name, cur.Pos))
	}
}

// property returns an ARM property as JSON; "" when it is absent or null.
func property(a *API, name string) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(a.Properties, &all) != nil || string(all[name]) == "null" {
		return ""
	}
	return string(all[name])
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}

// paths reports APIs that answer to the same URL. Only current revisions
// count: the others are reached by ;rev=N.
func (v *validator) paths() {
	byPath := map[string][]*API{}
	for _, a := range v.s.APIs {
		if a.IsCurrent {
			byPath[fold(a.Path)] = append(byPath[fold(a.Path)], a)
		}
	}
	for _, a := range v.s.APIs {
		if !a.IsCurrent {
			continue
		}
		for _, b := range byPath[fold(a.Path)] {
			if b == a {
				break // every pair once, reported on the later one
			}
			v.samePath(a, b)
		}
		if set := v.sets[fold(a.VersionSetID)]; set != nil && set.Scheme == Segment && a.Version != "" {
			for _, b := range byPath[fold(a.publicPath(set))] {
				v.out.Add(diag.RuleAPIPath, a.Places.At("apiVersion", a.Pos), "apis/"+a.Name(), "with its version the path is '%s', which API '%s' has", a.publicPath(set), b.ID)
			}
		}
	}
}

func (a *API) publicPath(set *VersionSet) string {
	if set == nil || set.Scheme != Segment || a.Version == "" {
		return a.Path
	}
	return strings.TrimPrefix(a.Path+"/"+a.Version, "/")
}

func (v *validator) samePath(a, b *API) {
	sameSet := a.VersionSetID != "" && fold(a.VersionSetID) == fold(b.VersionSetID)
	pos := a.Places.At("path", a.Pos)
	switch {
	case !sameSet:
		v.out.Add(diag.RuleAPIPath, pos, "apis/"+a.Name(), "path '%s' is taken by API '%s'", a.Path, b.ID).
			WithHint("see %s; only versions inside one version set may share a path", b.Places.At("path", b.Pos))
	case fold(a.Version) == fold(b.Version):
		v.out.Add(diag.RuleAPIPath, pos, "apis/"+a.Name(), "path '%s' with %s is taken by API '%s'", a.Path, versionWord(a.Version), b.ID).
			WithHint("see %s", b.Places.At("path", b.Pos))
	}
}

func versionWord(s string) string {
	if s == "" {
		return "no version"
	}
	return "version '" + s + "'"
}

// apiTypes are the types ARM knows; the first two are served so far.
func apiTypes() []string {
	return []string{TypeHTTP, TypeWebSocket, "graphql", "soap", "grpc", "odata", "mcp", "a2a"}
}

// api checks the properties of one revision.
func (v *validator) api(a *API) {
	res := "apis/" + a.Name()
	at := func(name string) diag.Pos { return a.Places.At(name, a.Pos) }
	v.length(at("displayName"), res, "displayName", a.DisplayName, 300)
	v.length(at("path"), res, "path", a.Path, 400)
	v.length(at("serviceUrl"), res, "serviceUrl", a.ServiceURL, 2000)
	v.length(at("apiVersion"), res, "apiVersion", a.Version, 100)
	v.apiType(a, res)
	v.apiPath(a, at("path"), res)
	protocols := []string{"http", "https", "ws", "wss"}
	for _, p := range a.Protocols {
		if !slices.Contains(protocols, p) {
			v.out.Add(diag.RuleProtocol, at("protocols"), res, "protocol '%s' is not known", p).Hint = diag.DidYouMean(p, protocols)
		}
	}
	if problem := urlProblem(a.ServiceURL, protocols); a.ServiceURL != "" && problem != "" {
		v.out.Add(diag.RuleServiceURL, at("serviceUrl"), res, "serviceUrl %s", problem)
	}
	v.version(a, res)
	if !isToken(a.KeyHeader) {
		v.out.Add(diag.RuleKeyName, at("subscriptionKeyParameterNames"), res, "'%s' is not a header name", a.KeyHeader)
	}
	if a.KeyQuery == "" || strings.ContainsAny(a.KeyQuery, "&=#? ") {
		v.out.Add(diag.RuleKeyName, at("subscriptionKeyParameterNames"), res, "'%s' is not a query parameter name", a.KeyQuery)
	}
}

func (v *validator) apiType(a *API, res string) {
	switch {
	case a.IsWebSocket():
		v.webSocket(a, res)
	case a.Type != TypeHTTP:
		pos := a.Places.At("apiType", a.Places.At("type", a.Pos))
		f := v.out.Add(diag.RuleAPIType, pos, res, "APIs of type '%s' are not supported yet", a.Type)
		if !slices.Contains(apiTypes(), a.Type) {
			f.Message = "API type '" + a.Type + "' is not known"
			f.Hint = diag.DidYouMean(a.Type, apiTypes())
		}
	case len(a.Operations) == 0 && a.IsCurrent:
		v.out.Add(diag.RuleNoOperations, a.Pos, res, "API '%s' has no operations: every request to it is answered with 404", a.ID)
	}
}

func (v *validator) apiPath(a *API, pos diag.Pos, res string) {
	if i := strings.IndexAny(a.Path, "*#&+:<>?;{}\\ \t\r\n"); i >= 0 {
		v.out.Add(diag.RulePathCharacters, pos, res, "path '%s' must not hold '%c'", a.Path, a.Path[i])
	}
	if strings.Contains(a.Path, "//") || strings.HasPrefix(a.Path, "/") || strings.HasSuffix(a.Path, "/") {
		v.out.Add(diag.RulePathCharacters, pos, res, "path '%s' has an empty segment", a.Path)
	}
}

func (v *validator) version(a *API, res string) {
	if a.VersionSetID == "" {
		if a.Version != "" {
			v.out.Add(diag.RuleVersion, a.Places.At("apiVersion", a.Pos), res, "version '%s' needs a version set", a.Version).
				WithHint("set apiVersionSetId")
		}
		return
	}
	set := v.sets[fold(a.VersionSetID)]
	if set == nil {
		known := names(v.s.VersionSets, func(x *VersionSet) string { return x.ID })
		v.out.Add(diag.RuleUnknownSet, a.Places.At("apiVersionSetId", a.Pos), res, "there is no version set '%s'", a.VersionSetID).Hint = diag.DidYouMean(a.VersionSetID, known)
		return
	}
	if set.Scheme == Segment && strings.ContainsAny(a.Version, "/?#*;{}") {
		v.out.Add(diag.RuleVersion, a.Places.At("apiVersion", a.Pos), res, "version '%s' cannot be a path segment", a.Version)
	}
}

// urlProblem says what keeps s from being the address of a backend. A URL with
// {{named values}} can only be judged once they are filled in.
func urlProblem(s string, schemes []string) string {
	if strings.Contains(s, "{{") {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme == "" || u.Host == "":
		return "must be absolute, such as https://host/path"
	case !slices.Contains(schemes, strings.ToLower(u.Scheme)):
		return "has scheme '" + u.Scheme + "', known are " + strings.Join(schemes, ", ")
	case u.Hostname() == "":
		return "has no host"
	case u.User != nil:
		return "must not hold credentials"
	case u.Fragment != "":
		return "must not hold a fragment"
	}
	return ""
}

// isToken reports whether s is an HTTP field name (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

func (v *validator) versionSets() {
	for _, s := range v.s.VersionSets {
		res := "apiVersionSets/" + s.ID
		v.length(s.Places.At("displayName", s.Pos), res, "displayName", s.DisplayName, 100)
		at := s.Places.At("versioningScheme", s.Pos)
		switch {
		case s.Scheme == Query && s.QueryName == "":
			v.out.Add(diag.RuleVersionSet, at, res, "a version set of scheme Query needs versionQueryName")
		case s.Scheme == Header && s.HeaderName == "":
			v.out.Add(diag.RuleVersionSet, at, res, "a version set of scheme Header needs versionHeaderName")
		case s.Scheme == Header && !isToken(s.HeaderName):
			v.out.Add(diag.RuleVersionSet, s.Places.At("versionHeaderName", s.Pos), res, "'%s' is not a header name", s.HeaderName)
		case s.Scheme != Query && s.Scheme != Header && s.Scheme != Segment && s.Scheme != "":
			v.out.Add(diag.RuleVersionSet, at, res, "versioning scheme '%s' is not known", s.Scheme).
				Hint = diag.DidYouMean(string(s.Scheme), []string{string(Segment), string(Query), string(Header)})
		}
		v.length(s.Places.At("versionQueryName", s.Pos), res, "versionQueryName", s.QueryName, 100)
		v.length(s.Places.At("versionHeaderName", s.Pos), res, "versionHeaderName", s.HeaderName, 100)
	}
}
