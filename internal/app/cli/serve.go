package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"sallyport/internal/app/node"
	"sallyport/internal/app/settings"
	"sallyport/internal/diag"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire/listen"
)

// settingsFlags are the flags of commands that read settings.
type settingsFlags struct {
	file string
	set  []string
}

func (s *settingsFlags) flags(c *cobra.Command) {
	c.Flags().StringVarP(&s.file, "config", "c", os.Getenv("SALLYPORT_CONFIG"), "settings file, usually sallyport.yaml (SALLYPORT_CONFIG)")
	c.Flags().StringArrayVar(&s.set, "set", nil, "override a setting, for example --set gateway.listen=0.0.0.0:8080 (repeatable)")
}

// load reads the settings; findings are printed, errors end the command.
func (s *settingsFlags) load(e *env) (*settings.Settings, error) {
	over := map[string]string{}
	for _, kv := range s.set {
		k, v, ok := strings.Cut(kv, "=")
		if !ok {
			return nil, fmt.Errorf("--set %q: name=value expected", kv)
		}
		over[k] = v
	}
	set, fs := settings.Load(settings.Options{File: s.file, Environ: os.Environ(), Overrides: over})
	if len(fs) > 0 {
		printFindings(e, e.stderr, fs)
	}
	if fs.HasErrors() {
		return nil, &exit{code: 2, err: fmt.Errorf("the settings have %d error(s)", fs.Count(diag.Error))}
	}
	return set, nil
}

func newServe(e *env) *cobra.Command {
	var s settingsFlags
	c := &cobra.Command{
		Use: "serve", Short: "Serve the gateway, management and serving planes", GroupID: "run", Args: cobra.NoArgs,
		Long: `Serve runs the planes that the settings name until it gets SIGINT or SIGTERM; then
it drains: not ready, no new connections, streams finish up to the deadline.
Changed configuration files are loaded at once, SIGHUP forces a load. A
configuration with errors changes nothing: the previous one stays in force.
SIGUSR2 starts the program anew on the same sockets and leaves when that serves,
so that a new version or new settings cost no request. Sockets given by systemd
(LISTEN_FDS) are used instead of opening new ones.`,
		Example: `  sallyport serve -c sallyport.yaml
  sallyport serve -c examples/foundry-databricks/sallyport.yaml
  sallyport serve -c sallyport.yaml --set gateway.listen=0.0.0.0:8080 --set log.level=debug`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := s.load(e)
			if err != nil {
				return err
			}
			return runServe(cmd.Context(), e, set)
		},
	}
	s.flags(c)
	return c
}

func runServe(ctx context.Context, e *env, set *settings.Settings) error {
	metrics := telemetry.NewMetrics(buildVersion().version)
	out, err := openLog(e, set.Log.File, metrics)
	if err != nil {
		return err
	}
	defer out.close()
	log, err := out.logger(set)
	if err != nil {
		return err
	}
	inherited, err := listen.Inherit()
	if err != nil {
		return err
	}
	n, fs, err := node.New(set, node.Options{Log: log, Metrics: metrics, Inherited: inherited})
	if err != nil {
		return err
	}
	if fs.HasErrors() {
		printFindings(e, e.stderr, fs)
		return &exit{code: 1, err: fmt.Errorf("the configuration has %d error(s); nothing is served", fs.Count(diag.Error))}
	}
	if err := n.Listen(); err != nil {
		return err
	}
	for _, l := range n.Addresses() {
		log.Info("listening", slog.String("plane", l.Plane), slog.String("address", l.Address))
	}
	stop := onSignals(n, func() { out.reopen(log) })
	defer stop()
	return n.Run(ctx)
}

// onSignals lets signals reach a running node, until stop. reopen is called at
// SIGHUP, before the configuration is loaded.
func onSignals(n *node.Node, reopen func()) (stop func()) {
	reload, handOver := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	if which := handOverSignals(); len(which) > 0 { // none would mean all
		signal.Notify(handOver, which...)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-reload:
				reopen()
				n.Reload()
			case <-handOver:
				n.HandOver()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(reload)
		signal.Stop(handOver)
		close(done)
	}
}
