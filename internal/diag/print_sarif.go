package diag

import (
	"io"
	"net/url"
	"path/filepath"
	"slices"
)

// The part of SARIF 2.1.0 (OASIS standard) that findings need.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string       `json:"id"`
		ShortDescription sarifText    `json:"shortDescription"`
		Help             sarifText    `json:"help"`
		Default          sarifDefault `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex *int            `json:"ruleIndex,omitempty"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
	}
)

// WriteSARIF prints the findings as a SARIF 2.1.0 log, the form that code
// scanning services read. File names become URIs, relative when they are.
// Rules are those of the catalogue that the findings name.
func WriteSARIF(w io.Writer, list List, toolVersion string) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "sallyport", Version: toolVersion, Rules: []sarifRule{}}
	index := map[Code]int{}
	for _, c := range Catalogue() {
		if !slices.ContainsFunc(list, func(f Finding) bool { return f.Code == c.Code }) {
			continue
		}
		index[c.Code] = len(run.Tool.Driver.Rules)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: string(c.Code), ShortDescription: sarifText{c.Title}, Help: sarifText{c.Help}, Default: sarifDefault{sarifLevel(c.Severity)},
		})
	}
	for _, f := range list {
		r := sarifResult{RuleID: string(f.Code), Level: sarifLevel(f.Severity), Message: sarifText{f.Message}, Locations: sarifPlace(f)}
		if f.Hint != "" {
			r.Message.Text += "\nHint: " + f.Hint
		}
		if i, ok := index[f.Code]; ok {
			r.RuleIndex = &i
		}
		run.Results = append(run.Results, r)
	}
	return encode(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func sarifLevel(s Severity) string {
	if s == Info {
		return "note"
	}
	return s.String()
}

func sarifPlace(f Finding) []sarifLocation {
	var l sarifLocation
	if f.File != "" {
		u := url.URL{Path: filepath.ToSlash(f.File)}
		l.Physical = &sarifPhysical{Artifact: sarifArtifact{u.String()}}
		if f.Line > 0 {
			l.Physical.Region = &sarifRegion{f.Line, f.Col}
		}
	}
	if f.Path != "" {
		l.Logical = []sarifLogical{{f.Path}}
	}
	if l.Physical == nil && l.Logical == nil {
		return nil
	}
	return []sarifLocation{l}
}
