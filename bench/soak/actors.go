//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// key of the soak subscription.
const key = "soak-key"

// actor is one kind of load; each of its n does its deed over and over.
type actor struct {
	name string
	n    int
	rest time.Duration // between two deeds
	deed func(ctx context.Context, c *http.Client) error
}

func (s *soak) actors() []actor {
	all := []actor{
		{"plain calls", 8, 5 * time.Millisecond, s.plain(1 << 10)},
		{"calls with 256 KB each way", 2, 40 * time.Millisecond, s.plain(256 << 10)},
		{"a new connection for each call", 2, 20 * time.Millisecond, s.fresh},
		{"streams", 40, 10 * time.Millisecond, s.stream},
		{"streams that the client leaves", 8, 50 * time.Millisecond, s.leaveStream},
		{"calls that the client leaves before the answer", 4, 50 * time.Millisecond, s.leaveEarly},
		{"slow readers", 4, 100 * time.Millisecond, s.slowReader},
		{"readers that stop reading", 2, 2 * time.Second, s.stopReading},
		{"backend resets", 2, 50 * time.Millisecond, s.backendReset},
		{"backend cuts a stream", 4, 50 * time.Millisecond, s.backendCut},
		{"backend answers 429", 2, 20 * time.Millisecond, s.status("busy", 1<<10, http.StatusTooManyRequests)},
		{"backend answers before the body", 2, 50 * time.Millisecond, s.backendEarly},
		{"backend answers without length", 2, 50 * time.Millisecond, s.untilClose},
		{"calls without key", 1, 20 * time.Millisecond, s.noKey},
		{"bad requests", 2, 20 * time.Millisecond, s.badRequest()},
		{"heads that trickle", 2, time.Second, s.trickle},
		{"reloads", 1, 3 * time.Second, s.reload()},
	}
	if s.sockets {
		all = append(all, actor{"WebSockets", 4, 20 * time.Millisecond, s.webSocket})
	}
	return all
}

// act runs all actors until ctx ends; done is closed when they have ended.
func (s *soak) act(ctx context.Context) (done chan struct{}) {
	var wg sync.WaitGroup
	for _, a := range s.actors() {
		for range a.n {
			wg.Go(func() {
				c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableCompression: true}}
				defer c.CloseIdleConnections()
				for ctx.Err() == nil {
					err := a.deed(ctx, c)
					if ctx.Err() == nil { // what the end of the load interrupts does not count
						s.tally.count(a.name, err)
					}
					pause(ctx, a.rest)
				}
			})
		}
	}
	done = make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

// call sends a request through the gateway.
func (s *soak) call(ctx context.Context, c *http.Client, behaviour string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/soak/"+behaviour, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Api-Key", key)
	return c.Do(req)
}

func (s *soak) plain(size int) func(context.Context, *http.Client) error {
	body := []byte(pattern()[:size])
	return func(ctx context.Context, c *http.Client) error { return s.echoes(ctx, c, body) }
}

func (s *soak) echoes(ctx context.Context, c *http.Client, body []byte) error {
	answer, err := s.call(ctx, c, "echo", body)
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return simple(err)
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d", answer.StatusCode)
	case !bytes.Equal(got, body):
		return fmt.Errorf("another body came back, of %d bytes for %d", len(got), len(body))
	}
	return nil
}

func (s *soak) fresh(ctx context.Context, c *http.Client) error {
	defer c.CloseIdleConnections()
	return s.echoes(ctx, c, []byte("hello"))
}

// stream reads a whole stream: every token once, in order, then the end.
func (s *soak) stream(ctx context.Context, c *http.Client) error {
	answer, err := s.call(ctx, c, "stream", []byte(`{"stream":true}`))
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("stream cut: %w", simple(err))
	}
	return wholeStream(answer.StatusCode, string(got))
}

