package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/diag"
	"sallyport/internal/egress"
	"sallyport/internal/policyxml"
	"sallyport/internal/ranges"
	"sallyport/internal/wire"
)

func newRanges(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "ranges", Short: "Turn published address ranges into ip-filter policies", GroupID: "config",
		Example: "  sallyport ranges databricks --cloud azure --region eastus\n  sallyport ranges databricks --region eastus --check policy.xml",
	}
	c.AddCommand(newRangesDatabricks(e))
	return c
}

type rangesOptions struct {
	cloud, direction, feed, format, check, previous string
	regions                                         []string
	maxShrink                                       int
	list                                            bool
}

func newRangesDatabricks(e *env) *cobra.Command {
	var o rangesOptions
	c := &cobra.Command{
		Use: "databricks", Short: "Addresses that Databricks publishes for a region", Args: cobra.NoArgs,
		Long: `Prints the addresses of a region as a ready ip-filter: --type outbound is where
serverless compute (model serving among it) calls from, inbound is where the
control plane is reached. Without --feed the embedded copy for Azure East US is
used; with it a file or an https URL of the published feed.

--check tells what the ip-filter of a policy lacks or admits in excess.`,
		Example: `  sallyport ranges databricks --cloud azure --region eastus
  sallyport ranges databricks --region eastus --format cidr
  sallyport ranges databricks --region westeurope --feed ip-ranges.json
  sallyport ranges databricks --region eastus --check policy.xml`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRanges(cmd.Context(), e, &o) },
	}
	f := c.Flags()
	f.StringVar(&o.cloud, "cloud", "azure", "azure, aws or gcp")
	f.StringSliceVar(&o.regions, "region", nil, "region, for example eastus; several are joined (repeatable)")
	f.StringVar(&o.direction, "type", "outbound", "outbound or inbound")
	f.StringVar(&o.feed, "feed", "", "file or URL of the feed (default: the embedded copy)")
	f.StringVar(&o.format, "format", "policy", "policy, cidr or json")
	f.StringVar(&o.check, "check", "", "policy document or fragment to compare with")
	f.StringVar(&o.previous, "previous", "", "file or URL of the feed used so far: refuse a list that lost too much since")
	f.IntVar(&o.maxShrink, "max-shrink", 20, "per cent of its addresses that a list may lose against --previous")
	f.BoolVar(&o.list, "list", false, "list what the feed has")
	return c
}

func runRanges(ctx context.Context, e *env, o *rangesOptions) error {
	feed, err := loadFeed(ctx, e, o.feed)
	if err != nil {
		return err
	}
	if o.list {
		for _, n := range feed.Names() {
			fmt.Fprintln(e.stdout, n)
		}
		return nil
	}
	if len(o.regions) == 0 {
		return errors.New("--region is needed, for example --region eastus (--list shows what the feed has)")
	}
	group, err := o.pick(e, feed)
	if err != nil {
		return err
	}
	if err := o.guard(ctx, e, group); err != nil {
		return err
	}
	if o.check != "" {
		return checkRanges(e, o.check, group)
	}
	if e.output == "json" {
		o.format = "json"
	}
	opt := ranges.Options{Info: group.Info, Action: "allow"}
	switch o.format {
	case "policy":
		return ranges.WritePolicy(e.stdout, group.Set, opt)
	case "cidr":
		return ranges.WriteCIDR(e.stdout, group.Set)
	case "json":
		return ranges.WriteJSON(e.stdout, group.Set, opt)
	}
	return fmt.Errorf("--format %q: policy, cidr or json expected", o.format)
}

// pick joins the lists of the wanted regions.
func (o *rangesOptions) pick(e *env, feed *ranges.Feed) (ranges.Group, error) {
	var groups []ranges.Group
	for _, region := range o.regions {
		group, fs := feed.Select(o.cloud, region, o.direction)
		if len(fs) > 0 {
			printFindings(e, e.stderr, fs)
		}
		if fs.HasErrors() {
			return ranges.Group{}, no()
		}
		groups = append(groups, group)
	}
	if len(groups) == 1 {
		return groups[0], nil
	}
	return ranges.Join(groups...), nil
}

