package builtin

import "sallyport/internal/policy"

// Structural returns the specs of the elements that stand among policies but
// are none: they say how documents are put together, and whoever does that
// handles them. They are for documentation and validation.
func Structural() []policy.Spec {
	return []policy.Spec{
		{
			Name:     "base",
			Sections: policy.Anywhere,
			Scopes:   policy.AllScopes &^ (1 << policy.Global),
			Once:     true,
			Summary:  "Stands for the same section of the next broader scope.",
			Page:     "set-edit-policies",
			Notes: []string{
				"Its place decides what runs first, in every section.",
				"A section without it inherits nothing, from any broader scope.",
			},
			Examples: []policy.Example{{Title: "Inherit", XML: `<base />`}},
		},
		{
			Name:     "include-fragment",
			Sections: policy.Anywhere,
			Scopes:   policy.AllScopes,
			Attrs:    []policy.Attr{{Name: "fragment-id", Required: true, Summary: "Id of the policy fragment."}},
			Summary:  "Stands for the statements of a policy fragment.",
			Page:     "include-fragment-policy",
			Notes: []string{
				"A fragment holds no sections, no base and no other include-fragment.",
				"Every statement of the fragment must be allowed where it is included.",
			},
			Examples: []policy.Example{{Title: "Shared rules", XML: `<include-fragment fragment-id="office-only" />`}},
		},
	}
}
