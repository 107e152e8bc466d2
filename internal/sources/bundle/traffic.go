package bundle

import (
	"slices"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// traffic reads the split. With a single entity it may be left out; then all
// calls go there, as the service itself fills in. complete tells that every
// entity could be read: otherwise missing ones are not blamed on the routes.
func (l *loader) traffic(e *model.ServingEndpoint, r tree.Reader, res string, complete bool) {
	t := r.Sub("traffic_config")
	l.known(t, res, "routes")
	routes := t.List("routes")
	if len(routes) == 0 {
		switch {
		case len(e.ServedEntities) == 1 && complete:
			e.Routes = []model.TrafficRoute{{ServedEntity: e.ServedEntities[0].Name, Percentage: 100}}
		case len(e.ServedEntities) > 1:
			l.out.Add(diag.ServingTraffic, r.Pos("served_entities"), res, "more than one served entity needs a traffic_config")
		}
		return
	}
	sum := 0
	for i, it := range routes {
		rt := t.Item("routes", i, it)
		l.known(rt, res, "served_model_name", "served_entity_name", "traffic_percentage")
		if route, ok := l.route(e, rt, res, complete); ok {
			sum += route.Percentage
			e.Routes = append(e.Routes, route)
		}
	}
	if len(e.Routes) != len(routes) {
		return // reported
	}
	if sum != 100 {
		l.out.Add(diag.ServingTraffic, t.Pos("routes"), res, "the percentages add up to %d, not 100", sum)
	}
	for _, ent := range e.ServedEntities {
		if !routed(e, ent.Name) {
			l.out.Add(diag.ServingTraffic, ent.Pos, res, "a served entity has no route").WithHint("add a route for '%s', with 0 percent if it shall rest", ent.Name)
		}
	}
}

func (l *loader) route(e *model.ServingEndpoint, r tree.Reader, res string, complete bool) (model.TrafficRoute, bool) {
	name, old := r.String("served_entity_name"), r.String("served_model_name")
	if name != "" && old != "" && name != old {
		l.out.Add(diag.ServingTraffic, r.Pos("served_model_name"), res, "served_model_name and served_entity_name differ")
	}
	if name == "" {
		name = old
	}
	if name == "" {
		r.Missing("served_entity_name")
		return model.TrafficRoute{}, false
	}
	if !r.Has("traffic_percentage") {
		r.Missing("traffic_percentage")
		return model.TrafficRoute{}, false
	}
	percent := r.Int("traffic_percentage", -1)
	if percent < 0 || percent > 100 {
		l.out.Add(diag.ServingTraffic, r.Pos("traffic_percentage"), res, "traffic_percentage must be a whole number from 0 to 100")
		return model.TrafficRoute{}, false
	}
	pos := r.Pos("served_entity_name")
	if !r.Has("served_entity_name") {
		pos = r.Pos("served_model_name")
	}
	var known []string
	for _, ent := range e.ServedEntities {
		known = append(known, ent.Name)
	}
	switch {
	case routed(e, name):
		l.out.Add(diag.ServingTraffic, pos, res, "served entity '%s' has two routes", name)
		return model.TrafficRoute{}, false
	case complete && !slices.Contains(known, name):
		l.out.Add(diag.ServingTraffic, pos, res, "there is no served entity '%s'", name).Hint = diag.DidYouMean(name, known)
		return model.TrafficRoute{}, false
	}
	return model.TrafficRoute{ServedEntity: name, Percentage: percent}, true
}

func routed(e *model.ServingEndpoint, name string) bool {
	for _, r := range e.Routes {
		if r.ServedEntity == name {
			return true
		}
	}
	return false
}