// guard compares with the list used so far; one that lost too much is more
// likely a faulty feed than a change, and would lock callers out.
func (o *rangesOptions) guard(ctx context.Context, e *env, next ranges.Group) error {
	if o.previous == "" {
		return nil
	}
	feed, err := loadFeed(ctx, e, o.previous)
	if err != nil {
		return err
	}
	before, err := o.pick(e, feed)
	if err != nil {
		return err
	}
	fs := ranges.Guard(before, next, o.maxShrink)
	if len(fs) > 0 {
		printFindings(e, e.stderr, fs)
	}
	if fs.HasErrors() {
		return no()
	}
	c := ranges.Changes(before, next)
	fmt.Fprintf(e.stderr, "since the previous feed: %d prefixes added, %d removed\n", len(c.Added), len(c.Removed))
	return nil
}

func loadFeed(ctx context.Context, e *env, source string) (*ranges.Feed, error) {
	if source == "" {
		feed, err := ranges.Embedded()
		return feed, err
	}
	d, err := egress.New(egress.Config{})
	if err != nil {
		return nil, err
	}
	feed, fs, err := ranges.Load(ctx, source, fetcher{d.Transport(egress.TLSOptions{})})
	if len(fs) > 0 {
		printFindings(e, e.stderr, fs)
	}
	if err != nil {
		return nil, err
	}
	if fs.HasErrors() {
		return nil, no()
	}
	return feed, nil
}

// fetcher downloads a feed: bounded in time and size, without redirects.
type fetcher struct{ transport wire.Transport }

// Get implements ranges.Getter.
func (f fetcher) Get(ctx context.Context, url string, maxBytes int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r := remote{transport: f.transport}
	res, err := r.send(ctx, "GET", url, wire.Header{{Name: "Accept", Value: "application/json"}, {Name: "User-Agent", Value: "sallyport/" + Version}}, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.Status != 200 {
		return nil, fmt.Errorf("status %d", res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBytes+1))
	if err == nil && int64(len(b)) > maxBytes {
		err = fmt.Errorf("more than %d bytes", maxBytes)
	}
	return b, err
}

func checkRanges(e *env, file string, want ranges.Group) error {
	set, fs, err := filterSet(file)
	if err != nil {
		return err
	}
	if fs.HasErrors() {
		printFindings(e, e.stderr, fs)
		return no()
	}
	report := ranges.Compare(set, want.Set, want.Prefixes...)
	if e.output == "json" {
		err = report.WriteJSON(e.stdout)
	} else {
		err = report.WriteText(e.stdout)
	}
	if err == nil && !report.OK() {
		return no()
	}
	return err
}

// filterSet collects what the ip-filter statements of a policy document admit.
// All of them must pass, as in the gateway; a forbid list takes away.
func filterSet(file string) (*ranges.Set, diag.List, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read policy: %w", err)
	}
	root, fs := policyxml.Read(policyxml.Document{Text: string(b), File: file})
	if fs.HasErrors() || root == nil {
		return nil, fs, nil
	}
	var allowed, denied *ranges.Set
	found := false
	walkElements(root, func(n *policyxml.Node) {
		if n.Name != "ip-filter" {
			return
		}
		found = true
		set := readFilter(n, &fs)
		if a := n.Attr("action"); a != nil && a.Value == "forbid" {
			denied = denied.Union(set)
			return
		}
		if allowed == nil {
			allowed = set
		} else {
			allowed = allowed.Subtract(allowed.Subtract(set))
		}
	})
	if !found {
		return nil, fs, fmt.Errorf("%s has no ip-filter", file)
	}
	if allowed == nil {
		return nil, fs, fmt.Errorf("%s forbids addresses but allows everything else; there is no list to compare", file)
	}
	return allowed.Subtract(denied), fs, nil
}

func walkElements(n *policyxml.Node, visit func(*policyxml.Node)) {
	visit(n)
	for _, k := range n.Elements() {
		walkElements(k, visit)
	}
}

func readFilter(n *policyxml.Node, fs *diag.List) *ranges.Set {
	var b ranges.Builder
	for _, k := range n.Elements() {
		var text string
		switch k.Name {
		case "address":
			text = k.InnerText()
		case "address-range":
			if from, to := k.Attr("from"), k.Attr("to"); from != nil && to != nil {
				text = from.Value + "-" + to.Value
			}
		}
		if len(policyxml.NamedValues(text)) > 0 {
			continue // its value is not known here
		}
		if err := b.AddText(text); err != nil {
			fs.Add(diag.PolicyValue, k.Pos, "ip-filter", "%v", err)
		}
	}
	return b.Build()
}
