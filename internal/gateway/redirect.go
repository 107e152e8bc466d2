package gateway

import (
	"fmt"
	"net/url"
	"slices"

	"sallyport/internal/exchange"
	"sallyport/internal/wire"
)

// follow follows redirects inside the gateway (forward-request
// follow-redirects). Credentials are not carried to another host.
func (c *call) follow(out *wire.Outgoing, res *wire.Incoming, o exchange.ForwardOptions) (*wire.Incoming, error) {
	for n := 0; ; n++ {
		location := res.Header.Get("Location")
		if location == "" || !redirects(res.Status) || (out.Body != nil && (keepsMethod(res.Status) || out.Method == "HEAD")) {
			return res, nil
		}
		if n == c.g.cfg.MaxRedirects {
			_ = res.Body.Close()
			return nil, &wire.Error{Kind: wire.KindProtocol, Op: "follow redirect", Err: fmt.Errorf("more than %d redirects", n)}
		}
		_ = res.Body.Close()
		if err := c.redirect(out, location, res.Status); err != nil {
			return nil, &wire.Error{Kind: wire.KindProtocol, Op: "follow redirect", Err: err}
		}
		var err error
		if res, err = c.roundTrip(out, o); err != nil {
			return nil, err
		}
	}
}

func redirects(status int) bool {
	return status == 301 || status == 302 || status == 303 || keepsMethod(status)
}

func keepsMethod(status int) bool { return status == 307 || status == 308 }

// redirect rewrites out for the new location (RFC 9110 §15.4).
func (c *call) redirect(out *wire.Outgoing, location string, status int) error {
	base, err := url.Parse(out.Scheme + "://" + out.Authority + out.Target)
	if err != nil {
		return err
	}
	u, err := base.Parse(location)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("redirect to scheme %q", u.Scheme)
	}
	if u.Host != out.Authority || u.Scheme != out.Scheme { // another scheme is another port, and perhaps one without TLS
		out.Header = slices.DeleteFunc(out.Header, func(f headerField) bool { return c.CarriesCredential(f.Name) })
		out.Host, c.away = "", true // nor are the TLS exceptions of the backend
	}
	out.Scheme, out.Authority, out.Target = u.Scheme, u.Host, u.RequestURI()
	if !keepsMethod(status) && out.Method != "HEAD" {
		out.Method, out.Body, out.Bytes, out.ContentLength = "GET", nil, nil, 0
		out.Header.Del("Content-Type")
	}
	return nil
}
