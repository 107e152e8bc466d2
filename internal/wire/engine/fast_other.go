//go:build !linux

package engine

import (
	"sallyport/internal/wire"
	"sallyport/internal/wire/std"
)

const available = false

func fastServer(cfg wire.ServerConfig, h wire.Handler) Server { return std.NewServer(cfg, h) }

func fastTransport(cfg wire.TransportConfig) Transport { return std.NewTransport(cfg) }
