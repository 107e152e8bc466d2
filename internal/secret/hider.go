package secret

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// minHidden is the length from which a value is looked for; shorter ones stand
// in too many words.
const minHidden = 4

// fewForms is up to where looking for one after the other, which allocates
// nothing when nothing is found, is also the fastest way.
const fewForms = 32

// Hider takes known secret values out of text that is to be shown. A nil Hider
// hides nothing.
type Hider struct {
	forms, masks []string
	many         *strings.Replacer
}

// NewHider returns a Hider of values as they are and as URLs hold them; nil
// when there is nothing to hide.
func NewHider(values []Text) *Hider {
	h := &Hider{}
	masks := map[string]string{}
	for _, v := range values {
		text := v.Reveal()
		if len(text) < minHidden {
			continue
		}
		for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text)} {
			if _, ok := masks[form]; !ok {
				masks[form] = Mask(text)
				h.forms = append(h.forms, form)
			}
		}
	}
	if len(h.forms) == 0 {
		return nil
	}
	// Of two values one of which holds the other the longer one goes first.
	slices.SortFunc(h.forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, f := range h.forms {
		h.masks = append(h.masks, masks[f])
		pairs = append(pairs, f, masks[f])
	}
	if len(h.forms) > fewForms {
		h.many = strings.NewReplacer(pairs...)
	}
	return h
}

// Hide returns text with every value masked.
func (h *Hider) Hide(text string) string {
	switch {
	case h == nil:
		return text
	case h.many != nil:
		return h.many.Replace(text)
	}
	for i, f := range h.forms {
		if strings.Contains(text, f) {
			text = strings.ReplaceAll(text, f, h.masks[i])
		}
	}
	return text
}
