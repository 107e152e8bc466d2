//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// reload writes the API's policy with another number in it and waits until
// answers carry the number. Every fourth time the file is broken instead: then
// the number must stay.
func (s *soak) reload() func(context.Context, *http.Client) error {
	file := filepath.Join(s.dir, "config", "apim", "apis", "soak", "policy.xml")
	turn, current := 0, "0"
	return func(ctx context.Context, c *http.Client) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		turn++
		if turn%4 == 0 {
			return s.rejected(ctx, c, file, string(text), current)
		}
		next := strconv.Itoa(turn)
		if err := replace(file, strings.Replace(string(text), "<value>"+current+"</value>", "<value>"+next+"</value>", 1)); err != nil {
			return err
		}
		current = next
		for range 200 {
			got, err := s.turn(ctx, c)
			if err != nil || got == next {
				return err
			}
			if !pause(ctx, 50*time.Millisecond) {
				return nil
			}
		}
		return errors.New("a change was not in force after 10 s")
	}
}

// rejected breaks the file, sees that the old policy stays, and mends it.
func (s *soak) rejected(ctx context.Context, c *http.Client, file, text, current string) error {
	before, err := s.metrics(ctx)
	if err != nil {
		return err
	}
	if err := replace(file, strings.Replace(text, "<set-header", "<set-heder", 1)); err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		m, err := s.metrics(ctx)
		if err != nil {
			return err
		}
		if m.reloads > before.reloads {
			break
		}
		if tries == 200 {
			return errors.New("a broken file was not noticed after 10 s")
		}
		if !pause(ctx, 50*time.Millisecond) {
			return nil
		}
	}
	got, err := s.turn(ctx, c)
	if err == nil && got != current {
		err = fmt.Errorf("a broken file changed what is in force")
	}
	return errors.Join(err, replace(file, text))
}

// turn asks the gateway which policy is in force.
func (s *soak) turn(ctx context.Context, c *http.Client) (string, error) {
	answer, err := s.call(ctx, c, "echo", []byte("x"))
	if err != nil {
		return "", simple(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d: %w", answer.StatusCode, simple(err))
	}
	return answer.Header.Get("X-Turn"), nil
}

// replace puts a file in place in one step, as deployments do.
func replace(file, text string) error {
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("write a policy: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write a policy: %w", err)
	}
	return nil
}
