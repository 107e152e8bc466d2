//go:build !linux

package conform_test

import "sallyport/internal/wire/conform"

func engines() []conform.Engine { return []conform.Engine{netHTTP()} }
