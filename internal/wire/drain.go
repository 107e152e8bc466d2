package wire

import "errors"

// ErrDraining is the cause with which a server ends the contexts of requests
// that are still running when its time to drain is over. Their handlers have a
// moment left for last words, such as an error event or a close frame.
var ErrDraining = errors.New("the server is shutting down")

// Closer is implemented by responders that can make theirs the last answer of
// the connection. CloseAfter comes before WriteHead; HTTP/1.1 then says
// Connection: close, HTTP/2 says GOAWAY and finishes the streams it has.
type Closer interface {
	CloseAfter()
}
