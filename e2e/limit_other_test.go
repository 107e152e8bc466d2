//go:build !unix

package e2e_test

// fileLimit is unknown here.
func fileLimit() int { return 0 }
