// Package policyxml reads policy documents: XML that may hold raw C# inside
// policy expressions. Every name and value keeps its position.
// It knows the whole-value rule and {{named values}} as text, but neither
// sections nor policies nor what an expression means.
// Start at Read for documents, at Node for what comes out of it.
package policyxml

import (
	"strings"
	"unicode/utf8"

	"sallyport/internal/diag"
	"sallyport/internal/expr/syntax"
)

// Format tells how expressions are written inside the XML
// (Azure documentation: PolicyContract, property format).
type Format uint8

// RawXML allows '"', '<', '>' and '&' to stand raw inside expressions, even a
// '"' inside a "-quoted attribute; references such as &quot; work there all the
// same. XML wants the document to be well-formed before expressions are looked
// at.
const (
	RawXML Format = iota
	XML
)

// MaxBytes is the size APIM accepts (Azure documentation: service limits).
const MaxBytes = 256 << 10

// The other limits only keep hostile input from costing much.
const (
	maxDepth    = 100
	maxNodes    = 50_000
	maxAttrs    = 200 // of one element
	maxErrors   = 50
	maxWarnings = 50
	maxGuesses  = 20 // failed attempts to read "@(" in the middle of a text as code
)

// Document is a policy document or fragment as text.
type Document struct {
	Text   string
	File   string // for positions
	Format Format
}

// Read parses doc. The list holds at least one error when the document cannot
// be used; the tree is then what could be made of it, and may be nil. Without
// an error the tree is complete.
func Read(doc Document) (*Node, diag.List) {
	if fs := unreadable(doc); fs != nil {
		return nil, fs
	}
	r := &reader{source: newSource(doc), format: doc.Format}
	r.document()
	if r.format == XML && r.root != nil && !r.findings.HasErrors() {
		r.inspectAll(r.root)
	}
	r.findings.Sort()
	return r.root, r.findings
}

// unreadable reports what makes a text no XML document at all.
func unreadable(doc Document) diag.List {
	var fs diag.List
	pos := diag.Pos{File: doc.File, Line: 1, Col: 1}
	switch {
	case len(doc.Text) > MaxBytes:
		fs.Add(diag.PolicyTooLarge, pos, "", "Policy size exceeds allowed limit of 256 KB").
			WithHint("the document has %d bytes; move parts into policy fragments", len(doc.Text))
		return fs
	case strings.HasPrefix(doc.Text, "\xff\xfe") || strings.HasPrefix(doc.Text, "\xfe\xff"):
		fs.Add(diag.PolicyCharacter, pos, "", "The document is UTF-16.").WithHint("save it as UTF-8")
		return fs
	}
	text := strings.TrimPrefix(doc.Text, bom)
	for i, r := range text {
		if r != utf8.RuneError && isChar(r) {
			continue
		}
		pos.Line, pos.Col = Position(text, i)
		if _, n := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && n == 1 {
			fs.Add(diag.PolicyCharacter, pos, "", "Byte 0x%02X is not UTF-8 text.", text[i]).WithHint("save the document as UTF-8")
			return fs
		}
		if !isChar(r) {
			fs.Add(diag.PolicyCharacter, pos, "", "The character U+%04X is not allowed in XML.", r).WithHint("remove it")
			return fs
		}
	}
	return nil
}

// IsExpression reports whether text, without the white space around it, is
// exactly one policy expression. Named values may stand in it or be filled in.
func IsExpression(text string) bool {
	text = strings.Trim(mask(text), blanks)
	if !syntax.Begins(text) {
		return false
	}
	end, _ := syntax.End(text, 0)
	return end == len(text)
}
