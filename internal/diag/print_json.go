package diag

import (
	"encoding/json"
	"io"
)

// report is the JSON form of a list. Its fields are a promise to scripts.
type report struct {
	Findings List `json:"findings"`
	Errors   int  `json:"errors"`
	Warnings int  `json:"warnings"`
}

// WriteJSON prints the findings as one JSON object:
//
//	{"findings": […], "errors": n, "warnings": n}
func WriteJSON(w io.Writer, list List) error {
	if list == nil {
		list = List{}
	}
	return encode(w, report{list, list.Count(Error), list.Count(Warning)})
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
