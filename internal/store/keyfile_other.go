//go:build !unix

package store

// posixModes: there are no permission bits to check here.
const posixModes = false

// lockFile: without file locks, one process at a time may use the file.
func lockFile(string) (unlock func(), err error) { return func() {}, nil }

// syncFolder: a rename needs no more here.
func syncFolder(string) error { return nil }
