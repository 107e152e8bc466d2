package arm

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// view is a resource in ARM's envelope.
func (r *request) view(kind, name string, properties object) object {
	return object{
		{"id", r.service + "/" + kind + "/" + name},
		{"type", "Microsoft.ApiManagement/service/" + kindType(kind)},
		{"name", name},
		{"properties", properties},
	}
}

// kindType leaves the names out of a path of kinds: apis/chat/operations has
// the type apis/operations.
func kindType(kind string) string {
	parts := strings.Split(kind, "/")
	var types []string
	for i := 0; i < len(parts); i += 2 {
		types = append(types, parts[i])
	}
	return strings.Join(types, "/")
}

func one(v object) answer { return answer{status: 200, body: v, etag: true} }

// page answers a list, cut by $top and $skip. count is that of the whole list.
func (r *request) page(all []object) answer {
	if r.parameter("$filter") != "" {
		return invalidField("$filter", "Filters are not supported here.")
	}
	skip, ok1 := r.number("$skip", 0)
	top, ok2 := r.number("$top", 1)
	if !ok1 || !ok2 {
		return badRequest("InvalidQueryParameterValue", "$top is a number from 1, $skip a number from 0.")
	}
	rest := all[min(max(skip, 0), len(all)):]
	body := object{}
	if top >= 0 && top < len(rest) {
		rest = rest[:top]
		q := r.query
		for _, k := range []string{"$skip", "$top"} {
			for have := range q {
				if strings.EqualFold(have, k) {
					q.Del(have)
				}
			}
		}
		q.Set("$skip", strconv.Itoa(max(skip, 0)+top))
		q.Set("$top", strconv.Itoa(top))
		path, _, _ := strings.Cut(r.in.Target, "?")
		body = object{{"nextLink", r.in.Scheme + "://" + r.in.Host + path + "?" + q.Encode()}}
	}
	if rest == nil {
		rest = []object{}
	}
	return answer{status: 200, body: append(object{{"value", rest}, {"count", len(all)}}, body...)}
}

// number returns a query parameter that counts something, -1 when absent.
func (r *request) number(name string, least int) (int, bool) {
	s := r.parameter(name)
	if s == "" {
		return -1, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= least
}

// orNull is s, or null for the empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// getService describes the service itself: clients ask for it first.
func getService(_ context.Context, h *Handler, r *request) answer {
	return one(object{
		{"id", r.service},
		{"type", "Microsoft.ApiManagement/service"},
		{"name", h.cfg.ServiceName},
		{"properties", object{{"provisioningState", "Succeeded"}}},
	})
}

// withRest appends the members of raw that o does not have, sorted, except
// those of skip: properties that we do not understand are returned as they came.
func (o object) withRest(raw json.RawMessage, skip ...string) object {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return o
	}
	var rest object
	for k, v := range all {
		known := slices.ContainsFunc(o, func(f field) bool { return strings.EqualFold(f.name, k) })
		if !known && !slices.ContainsFunc(skip, func(s string) bool { return strings.EqualFold(s, k) }) {
			rest = append(rest, field{k, v})
		}
	}
	slices.SortFunc(rest, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	return append(o, rest...)
}

// names is a list that is never null.
func names(l []string) []string { return append([]string{}, l...) }
