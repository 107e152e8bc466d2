package std

// CloseAfter implements wire.Closer. net/http closes the connection after the
// answer, and turns the same line into a GOAWAY on HTTP/2.
func (r *responder) CloseAfter() { r.w.Header()["Connection"] = []string{"close"} }
