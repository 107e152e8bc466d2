package cli

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"sallyport/internal/app/node"
	"sallyport/internal/app/settings"
	"sallyport/internal/telemetry"
)

func newSandbox(e *env) *cobra.Command {
	var s settingsFlags
	c := &cobra.Command{
		Use: "sandbox", Short: "Run the sandbox model: an Azure OpenAI stand-in for rehearsals", GroupID: "run", Args: cobra.NoArgs,
		Long: `Sandbox serves a stand-in for an Azure AI Foundry resource: chat completions (plain
and streamed), completions and embeddings, behind a network rule and Entra tokens, with
the token endpoint of the instance metadata service beside it. Answers are made up;
every one carries the header x-sallyport-sandbox.`,
		Example: `  sallyport sandbox
  sallyport sandbox -c examples/foundry-databricks/sallyport.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set, err := s.load(e)
			if err != nil {
				return err
			}
			return runSandbox(cmd.Context(), e, set)
		},
	}
	s.flags(c)
	return c
}

func runSandbox(ctx context.Context, e *env, set *settings.Settings) error {
	out, err := openLog(e, "", telemetry.NewMetrics(buildVersion().version)) // log.file is the gateway's
	if err != nil {
		return err
	}
	defer out.close()
	log, err := out.logger(set)
	if err != nil {
		return err
	}
	box, err := node.NewSandbox(set, log)
	if err != nil {
		return err
	}
	if err := box.Listen(); err != nil {
		return err
	}
	log.Info("listening", slog.String("plane", "sandbox"), slog.String("address", box.Address()))
	fmt.Fprintf(e.stdout, "sandbox model on http://%s\n", box.Address())
	return box.Run(ctx)
}
