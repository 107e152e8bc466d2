package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/diag"
	"sallyport/internal/gateway"
	"sallyport/internal/model"
	"sallyport/internal/secret"
	"sallyport/internal/telemetry"
	"sallyport/internal/wire"
	"sallyport/internal/wire/wiretest"
	"sallyport/internal/wire/ws"
)

// webSocketAPI has the path rt and a key that a subscription must open.
func webSocketAPI() *model.API {
	return with(api("rt", "openai/realtime"), func(a *model.API) {
		a.Type, a.ServiceURL, a.Protocols = model.TypeWebSocket, "ws://backend.test/openai/realtime", []string{"ws", "wss"}
		a.Operations = []*model.Operation{model.NewHandshake(diag.Pos{})}
		a.KeyHeader, a.KeyQuery = "api-key", "api-key"
	})
}

// accepting is a backend that switches and then runs talk.
func accepting(talk func(s wire.Stream)) wire.Handler {
	return wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) {
		h := wire.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "Sec-WebSocket-Accept", Value: ws.Accept(r.Header.Get("Sec-WebSocket-Key"))}}
		if p := r.Header.Get("Sec-WebSocket-Protocol"); p != "" {
			h.Add("Sec-WebSocket-Protocol", p)
		}
		s, err := w.(wire.Upgrader).Upgrade(h)
		if err != nil {
			return
		}
		defer func() { _ = s.Close() }()
		talk(s)
	})
}

// echoing sends every message back.
func echoing(s wire.Stream) {
	c := ws.NewConn(s, ws.Server, 1<<24)
	for {
		op, data, err := c.Read()
		if err != nil {
			return
		}
		if c.Write(op, data) != nil {
			return
		}
	}
}

func handshakeHeader(extra ...wire.Field) wire.Header {
	return append(wire.Header{{Name: "Sec-WebSocket-Key", Value: ws.NewKey()}, {Name: "Sec-WebSocket-Version", Value: "13"}}, extra...)
}

// dial opens a connection through the gateway, as a client over HTTP/1.1 does.
func (f *fixture) dial(ctx context.Context, target string, h wire.Header) *wire.Incoming {
	f.t.Helper()
	in, err := (&wiretest.Transport{Handler: f.Gateway}).RoundTrip(ctx, &wire.Outgoing{Method: "GET", Scheme: "http", Authority: "gw.test", Target: target, Header: h, Upgrade: "websocket"})
	if err != nil {
		f.t.Fatal(err)
	}
	if in.Stream != nil {
		f.t.Cleanup(func() { _ = in.Stream.Close() })
		_ = in.Stream.SetDeadline(time.Now().Add(30 * time.Second)) // ends a test that hangs
	}
	return in
}

// open dials and must succeed.
func (f *fixture) open(ctx context.Context, extra ...wire.Field) (*ws.Conn, *wire.Incoming) {
	f.t.Helper()
	h := handshakeHeader(extra...)
	in := f.dial(ctx, "/openai/realtime?model=m", h)
	if in.Status != 101 || in.Header.Get("Sec-WebSocket-Accept") != ws.Accept(h.Get("Sec-WebSocket-Key")) {
		body, _ := io.ReadAll(in.Body)
		f.t.Fatalf("status %d, header %v, body %s", in.Status, in.Header, body)
	}
	return ws.NewConn(in.Stream, ws.Client, 1<<24), in
}

// quiet waits until no request is in flight any more.
func (f *fixture) quiet() {
	f.t.Helper()
	for end := time.Now().Add(30 * time.Second); f.InFlight() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatal("the call does not end")
		}
	}
}

func closeCode(t *testing.T, c *ws.Conn) ws.Code {
	t.Helper()
	for {
		_, _, err := c.Read()
		var e *ws.CloseError
		switch {
		case errors.As(err, &e):
			return e.Code
		case errors.Is(err, io.ErrUnexpectedEOF):
			return ws.Abnormal
		case err != nil:
			t.Fatalf("the connection ended with %v", err)
		}
	}
}

