// Package app holds what makes a process of the rooms: commands, settings,
// wiring and the rollout of configuration. It may import every room and no
// room may import it. Start at cli for the commands and node for the wiring.
package app

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"sallyport/internal/app/cli"
)

// Main runs the command line and returns the exit code: 0 done, 1 the answer
// is no (findings, failed checks, refused calls), 2 the command could not run.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal the default handling is back: a second one ends a
	// drain that somebody does not want to wait for.
	context.AfterFunc(ctx, stop)
	return cli.Run(ctx, args, stdin, stdout, stderr)
}
