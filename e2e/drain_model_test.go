package e2e_test

import (
	"io"
	"net/http"
	"strings"
)

// answerBoth answers plain and streamed questions, and holds those that say so.
func answerBoth(goOn <-chan struct{}) http.HandlerFunc {
	hold := holding(goOn)
	return func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case r.Header.Get("X-Kind") == "hold":
			hold(w, r)
		case strings.Contains(string(b), `"stream":true`):
			push := stream(w)
			_ = push(chunk("first"))
			_ = push(doneEvent)
		default:
			answerPlain(w, r)
		}
	}
}
