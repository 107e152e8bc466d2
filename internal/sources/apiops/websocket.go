package apiops

import (
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/imports/openapi"
	"sallyport/internal/model"
)

// definition yields the operations of an API: those of its specification, or
// the one that every WebSocket API has.
func (l *loader) definition(f *folder, a *model.API, name string, s *sum) specification {
	l.inheritWebSocket(a)
	if !a.IsWebSocket() {
		return l.specification(f, name, s)
	}
	for _, ext := range []string{"yaml", "yml", "json", "graphql", "wadl", "wsdl"} {
		file := f.file("specification." + ext)
		if file == "" {
			continue
		}
		l.out.Add(diag.SourceSpecification, l.at(file), f.res, "a WebSocket API has no specification: its one operation is '%s'", model.HandshakeID)
		if text, ok := l.readText(file, f.res); ok {
			l.keepText(f.res+"/specification", ext, text, l.at(file))
		}
	}
	return specification{complete: true, result: openapi.Result{Operations: []*model.Operation{model.NewHandshake(a.Pos)}}}
}

// inheritWebSocket gives a revision that leaves its type out the type of the
// current one early: the operations depend on it. The folder of the current
// revision sorts before those of the others.
func (l *loader) inheritWebSocket(a *model.API) {
	if a.IsCurrent || a.Places.At("type", diag.Pos{}) != (diag.Pos{}) || a.Places.At("apiType", diag.Pos{}) != (diag.Pos{}) {
		return
	}
	for _, c := range l.snap.APIs {
		if c.IsCurrent && strings.EqualFold(c.ID, a.ID) && c.IsWebSocket() {
			a.Type = model.TypeWebSocket
		}
	}
}

// defaultProtocols are those of an API that names none. For WebSocket APIs the
// secure one is inferred from what ARM does for the others.
func defaultProtocols(apiType string) []string {
	if apiType == model.TypeWebSocket {
		return []string{"wss"}
	}
	return []string{"https"}
}
