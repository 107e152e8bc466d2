package demo

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"

	"sallyport/internal/egress"
	"sallyport/internal/wire"
)

// call is a request of the demo's user.
type call struct {
	url, body string
	headers   []string // name, value, …
	from      string   // source address; "" = the system's choice
}

// answer is what came back.
type answer struct {
	status int
	header wire.Header
	body   string
	reads  int // pieces in which the body came
}

func (k call) send(ctx context.Context) (*answer, error) {
	cfg := egress.Config{}
	if k.from != "" {
		cfg.SourceAddress = netip.MustParseAddr(k.from)
	}
	d, err := egress.New(cfg)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(k.url)
	if err != nil {
		return nil, err
	}
	out := &wire.Outgoing{
		Method: "POST", Scheme: u.Scheme, Authority: u.Host, Target: u.RequestURI(), Header: wire.Header{{Name: "Content-Type", Value: "application/json"}},
		Body: strings.NewReader(k.body), ContentLength: int64(len(k.body)),
	}
	for i := 0; i+1 < len(k.headers); i += 2 {
		out.Header.Add(k.headers[i], k.headers[i+1])
	}
	res, err := d.Transport(egress.TLSOptions{}).RoundTrip(ctx, out)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	a := &answer{status: res.Status, header: res.Header}
	buf := make([]byte, 32<<10)
	var b strings.Builder
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			a.reads++
			b.Write(buf[:n])
		}
		if err == io.EOF {
			a.body = b.String()
			return a, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the response broke off after %d bytes: %w", b.Len(), err)
		}
	}
}

func (a *answer) unexpected(want string) error {
	body := a.body
	if len(body) > 400 {
		body = body[:400] + "…"
	}
	return fmt.Errorf("want %s, got %d %s", want, a.status, strings.TrimSpace(body))
}

// want wants exactly this status and, unless empty, exactly this body.
func want(status int, body string) func(*answer, error) error {
	return func(a *answer, err error) error {
		if err != nil {
			return err
		}
		if a.status != status || (body != "" && a.body != body) {
			return a.unexpected(strings.TrimSpace(fmt.Sprintf("%d %s", status, body)))
		}
		return nil
	}
}

func wantContains(status int, part string) func(*answer, error) error {
	return func(a *answer, err error) error {
		if err != nil {
			return err
		}
		if a.status != status || !strings.Contains(a.body, part) {
			return a.unexpected(fmt.Sprintf("%d with %s", status, part))
		}
		return nil
	}
}
