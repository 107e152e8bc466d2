//go:build linux

package h1

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"sallyport/internal/wire"
)

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

func isAborted(err error) bool {
	return err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// readKind classifies what broke a read. What is neither time nor connection
// is a message that is not valid HTTP.
func readKind(err error) wire.ErrorKind {
	var oe *net.OpError
	var errno syscall.Errno
	switch {
	case isTimeout(err):
		return wire.KindTimeout
	case isAborted(err), errors.As(err, &errno):
		return wire.KindAborted
	case errors.Is(err, errHeadTooLarge), errors.Is(err, errTooManyHeaders):
		return wire.KindTooLarge
	case errors.As(err, &oe):
		return wire.KindAborted
	}
	return wire.KindProtocol
}

func writeKind(err error) wire.ErrorKind {
	var errno syscall.Errno
	switch {
	case isTimeout(err):
		return wire.KindTimeout
	case isAborted(err), errors.As(err, &errno):
		return wire.KindAborted
	}
	return wire.KindOther
}

// gaveUp is the error of a call whose context has ended.
func gaveUp(ctx context.Context, op string) error {
	cause := context.Cause(ctx)
	var known *wire.Error
	if errors.As(cause, &known) {
		return cause
	}
	kind := wire.KindCanceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		kind = wire.KindTimeout
	}
	return &wire.Error{Kind: kind, Op: op, Err: cause}
}
