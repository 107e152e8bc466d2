package conform_test

import (
	"testing"

	"sallyport/internal/wire"
	"sallyport/internal/wire/conform"
	"sallyport/internal/wire/h1"
)

func engines() []conform.Engine { return []conform.Engine{netHTTP(), own()} }

// own is our engine; it runs on Linux.
func own() conform.Engine {
	return conform.Engine{
		Name:         "h1",
		NewServer:    func(c wire.ServerConfig, h wire.Handler) conform.Serving { return h1.NewServer(c, h) },
		NewTransport: func(c wire.TransportConfig) wire.Transport { return h1.NewTransport(c) },
	}
}

func TestH1Server(t *testing.T)    { conform.Server(t, own()) }
func TestH1Transport(t *testing.T) { conform.Transport(t, own()) }
func TestH1Vectors(t *testing.T)   { conform.Strict(t, own(), false) }
func TestH1HTTP2(t *testing.T)     { conform.HTTP2(t, own()) }
