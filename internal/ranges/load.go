package ranges

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport/internal/diag"
)

// Getter fetches a document. It must refuse more than maxBytes, time out, and
// follow no redirect to another host: the feed carries no signature, so who
// answers is all there is to trust.
type Getter interface {
	Get(ctx context.Context, url string, maxBytes int64) ([]byte, error)
}

// Load reads a feed from a file, a file:// URL or an https:// URL (http only
// from a loopback address). The error is set whenever there is no feed; the
// findings tell what about the content.
func Load(ctx context.Context, source string, get Getter) (*Feed, diag.List, error) {
	data, origin, err := read(ctx, source, get)
	if err != nil {
		return nil, nil, fmt.Errorf("read address ranges: %w", err)
	}
	feed, found := Parse(data, origin)
	if err := found.Err(); err != nil {
		return nil, found, fmt.Errorf("read address ranges: %w", err)
	}
	return feed, found, nil
}

func read(ctx context.Context, source string, get Getter) ([]byte, Origin, error) {
	scheme, _, isURL := strings.Cut(source, "://")
	if !isURL {
		return readFile(source)
	}
	u, err := url.Parse(source)
	if err != nil {
		// The parser quotes its input, which may hold a signed query.
		return nil, Origin{}, fmt.Errorf("address with scheme '%s' is not a URL", clip(scheme))
	}
	shown := display(u)
	switch {
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost"):
		return readFile(filepath.FromSlash(u.Path))
	case u.Scheme == "file":
		return nil, Origin{}, fmt.Errorf("%s: a file on another host cannot be read", shown)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, Origin{}, fmt.Errorf("%s: scheme '%s' is not supported, use https or a file", shown, clip(u.Scheme))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, Origin{}, fmt.Errorf("%s: plain http could be altered on its way, use https", shown)
	case u.User != nil:
		return nil, Origin{}, fmt.Errorf("%s: credentials in the URL are not supported", shown)
	case get == nil:
		return nil, Origin{}, fmt.Errorf("%s: fetching is not available here, give a file", shown)
	}
	data, err := get.Get(ctx, source, MaxTagFileBytes)
	if err != nil {
		return nil, Origin{}, fmt.Errorf("fetch %s: %w", shown, withoutQuery(err, u.RawQuery))
	}
	return data, Origin{Source: shown, Taken: time.Now().UTC()}, nil
}

func readFile(name string) ([]byte, Origin, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, Origin{}, err
	}
	defer f.Close()
	// One byte more than allowed, so that Parse sees that it is too large.
	data, err := io.ReadAll(io.LimitReader(f, MaxTagFileBytes+1))
	if err != nil {
		return nil, Origin{}, err
	}
	origin := Origin{Source: name}
	if st, err := f.Stat(); err == nil {
		origin.Taken = st.ModTime().UTC()
	}
	return data, origin, nil
}

// display is the URL without what may be secret: a storage account hands out
// its files under a signature in the query.
func display(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// quietError keeps the chain for errors.Is and prints the text without the query.
type quietError struct {
	text string
	err  error
}

func (e quietError) Error() string { return e.text }
func (e quietError) Unwrap() error { return e.err }

func withoutQuery(err error, query string) error {
	// net/http puts the whole URL into its errors.
	if wrapped, ok := errors.AsType[*url.Error](err); ok && wrapped == err {
		err = wrapped.Err
	}
	if query == "" || !strings.Contains(err.Error(), query) {
		return err
	}
	return quietError{strings.ReplaceAll(err.Error(), query, "…"), err}
}
