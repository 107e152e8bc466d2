package sandbox

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"sallyport/internal/wire"
	"sallyport/internal/wire/ws"
)

// maxEvent is the longest event of a realtime session, in bytes.
const maxEvent = 15 << 20

// Time that the end of a session is given.
const farewell = time.Second

// routeRealtime finds the deployment of a realtime session. Every chat
// deployment of the sandbox can hold one; text only, there is no voice.
func (c *call) routeRealtime(name string) (func(*call), *failure) {
	if c.r.Method != "GET" {
		return nil, fault(404, "404", "Resource not found").because(ReasonRoute)
	}
	if name == "" {
		return nil, invalid("model", "missing_required_parameter", "Missing required parameter: 'model'.")
	}
	if f := c.useDeployment(name, operation{Chat, "realtime", nil}); f != nil {
		return nil, f
	}
	return (*call).serveRealtime, nil
}

// serveRealtime switches to WebSocket and serves one session.
func (c *call) serveRealtime() {
	up, ok := c.w.(wire.Upgrader)
	if err := ws.CheckRequest(c.r); err != nil || !ok {
		c.refuse(ReasonRequest, fault(400, "BadRequest", "A realtime session begins with a WebSocket handshake."))
		return
	}
	h := append(c.headers(), wire.Field{Name: "Upgrade", Value: ws.Protocol}, wire.Field{Name: "Sec-WebSocket-Accept", Value: ws.Accept(c.r.Header.Get("Sec-WebSocket-Key"))})
	if ws.Lists(c.r.Header, "Sec-WebSocket-Protocol", "realtime") {
		h.Add("Sec-WebSocket-Protocol", "realtime")
	}
	stream, err := up.Upgrade(h)
	if err != nil {
		c.stats.canceled()
		return
	}
	c.stats.begun()
	s := &session{call: c, stream: stream, conn: ws.NewConn(stream, ws.Server, maxEvent), id: realtimeID("sess"),
		events: make(chan clientEvent, 16), left: make(chan struct{}), dialect: betaDialect()}
	if c.v1 {
		s.dialect = dialect()
	}
	if err := s.run(); err != nil {
		c.stats.canceled()
	}
	c.stats.ended()
}

// session is one realtime session.
type session struct {
	*call
	stream  wire.Stream
	conn    *ws.Conn
	id      string
	dialect names
	events  chan clientEvent
	left    chan struct{} // closed when nobody takes events any more
	ended   error         // why reading ended; set before events is closed
	waiting []clientEvent // came while a response was being made

	question string
	prompt   int // tokens of the conversation
}

// names are what the two versions of the protocol call the same events.
type names struct{ item, text, textDone, part string }

func dialect() names {
	return names{"conversation.item.added", "response.output_text.delta", "response.output_text.done", "output_text"}
}

func betaDialect() names {
	return names{"conversation.item.created", "response.text.delta", "response.text.done", "text"}
}

// clientEvent is what a client sends, as far as the sandbox looks at it.
type clientEvent struct {
	ID      string         `json:"event_id"`
	Type    string         `json:"type"`
	Session map[string]any `json:"session"`
	Item    struct {
		ID      string `json:"id"`
		Role    string `json:"role"`
		Type    string `json:"type"`
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
	} `json:"item"`
	broken bool
}

// run serves until the client leaves. An end by a close frame is no error.
func (s *session) run() error {
	defer func() { _ = s.stream.Close() }()
	stop := make(chan struct{})
	defer close(stop)
	go s.read()
	go func() { // a server that shuts down says so, and does not wait for ever
		select {
		case <-s.ctx.Done():
			_ = s.stream.SetDeadline(time.Now().Add(farewell))
			_ = s.conn.Close(ws.GoingAway, "the sandbox is shutting down")
		case <-stop:
		}
	}()
	defer close(s.left)
	s.send("session.created", map[string]any{"session": s.describe(nil)})
	for {
		e, ok := s.next()
		if !ok {
			break
		}
		s.handle(e)
	}
	var end *ws.CloseError
	if errors.As(s.ended, &end) {
		return nil
	}
	return s.ended
}

func (s *session) next() (clientEvent, bool) {
	if len(s.waiting) > 0 {
		e := s.waiting[0]
		s.waiting = s.waiting[1:]
		return e, true
	}
	e, ok := <-s.events
	return e, ok
}

// read hands events on until the connection ends.
func (s *session) read() {
	defer close(s.events)
	for {
		_, data, err := s.conn.Read()
		if err != nil {
			s.ended = err
			return
		}
		var e clientEvent
		if json.Unmarshal(data, &e) != nil {
			e = clientEvent{broken: true}
		}
		select {
		case s.events <- e:
		case <-s.left:
			s.ended = errors.New("the session is over")
			return
		}
	}
}

func (s *session) handle(e clientEvent) {
	switch e.Type {
	case "session.update":
		s.send("session.updated", map[string]any{"session": s.describe(e.Session)})
	case "conversation.item.create":
		s.addItem(e)
	case "response.create":
		s.respond()
	case "response.cancel":
		s.fail(e, "response_cancel_not_active", "Cancellation failed: no active response found")
	case "":
		s.fail(e, "invalid_json", "We could not parse the JSON of your event.")
	default:
		s.fail(e, "invalid_value", "Invalid value: '"+e.Type+"'.")
	}
}

func (s *session) addItem(e clientEvent) {
	var text []string
	for _, part := range e.Item.Content {
		text = append(text, part.Text)
	}
	s.question = strings.Join(text, " ")
	s.prompt += countTokens(s.question)
	id := e.Item.ID
	if id == "" {
		id = realtimeID("item")
	}
	s.send(s.dialect.item, map[string]any{"previous_item_id": nil, "item": map[string]any{
		"id": id, "object": "realtime.item", "type": "message", "status": "completed", "role": e.Item.Role, "content": []any{}}})
}

// describe is the session as the service shows it.
func (s *session) describe(changes map[string]any) map[string]any {
	out := map[string]any{
		"id": s.id, "object": "realtime.session", "model": s.deployment.Model, "expires_at": s.now.Add(30 * time.Minute).Unix(),
	}
	for k, v := range changes {
		out[k] = v
	}
	return out
}

// send writes one event. A client that is gone shows itself to the reader.
func (s *session) send(kind string, members map[string]any) {
	members["type"], members["event_id"] = kind, realtimeID("event")
	b, err := json.Marshal(members)
	if err != nil {
		panic("BUG: sandbox: encode realtime event: " + err.Error())
	}
	_ = s.conn.Write(ws.Text, b)
}

func (s *session) fail(e clientEvent, code, message string) {
	s.send("error", map[string]any{"error": map[string]any{
		"type": "invalid_request_error", "code": code, "message": message, "param": nil, "event_id": optional(e.ID)}})
}

func realtimeID(prefix string) string {
	return prefix + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:21]
}