func TestWebSocketPassesMessages(t *testing.T) {
	f := newFixture(t, accepting(echoing), snapshot(webSocketAPI()))
	c, in := f.open(t.Context(), wire.Field{Name: "Sec-WebSocket-Protocol", Value: "realtime"}, wire.Field{Name: "Sec-WebSocket-Extensions", Value: "permessage-deflate"})
	if got := in.Header.Get("Sec-WebSocket-Protocol"); got != "realtime" {
		t.Errorf("subprotocol %q", got)
	}
	big := strings.Repeat("realtime ", 100_000)
	pings := make(chan string, 4)
	c.Pinged = func(op ws.Opcode, data []byte) { pings <- fmt.Sprint(op, " ", string(data)) }
	go func() {
		_ = c.Write(ws.Ping, []byte("p"))
		_ = c.WriteFrame(ws.Header{Opcode: ws.Text}, []byte("in "))
		_ = c.WriteFrame(ws.Header{Fin: true, Opcode: ws.Continuation}, []byte("pieces"))
		_ = c.Write(ws.Binary, []byte(big))
	}()
	for _, want := range []string{"in pieces", big} {
		if _, data, err := c.Read(); err != nil || string(data) != want {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
	}
	if got := <-pings; got != "10 p" {
		t.Errorf("the ping was answered by %q", got)
	}
	_ = c.Close(4321, "done")
	if code := closeCode(t, c); code != 4321 {
		t.Errorf("close code %d", code)
	}
	f.quiet()
	call := f.backend.Calls()[0]
	if call.Target != "/openai/realtime?model=m" || call.Upgrade != "websocket" || call.Header.Get("Sec-WebSocket-Extensions") != "permessage-deflate" || call.Header.Get("X-Forwarded-For") == "" {
		t.Errorf("the backend was asked %+v", call)
	}
}

func TestWebSocketHandshakeIsChecked(t *testing.T) {
	f := newFixture(t, accepting(echoing), snapshot(webSocketAPI()))
	for name, c := range map[string]struct {
		header wire.Header
		want   int
	}{
		"version": {wire.Header{{Name: "Sec-WebSocket-Key", Value: ws.NewKey()}, {Name: "Sec-WebSocket-Version", Value: "12"}}, 400},
		"key":     {wire.Header{{Name: "Sec-WebSocket-Key", Value: "short"}, {Name: "Sec-WebSocket-Version", Value: "13"}}, 400},
	} {
		in := f.dial(t.Context(), "/openai/realtime", c.header)
		body, _ := io.ReadAll(in.Body)
		if in.Status != c.want || in.Header.Get("Sec-WebSocket-Version") != "13" || !strings.Contains(string(body), "WebSocket handshakes only") {
			t.Errorf("%s: %d %s", name, in.Status, body)
		}
	}
	for name, c := range map[string]struct {
		method, target, body string
		header               []string
		want                 int
	}{
		"plain request":     {"GET", "/openai/realtime", "", nil, 400},
		"other method":      {"POST", "/openai/realtime", "x", nil, 404},
		"longer path":       {"GET", "/openai/realtime/x", "", nil, 404},
		"cannot switch":     {"GET", "/openai/realtime", "", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + ws.NewKey()}, 400},
		"handshake of http": {"GET", "/http/x", "", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + ws.NewKey()}, 200},
	} {
		g := newFixture(t, wire.HandlerFunc(echo), snapshot(webSocketAPI(), api("http", "http", "GET /x")))
		rec := g.send(c.method, c.target, c.body, c.header...)
		if rec.Status() != c.want {
			t.Errorf("%s: %d %s", name, rec.Status(), rec.Body())
		}
		if c.want == 200 && strings.Contains(rec.Body(), "upgrade:") {
			t.Errorf("%s: Upgrade is for one hop:\n%s", name, rec.Body())
		}
	}
	if n := len(f.backend.Calls()); n != 0 {
		t.Errorf("%d calls reached the backend", n)
	}
}

