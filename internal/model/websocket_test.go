package model_test

import (
	"testing"

	"sallyport/internal/diag"
	"sallyport/internal/model"
)

func webSocket() *model.API {
	a := newAPI("rt", "openai/realtime")
	a.Type, a.ServiceURL, a.Protocols = model.TypeWebSocket, "wss://b.example.com/openai/realtime", []string{"wss"}
	a.Operations = []*model.Operation{model.NewHandshake(diag.Pos{})}
	return a
}

func TestValidateWebSocketAPI(t *testing.T) {
	for name, c := range map[string]struct {
		want   string
		change func(a *model.API)
	}{
		"sound":              {"", func(*model.API) {}},
		"named value as URL": {"", func(a *model.API) { a.ServiceURL = "{{url}}" }},
		"backend by policy":  {"", func(a *model.API) { a.ServiceURL = "" }},
		"plain protocol": {"SP1319: a WebSocket API cannot have protocol 'https' (use wss)", func(a *model.API) {
			a.Protocols = []string{"wss", "https"}
		}},
		"HTTP backend": {"SP1321: serviceUrl of a WebSocket API must begin with ws:// or wss://, not http:// (use ws)", func(a *model.API) {
			a.ServiceURL = "http://b.example.com"
		}},
		"no operation": {"SP1329: WebSocket API 'rt' must have the operation 'onHandshake' and no other (the operation is made by the system and cannot be edited)", func(a *model.API) {
			a.Operations = nil
		}},
		"operation edited": {"SP1329: WebSocket API 'rt' must have the operation 'onHandshake' and no other (the operation is made by the system and cannot be edited)", func(a *model.API) {
			a.Operations[0].URLTemplate = "/other"
		}},
		"one operation more": {"SP1329: WebSocket API 'rt' must have the operation 'onHandshake' and no other (the operation is made by the system and cannot be edited)", func(a *model.API) {
			a.Operations = append(a.Operations, &model.Operation{ID: "x", Method: "GET", URLTemplate: "/x"})
		}},
	} {
		a := webSocket()
		c.change(a)
		s := sound()
		s.APIs = append(s.APIs, a)
		got := ""
		for _, f := range model.Validate(s) {
			if got += string(f.Code) + ": " + f.Message; f.Hint != "" {
				got += " (" + f.Hint + ")"
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
