package conform_test

import (
	"io"
	"log"
	"os"
	"slices"
	"testing"

	"sallyport/internal/wire"
	"sallyport/internal/wire/conform"
	"sallyport/internal/wire/std"
)

// netHTTP is the engine on net/http, with what net/http cannot do.
func netHTTP() conform.Engine {
	return conform.Engine{
		Name:         "std",
		NewServer:    func(c wire.ServerConfig, h wire.Handler) conform.Serving { return std.NewServer(c, h) },
		NewTransport: func(c wire.TransportConfig) wire.Transport { return std.NewTransport(c) },
		Known:        stdKnown(),
	}
}

// TestMain silences what net/http says, through the standard logger, of each
// backend that we let misbehave.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

func TestStdServer(t *testing.T)    { conform.Server(t, netHTTP()) }
func TestStdTransport(t *testing.T) { conform.Transport(t, netHTTP()) }
func TestStdVectors(t *testing.T)   { conform.Strict(t, netHTTP(), true) }
func TestStdHTTP2(t *testing.T)     { conform.HTTP2(t, netHTTP()) }

// An exception for a check that is not there hides nothing and misleads.
func TestKnownDifferencesNameChecks(t *testing.T) {
	for _, e := range engines() {
		for name, reason := range e.Known {
			if !slices.Contains(conform.Names(), name) || reason == "" {
				t.Errorf("%s: %q, %q", e.Name, name, reason)
			}
		}
	}
}
