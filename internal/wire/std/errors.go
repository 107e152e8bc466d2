package std

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"

	"sallyport/internal/wire"
)

// classify gives an error of net/http its kind. What our side decided comes
// first: a call that was cancelled fails in many ways, none of them the cause.
func classify(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return ended(ctx, op)
	}
	var known *wire.Error
	if errors.As(err, &known) {
		return err
	}
	return &wire.Error{Kind: kindOf(err), Op: op, Err: err}
}

func ended(ctx context.Context, op string) error {
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

func kindOf(err error) wire.ErrorKind {
	switch {
	case isConnect(err):
		return wire.KindConnect
	case isTimeout(err):
		return wire.KindTimeout
	case isAborted(err):
		return wire.KindAborted
	case errors.Is(err, context.Canceled), errors.Is(err, http.ErrBodyReadAfterClose):
		return wire.KindCanceled
	case strings.Contains(err.Error(), "server response headers exceeded"):
		return wire.KindTooLarge
	case isProtocol(err):
		return wire.KindProtocol
	}
	return wire.KindOther
}

// isConnect finds what failed before a request was sent; most of it comes from
// our dialer with its kind, the rest from net/http's proxy code.
func isConnect(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect") {
		return true
	}
	var (
		dns   *net.DNSError
		cert  *tls.CertificateVerificationError
		alert tls.AlertError
		rec   tls.RecordHeaderError
		host  x509.HostnameError
		auth  x509.UnknownAuthorityError
	)
	return errors.As(err, &dns) || errors.As(err, &cert) || errors.As(err, &alert) || errors.As(err, &rec) ||
		errors.As(err, &host) || errors.As(err, &auth) || strings.Contains(err.Error(), "TLS handshake timeout")
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &t) && t.Timeout()
}

func isAborted(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED) {
		return true
	}
	text := err.Error()
	for _, part := range abortedTexts() {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// abortedTexts are parts of errors whose types net/http keeps to itself.
func abortedTexts() []string {
	return []string{"server closed idle connection", "client disconnected", "client connection lost",
		"transport connection broken: EOF", "GOAWAY", "INTERNAL_ERROR", "; CANCEL", "REFUSED_STREAM", "NO_ERROR",
		"unexpected EOF reading trailer"}
}

func isProtocol(err error) bool {
	var (
		tp *textproto.Error
		te textproto.ProtocolError
	)
	if errors.As(err, &tp) || errors.As(err, &te) {
		return true
	}
	text := err.Error()
	for _, part := range []string{"malformed", "connection broken", "invalid byte in chunk", "chunked",
		"stream error", "connection error", "HTTP/1.x", "http2:", "bad Content-Length", "invalid Content-Length",
		"chunk length", "header line too long"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// readKind is for bodies that arrive, writeKind for answers that leave.
func readKind(err error) wire.ErrorKind {
	switch kind := kindOf(err); kind {
	case wire.KindOther, wire.KindConnect:
		return wire.KindAborted
	default:
		return kind
	}
}

func writeKind(err error) wire.ErrorKind {
	if isTimeout(err) {
		return wire.KindTimeout
	}
	return wire.KindAborted
}
