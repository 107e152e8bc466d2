// Package cli holds the commands. A command reads its flags, calls the rooms
// and prints; it decides nothing that another caller would need decided too.
// Start at Run; every command has a file of its name.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version of the program; set by the linker for releases.
var Version = "dev"

// exit ends a command with a code. An empty text has been printed already.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

// no is the answer "no": exit code 1, nothing more to print.
func no() error { return &exit{code: 1} }

// env is what commands share.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	output         string // text or json
}

func (e *env) json(v any) error {
	enc := json.NewEncoder(e.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// color reports whether the output is a terminal that wants colours
// (https://no-color.org).
func (e *env) color() bool {
	f, ok := e.stdout.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Run executes a command line and returns the exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &env{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(e)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var ex *exit
	if errors.As(err, &ex) {
		if text := ex.Error(); text != "" {
			fmt.Fprintln(stderr, "sallyport:", text)
		}
		return ex.code
	}
	fmt.Fprintln(stderr, "sallyport:", err)
	return 2
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "API gateway for AI traffic: Azure API Management and Databricks Model Serving in one binary",
		Long: `Sallyport runs the policy documents and resources of Azure API Management, and
serving endpoints compatible with Databricks Model Serving, on one machine or many.

See the whole chain run, checked hop by hop:

  sallyport demo

Exit codes: 0 done; 1 the answer is no (findings, failed checks); 2 the command could not run.`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if e.output != "text" && e.output != "json" {
				return fmt.Errorf("--output %q: text or json expected", e.output)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVarP(&e.output, "output", "o", "text", "output format: text or json")
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "look", Title: "Look inside:"},
		&cobra.Group{ID: "config", Title: "Configuration:"}, &cobra.Group{ID: "reference", Title: "Reference:"})
	root.AddCommand(newDemo(e), newServe(e), newSandbox(e), newTrace(e), newSubscriptions(e),
		newValidate(e), newRanges(e), newSettings(e), newFindings(e), newPolicies(e), newVersion(e))
	return root
}

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", GroupID: "reference", Args: cobra.NoArgs,
		Example: "  sallyport version\n  sallyport version -o json",
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			if e.output == "json" {
				return e.json(map[string]string{"version": v.version, "go": v.goVersion, "commit": v.commit})
			}
			_, err := fmt.Fprintf(e.stdout, "sallyport %s (%s%s)\n", v.version, v.goVersion, prefixed(", commit ", v.commit))
			return err
		},
	}
}

type build struct{ version, goVersion, commit string }

func buildVersion() build {
	b := build{version: Version}
	if info, ok := debug.ReadBuildInfo(); ok {
		b.goVersion = info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				b.commit = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return b
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
