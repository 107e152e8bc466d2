package policy

import (
	"slices"
	"strconv"
	"strings"

	"sallyport/internal/diag"
	"sallyport/internal/policyxml"
)

// Resolver fills {{named values}} into a text. secret tells that one of them
// is a secret; missing names are reported to the element's findings.
type Resolver interface {
	Resolve(text string) (out string, secret bool, missing []string)
	Known() []string
}

// checker walks one policy element against its spec. Messages follow the
// schema validator behind Azure's own (policy documentation: Set or edit
// policies), so that people find them with a search.
type checker struct {
	names    Resolver
	findings diag.List
}

// Check tests a policy element against its spec and returns it with its values
// ready to read. All problems are reported, not only the first.
func Check(n *policyxml.Node, spec *Spec, names Resolver) (*Element, diag.List) {
	c := &checker{names: names}
	attrs := append([]Attr{{Name: "id"}}, spec.Attrs...)
	e := c.element(n, attrs, spec.Text, spec.Children, spec.AnyOrder)
	e.ID = e.Str("id")
	return e, c.findings
}

func (c *checker) element(n *policyxml.Node, attrs []Attr, text Text, children []Child, anyOrder bool) *Element {
	e := &Element{Name: n.Name, Pos: n.Pos, attrs: map[string]Value{}}
	c.attributes(e, n, attrs)
	c.content(e, n, text, children)
	c.order(n, e, children, anyOrder)
	return e
}

func (c *checker) attributes(e *Element, n *policyxml.Node, attrs []Attr) {
	for i := range n.Attrs {
		a := &n.Attrs[i]
		k := slices.IndexFunc(attrs, func(s Attr) bool { return s.Name == a.Name })
		if k < 0 {
			if a.Name == "xmlns" || strings.HasPrefix(a.Name, "xmlns:") {
				continue
			}
			c.findings.Add(diag.PolicyAttributeUnknown, a.Pos, n.Name, "The '%s' attribute is not declared.", a.Name).
				WithHint("%s", diag.DidYouMean(a.Name, attrNames(attrs)))
			continue
		}
		e.attrs[a.Name] = c.value(a.Value, a.ValuePos, n.Name, attrs[k])
	}
	for _, s := range attrs {
		if _, ok := e.attrs[s.Name]; ok {
			continue
		}
		if s.Required {
			c.findings.Add(diag.PolicyAttributeMissing, n.Pos, n.Name, "The required attribute '%s' is missing.", s.Name)
		}
		if s.Default != "" {
			e.attrs[s.Name] = Value{literal: s.Default, pos: n.Pos, set: true}
		}
	}
}

func attrNames(attrs []Attr) []string {
	var names []string
	for _, a := range attrs {
		names = append(names, a.Name)
	}
	return names
}

// value resolves named values in a text and checks what remains.
func (c *checker) value(raw string, pos diag.Pos, path string, s Attr) Value {
	v := Value{literal: raw, pos: pos, set: true, secret: s.Secret}
	text, secret, missing := c.names.Resolve(raw)
	for _, name := range missing {
		c.findings.Add(diag.PolicyNamedValueMissing, pos, path, "Cannot find a property '%s'", name).
			WithHint("%s", diag.DidYouMean(name, c.names.Known()))
	}
	v.literal, v.secret = text, v.secret || secret
	if len(missing) > 0 {
		return v
	}
	if policyxml.IsExpression(text) {
		c.findings.Add(diag.PolicyExpression, pos, path, "Policy expressions are not supported yet.").
			WithHint("give a literal value or a named value")
		return v
	}
	c.literal(v, path, s)
	return v
}

func (c *checker) literal(v Value, path string, s Attr) {
	shown := v.literal
	if v.secret {
		shown = "[secret]"
	}
	bad := func(why string) {
		c.findings.Add(diag.PolicyAttributeValue, v.pos, path, "The '%s' attribute is invalid - The value '%s' is invalid according to its datatype: %s.", s.Name, shown, why)
	}
	switch s.Type {
	case Bool:
		if _, ok := ParseBool(v.literal); !ok {
			bad("true or false expected")
		}
	case Int:
		n, err := strconv.ParseInt(strings.TrimSpace(v.literal), 10, 64)
		switch {
		case err != nil:
			bad("a whole number expected")
		case (s.Min != 0 || s.Max != 0) && (n < s.Min || (s.Max != 0 && n > s.Max)):
			bad("must be between " + strconv.FormatInt(s.Min, 10) + " and " + strconv.FormatInt(s.Max, 10))
		}
	case String:
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, v.literal) {
			bad("one of " + strings.Join(s.Enum, ", ") + " expected")
		} else if s.Required && v.literal == "" {
			bad("a value expected")
		}
	}
}

func (c *checker) content(e *Element, n *policyxml.Node, text Text, children []Child) {
	if text.Allowed {
		raw, pos := n.Content()
		if strings.TrimSpace(raw) == "" && text.Required {
			c.findings.Add(diag.PolicyTextMissing, n.Pos, n.Name, "The element '%s' must have content.", n.Name)
		}
		e.Text = c.value(raw, pos, n.Name, Attr{Name: n.Name, Secret: text.Secret})
		if text.Raw {
			return
		}
	}
	for _, k := range n.Children {
		switch {
		case k.Kind == policyxml.Text && !text.Allowed && strings.TrimSpace(k.Text) != "":
			f := c.findings.Add(diag.PolicyTextNotAllowed, k.Pos, n.Name, "The element '%s' cannot contain text.", n.Name)
			if len(children) > 0 {
				f.Message += " List of possible elements expected: '" + strings.Join(childNames(children), ", ") + "'."
			}
		case k.Kind == policyxml.Element:
			i := slices.IndexFunc(children, func(s Child) bool { return s.Name == k.Name })
			if i < 0 {
				f := c.findings.Add(diag.PolicyChildUnknown, k.Pos, n.Name, "The element '%s' has invalid child element '%s'.", n.Name, k.Name)
				if len(children) > 0 {
					f.Message += " List of possible elements expected: '" + strings.Join(childNames(children), ", ") + "'."
				}
				f.Hint = diag.DidYouMean(k.Name, childNames(children))
				continue
			}
			s := children[i]
			e.Children = append(e.Children, c.element(k, s.Attrs, s.Text, s.Children, s.AnyOrder))
		}
	}
}

func childNames(cs []Child) []string {
	var names []string
	for _, c := range cs {
		names = append(names, c.Name)
	}
	return names
}

// order checks the sequence and the number of children.
func (c *checker) order(n *policyxml.Node, e *Element, children []Child, anyOrder bool) {
	counts, last := map[string]int{}, 0
	for _, k := range e.Children {
		counts[k.Name]++
		i := slices.IndexFunc(children, func(s Child) bool { return s.Name == k.Name })
		if !anyOrder && i < last {
			c.findings.Add(diag.PolicyChildOrder, k.Pos, n.Name, "The element '%s' has invalid child element '%s'. Elements are expected in the order: '%s'.",
				n.Name, k.Name, strings.Join(childNames(children), ", "))
		}
		last = max(last, i)
		if m := children[i].Max; m > 0 && counts[k.Name] == m+1 {
			c.findings.Add(diag.PolicyChildCount, k.Pos, n.Name, "The element '%s' may contain '%s' at most %d time(s).", n.Name, k.Name, m)
		}
	}
	for _, s := range children {
		if counts[s.Name] < s.Min {
			c.findings.Add(diag.PolicyChildCount, n.Pos, n.Name, "The element '%s' has incomplete content. List of possible elements expected: '%s'.", n.Name, s.Name)
		}
	}
}
