package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/secret"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
	"sallyport/internal/wire/ws"
)

const realtimePath = "/openai/v1/realtime?model=gpt-4.1-mini"

// handshake asks s for a session.
func handshake(t *testing.T, ctx context.Context, s *Sandbox, target string, header ...wire.Field) *wire.Incoming {
	t.Helper()
	key := ws.NewKey()
	h := append(wire.Header{{Name: "Sec-WebSocket-Key", Value: key}, {Name: "Sec-WebSocket-Version", Value: "13"}}, header...)
	in, err := (&wiretest.Transport{Handler: s}).RoundTrip(ctx, &wire.Outgoing{Method: "GET", Scheme: "http", Authority: "m", Target: target, Header: h, Upgrade: ws.Protocol})
	if err != nil {
		t.Fatal(err)
	}
	if in.Status == 101 && in.Header.Get("Sec-WebSocket-Accept") != ws.Accept(key) {
		t.Error("Sec-WebSocket-Accept does not answer the key")
	}
	return in
}

type talk struct {
	t *testing.T
	*ws.Conn
}

// opened is a session with a good token; its first event has been read.
func opened(t *testing.T, ctx context.Context, s *Sandbox, target string) talk {
	t.Helper()
	tok, err := s.Token(DefaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	in := handshake(t, ctx, s, target, wire.Field{Name: "Authorization", Value: "Bearer " + tok.Reveal()})
	if in.Status != 101 {
		t.Fatalf("status %d", in.Status)
	}
	t.Cleanup(func() { _ = in.Stream.Close() })
	_ = in.Stream.SetDeadline(time.Now().Add(30 * time.Second))
	c := talk{t, ws.NewConn(in.Stream, ws.Client, 1<<20)}
	c.until("session.created")
	return c
}

func (c talk) send(event string) {
	c.t.Helper()
	if err := c.Write(ws.Text, []byte(event)); err != nil {
		c.t.Fatal(err)
	}
}

// until reads to the first event of a type; it returns that event, the types
// that came and the text of the deltas.
func (c talk) until(want string) (last map[string]any, kinds []string, text string) {
	c.t.Helper()
	for {
		_, data, err := c.Read()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", want, err)
		}
		last = nil
		if err := json.Unmarshal(data, &last); err != nil {
			c.t.Fatal(err)
		}
		kind, _ := last["type"].(string)
		if len(kinds) == 0 || kinds[len(kinds)-1] != kind {
			kinds = append(kinds, kind)
		}
		if d, ok := last["delta"].(string); ok {
			text += d
		}
		if kind == want {
			return last, kinds, text
		}
	}
}

func TestRealtimeSession(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		want   []string
	}{
		"v1": {realtimePath, []string{"conversation.item.added", "response.created", "response.output_item.added", "response.content_part.added",
			"response.output_text.delta", "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.done"}},
		"preview": {"/openai/realtime?api-version=2024-10-01-preview&deployment=gpt-4.1-mini", []string{"conversation.item.created", "response.created",
			"response.output_item.added", "response.content_part.added", "response.text.delta", "response.text.done", "response.content_part.done",
			"response.output_item.done", "response.done"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSandbox(t)
			rt := opened(t, t.Context(), s, c.target)
			rt.send(`{"type":"session.update","session":{"instructions":"be short"}}`)
			if e, _, _ := rt.until("session.updated"); e["session"].(map[string]any)["instructions"] != "be short" {
				t.Errorf("session %v", e)
			}
			rt.send(`{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"What is a sally port?"}]}}`)
			rt.send(`{"type":"response.create"}`)
			e, kinds, text := rt.until("response.done")
			if d := cmp.Diff(c.want, kinds); d != "" {
				t.Error(d)
			}
			if !strings.Contains(text, `You asked: "What is a sally port?"`) {
				t.Errorf("text %q", text)
			}
			response := e["response"].(map[string]any)
			if response["status"] != "completed" || response["usage"].(map[string]any)["output_tokens"].(float64) < 5 {
				t.Errorf("response %v", response)
			}
			_ = rt.Close(ws.Normal, "")
			var end *ws.CloseError
			if _, _, err := rt.Read(); !errors.As(err, &end) || end.Code != ws.Normal {
				t.Errorf("end %v", err)
			}
			if st := s.Stats(); st.Streams != 1 || st.Canceled != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// A response that is cancelled says so; what came meanwhile is answered later.
func TestRealtimeCancel(t *testing.T) {
	s := newSandbox(t, func(c *Config) { c.Gap = time.Millisecond })
	rt := opened(t, t.Context(), s, realtimePath)
	rt.send(`{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"text":"` + strings.Repeat("word ", 40) + `"}]}}`)
	rt.until("conversation.item.added")
	s.SetGap(50 * time.Millisecond)
	rt.send(`{"type":"response.create"}`)
	rt.until("response.output_text.delta")
	rt.send(`{"type":"session.update"}`)
	rt.send(`{"type":"response.cancel"}`)
	e, _, _ := rt.until("response.done")
	if got := e["response"].(map[string]any)["status"]; got != "cancelled" {
		t.Errorf("status %v", got)
	}
	rt.until("session.updated")
}

func TestRealtimeErrors(t *testing.T) {
	rt := opened(t, t.Context(), newSandbox(t), realtimePath)
	for event, want := range map[string]string{
		`nonsense`: "invalid_json", `{"type":"no.such.event","event_id":"e1"}`: "invalid_value", `{"type":"response.cancel"}`: "response_cancel_not_active",
	} {
		rt.send(event)
		e, _, _ := rt.until("error")
		if got := e["error"].(map[string]any)["code"]; got != want {
			t.Errorf("%s: code %v, want %s", event, got, want)
		}
	}
}

func TestRealtimeRefusals(t *testing.T) {
	keyed := func(c *Config) { c.APIKey = secret.New("the-key") }
	for name, c := range map[string]struct {
		target string
		header wire.Header
		want   int
	}{
		"no credentials":     {realtimePath, nil, 401},
		"wrong key":          {realtimePath + "&api-key=other", nil, 401},
		"key in query":       {realtimePath + "&api-key=the-key", nil, 101},
		"key in header":      {realtimePath, wire.Header{{Name: "api-key", Value: "the-key"}}, 101},
		"unknown deployment": {"/openai/v1/realtime?model=nope&api-key=the-key", nil, 404},
		"no model":           {"/openai/v1/realtime?api-key=the-key", nil, 400},
		"no api-version":     {"/openai/realtime?deployment=gpt-4.1-mini&api-key=the-key", nil, 404},
		"not chat":           {"/openai/v1/realtime?model=text-embedding-3-small&api-key=the-key", nil, 400},
	} {
		in := handshake(t, t.Context(), newSandbox(t, keyed), c.target, c.header...)
		if in.Status != c.want {
			t.Errorf("%s: status %d, want %d", name, in.Status, c.want)
		}
		if in.Stream != nil {
			_ = in.Stream.Close()
		}
	}
}

func TestRealtimeWithoutHandshake(t *testing.T) {
	s := newSandbox(t)
	wantError(t, wiretest.Serve(s, authed(t, s, "GET", realtimePath, "")), 400, "BadRequest", "WebSocket handshake")
}
