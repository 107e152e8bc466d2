package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sallyport/internal/app/settings"
	"sallyport/internal/sandbox"
	"sallyport/internal/wire"
	"sallyport/internal/wire/engine"
	"sallyport/internal/wire/listen"
)

// Sandbox is the stand-in model on its listener.
type Sandbox struct {
	*sandbox.Sandbox
	addr     string
	engine   string
	log      *slog.Logger
	listener *listener
}

// NewSandbox makes the sandbox that the settings describe.
func NewSandbox(set *settings.Settings, log *slog.Logger) (*Sandbox, error) {
	s := set.Sandbox
	box, err := sandbox.New(sandbox.Config{AllowFrom: s.AllowFrom, TokensFrom: s.TokensFrom, Deployments: deployments(s.Deployments), Gap: s.Gap})
	if err != nil {
		return nil, fmt.Errorf("set up the sandbox: %w", err)
	}
	return &Sandbox{Sandbox: box, addr: s.Listen, engine: set.Gateway.Engine, log: log}, nil
}

// Listen opens the sandbox's port. It may be called again after Stop.
func (s *Sandbox) Listen() error {
	ln, err := Bind("sandbox model", s.addr)
	if err != nil {
		return err
	}
	s.listener = &listener{plane: "sandbox", net: listen.Wrap(ln, listen.Config{Log: s.log}), server: engine.NewServer(s.engine, wire.ServerConfig{H2C: true, Logger: s.log}, s.Sandbox)}
	return nil
}

// Address is where the sandbox listens.
func (s *Sandbox) Address() string { return s.addr }

// Serve answers until Stop.
func (s *Sandbox) Serve() error { return s.listener.serve() }

// Stop closes the port and every connection at once, as a machine that goes
// down does.
func (s *Sandbox) Stop() error { return s.listener.server.Close() }

// Restart opens the port again after Stop and serves in the background.
func (s *Sandbox) Restart() error {
	if err := s.Listen(); err != nil {
		return err
	}
	go func() {
		if err := s.Serve(); err != nil {
			s.log.Error("sandbox ended", slog.String("error", err.Error()))
		}
	}()
	return nil
}

// Run serves until ctx ends.
func (s *Sandbox) Run(ctx context.Context) error {
	errs := make(chan error, 1)
	go func() { errs <- s.Serve() }()
	select {
	case err := <-errs:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.listener.server.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		return s.Stop()
	}
	return err
}

func deployments(list []settings.Deployment) []sandbox.Deployment {
	kinds := map[string]sandbox.Kind{"completion": sandbox.Completion, "embedding": sandbox.Embedding}
	var out []sandbox.Deployment
	for _, d := range list {
		out = append(out, sandbox.Deployment{Name: d.Name, Kind: kinds[d.Kind]})
	}
	return out
}
