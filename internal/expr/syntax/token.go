// Package syntax reads the text of policy expressions: the lexical grammar of
// C# 7 and, built on it, where an expression ends.
// It knows nothing of XML, of policies or of types; it must never evaluate.
// Start at Scanner for tokens, at End for the extent of "@(…)" and "@{…}".
package syntax

// Kind of a token.
type Kind uint8

// Token kinds. Keywords are identifiers: C# has contextual ones, so only the
// parser can tell. An interpolated string is a sequence of tokens:
//
//	InterpStart ( InterpText | HoleStart code… HoleFormat? HoleEnd )* InterpEnd
const (
	EOF     Kind = iota
	Invalid      // a character that begins no token; an error says so
	Ident
	Int
	Real
	Char
	String      // regular or verbatim
	Punct       // operators and brackets; '>' is never joined to '>>', because of generics
	InterpStart // $" or $@"
	InterpText
	HoleStart  // {
	HoleFormat // :format
	HoleEnd    // }
	InterpEnd  // "
)

var kindNames = [...]string{"end of expression", "invalid character", "identifier", "integer", "real number", "character", "string",
	"punctuation", "interpolated string", "text", "'{'", "format", "'}'", "end of interpolated string"}

// String names the kind as error messages do.
func (k Kind) String() string { return kindNames[k] }

// Token is one token; Start and End are byte offsets into the scanned text.
type Token struct {
	Kind       Kind
	Start, End int

	// Value is the meaning of the text: the characters of a string without
	// quotes and escapes, an identifier without '@', an operator as written,
	// a number without separators and suffix (strconv.ParseUint with base 0
	// reads integers). A lone UTF-16 surrogate becomes U+FFFD.
	Value string

	Suffix   string // of a number: "", "U", "L", "UL", "F", "D", "M"
	Unit     uint16 // UTF-16 code unit of a Char
	Verbatim bool   // @identifier, which is never a keyword; @"…" and $@"…"
}

// Is reports whether t is the punctuation s.
func (t Token) Is(s string) bool { return t.Kind == Punct && t.Value == s }

// Error is a lexical error at a byte offset of the scanned text.
type Error struct {
	Offset int
	Msg    string
	Open   int // offset of the bracket that is not closed; -1 when it is not about brackets
}

// Error implements error; the position is the caller's to print.
func (e *Error) Error() string { return e.Msg }
