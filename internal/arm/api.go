package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"sallyport/internal/model"
)

func listAPIs(_ context.Context, _ *Handler, r *request) answer {
	all := make([]object, 0, len(r.snap.APIs))
	for _, a := range r.snap.APIs {
		all = append(all, r.api(a))
	}
	return r.page(all)
}

func getAPI(_ context.Context, _ *Handler, r *request) answer {
	a := findAPI(r.snap, r.params[0])
	if a == nil {
		return notFound("Api not found.")
	}
	return one(r.api(a))
}

// api is an API as ARM shows it. authenticationSettings must be an object:
// Terraform dereferences it.
func (r *request) api(a *model.API) object {
	keys := object{{"header", a.KeyHeader}, {"query", a.KeyQuery}}
	if a.KeyBearer {
		keys = append(keys, field{"bearer", "enabled"})
	}
	p := object{
		{"displayName", a.DisplayName},
		{"apiRevision", a.Revision},
		{"description", orNull(a.Description)},
		{"subscriptionRequired", a.SubscriptionRequired},
		{"serviceUrl", orNull(a.ServiceURL)},
		{"backendId", nil},
		{"path", a.Path},
		{"protocols", names(a.Protocols)},
		{"authenticationSettings", authenticationSettings(a.Properties)},
		{"subscriptionKeyParameterNames", keys},
		{"isCurrent", a.IsCurrent},
		{"isOnline", a.IsOnline},
	}
	if a.Version != "" {
		p = append(p, field{"apiVersion", a.Version})
	}
	if a.VersionSetID != "" {
		p = append(p, field{"apiVersionSetId", r.service + "/apiVersionSets/" + a.VersionSetID})
	}
	p = append(p, field{"type", a.Type}, field{"provisioningState", "Succeeded"})
	return r.view("apis", a.Name(), p.withRest(a.Properties, "format", "value", "wsdlSelector", "translateRequiredQueryParameters", "apiType", "apiVersion", "apiVersionSetId", "apiVersionSet"))
}

func authenticationSettings(properties json.RawMessage) any {
	var p struct {
		AuthenticationSettings json.RawMessage `json:"authenticationSettings"`
	}
	if json.Unmarshal(properties, &p) == nil && bytes.HasPrefix(p.AuthenticationSettings, []byte("{")) {
		return p.AuthenticationSettings
	}
	return object{{"oAuth2", nil}, {"openid", nil}, {"oAuth2AuthenticationSettings", []string{}}, {"openidAuthenticationSettings", []string{}}}
}

func listOperations(_ context.Context, _ *Handler, r *request) answer {
	a := findAPI(r.snap, r.params[0])
	if a == nil {
		return notFound("Api not found.")
	}
	all := make([]object, 0, len(a.Operations))
	for _, o := range a.Operations {
		all = append(all, r.operation(a, o))
	}
	return r.page(all)
}

func getOperation(_ context.Context, _ *Handler, r *request) answer {
	a := findAPI(r.snap, r.params[0])
	if a == nil {
		return notFound("Api not found.")
	}
	for _, o := range a.Operations {
		if strings.EqualFold(o.ID, r.params[1]) {
			return one(r.operation(a, o))
		}
	}
	return notFound("Operation not found.")
}

func (r *request) operation(a *model.API, o *model.Operation) object {
	responses := []object{}
	for _, res := range o.Responses {
		responses = append(responses, response(res))
	}
	return r.view("apis/"+a.Name()+"/operations", o.ID, object{
		{"displayName", o.DisplayName},
		{"method", o.Method},
		{"urlTemplate", o.URLTemplate},
		{"templateParameters", parameters(o.TemplateParameters)},
		{"description", orNull(o.Description)},
		{"request", object{{"queryParameters", parameters(o.QueryParameters)}, {"headers", parameters(o.Headers)}, {"representations", []object{}}}},
		{"responses", responses},
		{"policies", nil},
	})
}

func parameters(ps []model.Parameter) []object {
	all := make([]object, 0, len(ps))
	for _, p := range ps {
		o := object{{"name", p.Name}}
		if p.Description != "" {
			o = append(o, field{"description", p.Description})
		}
		o = append(o, field{"type", p.Type})
		if p.Default != "" {
			o = append(o, field{"defaultValue", p.Default})
		}
		all = append(all, append(o, field{"required", p.Required}, field{"values", names(p.Values)}))
	}
	return all
}

// response leaves schemas out: they are resources of their own in ARM.
func response(res model.Response) object {
	reps := []object{}
	for _, rep := range res.Representations {
		o := object{{"contentType", rep.ContentType}}
		if rep.HasExample {
			o = append(o, field{"examples", object{{"default", object{{"value", rep.Example}}}}})
		}
		reps = append(reps, o)
	}
	return object{{"statusCode", res.StatusCode}, {"description", orNull(res.Description)}, {"representations", reps}, {"headers", []object{}}}
}
