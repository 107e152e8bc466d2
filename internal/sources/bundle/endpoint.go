package bundle

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
	"sallyport/internal/model"
	"sallyport/internal/sources/internal/tree"
)

// endpointName is the rule of CreateServingEndpoint.
var endpointName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// maxEntities: the reference says 10, the product accepts 15.
const maxEntities = 15

func (l *loader) endpoint(key string, n *tree.Node) *model.ServingEndpoint {
	res := resPath(key)
	r := tree.Read(n, res, &l.out)
	l.known(r, res, "name", "config", "ai_gateway", "tags", "rate_limits", "route_optimized", "description",
		"budget_policy_id", "email_notifications", "telemetry_config", "permissions", "lifecycle")
	e := &model.ServingEndpoint{Key: key, Name: r.Need("name"), Description: r.String("description"), Pos: n.Pos}
	l.checkName(e, r, res)
	if size := utf8.RuneCountInString(e.Description); size > 1000 {
		l.out.Add(diag.ServingLength, r.Pos("description"), res, "'description' has %d characters, at most 1000 are allowed", size)
	}
	for i, it := range r.List("tags") {
		t := r.Item("tags", i, it)
		l.known(t, res, "key", "value")
		e.Tags = append(e.Tags, model.Tag{Key: t.Need("key"), Value: t.String("value")})
	}
	l.gatewayFeatures(e, r, res)
	l.inactive(r, res)
	e.Properties = withoutPlaintext(n, false).JSON()
	if !r.Has("config") {
		l.out.Add(diag.ServingNoConfig, n.Pos, res, "endpoint '%s' has no config and serves nothing", key)
		return e
	}
	l.config(e, r.Sub("config"), res)
	return e
}

func (l *loader) checkName(e *model.ServingEndpoint, r tree.Reader, res string) {
	switch {
	case e.Name == "":
	case !endpointName.MatchString(e.Name):
		l.out.Add(diag.ServingName, r.Pos("name"), res, "the name must have 1 to 63 letters, digits, '-' and '_'")
	case strings.HasPrefix(strings.ToLower(e.Name), "databricks-"):
		l.out.Add(diag.ServingName, r.Pos("name"), res, "names that start with 'databricks-' are reserved")
	}
}

// inactive warns about fields that are kept and change nothing.
func (l *loader) inactive(r tree.Reader, res string) {
	for _, f := range []struct{ name, what string }{
		{"permissions", "permissions are not enforced yet"},
		{"email_notifications", "no notifications are sent"},
		{"telemetry_config", "Databricks drops it for external models"},
	} {
		if r.Has(f.name) {
			l.out.Add(diag.ServingNotActive, r.Pos(f.name), res, "'%s' has no effect: %s", f.name, f.what)
		}
	}
}

// gatewayFeatures keeps ai_gateway as it is written. What protects is refused
// rather than ignored; what only reports is mentioned.
func (l *loader) gatewayFeatures(e *model.ServingEndpoint, r tree.Reader, res string) {
	if len(r.List("rate_limits")) > 0 {
		l.out.Add(diag.ServingGateway, r.Pos("rate_limits"), res, "rate_limits are not supported yet")
	}
	if !r.Has("ai_gateway") {
		return
	}
	g := r.Sub("ai_gateway")
	l.known(g, res, "usage_tracking_config", "inference_table_config", "rate_limits", "guardrails", "fallback_config")
	if len(g.List("rate_limits")) > 0 {
		l.out.Add(diag.ServingGateway, g.Pos("rate_limits"), res, "ai_gateway.rate_limits are not supported yet")
	}
	if rails := g.Sub("guardrails"); rails.Node() != nil && len(rails.Node().Members) > 0 {
		l.out.Add(diag.ServingGateway, g.Pos("guardrails"), res, "ai_gateway.guardrails are not supported yet")
	}
	for _, name := range []string{"usage_tracking_config", "inference_table_config", "fallback_config"} {
		if g.Sub(name).Bool("enabled", false) {
			l.out.Add(diag.ServingNotActive, g.Pos(name), res, "ai_gateway.%s has no effect yet", name)
		}
	}
	if g.Node() != nil {
		e.AIGateway = g.Node().JSON()
	}
}

func (l *loader) config(e *model.ServingEndpoint, r tree.Reader, res string) {
	l.known(r, res, "served_entities", "served_models", "traffic_config", "auto_capture_config")
	if r.Has("auto_capture_config") {
		l.out.Add(diag.ServingNotActive, r.Pos("auto_capture_config"), res, "'auto_capture_config' has no effect yet")
	}
	field := "served_entities"
	switch {
	case r.Has("served_models") && r.Has("served_entities"):
		l.out.Add(diag.ServingServedBoth, r.Pos("served_models"), res, "served_models and served_entities cannot be used together")
	case r.Has("served_models"):
		field = "served_models"
		l.out.Add(diag.ServingServedModels, r.Pos("served_models"), res, "served_models is deprecated and read as served_entities")
	}
	entities := r.List(field)
	if len(entities) == 0 {
		l.out.Add(diag.ServingNoConfig, r.Pos(field), res, "the endpoint has no served entities")
	}
	if len(entities) > maxEntities {
		l.out.Add(diag.ServingEntityCount, entities[maxEntities].Pos, res, "an endpoint has at most %d served entities, not %d", maxEntities, len(entities))
	}
	for i, it := range entities {
		if ent := l.entity(r.Item(field, i, it), res, field == "served_models"); ent != nil {
			l.addEntity(e, ent, res)
		}
	}
	l.traffic(e, r, res, len(entities) == len(e.ServedEntities))
}

// addEntity checks what entities of one endpoint have in common.
func (l *loader) addEntity(e *model.ServingEndpoint, ent *model.ServedEntity, res string) {
	for _, other := range e.ServedEntities {
		if other.Name == ent.Name {
			l.out.Add(diag.ServingEntityName, ent.Pos, res, "two served entities have the same name (%s)", other.Pos).
				WithHint("give each a name; the default comes from the external model's name")
		}
		if a, b := other.External, ent.External; a != nil && b != nil && a.Task != b.Task && a.Task != "" && b.Task != "" {
			l.out.Add(diag.ServingTask, b.Pos, res, "task '%s' differs from '%s' of another entity", b.Task, a.Task)
			break
		}
	}
	e.ServedEntities = append(e.ServedEntities, ent)
}
