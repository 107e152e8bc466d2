// Package journey prints a trace for people: what ran in which section, for
// how long, what it changed, and the hops of a call inside one another.
// It knows only the JSON form of traces. Start at Print.
package journey

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/telemetry"
)

// Options of Print.
type Options struct {
	Color bool
}

// Print writes the journey of a call, beginning at d.
func Print(w io.Writer, d *telemetry.Document, o Options) {
	p := &printer{w: w, color: o.Color, root: commonDir(places(d, nil))}
	p.hop(d, "")
}

type printer struct {
	w     io.Writer
	color bool
	root  string // folder that all policy files share; not repeated on every line
}

// places collects where the steps of all hops stand.
func places(d *telemetry.Document, at []string) []string {
	for _, entries := range d.TraceEntries {
		for _, e := range entries {
			if e.At != "" {
				at = append(at, e.At)
			}
		}
	}
	for _, h := range d.Hops {
		at = places(h, at)
	}
	return at
}

// commonDir is the longest folder path that all places begin with.
func commonDir(at []string) string {
	if len(at) == 0 {
		return ""
	}
	dir, file := at[0][:strings.LastIndexByte(at[0], '/')+1], at[0][:strings.IndexByte(at[0]+":", ':')]
	one := true
	for _, a := range at {
		one = one && strings.HasPrefix(a, file+":")
		for dir != "" && !strings.HasPrefix(a, dir) {
			dir = parent(dir)
		}
	}
	if one { // "policy.xml" alone says too little
		dir = parent(parent(dir))
	}
	return dir
}

func parent(dir string) string {
	return dir[:strings.LastIndexByte(strings.TrimSuffix(dir, "/"), '/')+1]
}

func (p *printer) paint(code, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) bold(s string) string { return p.paint("1", s) }
func (p *printer) dim(s string) string  { return p.paint("2", s) }

func (p *printer) status(code int) string {
	s := fmt.Sprint(code)
	switch {
	case code >= 500:
		return p.paint("31", s)
	case code >= 400:
		return p.paint("33", s)
	}
	return p.paint("32", s)
}

// hop prints one hop; the hops it called stand where it waited for them.
func (p *printer) hop(d *telemetry.Document, indent string) {
	kind := d.Kind
	if kind == "" {
		kind = telemetry.HopGateway
	}
	fmt.Fprintf(p.w, "%s%s %s  %s  %s  %s\n", indent, p.bold("●"), p.bold(d.Title), p.status(d.Status), clock(d.Took), p.dim(kind+" "+d.ServiceName))
	inner := indent + "│ "
	for _, section := range sections(d) {
		entries := d.TraceEntries[section]
		fmt.Fprintf(p.w, "%s%s\n", inner, p.paint("36", section))
		for i, e := range entries {
			p.entry(inner, e)
			if section == telemetry.SectionBackend && i == 0 {
				p.hops(d, inner)
			}
		}
	}
	if len(d.TraceEntries[telemetry.SectionBackend]) == 0 {
		p.hops(d, inner)
	}
	p.timing(inner, d.Timing)
	if d.Dropped > 0 {
		fmt.Fprintf(p.w, "%s%d more entries were not kept\n", inner, d.Dropped)
	}
}

// timing is the line that says where the time of the hop went.
func (p *printer) timing(indent string, t *telemetry.DocumentTiming) {
	if t == nil {
		return
	}
	parts := []string{"accept " + millis(t.Accept), "match " + millis(t.Match), "policies " + millis(t.Policies)}
	if t.Backend > 0 {
		parts = append(parts, "connect "+millis(t.Connect), "backend "+millis(t.Backend))
	}
	if t.FirstByte > 0 {
		parts = append(parts, "first byte "+millis(t.FirstByte))
	}
	parts = append(parts, "last byte "+millis(t.LastByte))
	fmt.Fprintf(p.w, "%s%s  %s\n", indent, p.paint("36", "timing"), strings.Join(parts, " · "))
}

