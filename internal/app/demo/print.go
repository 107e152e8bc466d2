package demo

import (
	"fmt"
	"io"
	"strings"
	"time"
)

type printer struct {
	w     io.Writer
	color bool
}

func (p *printer) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) head(u URLs) {
	port := func(url string) string { return url[strings.LastIndexByte(url, ':'):] }
	fmt.Fprintf(p.w, `%s

  user ──▶ gateway %s ──▶ serving endpoint %s ──▶ gateway %s ──▶ model %s
           key,            token,                   key, ip-filter,   network rule,
           product         external model           managed identity  Entra token

`, p.paint("1", "Sallyport demo: the whole chain on this machine"), port(u.Gateway), port(u.Serving), port(u.Gateway), port(u.Sandbox))
}

// result prints one line of the table.
func (p *printer) result(name string, took time.Duration, err error) {
	if err == nil {
		fmt.Fprintf(p.w, "  %s %-66s %s\n", p.paint("32", "✓"), name, p.paint("2", fmt.Sprintf("%6.1f ms", float64(took)/float64(time.Millisecond))))
		return
	}
	fmt.Fprintf(p.w, "  %s %s\n      %s\n", p.paint("31", "✗"), name, strings.ReplaceAll(err.Error(), "\n", "\n      "))
}

func (p *printer) interrupted(done, all int) {
	fmt.Fprintf(p.w, "\n  interrupted after %d of %d checks\n", done, all)
}

func (p *printer) total(passed, all int, started, took time.Duration) {
	verdict := p.paint("32", fmt.Sprintf("all checks passed (%d)", all))
	if passed != all {
		verdict = p.paint("31", fmt.Sprintf("%d of %d checks failed", all-passed, all))
	}
	fmt.Fprintf(p.w, "\n  %s · started in %.2f s, checked in %.2f s\n", verdict, started.Seconds(), took.Seconds())
}

// tryOut prints commands that work as they stand.
func (p *printer) tryOut(u URLs, command string) {
	const question = `{"model":"dublin-chat","messages":[{"role":"user","content":"What is a sally port?"}]`
	b := p.paint("1", "Try")
	fmt.Fprintf(p.w, `
%s (in another terminal; keys and token are for this demo only)

  1. Ask a question
     curl -s %s/serving-endpoints/chat/completions \
       -H 'Ocp-Apim-Subscription-Key: %s' -H 'Content-Type: application/json' \
       -d '%s}'

  2. The same, streamed
     curl -sN %s/serving-endpoints/chat/completions \
       -H 'Ocp-Apim-Subscription-Key: %s' -H 'Content-Type: application/json' \
       -d '%s,"stream":true}'

  3. With an OpenAI SDK (Python; the subscription key is the API key)
     from openai import OpenAI
     client = OpenAI(base_url="%s/serving-endpoints", api_key="%s")
     print(client.chat.completions.create(model="dublin-chat",
           messages=[{"role": "user", "content": "What is a sally port?"}]).choices[0].message.content)

  4. See the journey of a call, hop by hop
     eval "$(%s demo --print-env%s)"
     %s trace /serving-endpoints/chat/completions -d '%s}'

  5. A call that must be refused: the model's API, from an address that is not Databricks'
     curl -si '%s/foundry/openai/deployments/gpt-4.1-mini/chat/completions?api-version=2024-10-21' \
       -H 'api-key: %s' -H 'Content-Type: application/json' -d '{"messages":[]}'

Ctrl-C ends the demo.
`, b, u.Gateway, UserKey, question, u.Gateway, UserKey, question, u.Gateway, UserKey, command, portFlag(u), command, question, u.Gateway, ModelKey)
}

func portFlag(u URLs) string {
	if u == PlaneURLs(8080) {
		return ""
	}
	return " --port-base " + u.Gateway[strings.LastIndexByte(u.Gateway, ':')+1:]
}

// WriteEnv prints shell exports for a demo on these ports.
func WriteEnv(w io.Writer, portBase int) error {
	u := PlaneURLs(portBase)
	_, err := fmt.Fprintf(w, `export SALLYPORT_GATEWAY_URL=%s
export SALLYPORT_MANAGEMENT_URL=%s
export SALLYPORT_SERVING_URL=%s
export SALLYPORT_API_KEY=%s
export SALLYPORT_MODEL_KEY=%s
export SALLYPORT_TOKEN=%s
`, u.Gateway, u.Management, u.Serving, UserKey, ModelKey, Token)
	return err
}
