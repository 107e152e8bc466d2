package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/app/node"
	"sallyport/internal/app/rollout"
	"sallyport/internal/app/settings"
	"sallyport/internal/diag"
	"sallyport/internal/egress"
	"sallyport/internal/model"
	"sallyport/internal/plan"
)

type validateOptions struct {
	format    string
	overrides []string
}

func newValidate(e *env) *cobra.Command {
	var o validateOptions
	c := &cobra.Command{
		Use: "validate PATH", Short: "Check a configuration and report everything that is wrong with it", GroupID: "config", Args: cobra.ExactArgs(1),
		Long: `Validate reads a configuration as serve would and reports all findings at once, each
with file:line:column, code and hint. PATH is a settings file (sallyport.yaml), a
folder with one in it, or a folder in the APIOps layout.

Exit codes: 0 no errors; 1 errors; 2 PATH cannot be read.`,
		Example: `  sallyport validate examples/foundry-databricks
  sallyport validate apim --override configuration.prod.yaml
  sallyport validate . --format sarif > findings.sarif`,
		RunE: func(_ *cobra.Command, args []string) error { return runValidate(e, &o, args[0]) },
	}
	c.Flags().StringVar(&o.format, "format", "", "text, json or sarif (default: --output)")
	c.Flags().StringArrayVar(&o.overrides, "override", nil, "configuration.<env>.yaml to merge, for an APIOps folder (repeatable)")
	return c
}

func runValidate(e *env, o *validateOptions, path string) error {
	if o.format == "" {
		o.format = e.output
	}
	set, fs, err := validateSettings(path, o.overrides)
	if err != nil {
		return err
	}
	c := rollout.Candidate{}
	if !fs.HasErrors() {
		c, err = check(set)
		if err != nil {
			return err
		}
		fs = append(fs, c.Findings...)
	}
	fs.Sort()
	if err := writeFindings(e, o.format, fs, c.Read); err != nil {
		return err
	}
	if fs.HasErrors() {
		return no()
	}
	return nil
}

// validateSettings finds the settings of PATH, or makes some for a bare folder.
func validateSettings(path string, overrides []string) (*settings.Settings, diag.List, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	file := path
	if info.IsDir() {
		file = filepath.Join(path, "sallyport.yaml")
		if !exists(file) {
			set, fs := settings.Load(settings.Options{})
			set.Configuration.APIOps, set.Configuration.Overrides, set.Serving.Bundle = path, overrides, ""
			return set, fs, nil
		}
	} else if ext := strings.ToLower(filepath.Ext(path)); ext != ".yaml" && ext != ".yml" {
		return nil, nil, fmt.Errorf("%s: give a folder or a settings file; single policy documents are not checked yet", path)
	}
	set, fs := settings.Load(settings.Options{File: file, Environ: os.Environ()})
	if set != nil {
		set.Configuration.Overrides = append(set.Configuration.Overrides, overrides...)
	}
	return set, fs, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// check does what a rollout would do, and puts nothing in force.
func check(set *settings.Settings) (rollout.Candidate, error) {
	c := node.ReadConfiguration(set, os.LookupEnv)
	if c.Snapshot == nil {
		return c, nil
	}
	d, err := egress.New(egress.Config{})
	if err != nil {
		return c, err
	}
	deps, err := node.Deps(d, nil, set.Gateway.Hostnames)
	if err != nil {
		return c, err
	}
	c.Findings = append(c.Findings, model.Validate(c.Snapshot)...)
	_, report := plan.Build(nil, c.Snapshot, deps)
	c.Findings = append(c.Findings, report.Findings...)
	return c, nil
}

func writeFindings(e *env, format string, fs diag.List, read []rollout.Count) error {
	switch format {
	case "json":
		return diag.WriteJSON(e.stdout, fs)
	case "sarif":
		return diag.WriteSARIF(e.stdout, fs, buildVersion().version)
	case "text":
	default:
		return fmt.Errorf("--format %q: text, json or sarif expected", format)
	}
	shown := fs[:0:0]
	for _, f := range fs {
		if f.Severity != diag.Info {
			shown = append(shown, f)
		}
	}
	printFindings(e, e.stdout, shown)
	if len(read) > 0 {
		fmt.Fprintln(e.stdout, "read: "+inventory(read))
	}
	_, err := fmt.Fprintf(e.stdout, "%d error(s), %d warning(s)\n", fs.Count(diag.Error), fs.Count(diag.Warning))
	return err
}

// inventory says what was read; kinds that are kept but have no effect yet are
// named apart.
func inventory(counts []rollout.Count) string {
	var served, kept []string
	for _, c := range counts {
		switch text := fmt.Sprintf("%d %s", c.N, c.Kind); {
		case c.N == 0:
		case c.Served:
			served = append(served, text)
		default:
			kept = append(kept, text)
		}
	}
	text := strings.Join(served, ", ")
	if len(kept) > 0 {
		text += "; kept, without effect yet: " + strings.Join(kept, ", ")
	}
	return text
}
