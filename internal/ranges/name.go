package ranges

import (
	"slices"
	"strings"

	"sallyport/internal/diag"
)

const (
	databricksFamily = "databricks"
	azureTagFamily   = "azure-tag"
)

func platforms() []string  { return []string{"aws", "azure", "gcp"} }
func directions() []string { return []string{"inbound", "outbound"} }

// canonicalName is the key of a list: Azure itself varies the case of tag
// names between files, and both separators are in use.
func canonicalName(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), ":", "/"))
}

// unknownList explains why name is not among names: the part that is wrong,
// and what was probably meant.
func unknownList(name string, names []string, onlyEmbedded bool, pos diag.Pos) diag.List {
	message, hint := explain(canonicalName(name), name, names)
	if onlyEmbedded {
		hint = strings.TrimPrefix(hint+"; the embedded data holds Azure East US only, load the published feed for other lists", "; ")
	}
	var l diag.List
	l.Add(diag.RangesUnknown, pos, clip(name), "%s", message).WithHint("%s", hint)
	return l
}

func explain(key, name string, names []string) (message, hint string) {
	family, rest, _ := strings.Cut(key, "/")
	shown := "address list '" + clip(name) + "' does not exist"
	switch family {
	case databricksFamily:
		return explainDatabricks(shown, rest, names)
	case azureTagFamily:
		// Compared without the family, which would lend every pair ten equal letters.
		tags := ofFamily(names, azureTagFamily)
		if len(tags) == 0 {
			return shown + ": no Azure service tag file is loaded", ""
		}
		return shown, diag.DidYouMean(rest, tags)
	default:
		return shown + ": names start with 'databricks/' or 'azure-tag/'", diag.DidYouMean(family, []string{databricksFamily, azureTagFamily})
	}
}

func explainDatabricks(shown, rest string, names []string) (message, hint string) {
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return shown + ": the form is databricks/<platform>/<region>/<inbound|outbound>", ""
	}
	platform, region, direction := parts[0], parts[1], parts[2]
	if !slices.Contains(platforms(), platform) {
		return shown + ": unknown platform '" + clip(platform) + "'", diag.DidYouMean(platform, platforms())
	}
	if !slices.Contains(directions(), direction) {
		return shown + ": unknown direction '" + clip(direction) + "'", diag.DidYouMean(direction, directions())
	}
	var regions, there, elsewhere []string
	for _, n := range ofFamily(names, databricksFamily) {
		p := strings.Split(n, "/")
		switch {
		case p[0] == platform && p[1] == region:
			there = append(there, p[2])
		case p[0] == platform:
			regions = append(regions, p[1])
		case p[1] == region:
			elsewhere = append(elsewhere, p[0])
		}
	}
	switch {
	case len(there) > 0:
		return shown + ": region '" + region + "' publishes no " + direction + " list, only " + strings.Join(there, " and "), ""
	case len(elsewhere) > 0:
		return shown, "region '" + region + "' belongs to platform '" + elsewhere[0] + "'"
	case len(regions) == 0:
		return shown + ": the feed has no list of platform '" + platform + "'", ""
	default:
		return shown + ": platform '" + platform + "' has no region '" + clip(region) + "'", diag.DidYouMean(region, slices.Compact(regions))
	}
}

// ofFamily returns the names of a family without the family itself.
func ofFamily(names []string, family string) []string {
	var out []string
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, family+"/"); ok {
			out = append(out, rest)
		}
	}
	return out
}
