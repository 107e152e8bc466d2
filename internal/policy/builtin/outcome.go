package builtin

import (
	"sallyport/internal/diag"
	"sallyport/internal/exchange"
	"sallyport/internal/policy"
	"sallyport/internal/wire"
)

// fail ends the section with f.
func fail(x *exchange.Exchange, f *exchange.Failure) policy.Outcome {
	x.Failure = f
	return policy.Fail
}

// noEffect reports a setting that does nothing, or not what it says. A document
// is usable all the same.
func noEffect(fs *diag.List, pos diag.Pos, path, format string, args ...any) *diag.Finding {
	return fs.Add(diag.PolicyNoEffect, pos, path, format, args...)
}

// startReply makes the response a fresh, empty one. Closing the old body ends
// the call to a backend whose answer nobody will read.
func startReply(x *exchange.Exchange, status int) {
	x.Response.Body.Close()
	h := x.Response.Header
	clear(h)
	x.Response = exchange.Response{Status: status, Reason: wire.StatusText(status), Header: h[:0]}
}

// finishReply takes away a body that HTTP forbids. The client's method counts,
// not one that set-method chose for the backend.
func finishReply(x *exchange.Exchange) policy.Outcome {
	method := x.Request.Method
	if x.In != nil {
		method = x.In.Method
	}
	if !wire.BodyAllowed(method, x.Response.Status) {
		x.Response.Body.Close()
		x.Response.Body = exchange.Body{}
	}
	return policy.Reply
}
