//go:build linux

package h1

import (
	"context"
	"sync"
	"time"
)

// scope is the context of one request. A call of this package's transport
// hooks into it without allocating; a scope that nobody else has looked into
// serves the next request of its connection as well.
type scope struct {
	mu    sync.Mutex
	done  chan struct{}
	ended *ended
	hook  aborter              // the first call
	hooks map[aborter]struct{} // further calls at the same time
	after map[*afterFunc]struct{}
	lent  bool // Done or AfterFunc was called
}

// aborter is ended together with a request.
type aborter interface{ abort() }

// ended is the error of an ended scope: context.Canceled with a cause.
type ended struct{ cause error }

func (e *ended) Error() string        { return "the request has ended: " + e.cause.Error() }
func (e *ended) Unwrap() error        { return e.cause }
func (e *ended) Is(target error) bool { return target == context.Canceled }

type afterFunc struct{ f func() }

// Deadline implements context.Context: there is none.
func (s *scope) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (s *scope) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.ended != nil {
			close(s.done)
		}
	}
	s.lent = true
	return s.done
}

// Err implements context.Context.
func (s *scope) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		return nil
	}
	return s.ended
}

// Value implements context.Context: there is none.
func (s *scope) Value(any) any { return nil }

// AfterFunc lets package context follow this scope without a goroutine.
func (s *scope) AfterFunc(f func()) func() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = true
	if s.ended != nil {
		go f()
		return func() bool { return false }
	}
	a := &afterFunc{f}
	if s.after == nil {
		s.after = make(map[*afterFunc]struct{})
	}
	s.after[a] = struct{}{}
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, waiting := s.after[a]
		delete(s.after, a)
		return waiting
	}
}

// attach makes a be aborted when the scope ends. It reports whether the scope
// has not ended. Several calls can run within one request: a policy may send
// another one while an answer is still being read.
func (s *scope) attach(a aborter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hook == nil {
		s.hook = a
	} else {
		if s.hooks == nil {
			s.hooks = make(map[aborter]struct{})
		}
		s.hooks[a] = struct{}{}
	}
	return s.ended == nil
}

// detach takes a off. After it has returned, a is not aborted any more.
func (s *scope) detach(a aborter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hook == a {
		s.hook = nil
	}
	delete(s.hooks, a)
}

// end ends the scope; only the first call counts.
func (s *scope) end(cause error) {
	s.mu.Lock()
	if s.ended != nil {
		s.mu.Unlock()
		return
	}
	s.ended = &ended{cause}
	if s.done != nil {
		close(s.done)
	}
	if s.hook != nil {
		s.hook.abort()
	}
	for a := range s.hooks {
		a.abort()
	}
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for a := range after {
		go a.f()
	}
}

// reusable reports whether the next request can have the scope.
func (s *scope) reusable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.lent && s.ended == nil && s.hook == nil && len(s.hooks) == 0
}

var _ context.Context = (*scope)(nil)
