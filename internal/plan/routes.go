package plan

import (
	"cmp"
	"slices"
	"strings"

	"sallyport/internal/exchange"
	"sallyport/internal/model"
	"sallyport/internal/wire"
)

// routes finds the API of a request: a tree over lower-case path segments
// whose nodes hold the APIs published there.
type routes struct {
	hosts map[string]bool // nil = every host name is served
	root  pathNode
}

type pathNode struct {
	children map[string]*pathNode
	group    *group
}

// group is what shares one path: one API, or the versions of a version set.
type group struct {
	scheme   model.VersioningScheme // "" = not versioned
	name     string                 // header or query parameter with the version
	original *revisions             // version ""
	versions []versionEntry
}

type versionEntry struct {
	version string
	revs    *revisions
}

// revisions of one version.
type revisions struct {
	current *API
	all     []*API
}

func (r *revisions) pick(rev string) *API {
	if r == nil {
		return nil
	}
	if rev == "" {
		if r.current != nil && r.current.Model.IsOnline {
			return r.current
		}
		return nil
	}
	for _, a := range r.all {
		if a.Model.Revision == rev && a.Model.IsOnline {
			return a
		}
	}
	return nil
}

func (g *group) version(v string) *revisions {
	for i := range g.versions {
		if strings.EqualFold(g.versions[i].version, v) {
			return g.versions[i].revs
		}
	}
	return nil
}

func buildRoutes(hosts []string, apis []*API, sets []*model.VersionSet) *routes {
	r := &routes{}
	for _, h := range hosts {
		if r.hosts == nil {
			r.hosts = map[string]bool{}
		}
		r.hosts[strings.ToLower(h)] = true
	}
	for _, a := range apis {
		n := &r.root
		for seg := range strings.SplitSeq(a.Model.Path, "/") {
			if seg != "" {
				n = n.child(strings.ToLower(unescape(seg)))
			}
		}
		if n.group == nil {
			n.group = &group{}
		}
		n.group.add(a, sets)
	}
	return r
}

func (n *pathNode) child(key string) *pathNode {
	if n.children == nil {
		n.children = map[string]*pathNode{}
	}
	c := n.children[key]
	if c == nil {
		c = &pathNode{}
		n.children[key] = c
	}
	return c
}

func (g *group) add(a *API, sets []*model.VersionSet) {
	i := slices.IndexFunc(sets, func(s *model.VersionSet) bool { return s.ID == a.Model.VersionSetID })
	if a.Model.VersionSetID != "" && i >= 0 {
		g.scheme = sets[i].Scheme
		g.name = cmp.Or(sets[i].HeaderName, sets[i].QueryName)
		if g.scheme == model.Query {
			g.name = sets[i].QueryName
		}
	}
	revs := g.original
	if a.Model.Version != "" {
		revs = g.version(a.Model.Version)
	}
	if revs == nil {
		revs = &revisions{}
		if a.Model.Version == "" {
			g.original = revs
		} else {
			g.versions = append(g.versions, versionEntry{a.Model.Version, revs})
		}
	}
	revs.all = append(revs.all, a)
	if a.Model.IsCurrent {
		revs.current = a
	}
}

// Match is the result of Plan.Match. API is set when the path named one, even
// if no operation fits: its on-error policies run then.
type Match struct {
	API  *API
	Op   *Operation
	Path string // what named the API: path, version segment and ;rev
	Rest string // raw remainder behind Path, "" or beginning with "/"
}

// Match finds API and operation of a request. Params found are appended to
// params, so that a caller who hands in a buffer causes no allocation.
func (p *Plan) Match(method, target string, header wire.Header, params []exchange.Param) (Match, []exchange.Param) {
	path, query, _ := strings.Cut(target, "?")
	m, ok := p.routes.match(path, query, header)
	if !ok {
		return Match{}, params
	}
	search := matcher{method: method, query: query, params: params}
	m.Op = search.find(&m.API.tree, strings.TrimSuffix(m.Rest, "/"))
	if m.Op == nil {
		return m, params
	}
	if n := len(search.params); n > 0 && search.params[n-1].Name == "*" && strings.HasSuffix(m.Rest, "/") {
		search.params[n-1].Value = wildcardValue(m.Rest, search.params[n-1].Value)
	}
	return m, search.params
}

// wildcardValue restores the trailing slash that matching leaves out.
func wildcardValue(rest, v string) string {
	if v == "" {
		return v
	}
	return rest[len(rest)-len(v)-1:]
}

// Serves reports whether requests for this host name are served: every one,
// unless host names are configured.
func (p *Plan) Serves(host string) bool { return p.routes.hosts == nil || p.routes.serves(host) }

func (r *routes) serves(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i > 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return r.hosts[strings.ToLower(host)]
}

// match finds the API by its longest path, then by version and revision.
// There is no fall-back to a shorter path.
func (r *routes) match(path, query string, header wire.Header) (Match, bool) {
	n, best, end, rev := &r.root, r.root.group, 0, ""
	for pos := 0; pos < len(path); {
		start := pos + 1
		if path[pos] != '/' {
			start = pos
		}
		stop := start
		for stop < len(path) && path[stop] != '/' {
			stop++
		}
		seg, segRev, hasRev := cutRevision(path[start:stop])
		c := n.next(seg)
		if c == nil {
			break
		}
		n = c
		if n.group != nil {
			best, end, rev = n.group, stop, segRev
		}
		pos = stop
		if hasRev {
			break
		}
	}
	if best == nil {
		return Match{}, false
	}
	return best.resolve(path, end, rev, query, header)
}

func (n *pathNode) next(raw string) *pathNode {
	if len(n.children) == 0 || raw == "" {
		return nil
	}
	var buf [64]byte
	if key, ok := lowerASCII(buf[:0], raw); ok {
		return n.children[string(key)]
	}
	return n.children[strings.ToLower(unescape(raw))]
}

// cutRevision splits "customers;rev=3"; clients may escape ";" and "=".
func cutRevision(seg string) (name, rev string, ok bool) {
	if name, rev, ok = strings.Cut(seg, ";rev="); ok {
		return name, rev, rev != ""
	}
	if strings.IndexByte(seg, '%') < 0 {
		return seg, "", false
	}
	dec := unescape(seg)
	if i := strings.Index(dec, ";rev="); i >= 0 && i+5 < len(dec) {
		return dec[:i], dec[i+5:], true
	}
	return seg, "", false
}

// resolve picks version and revision of the group that path[:end] named.
func (g *group) resolve(path string, end int, rev, query string, header wire.Header) (Match, bool) {
	revs := g.original
	switch g.scheme {
	case model.Segment:
		if rev == "" && end < len(path) {
			stop := end + 1
			for stop < len(path) && path[stop] != '/' {
				stop++
			}
			seg, segRev, _ := cutRevision(path[end+1 : stop])
			if v := g.version(unescape(seg)); v != nil {
				revs, end, rev = v, stop, segRev
			}
		}
	case model.Query:
		if v, ok := exchange.QueryGet(query, g.name); ok {
			revs = g.version(v)
		}
	case model.Header:
		if v, ok := header.Lookup(g.name); ok && v != "" {
			revs = g.version(v)
		}
	}
	a := revs.pick(rev)
	if a == nil {
		return Match{}, false
	}
	return Match{API: a, Path: path[:end], Rest: path[end:]}, true
}
