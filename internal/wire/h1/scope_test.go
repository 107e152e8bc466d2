//go:build linux

package h1

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"sallyport/internal/wire"
)

type countAborts struct{ n atomic.Int32 }

func (c *countAborts) abort() { c.n.Add(1) }

// A policy may send a call while the answer of another is still being read:
// the end of the request ends both, and the end of one leaves the other.
func TestAScopeEndsAllItsCalls(t *testing.T) {
	var a, b, c countAborts
	s := new(scope)
	for _, x := range []*countAborts{&a, &b, &c} {
		if !s.attach(x) {
			t.Fatal("the scope has ended")
		}
	}
	s.detach(&b)
	s.end(wire.ErrClientGone)
	if a.n.Load() != 1 || b.n.Load() != 0 || c.n.Load() != 1 {
		t.Errorf("aborted %d, %d, %d times; want 1, 0, 1", a.n.Load(), b.n.Load(), c.n.Load())
	}
	s.end(errors.New("again"))
	if a.n.Load() != 1 || !errors.Is(context.Cause(s), wire.ErrClientGone) || !errors.Is(s.Err(), context.Canceled) {
		t.Errorf("only the first end counts: %v", s.Err())
	}
	if s.attach(&b) {
		t.Error("a call begins in an ended scope")
	}
}

func TestOnlyAScopeThatNobodySawIsUsedAgain(t *testing.T) {
	for name, use := range map[string]func(*scope){
		"done":         func(s *scope) { s.Done() },
		"child":        func(s *scope) { _, cancel := context.WithCancel(s); cancel() },
		"ended":        func(s *scope) { s.end(net.ErrClosed) },
		"a call":       func(s *scope) { s.attach(new(countAborts)) },
		"second call":  func(s *scope) { a := new(countAborts); s.attach(a); s.attach(new(countAborts)); s.detach(a) },
		"nothing":      func(*scope) {},
		"call, ended":  func(s *scope) { a := new(countAborts); s.attach(a); s.detach(a) },
		"asked for it": func(s *scope) { _ = s.Err(); s.Value(1); s.Deadline() },
	} {
		s := new(scope)
		use(s)
		want := name == "nothing" || name == "call, ended" || name == "asked for it"
		if s.reusable() != want {
			t.Errorf("%s: reusable %v", name, !want)
		}
	}
}

func TestContextsFollowAScope(t *testing.T) {
	s := new(scope)
	child, cancel := context.WithCancel(s)
	defer cancel()
	ran, kept := make(chan struct{}), true
	context.AfterFunc(s, func() { close(ran) })
	if stop := context.AfterFunc(s, func() { kept = false }); !stop() {
		t.Error("a function that waits cannot be stopped")
	}
	s.end(wire.ErrDraining)
	within(t, "the child ends", child.Done())
	within(t, "the function runs", ran)
	if !kept || !errors.Is(context.Cause(child), wire.ErrDraining) {
		t.Errorf("stopped function kept %v, cause %v", kept, context.Cause(child))
	}
	late := make(chan struct{})
	context.AfterFunc(s, func() { close(late) })
	within(t, "a function that comes late runs", late)
	within(t, "Done of an ended scope", s.Done())
}

// The news of a client may come between two of its requests. The next one is
// judged anew: its body may still have to be read.
func TestAScopeThatEndedBetweenRequestsIsReplaced(t *testing.T) {
	c := offline(wire.ServerConfig{})
	c.scope = new(scope)
	c.busy, c.body.eof = true, true
	c.gone(false)
	c.body.start(&framing{length: 5})
	if s := c.openScope(); s == nil || s.Err() != nil {
		t.Error("a request whose body is still to come has ended")
	}
	c.body.eof = true
	if s := c.openScope(); s == nil || !errors.Is(s.Err(), wire.ErrClientGone) {
		t.Error("nobody waits for the answer, and the handler is not told")
	}
	c.body.eof, c.scope = false, nil
	c.gone(true)
	if s := c.openScope(); s == nil || !errors.Is(s.Err(), wire.ErrClientGone) {
		t.Error("the connection is lost, and the handler is not told")
	}
}
