package cli

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/policy/builtin"
)

func newPolicies(e *env) *cobra.Command {
	var markdown bool
	c := &cobra.Command{
		Use: "policies [NAME]", Short: "Describe the policies: what is supported, attributes, examples", GroupID: "reference", Args: cobra.MaximumNArgs(1),
		Example: "  sallyport policies\n  sallyport policies ip-filter",
		RunE: func(_ *cobra.Command, args []string) error {
			all := described()
			if len(args) == 1 {
				return describePolicy(e, all, args[0])
			}
			if markdown {
				return policiesMarkdown(e.stdout, all)
			}
			return listPolicies(e, all)
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "write the reference as a Markdown page")
	return c
}

// description of a policy for people.
type description struct {
	policy.Spec
	executed bool
}

// described are all policies and structural elements, by name.
func described() []description {
	var all []description
	for _, p := range builtin.All() {
		all = append(all, description{p.Spec, p.Build != nil})
	}
	for _, s := range builtin.Structural() {
		all = append(all, description{s, true})
	}
	sort.Slice(all, func(i, k int) bool { return all[i].Name < all[k].Name })
	return all
}

func (d description) supported() string {
	if d.executed {
		return "yes"
	}
	return "not yet"
}

func listPolicies(e *env, all []description) error {
	if e.output == "json" {
		type item struct {
			Name      string   `json:"name"`
			Supported bool     `json:"supported"`
			Sections  []string `json:"sections"`
			Summary   string   `json:"summary"`
		}
		var items []item
		for _, p := range all {
			items = append(items, item{p.Name, p.executed, sectionsOf(p), p.Summary})
		}
		return e.json(items)
	}
	w := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "POLICY\tSUPPORTED\tSECTIONS\tSUMMARY")
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Name, p.supported(), strings.Join(sectionsOf(p), " "), p.Summary)
	}
	return w.Flush()
}

func sectionsOf(p description) []string {
	names := []string{}
	for s := range exchange.Section(exchange.NumSections) {
		if p.Sections.Has(s) {
			names = append(names, s.String())
		}
	}
	return names
}

func describePolicy(e *env, all []description, name string) error {
	var names []string
	for _, p := range all {
		if p.Name == name {
			return policyMarkdown(e.stdout, p, "#")
		}
		names = append(names, p.Name)
	}
	return &exit{code: 1, err: fmt.Errorf("there is no policy %q%s", name, prefixed("; ", diag.DidYouMean(name, names)))}
}

func policiesMarkdown(w io.Writer, all []description) error {
	fmt.Fprint(w, "# Policies\n\nGenerated from the specs in the code by `sallyport policies --markdown`. A document that uses a policy marked\n\"not yet\" is refused when it is loaded; nothing is ever skipped.\n\n| Policy | Supported | Sections | Summary |\n|---|---|---|---|\n")
	for _, p := range all {
		fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", p.Name, p.supported(), strings.Join(sectionsOf(p), ", "), cell(p.Summary))
	}
	for _, p := range all {
		if !p.executed {
			continue
		}
		fmt.Fprintln(w)
		if err := policyMarkdown(w, p, "##"); err != nil {
			return err
		}
	}
	return nil
}

func policyMarkdown(w io.Writer, p description, heading string) error {
	s := p.Spec
	fmt.Fprintf(w, "%s %s\n\n%s\n\nSections: %s. Azure documentation: %s.\n", heading, s.Name, s.Summary, strings.Join(sectionsOf(p), ", "), s.Page)
	if !p.executed {
		fmt.Fprint(w, "\nNot supported yet: documents that use it are refused.\n")
	}
	if len(s.Attrs) > 0 {
		fmt.Fprint(w, "\n| Attribute | Required | Default | Meaning |\n|---|---|---|---|\n")
		for _, a := range s.Attrs {
			fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", a.Name, yesNo(a.Required), cell(a.Default), cell(a.Summary))
		}
	}
	if len(s.Children) > 0 {
		fmt.Fprint(w, "\n| Element | Meaning |\n|---|---|\n")
		childRows(w, s.Children, "")
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "\n- %s", n)
	}
	if len(s.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, x := range s.Examples {
		fmt.Fprintf(w, "\n%s:\n\n```xml\n%s\n```\n", x.Title, strings.TrimSpace(x.XML))
	}
	_, err := io.WriteString(w, "")
	return err
}

func childRows(w io.Writer, cs []policy.Child, parent string) {
	for _, c := range cs {
		fmt.Fprintf(w, "| `%s%s` | %s |\n", parent, c.Name, cell(c.Summary))
		childRows(w, c.Children, parent+c.Name+"/")
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
