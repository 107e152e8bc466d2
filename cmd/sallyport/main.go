// Command sallyport is an API gateway for AI traffic that speaks Azure API
// Management and Databricks Model Serving. It knows nothing but how to start.
// Start reading at internal/app.
package main

import (
	"os"

	"sallyport/internal/app"
)

func main() {
	os.Exit(app.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