// sections lists the sections that have entries, in the order in which they
// ended: on-error runs before the response is sent, which is part of outbound.
func sections(d *telemetry.Document) []string {
	names := []string{telemetry.SectionInbound, telemetry.SectionBackend, telemetry.SectionOutbound, telemetry.SectionOnError}
	names = slices.DeleteFunc(names, func(n string) bool { return len(d.TraceEntries[n]) == 0 })
	ended := func(n string) string { return d.TraceEntries[n][len(d.TraceEntries[n])-1].Elapsed }
	slices.SortStableFunc(names, func(a, b string) int { return strings.Compare(ended(a), ended(b)) })
	return names
}

func (p *printer) hops(d *telemetry.Document, indent string) {
	for _, h := range d.Hops {
		p.hop(h, indent+"  ")
	}
}

func (p *printer) entry(indent string, e telemetry.DocumentEntry) {
	took := ""
	if e.Duration != "" {
		took = clock(e.Duration)
	}
	line := fmt.Sprintf("%s  %9s  %9s  %-30s %s", indent, "+"+clock(e.Elapsed), took, e.Source, Summary(e.Data))
	fmt.Fprint(p.w, strings.TrimRight(line, " "))
	if e.At != "" {
		fmt.Fprint(p.w, "  ", p.dim(strings.TrimPrefix(e.At, p.root)))
	}
	fmt.Fprintln(p.w)
}

// clock prints an elapsed time (hh:mm:ss.fffffff) the way people read it.
func clock(s string) string {
	var h, m int
	var sec float64
	if _, err := fmt.Sscanf(s, "%d:%d:%f", &h, &m, &sec); err != nil {
		return s
	}
	return short(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(sec*float64(time.Second)))
}

func millis(ms float64) string { return short(time.Duration(ms * float64(time.Millisecond))) }

func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
}

// Summary is one line about an entry's data.
func Summary(data any) string {
	switch v := data.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		return summarize(v)
	default:
		return fmt.Sprint(v)
	}
}

func summarize(m map[string]any) string {
	if c, ok := m["configuration"].(map[string]any); ok {
		return matched(c)
	}
	var parts []string
	if r, ok := m["request"].(map[string]any); ok {
		parts = append(parts, strings.TrimSpace(str(r["method"])+" "+str(r["url"])))
	}
	if r, ok := m["response"].(map[string]any); ok {
		if s := scalar(r["status"]); s != "" {
			parts = append(parts, s)
		}
	}
	if h, ok := m["header"].(map[string]any); ok {
		if v := str(h["value"]); v != "" {
			parts = append(parts, str(h["name"])+": "+v)
		} else {
			parts = append(parts, str(h["name"])+" ("+strings.ToLower(strings.TrimSuffix(str(m["message"]), "."))+")")
		}
	}
	if e, ok := m["lastError"].(map[string]any); ok {
		parts = append(parts, strings.TrimSpace(str(e["reason"])+": "+str(e["message"])+" "+str(e["path"])))
	}
	known := map[string]bool{"request": true, "response": true, "header": true, "message": true, "messages": true, "lastError": true}
	var rest []string
	for k, v := range m {
		if s := scalar(v); !known[k] && s != "" {
			rest = append(rest, k+"="+s)
		}
	}
	sort.Strings(rest)
	parts = append(parts, rest...)
	if msg := str(m["message"]); msg != "" && len(parts) == 0 {
		parts = append(parts, msg)
	}
	return strings.Join(parts, " · ")
}

func matched(c map[string]any) string {
	name := func(v any) string {
		if m, ok := v.(map[string]any); ok {
			return str(m["id"])
		}
		return str(v)
	}
	api, _ := c["api"].(map[string]any)
	s := fmt.Sprintf("api %s rev %s · operation %s · product %s · subscription %s", str(api["id"]), str(api["revision"]), name(c["operation"]), name(c["product"]), name(c["subscription"]))
	if v := str(api["version"]); v != "" {
		s += " · version " + v
	}
	return s
}

func scalar(v any) string {
	switch v := v.(type) {
	case map[string]any:
		if code, ok := v["code"]; ok {
			return strings.TrimSpace(str(code) + " " + str(v["reason"]))
		}
		if u, ok := v["url"]; ok {
			return str(u)
		}
		if id, ok := v["id"]; ok {
			return str(id)
		}
		return ""
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, str(x))
		}
		return strings.Join(parts, ",")
	}
	return str(v)
}

func str(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any, []any:
		return ""
	default:
		return fmt.Sprint(v)
	}
}
