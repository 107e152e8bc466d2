package databricks

import (
	"net/url"
	"strings"
)

type routeKind uint8

const (
	routeUnknown routeKind = iota
	routeInvoke            // endpoint in the path
	routeOpenAI            // endpoint in the body's "model"
	routeList
	routeGet
)

// route is what a method and path ask for.
type route struct {
	kind     routeKind
	pattern  string // without names, for metrics
	endpoint string
	served   string // served entity, when the path names one
	task     string // the task an OpenAI path stands for
}

// openAIRoute knows the paths on which "model" names the endpoint: the OpenAI
// surface and the unified paths of the AI gateway ("Query endpoints" pages).
func openAIRoute(path string) (task string) {
	switch path {
	case "/serving-endpoints/chat/completions", "/ai-gateway/mlflow/v1/chat/completions":
		return taskChat
	case "/serving-endpoints/completions":
		return taskCompletions
	case "/serving-endpoints/embeddings", "/ai-gateway/mlflow/v1/embeddings":
		return taskEmbeddings
	}
	return ""
}

const (
	invokeRoot = "/serving-endpoints/"
	manageRoot = "/api/2.0/serving-endpoints"
)

// match finds the route. The service routes by method and path together: a
// wrong method is an unknown route.
func match(method, path string) route {
	switch method {
	case "POST":
		if task := openAIRoute(path); task != "" {
			return route{kind: routeOpenAI, pattern: path, task: task}
		}
		if rest, ok := strings.CutPrefix(path, invokeRoot); ok {
			return matchInvoke(rest)
		}
	case "GET":
		rest, ok := strings.CutPrefix(path, manageRoot)
		if !ok {
			break
		}
		// MLflow's client joins an empty route with a slash.
		if rest == "" || rest == "/" {
			return route{kind: routeList, pattern: manageRoot}
		}
		if name, ok := segment(rest[1:]); ok && rest[0] == '/' {
			return route{kind: routeGet, pattern: manageRoot + "/{name}", endpoint: name}
		}
	}
	return route{}
}

func matchInvoke(rest string) route {
	rest, ok := strings.CutSuffix(rest, "/invocations")
	if !ok {
		return route{}
	}
	name, served, direct := strings.Cut(rest, "/served-models/")
	r := route{kind: routeInvoke, pattern: "/serving-endpoints/{name}/invocations"}
	if r.endpoint, ok = segment(name); !ok {
		return route{}
	}
	if direct {
		r.pattern = "/serving-endpoints/{name}/served-models/{served}/invocations"
		if r.served, ok = segment(served); !ok {
			return route{}
		}
	}
	return r
}

// segment decodes one non-empty path segment.
func segment(s string) (string, bool) {
	if s == "" || strings.IndexByte(s, '/') >= 0 {
		return "", false
	}
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	d, err := url.PathUnescape(s)
	return d, err == nil
}
