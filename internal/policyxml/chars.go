package policyxml

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// longestReference bounds the search for the ';' of a reference.
const longestReference = 40

// reference decodes the reference that text begins with; n is its length. When
// there is none n is 0 and why says what is wrong, in the words of the XML
// reader behind Azure, so that people find them with a search.
func reference(text string) (r rune, n int, why string) {
	end := strings.IndexByte(text[:min(len(text), longestReference)], ';')
	if end < 2 || strings.TrimLeftFunc(text[1:end], isReferenceChar) != "" {
		return 0, 0, "An error occurred while parsing EntityName."
	}
	name := text[1:end]
	if r, ok := predefined(name); ok {
		return r, end + 1, ""
	}
	if name[0] != '#' {
		return 0, 0, fmt.Sprintf("Reference to undeclared entity '%s'.", name)
	}
	digits, base := name[1:], 10
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	v, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !isChar(rune(v)) {
		return 0, 0, fmt.Sprintf("'&%s;' is no character that XML allows.", name)
	}
	return rune(v), end + 1, ""
}

func isReferenceChar(r rune) bool { return r == '#' || isNameChar(r) }

func predefined(name string) (rune, bool) {
	switch name {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	return 0, false
}

// isChar is production Char of XML 1.0.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || (0x20 <= r && r <= 0xD7FF) || (0xE000 <= r && r <= 0xFFFD) || (0x10000 <= r && r <= 0x10FFFF)
}

func isNameStart(r rune) bool { return r == '_' || r == ':' || unicode.IsLetter(r) }

func isNameChar(r rune) bool {
	return isNameStart(r) || r == '-' || r == '.' || r == '·' || unicode.In(r, unicode.Nd, unicode.Mn, unicode.Mc)
}

const blanks = " \t\r\n"

func isBlank(s string) bool { return strings.Trim(s, blanks) == "" }
