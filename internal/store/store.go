// Package store keeps what must outlive the process.
// It knows nothing of requests, of files that people write, or of HTTP.
// Start at KeyFile, the local state file for generated subscription keys.
package store
