//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench/compare: the harness pins processes and reads /proc, so it runs on Linux only")
	os.Exit(2)
}
