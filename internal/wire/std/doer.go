package std

import (
	"net/http"

	"sallyport/internal/wire"
)

// Doer sends requests of SDKs that bring their own *http.Request, through the
// same dialer and TLS rules as everything else. It follows no redirect: such
// requests carry credentials.
type Doer struct{ client http.Client }

// NewDoer returns a Doer with pools of its own.
func NewDoer(cfg wire.TransportConfig) *Doer {
	cfg.Fill()
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	return &Doer{client: http.Client{
		Transport: newTransport(&cfg, &p, "h2", "http/1.1"),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// Do sends one request.
func (d *Doer) Do(r *http.Request) (*http.Response, error) { return d.client.Do(r) }

// CloseIdle closes the connections that no request uses.
func (d *Doer) CloseIdle() { d.client.CloseIdleConnections() }
