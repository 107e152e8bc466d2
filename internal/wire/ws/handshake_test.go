package ws_test

import (
	"errors"
	"testing"

	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
	"sallyport/internal/wire/ws"
)

// The pair is the example of RFC 6455 §1.3.
func TestAccept(t *testing.T) {
	if got := ws.Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("got %s", got)
	}
}

func TestCheckRequest(t *testing.T) {
	for name, c := range map[string]struct {
		method, body string
		change       func(h *wire.Header)
		want         error
	}{
		"sound":             {method: "GET"},
		"lists and case":    {method: "GET", change: func(h *wire.Header) { h.Set("Connection", "keep-alive, upgrade"); h.Set("Upgrade", "h2c, WebSocket") }},
		"method":            {method: "POST", want: ws.ErrMethod},
		"body":              {method: "GET", body: "x", want: ws.ErrBody},
		"no upgrade":        {method: "GET", change: func(h *wire.Header) { h.Del("Upgrade") }, want: ws.ErrNoUpgrade},
		"other upgrade":     {method: "GET", change: func(h *wire.Header) { h.Set("Upgrade", "h2c") }, want: ws.ErrNoUpgrade},
		"no connection":     {method: "GET", change: func(h *wire.Header) { h.Set("Connection", "keep-alive") }, want: ws.ErrNoUpgrade},
		"version 8":         {method: "GET", change: func(h *wire.Header) { h.Set("Sec-WebSocket-Version", "8") }, want: ws.ErrVersion},
		"no version":        {method: "GET", change: func(h *wire.Header) { h.Del("Sec-WebSocket-Version") }, want: ws.ErrVersion},
		"two versions":      {method: "GET", change: func(h *wire.Header) { h.Add("Sec-WebSocket-Version", "13") }, want: ws.ErrVersion},
		"short key":         {method: "GET", change: func(h *wire.Header) { h.Set("Sec-WebSocket-Key", "c2hvcnQ=") }, want: ws.ErrKey},
		"key is not base64": {method: "GET", change: func(h *wire.Header) { h.Set("Sec-WebSocket-Key", "no base64 at all") }, want: ws.ErrKey},
		"two keys":          {method: "GET", change: func(h *wire.Header) { h.Add("Sec-WebSocket-Key", ws.NewKey()) }, want: ws.ErrKey},
	} {
		r := wiretest.NewRequest(c.method, "/", c.body, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+ws.NewKey())
		if c.change != nil {
			c.change(&r.Header)
		}
		if err := ws.CheckRequest(r); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
