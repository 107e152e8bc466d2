package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/app/demo"
)

func newDemo(e *env) *cobra.Command {
	var o demo.Options
	var printEnv bool
	c := &cobra.Command{
		Use: "demo", Short: "Run the whole chain on this machine and check every hop", GroupID: "run", Args: cobra.NoArgs,
		Long: `Demo starts a gateway, a serving plane and a sandbox model in one process on
127.0.0.1, sends requests through all of them, checks what must work and what must
be refused, prints what to try, and stays up until Ctrl-C.

Its configuration is examples/foundry-databricks; its keys are published there and
are for the demo only.`,
		Example: `  sallyport demo
  sallyport demo --once
  sallyport demo --port-base 9080
  eval "$(sallyport demo --print-env)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.PortBase < 1 || o.PortBase > 65532 {
				return fmt.Errorf("--port-base %d: a port from 1 to 65532 expected", o.PortBase)
			}
			if printEnv {
				return demo.WriteEnv(e.stdout, o.PortBase)
			}
			o.Stdout, o.Stderr, o.Color, o.Command = e.stdout, e.stderr, e.color(), selfCommand()
			err := demo.Run(cmd.Context(), o)
			if errors.Is(err, demo.ErrFailed) {
				return no()
			}
			return err
		},
	}
	f := c.Flags()
	f.BoolVar(&o.Once, "once", false, "check and end; exit code 0 only if every check passed")
	f.IntVar(&o.PortBase, "port-base", 8080, "gateway port; management, serving and sandbox take the next three")
	f.BoolVar(&printEnv, "print-env", false, "print shell exports for a demo on these ports and end")
	f.BoolVarP(&o.Verbose, "verbose", "v", false, "log what the planes do")
	return c
}

// selfCommand is how the user has called this program, for hints that can be
// pasted.
func selfCommand() string {
	exe, err := os.Executable()
	if err != nil || strings.Contains(exe, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/sallyport"
	}
	if len(os.Args) > 0 && os.Args[0] != "" {
		return os.Args[0]
	}
	return "sallyport"
}
