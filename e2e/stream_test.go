package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every event must have arrived in full before the next one is let go: no hop
// may hold a stream back or gather it.
func TestStreamArrivesEventByEvent(t *testing.T) {
	t.Parallel()
	// Comments and fields other than data do not pass the serving plane (its
	// clients cannot read them); both gateway hops pass everything.
	data := []string{chunk("A sally port"), chunk("ünïcödé ✓ "), "data:{\"no\":\"blank\"}\n\n", chunk(strings.Repeat("long ", 30_000)),
		"data: {\"crlf\":1}\r\n\r\n", "data: two\ndata: lines\n\n", doneEvent}
	all := append([]string{": a comment\n\n", "event: x\nid: 7\nretry: 10\ndata: {}\n\n", "\n\n", "data: cr\r\r"}, data...)

	release := make(chan string)
	m := startModel(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		push := stream(w)
		for {
			select {
			case text := <-release:
				if text == "" || push(text) != nil {
					return
				}
			case <-r.Context().Done():
				return
			}
		}
	})
	c := startChain(t, chainOptions{model: m})
	run := func(url, from string, events []string, header ...string) func(t *testing.T) {
		return func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			res, err := send(ctx, client(t, from), "POST", url, askStream, header...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if ct := res.Header.Get("Content-Type"); res.StatusCode != 200 || ct != "text/event-stream" {
				t.Fatalf("%d %s", res.StatusCode, ct)
			}
			for i, e := range events {
				select {
				case release <- e:
				case <-ctx.Done():
					t.Fatalf("event %d was not taken", i)
				}
				got := make([]byte, len(e))
				if _, err := io.ReadFull(res.Body, got); err != nil {
					t.Fatalf("event %d: %v", i, err)
				}
				if string(got) != e {
					t.Fatalf("event %d was changed on its way: %q, sent %q", i, tail(string(got), 200), tail(e, 200))
				}
			}
			release <- ""
			if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
				t.Fatalf("after the last event: %q %v", rest, err)
			}
		}
	}
	t.Run("whole chain", run(c.gateway+chatPath, "", data, keyHeader, userKey))
	t.Run("one hop, every byte", run(c.gateway+modelPath, servingAddress, all, "api-key", modelKey))
}

const crowd = 1000

// A thousand streams are open at the same time (the model lets none go on
// before all have begun), and every one arrives complete.
func TestThousandConcurrentStreams(t *testing.T) {
	t.Parallel()
	if n := fileLimit(); n < 12*crowd {
		needed(t, "a limit of %d open files is too low for %d streams", n, crowd)
	}
	const events = 12
	var begun sync.WaitGroup
	begun.Add(crowd)
	m := startModel(t, func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Messages []struct{ Content string } }
		err := json.NewDecoder(r.Body).Decode(&q)
		push := stream(w)
		begun.Done()
		begun.Wait()
		if err != nil || len(q.Messages) != 1 {
			_ = push("data: bad request\n\n")
			return
		}
		for i := range events {
			if push(chunk(fmt.Sprintf("%s/%d", q.Messages[0].Content, i))) != nil {
				return
			}
		}
		_ = push(doneEvent)
	})
	c := startChain(t, chainOptions{model: m})
	hc := client(t, "")
	hc.Timeout = 2 * patience
	errs := make(chan error, crowd)
	for n := range crowd {
		go func() {
			name := fmt.Sprintf("stream-%04d", n)
			r, err := c.ask(hc, fmt.Sprintf(`{"model":"dublin-chat","stream":true,"messages":[{"role":"user","content":%q}]}`, name))
			errs <- checkStream(r, err, name, events)
		}()
	}
	failed := 0
	for range crowd {
		if err := <-errs; err != nil {
			if failed++; failed <= 5 {
				t.Error(err)
			}
		}
	}
	if failed > 0 {
		t.Errorf("%d of %d streams failed", failed, crowd)
	}
}

func checkStream(r *reply, err error, name string, events int) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var want strings.Builder
	for i := range events {
		want.WriteString(chunk(fmt.Sprintf("%s/%d", name, i)))
	}
	want.WriteString(doneEvent)
	if r.status != 200 || r.body != want.String() {
		return fmt.Errorf("%s: %d, %d bytes of %d: …%s", name, r.status, len(r.body), want.Len(), tail(r.body, 200))
	}
	return nil
}

// A client that hangs up ends the backend call, both while the model is still
// thinking and in the middle of a stream.
func TestClientDisconnectCancelsTheBackend(t *testing.T) {
	t.Parallel()
	arrived, left := make(chan struct{}, 8), make(chan struct{}, 8)
	m := startModel(t, func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Stream bool }
		_ = json.NewDecoder(r.Body).Decode(&q)
		if q.Stream {
			_ = stream(w)(chunk("first"))
		}
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
			left <- struct{}{}
		case <-time.After(patience):
		}
	})
	c := startChain(t, chainOptions{model: m})
	for _, k := range []struct {
		name, url, from, body string
		header                []string
	}{
		{"whole chain, before the head", c.gateway + chatPath, "", askPlain, []string{keyHeader, userKey}},
		{"whole chain, in a stream", c.gateway + chatPath, "", askStream, []string{keyHeader, userKey}},
		{"one hop, before the head", c.gateway + modelPath, servingAddress, askPlain, []string{"api-key", modelKey}},
		{"one hop, in a stream", c.gateway + modelPath, servingAddress, askStream, []string{"api-key", modelKey}},
	} {
		t.Run(k.name, func(t *testing.T) {
			ctx, hangUp := context.WithCancel(context.Background())
			defer hangUp()
			ended := make(chan error, 1)
			go func() {
				res, err := send(ctx, client(t, k.from), "POST", k.url, k.body, k.header...)
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				ended <- err
			}()
			wait(t, arrived, "the call to reach the model")
			hangUp()
			wait(t, left, "the model to be told that the client has gone")
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("client: %v", err)
			}
		})
	}
	eventually(t, "requests in flight", func() error {
		return c.metric("sallyport_requests_in_flight", "0")
	})
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("waited in vain for " + what)
	}
}

// metric wants a series to have a value.
func (c *chain) metric(series, want string) error {
	r, err := call(client(c.t, ""), "GET", c.management+"/metrics", "")
	if err != nil {
		return err
	}
	for line := range strings.Lines(r.body) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			if v == want {
				return nil
			}
			return fmt.Errorf("%s is %s, want %s", series, v, want)
		}
	}
	return fmt.Errorf("there is no series %s", series)
}
