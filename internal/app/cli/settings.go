package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/internal/app/settings"
)

func newSettings(e *env) *cobra.Command {
	var markdown bool
	c := &cobra.Command{
		Use: "settings", Short: "Print the reference of all settings", GroupID: "reference", Args: cobra.NoArgs,
		Example: "  sallyport settings",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(e.stdout, settings.Reference())
			return err
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", true, "the reference is Markdown")
	_ = c.Flags().MarkHidden("markdown")
	return c
}
