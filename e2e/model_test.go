package e2e_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// model stands in for the Foundry resource where a test must decide when what
// is sent. It also plays the metadata service that hands out tokens.
type model struct {
	addr string // host:port
}

const identityToken = "e2e.identity.token"

// startModel serves chat completions with answer.
func startModel(t *testing.T, answer http.HandlerFunc) *model {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metadata/identity/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		until := time.Now().Add(time.Hour).Unix()
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","resource":%q,"expires_in":"3600","expires_on":"%d"}`, identityToken, r.URL.Query().Get("resource"), until)
	})
	mux.HandleFunc("POST /openai/deployments/{deployment}/chat/completions", answer)
	return serveModel(t, mux)
}

// serveModel serves h over HTTP/1.1 and HTTP/2 without TLS.
func serveModel(t *testing.T, h http.Handler) *model {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handlers cut connections on purpose
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return &model{addr: strings.TrimPrefix(s.URL, "http://")}
}

// stream begins an event stream and returns what writes a piece of it and
// pushes the piece out.
func stream(w http.ResponseWriter) (push func(text string) error) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	_ = rc.Flush()
	return func(text string) error {
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return rc.Flush()
	}
}

// chunk is one event of a chat completion.
func chunk(text string) string {
	return fmt.Sprintf(`data: {"id":"chatcmpl-e2e","object":"chat.completion.chunk","created":1,"model":"gpt-4.1-mini","choices":[{"index":0,"delta":{"content":%q},"finish_reason":null}]}`, text) + "\n\n"
}

const doneEvent = "data: [DONE]\n\n"

// answerPlain answers a question in one piece.
func answerPlain(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, `{"id":"chatcmpl-e2e","object":"chat.completion","created":1,"model":"gpt-4.1-mini","choices":[{"index":0,"message":{"role":"assistant","content":"A gate."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`)
}