func TestWebSocketKey(t *testing.T) {
	s := snapshot(with(webSocketAPI(), func(a *model.API) { a.SubscriptionRequired = true }))
	s.Subscriptions = []*model.Subscription{{ID: "s", Scope: model.ScopeAPI, ScopeID: "rt", State: model.Active, PrimaryKey: secret.New("key-1")}}
	f := newFixture(t, accepting(echoing), s)
	for target, want := range map[string]int{"/openai/realtime?api-key=key-1": 101, "/openai/realtime?api-key=other": 401, "/openai/realtime": 401} {
		in := f.dial(t.Context(), target, handshakeHeader())
		if in.Status != want {
			t.Errorf("%s: %d, want %d", target, in.Status, want)
		}
		if in.Stream != nil {
			_ = in.Stream.Close()
		}
	}
	if in := f.dial(t.Context(), "/openai/realtime", handshakeHeader(wire.Field{Name: "api-key", Value: "key-1"})); in.Status != 101 {
		t.Errorf("key in the header: %d", in.Status)
	}
}

// The backend's answer to a handshake may be any; only 101 opens a connection.
func TestWebSocketBackendRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		backend wire.HandlerFunc
		want    int
		body    string
	}{
		"401": {func(_ context.Context, _ *wire.Request, w wire.Responder) {
			wire.Reply(w, 401, "text/plain", []byte("no"), wire.Field{Name: "X-Why", Value: "key"})
		}, 401, "no"},
		"200": {func(_ context.Context, _ *wire.Request, w wire.Responder) {
			wire.Reply(w, 200, "text/plain", []byte("hello"))
		}, 200, "hello"},
		"wrong accept": {func(_ context.Context, _ *wire.Request, w wire.Responder) {
			s, err := w.(wire.Upgrader).Upgrade(wire.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "Sec-WebSocket-Accept", Value: ws.Accept("other")}})
			if err == nil {
				_, _ = io.Copy(io.Discard, s)
			}
		}, 500, "Internal server error"},
	} {
		f := newFixture(t, c.backend, snapshot(webSocketAPI()))
		in := f.dial(t.Context(), "/openai/realtime", handshakeHeader())
		body, _ := io.ReadAll(in.Body)
		if in.Status != c.want || !strings.Contains(string(body), c.body) {
			t.Errorf("%s: %d %s", name, in.Status, body)
		}
		f.quiet()
	}
}

func TestWebSocketPolicies(t *testing.T) {
	run := func(inbound, outbound string) (*fixture, *wire.Incoming) {
		a := webSocketAPI()
		a.Operations[0].Policy = rawPolicy(`<policies><inbound><base/>` + inbound + `</inbound><backend><base/></backend><outbound><base/>` + outbound + `</outbound><on-error><base/></on-error></policies>`)
		f := newFixture(t, accepting(echoing), snapshot(a))
		return f, f.dial(t.Context(), "/openai/realtime?model=m", handshakeHeader())
	}
	f, in := run(`<set-header name="api-key"><value>backend-key</value></set-header><set-query-parameter name="api-version"><value>1</value></set-query-parameter>`,
		`<set-header name="X-Out"><value>1</value></set-header>`)
	if in.Status != 101 || in.Header.Get("X-Out") != "1" {
		t.Errorf("status %d, header %v", in.Status, in.Header)
	}
	if call := f.backend.Calls()[0]; call.Header.Get("api-key") != "backend-key" || call.Target != "/openai/realtime?model=m&api-version=1" {
		t.Errorf("the backend was asked %+v", call)
	}
	// A policy of outbound that makes another answer closes the backend's side.
	f, in = run("", `<return-response><set-status code="418"/></return-response>`)
	if in.Status != 418 || in.Stream != nil {
		t.Errorf("status %d", in.Status)
	}
	f.quiet()
	if f, in = run(`<return-response><set-status code="403"/></return-response>`, ""); in.Status != 403 || len(f.backend.Calls()) != 0 {
		t.Errorf("status %d, %d backend calls", in.Status, len(f.backend.Calls()))
	}
}

