package diag

import "strings"

// Suggest returns the known name nearest to name, or "" when none is near
// enough to be a likely slip of the keys (about one edit in three characters).
func Suggest(name string, known []string) string {
	best, bestDist := "", len(name)/3+1
	lower := strings.ToLower(name)
	for _, k := range known {
		if d := distance(lower, strings.ToLower(k), bestDist); d < bestDist || (d == bestDist && best == "") {
			best, bestDist = k, d
		}
	}
	return best
}

// DidYouMean is the hint made of Suggest, or "" when nothing is near.
func DidYouMean(name string, known []string) string {
	if s := Suggest(name, known); s != "" {
		return "did you mean '" + s + "'?"
	}
	return ""
}

// distance is the edit distance of a and b, cut off above limit.
func distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			prev, row[j] = row[j], min(row[j]+1, row[j-1]+1, prev+cost)
		}
	}
	return row[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
