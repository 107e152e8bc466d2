package cli

import (
	"context"
	"fmt"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newSubscriptions(e *env) *cobra.Command {
	c := &cobra.Command{Use: "subscriptions", Short: "Look at subscriptions of a running node", GroupID: "look"}
	var r remote
	var show bool
	list := &cobra.Command{
		Use: "list", Short: "List subscriptions, with --show-keys their keys", Args: cobra.NoArgs,
		Example: "  sallyport subscriptions list\n  sallyport subscriptions list --show-keys -o json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return listSubscriptions(cmd.Context(), e, &r, show) },
	}
	r.managementFlags(list)
	list.Flags().BoolVar(&show, "show-keys", false, "print the keys in clear text")
	c.AddCommand(list)
	return c
}

type subscriptionItem struct {
	Name       string `json:"name"`
	Properties struct {
		DisplayName string `json:"displayName"`
		Scope       string `json:"scope"`
		State       string `json:"state"`
	} `json:"properties"`
	Keys *subscriptionKeys `json:"keys,omitempty"`
}

type subscriptionKeys struct {
	Primary   string `json:"primaryKey"`
	Secondary string `json:"secondaryKey"`
}

func listSubscriptions(ctx context.Context, e *env, r *remote, show bool) error {
	r.open()
	service, err := r.serviceName(ctx)
	if err != nil {
		return err
	}
	var list struct{ Value []*subscriptionItem }
	if err := r.manage(ctx, "GET", r.service(service)+"/subscriptions", nil, &list); err != nil {
		return err
	}
	if show {
		for _, s := range list.Value {
			s.Keys = &subscriptionKeys{}
			if err := r.manage(ctx, "POST", r.service(service)+"/subscriptions/"+url.PathEscape(s.Name)+"/listSecrets", nil, s.Keys); err != nil {
				return err
			}
		}
	}
	if e.output == "json" {
		return e.json(list.Value)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	header := "NAME\tDISPLAY NAME\tSCOPE\tSTATE"
	if show {
		header += "\tPRIMARY KEY\tSECONDARY KEY"
	}
	fmt.Fprintln(w, header)
	for _, s := range list.Value {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s", s.Name, s.Properties.DisplayName, shortScope(s.Properties.Scope), s.Properties.State)
		if show {
			fmt.Fprintf(w, "\t%s\t%s", s.Keys.Primary, s.Keys.Secondary)
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// shortScope leaves the resource path of the service away.
func shortScope(scope string) string {
	const marker = "/service/"
	for i := 0; i+len(marker) <= len(scope); i++ {
		if scope[i:i+len(marker)] == marker {
			for k := i + len(marker); k < len(scope); k++ {
				if scope[k] == '/' {
					return scope[k:]
				}
			}
			return "/"
		}
	}
	return scope
}