// Who vanishes without a close frame, and what the other side gets to see.
func TestWebSocketSideVanishes(t *testing.T) {
	frame := ws.AppendHeader(nil, ws.Header{Fin: true, Opcode: ws.Text, Length: 10})
	for name, c := range map[string]struct {
		talk func(s wire.Stream)
		want ws.Code
	}{
		"backend vanishes":            {func(wire.Stream) {}, ws.InternalError},
		"backend vanishes in a frame": {func(s wire.Stream) { _, _ = s.Write(append(frame, "half"...)) }, ws.Abnormal},
		"backend closes":              {func(s wire.Stream) { _ = ws.NewConn(s, ws.Server, 1).Close(ws.PolicyBroken, "no") }, ws.PolicyBroken},
	} {
		f := newFixture(t, accepting(c.talk), snapshot(webSocketAPI()))
		conn, in := f.open(t.Context())
		if code := closeCode(t, conn); code != c.want {
			t.Errorf("%s: the client got %d, want %d", name, code, c.want)
		}
		_ = in.Stream.Close()
		f.quiet()
	}
	ended := make(chan error, 1)
	f := newFixture(t, accepting(func(s wire.Stream) {
		_, err := io.Copy(io.Discard, s)
		ended <- err
	}), snapshot(webSocketAPI()))
	conn, in := f.open(t.Context())
	_ = conn.Write(ws.Text, []byte("last words"))
	_ = in.Stream.Close()
	if err := <-ended; err != nil {
		t.Errorf("the backend saw %v", err)
	}
	f.quiet()
}

// A server that shuts down tells both sides, at a frame boundary.
func TestWebSocketDrain(t *testing.T) {
	for name, inFrame := range map[string]bool{"idle": false, "in a frame": true} {
		t.Run(name, func(t *testing.T) {
			backendSaw, begun, goOn := make(chan ws.Code, 1), make(chan struct{}), make(chan struct{})
			f := newFixture(t, accepting(func(s wire.Stream) {
				c := ws.NewConn(s, ws.Server, 1<<20)
				half := ws.AppendHeader(nil, ws.Header{Fin: true, Opcode: ws.Text, Length: 10})
				if inFrame {
					_, _ = s.Write(append(half, "first"...))
				}
				close(begun)
				<-goOn
				if inFrame {
					_, _ = s.Write([]byte("after"))
				}
				backendSaw <- closeCode(t, c)
			}), snapshot(webSocketAPI()))
			ctx, drain := context.WithCancelCause(t.Context())
			defer drain(nil)
			transport := drainedTransport{f.Gateway, ctx}
			in, err := transport.roundTrip(handshakeHeader())
			if err != nil {
				t.Fatal(err)
			}
			<-begun
			drain(wire.ErrDraining)
			close(goOn)
			conn := ws.NewConn(in.Stream, ws.Client, 1<<20)
			if inFrame {
				if _, data, err := conn.Read(); err != nil || string(data) != "firstafter" {
					t.Errorf("the frame under way came as %q, %v", data, err)
				}
			}
			if code := closeCode(t, conn); code != ws.GoingAway {
				t.Errorf("the client got %d", code)
			}
			if code := <-backendSaw; code != ws.GoingAway {
				t.Errorf("the backend got %d", code)
			}
			f.quiet()
		})
	}
}

// drainedTransport serves with a context of the server's own, as engines do:
// the client's end of the connection does not end with it.
type drainedTransport struct {
	h   wire.Handler
	ctx context.Context
}

func (d drainedTransport) roundTrip(h wire.Header) (*wire.Incoming, error) {
	inner := wire.HandlerFunc(func(_ context.Context, r *wire.Request, w wire.Responder) { d.h.ServeWire(d.ctx, r, w) })
	return (&wiretest.Transport{Handler: inner}).RoundTrip(context.Background(), &wire.Outgoing{Method: "GET", Scheme: "http", Authority: "gw.test", Target: "/openai/realtime", Header: h, Upgrade: "websocket"})
}

