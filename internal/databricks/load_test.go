package databricks

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/model"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
)

// TestApplyUnderLoad replaces the endpoints while calls run: every call gets
// the whole answer of one configuration or the other.
func TestApplyUnderLoad(t *testing.T) {
	up := &upstream{reply: func(_ context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
		body := "data: " + out.Header.Get("api-key") + "\n\n"
		return incoming(200, io.NopCloser(strings.NewReader(body)), -1, eventStream), nil
	}}
	v := newVault("apim/gateway-key", "k0")
	p := newPlane(up, func(c *Config) { c.Secrets = v })
	stop := make(chan struct{})
	var writers, readers sync.WaitGroup
	writers.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			e := custom("dublin-chat")
			e.Description = fmt.Sprint(i)
			p.Apply([]*model.ServingEndpoint{e})
			v.put("apim/gateway-key", fmt.Sprintf("k%d", i%10))
			_ = p.Endpoints()
			get(p, "/api/2.0/serving-endpoints")
		}
	})
	for range 8 {
		readers.Go(func() {
			for range 200 {
				got := post(p, invokeDublin, chatBody)
				if got.Status() != 200 || len(got.Body()) != len("data: k0\n\n") {
					t.Errorf("status %d, %q", got.Status(), got.Body())
					return
				}
			}
		})
	}
	readers.Wait()
	close(stop)
	writers.Wait()
}

// nullResponder swallows an answer without allocating.
type nullResponder struct{ n int }

func (*nullResponder) WriteHead(int, string, wire.Header, int64) error { return nil }
func (r *nullResponder) Write(p []byte) (int, error)                   { r.n += len(p); return len(p), nil }
func (*nullResponder) Flush() error                                    { return nil }

// bodyReader is a request body that can be used again.
type bodyReader struct{ strings.Reader }

func (*bodyReader) Close() error { return nil }

// fixedUpstream answers without allocating.
type fixedUpstream struct {
	in   wire.Incoming
	body bodyReader
	text string
}

func (u *fixedUpstream) RoundTrip(_ context.Context, out *wire.Outgoing) (*wire.Incoming, error) {
	u.body.Reset(u.text)
	u.in.Body = &u.body
	return &u.in, nil
}

func benchCall(text, contentType string, cfg func(*Config)) func() {
	up := &fixedUpstream{text: text}
	up.in = wire.Incoming{Status: 200, Header: wire.Header{{Name: "Content-Type", Value: contentType}}, ContentLength: int64(len(text))}
	p := newPlane(up, cfg)
	content := `{"model":"x","stream":true,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 400) + `"}]}`
	r := wiretest.NewRequest("POST", invokeDublin, content, bearer, "Content-Type: application/json")
	in, w := &bodyReader{}, &nullResponder{}
	r.Body = in
	return func() {
		in.Reset(content)
		p.ServeWire(context.Background(), r, w)
	}
}

const jsonAnswer = `{"id":"chatcmpl-1","choices":[{"message":{"role":"assistant","content":"hello"}}]}`

func TestInvocationAllocations(t *testing.T) {
	// What is traced elsewhere must cost nothing here.
	traces := telemetry.NewTraces(1<<20, 1)
	stream := strings.Repeat("data: {\"choices\":[]}\n\n", 2000) // more than one buffer
	for _, tt := range []struct {
		name, text, contentType string
		most                    float64
	}{{"plain", jsonAnswer, "application/json", 20}, {"stream", stream, "text/event-stream", 21}} {
		call := benchCall(tt.text, tt.contentType, func(c *Config) { c.Traces = traces })
		call()
		if n := testing.AllocsPerRun(200, call); n > tt.most {
			t.Errorf("%s: %v allocations, at most %v expected", tt.name, n, tt.most)
		} else {
			t.Logf("%s: %v allocations", tt.name, n)
		}
	}
}

func BenchmarkInvocation(b *testing.B) {
	for _, bb := range []struct{ name, text, contentType string }{
		{"plain", jsonAnswer, "application/json"},
		{"stream200", strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n", 200), "text/event-stream"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			call := benchCall(bb.text, bb.contentType, nil)
			b.ReportAllocs()
			for b.Loop() {
				call()
			}
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("x", 64<<10) + `"}],"model":"a"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		d, err := scanDocument(body)
		if err != nil {
			b.Fatal(err.want)
		}
		_ = d.rewrite([]byte(`"gpt-4.1-mini"`))
	}
}

func BenchmarkEventFilter(b *testing.B) {
	chunk := []byte(strings.Repeat("data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n", 4))
	f := eventFilter{w: io.Discard}
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = f.feed(chunk)
	}
}
