package engine

import (
	"sallyport/internal/wire"
	"sallyport/internal/wire/h1"
)

const available = true

func fastServer(cfg wire.ServerConfig, h wire.Handler) Server { return h1.NewServer(cfg, h) }

func fastTransport(cfg wire.TransportConfig) Transport { return h1.NewTransport(cfg) }