// A side that takes nothing must not keep a shutdown, nor the other side.
func TestWebSocketDrainWithStuckClient(t *testing.T) {
	saw := make(chan ws.Code, 1)
	f := newFixture(t, accepting(func(s wire.Stream) {
		go func() {
			_, _ = s.Write(append(ws.AppendHeader(nil, ws.Header{Fin: true, Opcode: ws.Binary, Length: 1 << 20}), make([]byte, 1<<20)...))
		}()
		saw <- closeCode(t, ws.NewConn(s, ws.Server, 1<<20))
	}), snapshot(webSocketAPI()))
	ctx, drain := context.WithCancelCause(t.Context())
	defer drain(nil)
	in, err := drainedTransport{f.Gateway, ctx}.roundTrip(handshakeHeader())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Stream.Read(make([]byte, 100)); err != nil { // and nothing more
		t.Fatal(err)
	}
	drain(wire.ErrDraining)
	if code := <-saw; code != ws.GoingAway {
		t.Errorf("the backend got %d", code)
	}
	f.quiet()
}

// Any other end of the call's context ends both sides.
func TestWebSocketEndsWithItsCall(t *testing.T) {
	ended := make(chan struct{})
	f := newFixture(t, accepting(func(s wire.Stream) {
		defer close(ended)
		_, _ = io.Copy(io.Discard, s)
	}), snapshot(webSocketAPI()))
	ctx, cancel := context.WithCancel(t.Context())
	in, err := drainedTransport{f.Gateway, ctx}.roundTrip(handshakeHeader())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, in.Stream); err != nil {
		t.Errorf("the client saw %v", err)
	}
	<-ended
	f.quiet()
}

func TestWebSocketLogAndMetrics(t *testing.T) {
	var log syncBuffer
	m := telemetry.NewMetrics("test")
	f := newFixture(t, accepting(echoing), snapshot(webSocketAPI()), func(c *gateway.Config) {
		c.Metrics, c.AccessLog, c.Log = m, true, slog.New(slog.NewJSONHandler(&log, nil))
	})
	c, _ := f.open(t.Context())
	if got := seriesOf(t, m); !strings.Contains(got, "sallyport_websockets_open 1\n") {
		t.Errorf("an open connection is not counted:\n%s", got)
	}
	_ = c.Write(ws.Text, []byte("12345"))
	if _, _, err := c.Read(); err != nil {
		t.Fatal(err)
	}
	_ = c.Close(ws.Normal, "")
	closeCode(t, c)
	f.quiet()
	f.send("GET", "/openai/realtime", "")
	for _, want := range []string{`"operationId":"onHandshake"`, `"isRequestSuccess":true`, `"responseCode":101`, `"backendResponseCode":101`, `"responseSize":11`, `"requestSize":19`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in %s", want, log.String())
		}
	}
	got := seriesOf(t, m)
	for _, want := range []string{"sallyport_websockets_open 0\n", `sallyport_websocket_attempts_total{result="accepted"} 1`, `sallyport_websocket_attempts_total{result="refused"} 1`, `sallyport_requests_total{api="rt",code="101",reason=""} 1`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func seriesOf(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	var b bytes.Buffer
	if err := m.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *syncBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// A trace is about the handshake and can be read while the connection is open.
func TestWebSocketTrace(t *testing.T) {
	f := newFixture(t, accepting(echoing), snapshot(webSocketAPI()))
	token := f.debug.Issue("rt", time.Hour)
	c, in := f.open(t.Context(), wire.Field{Name: "Apim-Debug-Authorization", Value: token})
	id := in.Header.Get("Apim-Trace-Id")
	trace, ok := f.traces.Get(id)
	if !ok {
		t.Fatalf("no trace %q while the connection is open", id)
	}
	b, err := f.traces.Document(trace).MarshalIndent()
	if err != nil || !strings.Contains(string(b), "switched to WebSocket") {
		t.Errorf("%s %v", b, err)
	}
	_ = c.Close(ws.Normal, "")
	closeCode(t, c)
	f.quiet()
}
