// Package h1 is the wire engine of our own: an HTTP/1.1 server and client that
// parse strictly, keep buffers only while bytes are in them, and use one
// goroutine a connection. It knows nothing of APIs, policies or configuration,
// and uses no type of net/http; HTTP/2 on either side is handed to wire/std.
// Start at server.go for requests and transport.go for calls; parse.go holds
// what is refused.
package h1
