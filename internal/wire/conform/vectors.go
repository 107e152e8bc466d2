package conform

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

//go:embed testdata/vectors/*.txt
var vectorFiles embed.FS

// Vector is one request, most of them malformed, with what a strict server
// makes of it.
type Vector struct {
	Name string // file: own words
	Send string
	Want Want
	Std  *Want  // what net/http makes of it, where that differs
	Why  string // and why it does
}

// Want is what becomes of a vector.
type Want struct {
	// Statuses are the allowed answers of a refusal; the handler sees nothing,
	// and the connection closes. None means that the request is accepted.
	Statuses []int
	Broken   bool   // the handler gets the head, and an error instead of the body
	Closed   bool   // accepted, and the connection closes behind the answer
	Then     int    // accepted, and what follows is refused with this status
	Seen     string // accepted: what the handler sees, see describe
	Any      bool   // nothing is asserted but that the connection ends
}

// Vectors reads all vectors. A file holds blocks parted by blank lines: a line
// "= name", lines "> bytes" joined without anything between them (escapes as in
// Go, and {x*9} for nine x), then "want", and perhaps "std" with a reason
// behind two dashes.
//
//	want: refused 400            or 400|501
//	want: broken                 the head is fine, the body is not
//	want: accepted GET /a h ""   method, target, host, body in quotes
//	want: closed GET /a h ""     the same, and the connection closes; with
//	                             " then 400" behind it because the next
//	                             request is refused
func Vectors() ([]Vector, error) {
	files, err := fs.Glob(vectorFiles, "testdata/vectors/*.txt")
	if err != nil {
		return nil, err
	}
	var all []Vector
	for _, file := range files {
		b, err := vectorFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		topic := strings.TrimSuffix(path.Base(file), ".txt")
		for block := range strings.SplitSeq(string(b), "\n\n") {
			v, err := parseVector(topic, block)
			if err != nil {
				return nil, fmt.Errorf("%s: %w in\n%s", file, err, block)
			}
			if v.Name != "" {
				all = append(all, v)
			}
		}
	}
	return all, nil
}

func parseVector(topic, block string) (v Vector, err error) {
	for l := range strings.SplitSeq(strings.Trim(block, "\n"), "\n") {
		key, rest, _ := strings.Cut(l, " ")
		switch key {
		case "#", "":
			continue
		case "=":
			v.Name = topic + ": " + rest
		case ">":
			var text string
			text, err = unescape(rest)
			v.Send += text
		case "want:":
			v.Want, err = parseWant(rest)
		case "std:":
			rest, why, found := strings.Cut(rest, " -- ")
			if !found {
				return v, fmt.Errorf("%q gives no reason", l)
			}
			var w Want
			w, err = parseWant(rest)
			v.Std, v.Why = &w, why
		default:
			return v, fmt.Errorf("unknown line %q", l)
		}
		if err != nil {
			return v, err
		}
	}
	if v.Name != "" && (v.Send == "" || v.Want.Statuses == nil && !v.Want.Broken && v.Want.Seen == "") {
		return v, fmt.Errorf("%s: nothing is sent or wanted", v.Name)
	}
	return v, nil
}

func parseWant(s string) (w Want, err error) {
	kind, rest, _ := strings.Cut(s, " ")
	switch kind {
	case "refused":
		for code := range strings.SplitSeq(rest, "|") {
			n, err := strconv.Atoi(code)
			if err != nil {
				return w, err
			}
			w.Statuses = append(w.Statuses, n)
		}
	case "broken":
		w.Broken = true
	case "any":
		w.Any = true
	case "closed":
		w.Closed = true
		var then string
		if w.Seen, then, _ = strings.Cut(rest, " then "); then != "" {
			w.Then, err = strconv.Atoi(then)
		}
	case "accepted":
		w.Seen = rest
	default:
		return w, fmt.Errorf("unknown expectation %q", s)
	}
	return w, err
}

func unescape(s string) (string, error) {
	repeated := regexp.MustCompile(`\{([^{}]+)\*(\d+)\}`)
	s = repeated.ReplaceAllStringFunc(s, func(m string) string {
		parts := repeated.FindStringSubmatch(m)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}
