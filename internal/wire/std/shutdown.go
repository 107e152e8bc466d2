package std

import (
	"context"
	"time"

	"sallyport/internal/wire"
)

// lastWords is how long handlers may go on after Shutdown has cancelled them.
const lastWords = 2 * time.Second

// Shutdown stops accepting and waits for running requests and streams. When ctx
// ends first it cancels them with wire.ErrDraining, a moment later closes their
// connections, and returns the reason of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	// net/http waits five seconds for a connection on which no request came
	// (browsers open them ahead); nothing is lost by closing it at once, since
	// a request arriving now would be dropped anyway.
	s.http.RegisterOnShutdown(s.closeFresh)
	err := s.drain(ctx)
	s.giveUp(wire.ErrDraining)
	if err == nil {
		return nil
	}
	moment, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	_ = s.drain(moment)
	_ = s.Close()
	return err
}

// drain waits for requests, which net/http knows, and for streams, which it
// does not.
func (s *Server) drain(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	if len(s.streams) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.quiet == nil {
		s.quiet = make(chan struct{})
	}
	quiet := s.quiet
	s.mu.Unlock()
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends everything at once.
func (s *Server) Close() error {
	s.giveUp(wire.ErrDraining)
	err := s.http.Close()
	s.mu.Lock()
	s.ended, s.closed = true, true
	var open []*stream
	for st := range s.streams {
		open = append(open, st)
	}
	s.mu.Unlock()
	for _, st := range open {
		_ = st.Close()
	}
	return err
}

func (s *Server) closeFresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.fresh {
		_ = c.Close()
	}
	clear(s.fresh)
}

// track keeps st in sight until its handler has returned; see untrack.
func (s *Server) track(st *stream) {
	s.mu.Lock()
	s.streams[st] = struct{}{}
	late := s.closed
	s.mu.Unlock()
	if late {
		_ = st.Close()
	}
}

func (s *Server) untrack(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.streams, st)
	if len(s.streams) == 0 && s.quiet != nil {
		close(s.quiet)
		s.quiet = nil
	}
}
