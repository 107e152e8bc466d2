//go:build !unix

package cli

import "os"

// handOverSignals are none here.
func handOverSignals() []os.Signal { return nil }