func wholeStream(status int, got string) error {
	if status != http.StatusOK {
		return fmt.Errorf("status %d", status)
	}
	for i := range tokens {
		rest, ok := strings.CutPrefix(got, token(i))
		if !ok && got == "" {
			return errors.New("stream ends without its last tokens")
		} else if !ok {
			return errors.New("stream garbled")
		}
		got = rest
	}
	if got != "data: [DONE]\n\n" {
		return errors.New("stream without its end")
	}
	return nil
}

// leaveStream goes away in the middle; the backend must notice, see settle.
func (s *soak) leaveStream(ctx context.Context, c *http.Client) error {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	answer, err := s.call(ctx, c, "stream", []byte(`{"stream":true}`))
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	head := make([]byte, len(token(0)+token(1)))
	if _, err := io.ReadFull(answer.Body, head); err != nil || string(head) != token(0)+token(1) {
		return fmt.Errorf("stream begins wrongly: %w", simple(err))
	}
	return nil
}

func (s *soak) leaveEarly(ctx context.Context, c *http.Client) error {
	ctx, leave := context.WithTimeout(ctx, 80*time.Millisecond)
	defer leave()
	answer, err := s.call(ctx, c, "hang", []byte("x"))
	if err == nil {
		_ = answer.Body.Close()
		return fmt.Errorf("a hanging backend was answered for with %d", answer.StatusCode)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return simple(err)
	}
	return nil
}

// slowReader reads a large answer in small pieces with rests.
func (s *soak) slowReader(ctx context.Context, c *http.Client) error {
	answer, err := s.call(ctx, c, "large", nil)
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var got bytes.Buffer
	for {
		_, err := io.CopyN(&got, answer.Body, 128<<10)
		if err == io.EOF {
			break
		}
		if err != nil {
			return simple(err)
		}
		pause(ctx, 30*time.Millisecond)
	}
	if got.String() != pattern() {
		return errors.New("a large answer came garbled")
	}
	return nil
}

// backendReset expects an answer that blames the backend or the gateway.
func (s *soak) backendReset(ctx context.Context, c *http.Client) error {
	answer, err := s.call(ctx, c, "reset", []byte("x"))
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode < 500 {
		return fmt.Errorf("status %d: %w", answer.StatusCode, simple(err))
	}
	return nil
}

// backendCut expects the broken stream to be told: a clean end would hide it.
func (s *soak) backendCut(ctx context.Context, c *http.Client) error {
	answer, err := s.call(ctx, c, "cut", []byte("x"))
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err == nil && !bytes.Contains(got, []byte("error")) {
		return errors.New("a stream that the backend cut ended cleanly")
	}
	if !strings.HasPrefix(string(got), token(0)) {
		return errors.New("a stream that the backend cut began wrongly")
	}
	return nil
}

func (s *soak) status(behaviour string, size, want int) func(context.Context, *http.Client) error {
	body := []byte(pattern()[:size])
	return func(ctx context.Context, c *http.Client) error {
		answer, err := s.call(ctx, c, behaviour, body)
		if err != nil {
			return simple(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != want {
			return fmt.Errorf("status %d: %w", answer.StatusCode, simple(err))
		}
		return nil
	}
}

// backendEarly sends a body that the backend does not want. The refusal may get
// lost when the connection breaks first, but nothing may hang or succeed.
func (s *soak) backendEarly(ctx context.Context, c *http.Client) error {
	answer, err := s.call(ctx, c, "early", []byte(pattern()))
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return simple(err)
		}
		return nil
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode < 400 {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

func (s *soak) untilClose(ctx context.Context, c *http.Client) error {
	answer, err := s.call(ctx, c, "close", []byte("x"))
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if got, err := io.ReadAll(answer.Body); err != nil || string(got) != "until the end" {
		return fmt.Errorf("status %d, %d bytes: %w", answer.StatusCode, len(got), simple(err))
	}
	return nil
}

func (s *soak) noKey(ctx context.Context, c *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.address+"/soak/echo", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := c.Do(req)
	if err != nil {
		return simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

// simple takes addresses and ports out of an error, so that errors of one kind
// are counted together. Without an error it says so.
func simple(err error) error {
	if err == nil {
		return errors.New("no network error")
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
