// Package openapi turns OpenAPI 3.0, OpenAPI 3.1 and Swagger 2.0 documents into
// operations by the rules of APIM's import (Azure documentation: API import
// restrictions).
// It knows nothing of files, of APIs already there, or of how requests are matched.
// Start at Convert; paths.go walks the document, one file per part converts it.
package openapi

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi/datamodel"

	"sallyport/internal/diag"
	"sallyport/internal/model"
)

// maxDocument is APIM's limit for inline documents.
const maxDocument = 4 << 20

// Document to convert.
type Document struct {
	Data    []byte
	File    string // for positions
	APIName string // for the path of findings
}

// Result of a conversion. What the document does not say is "".
type Result struct {
	Title, Description string
	ServiceURL         string
	Operations         []*model.Operation
}

// Convert reads a document. Whatever is wrong with it is a finding; operations
// that can be read are returned even then.
//
// The library reads the document and tells its version. Its typed model is left
// out on purpose: it is built on goroutines, where a panic over a malformed
// document cannot be recovered and would end the gateway.
func Convert(doc Document) (result Result, findings diag.List) {
	c := &converter{doc: doc, res: "apis/" + doc.APIName, dropped: map[string]*drop{}, schemas: map[string]json.RawMessage{}}
	defer func() {
		if r := recover(); r != nil {
			c.out.Add(diag.OpenAPISyntax, c.start(), c.res, "the document cannot be read: it breaks the reader")
			result = Result{}
		}
		c.reportDropped()
		findings = c.out
	}()
	if len(doc.Data) > maxDocument {
		c.out.Add(diag.OpenAPITooLarge, c.start(), c.res, "the specification has %d bytes, at most %d are allowed", len(doc.Data), maxDocument)
		return
	}
	if c.root = c.parse(); c.root == nil || !c.readVersion() {
		return
	}
	c.readInfo(&result)
	c.readServers(&result)
	c.readPaths()
	result.Operations = c.ops
	return
}

// converter carries one conversion.
type converter struct {
	doc     Document
	res     string
	root    *yaml.Node
	version version
	out     diag.List
	ops     []*model.Operation
	claims  map[string]*model.Operation // requests already answered by an operation
	ids     map[string]bool             // operation ids in use, lower case
	schemas map[string]json.RawMessage  // schemas inlined already, by reference
	dropped map[string]*drop
	nodes   int // schema and example nodes written, see budget
}

func (c *converter) start() diag.Pos { return diag.Pos{File: c.doc.File, Line: 1, Col: 1} }

// parse returns the root mapping.
func (c *converter) parse() *yaml.Node {
	info, err := datamodel.ExtractSpecInfoWithConfig(c.doc.Data, &datamodel.DocumentConfiguration{})
	if err != nil && (info == nil || info.RootNode == nil) {
		pos, msg := c.syntaxError(err)
		c.out.Add(diag.OpenAPISyntax, pos, c.res, "%s", msg)
		return nil
	}
	root := info.RootNode
	if root.Kind == yaml.DocumentNode && len(root.Content) > 0 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		c.out.Add(diag.OpenAPISyntax, c.start(), c.res, "the document is not an object")
		return nil
	}
	return root
}

// errorLine finds the position inside a YAML error message.
var errorLine = regexp.MustCompile(`(?:line |at L)(\d+)(?:(?:, column |\.C|:)(\d+))?: *`)

// syntaxError digs position and cause out of the library's errors.
func (c *converter) syntaxError(err error) (diag.Pos, string) {
	var se *json.SyntaxError
	if errors.As(err, &se) {
		return c.offset(int(se.Offset)), "the document is not valid JSON: " + se.Error()
	}
	msg, pos := err.Error(), c.start()
	if m := errorLine.FindStringSubmatchIndex(msg); m != nil {
		pos.Line, _ = strconv.Atoi(msg[m[2]:m[3]])
		if m[4] >= 0 {
			pos.Col, _ = strconv.Atoi(msg[m[4]:m[5]])
		}
		first, _, _ := strings.Cut(msg[m[1]:], "\n")
		return pos, "the document is not valid YAML: " + first
	}
	return pos, "the document cannot be read: " + msg
}

// offset turns a byte offset into a position.
func (c *converter) offset(off int) diag.Pos {
	before := c.doc.Data[:min(max(off-1, 0), len(c.doc.Data))]
	line := strings.Count(string(before), "\n") + 1
	last := strings.LastIndexByte(string(before), '\n')
	return diag.Pos{File: c.doc.File, Line: line, Col: len([]rune(string(before[last+1:]))) + 1}
}

// drop counts parts of one kind that an import leaves out.
type drop struct {
	n   int
	pos diag.Pos
}

func (c *converter) drop(what string, n *yaml.Node) {
	d := c.dropped[what]
	if d == nil {
		d = &drop{pos: c.pos(n)}
		c.dropped[what] = d
	}
	d.n++
}

func (c *converter) reportDropped() {
	for what, d := range c.dropped {
		more := ""
		if d.n > 1 {
			more = " (here and " + strconv.Itoa(d.n-1) + " more)"
		}
		c.out.Add(diag.OpenAPIDropped, d.pos, c.res, "%s: left out by the import%s", what, more)
	}
	c.out.Sort()
}
