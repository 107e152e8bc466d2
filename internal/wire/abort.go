package wire

// Aborter is implemented by responders that can end an answer visibly broken.
// A proxy whose backend dies in the middle of a body must call Abort and
// return: the client then sees a cut connection (or a reset stream) and not a
// complete answer that lacks its end.
type Aborter interface {
	Abort()
}
