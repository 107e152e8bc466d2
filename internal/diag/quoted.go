package diag

import "regexp"

// WithoutQuotes returns the message of a parser without what it quotes from the
// file: in a file that may hold secrets that could be one. Pieces of
// punctuation stay.
func WithoutQuotes(message string) string {
	return regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`").ReplaceAllStringFunc(message, func(q string) string {
		if len(q) <= 4 {
			return q
		}
		return "'…'"
	})
}
