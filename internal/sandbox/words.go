package sandbox

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPiece is the longest piece of a word that counts as one token. It makes
// ordinary English come out near the counts of real vocabularies.
const maxPiece = 8

// nextToken returns the length of the first token of s: a piece of a word with
// the space in front of it, or a single other character.
func nextToken(s string) int {
	at := 0
	if len(s) > 1 && s[0] == ' ' && s[1] != ' ' {
		at = 1
	}
	r, n := utf8.DecodeRuneInString(s[at:])
	if !wordy(r) {
		return at + n
	}
	end := at
	for letters := 0; letters < maxPiece && wordy(r); letters++ {
		end += n
		r, n = utf8.DecodeRuneInString(s[end:])
		if n == 0 {
			break
		}
	}
	return end
}

// wordy: letters of alphabets that are written in words.
func wordy(r rune) bool {
	return unicode.IsDigit(r) || unicode.IsLetter(r) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai)
}

func countTokens(s string) int {
	n := 0
	for len(s) > 0 {
		s = s[nextToken(s):]
		n++
	}
	return n
}

// cut splits text into tokens, ends it before the first stop sequence and
// after limit tokens, and says why it ended.
func cut(text string, limit int, stops []string) (tokens []string, finish string) {
	for _, s := range stops {
		if i := strings.Index(text, s); s != "" && i >= 0 {
			text = text[:i]
		}
	}
	for len(text) > 0 {
		if len(tokens) == limit {
			return tokens, "length"
		}
		n := nextToken(text)
		tokens = append(tokens, text[:n])
		text = text[n:]
	}
	return tokens, "stop"
}

// sentence makes the answer to a question: the same question gets the same
// answer, the choices of one call differ.
func sentence(model, question string, choice int) string {
	q := strings.Join(strings.Fields(question), " ")
	if q == "" {
		return "There was no question in the conversation. I am the sandbox in place of " + model + "."
	}
	words := len(strings.Fields(q))
	if r := []rune(q); len(r) > 120 {
		q = string(r[:119]) + "…"
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(q))
	said := "You wrote"
	if strings.HasSuffix(q, "?") {
		said = "You asked"
	}
	endings := []string{
		"I cannot know the answer, but the %d words of it arrived whole",
		"a real model would think about these %d words; I only confirm that they came through",
		"all %d words reached me, and this reply shows the way back is open too",
		"that makes %d words, and every hop between us has let them pass",
	}
	ending := fmt.Sprintf(endings[(int(h.Sum32()>>1)+choice)%len(endings)], words)
	return fmt.Sprintf("%s: \"%s\" I am the sandbox in place of %s, so %s.", said, q, model, ending)
}

// maxDepth bounds the instances made from a schema, which may refer to itself
// in spirit by sheer nesting.
const maxDepth = 16

// instance makes a value that fits the plain parts of a JSON schema; strings
// carry text. nil schema = an object with the text in it.
func instance(schema json.RawMessage, text string, depth int) any {
	var s struct {
		Type       any                        `json:"type"`
		Enum       []any                      `json:"enum"`
		Const      any                        `json:"const"`
		Properties map[string]json.RawMessage `json:"properties"`
		Required   []string                   `json:"required"`
		Items      json.RawMessage            `json:"items"`
		Minimum    float64                    `json:"minimum"`
		MinItems   int                        `json:"minItems"`
		AnyOf      []json.RawMessage          `json:"anyOf"`
	}
	if len(schema) == 0 {
		return map[string]any{"answer": text}
	}
	if json.Unmarshal(schema, &s) != nil || depth > maxDepth {
		return nil
	}
	switch {
	case s.Const != nil:
		return s.Const
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return instance(s.AnyOf[0], text, depth+1)
	}
	kind, _ := s.Type.(string)
	if list, ok := s.Type.([]any); ok && len(list) > 0 {
		kind, _ = list[0].(string)
	}
	switch kind {
	case "string":
		return text
	case "integer", "number":
		return s.Minimum
	case "boolean":
		return true
	case "array":
		out := make([]any, min(max(s.MinItems, 1), 4))
		for i := range out {
			out[i] = instance(s.Items, text, depth+1)
		}
		return out
	case "null":
		return nil
	}
	out := map[string]any{}
	for name, sub := range s.Properties {
		// Optional members are left out below the top, which keeps deep
		// schemas small.
		if depth == 0 || slices.Contains(s.Required, name) {
			out[name] = instance(sub, text, depth+1)
		}
	}
	return out
}

func instanceText(schema json.RawMessage, text string) string {
	b, err := json.Marshal(instance(schema, text, 0))
	if err != nil {
		panic("BUG: sandbox: encode instance: " + err.Error())
	}
	return string(b)
}
