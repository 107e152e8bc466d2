package wire

import (
	"context"
	"io"
)

// Reply sends a complete answer with a body in memory.
func Reply(w Responder, status int, contentType string, body []byte, extra ...Field) {
	h := make(Header, 0, len(extra)+1)
	if contentType != "" {
		h = append(h, Field{"Content-Type", contentType})
	}
	h = append(h, extra...)
	if w.WriteHead(status, "", h, int64(len(body))) != nil || len(body) == 0 {
		return
	}
	_, _ = w.Write(body)
}

// ReadBody reads the whole body, at most limit bytes; more is a *Error of
// KindTooLarge.
func ReadBody(_ context.Context, body io.Reader, limit int64) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &Error{Kind: KindTooLarge, Op: "read body", Err: io.ErrShortBuffer}
	}
	return b, nil
}
