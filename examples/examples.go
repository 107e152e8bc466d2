// Package examples holds configurations that run as they are; `sallyport demo`
// runs the embedded copy of one. It knows nothing of the code that reads them.
// Start at foundry-databricks/sallyport.yaml.
package examples

import "embed"

// FS is the folder tree of all examples.
//
//go:embed all:foundry-databricks
var FS embed.FS
