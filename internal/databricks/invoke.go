package databricks

import (
	"context"
	"errors"
	"io"
	"strings"

	"sallyport/internal/wire"
)

// invoke serves one inference call: read and check the body, find the endpoint
// and the served entity, call its model, pass the answer on.
func (c *call) invoke(ctx context.Context, rt route) *failure {
	hops, fail := c.countHops()
	if fail != nil {
		return fail
	}
	doc, fail := c.readDocument()
	if fail != nil {
		return fail
	}
	ent, fail := c.resolve(rt, doc)
	if fail != nil {
		return fail
	}
	if id, ok := decodeString(doc.clientRequestID); ok {
		c.rec.ClientRequestID = shorten(id)
	}
	if fail := requireFields(ent.task, doc); fail != nil {
		return fail
	}
	c.traceInbound(ent, doc)
	if ent.problem != nil {
		return ent.problem
	}
	return c.forward(ctx, ent, doc, hops)
}

// resolve finds the endpoint by path or by the body's model, and the served
// entity whose turn it is.
func (c *call) resolve(rt route, doc *document) (*entity, *failure) {
	name := rt.endpoint
	if rt.kind == routeOpenAI {
		var ok bool
		if name, ok = decodeString(doc.model); !ok || name == "" {
			return nil, modelRequired()
		}
	}
	e := c.p.table.Load().byName[name]
	if e == nil {
		return nil, unknownEndpoint(shorten(name))
	}
	c.rec.Endpoint = e.model.Name
	c.traceEndpoint(e.model.Name)
	ent, fail := choose(e, rt.served)
	if fail != nil {
		return nil, fail
	}
	c.rec.ServedEntity, c.rec.Provider, c.rec.Task = ent.name, ent.provider, ent.task
	if rt.task != "" && rt.task != ent.task {
		return nil, wrongTask(e.model.Name, ent.task, rt.pattern)
	}
	return ent, nil
}

// choose lets a served entity named in the path bypass the traffic split.
func choose(e *endpoint, served string) (*entity, *failure) {
	if served != "" {
		if ent := e.served(served); ent != nil {
			return ent, nil
		}
		return nil, unknownEntity(e.model.Name, shorten(served))
	}
	if ent := e.pick(); ent != nil {
		return ent, nil
	}
	return nil, notReady(e.model.Name)
}

func (c *call) readDocument() (*document, *failure) {
	if enc := c.r.Header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return nil, encodedBody(shorten(enc))
	}
	body, fail := c.readBody()
	c.rec.BytesIn = int64(len(body))
	if fail != nil {
		return nil, fail
	}
	doc, bad := scanDocument(body)
	if bad != nil {
		return nil, malformed(bad, body)
	}
	return doc, nil
}

// readBody allocates once for a body that tells its length, but no more than
// trustedLength on the word of the sender alone.
func (c *call) readBody() ([]byte, *failure) {
	const trustedLength = 256 << 10
	limit := c.p.cfg.MaxBody
	if c.r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if c.r.Body == nil {
		return nil, nil
	}
	size := int64(4 << 10)
	if c.r.ContentLength >= 0 {
		// One byte more lets the read that meets io.EOF happen without growing.
		size = min(c.r.ContentLength, trustedLength) + 1
	}
	b := make([]byte, 0, size)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := c.r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			return nil, tooLarge(limit)
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, nil
		case wire.KindOf(err) == wire.KindTooLarge:
			return nil, tooLarge(limit)
		case err != nil:
			return nil, unreadable(err)
		}
	}
}

// requireFields refuses what no upstream could answer.
func requireFields(task string, d *document) *failure {
	switch {
	case task == taskChat && absent(d.messages):
		return missingField("messages", task)
	case task == taskChat && d.messages[0] != '[':
		return messagesNotArray()
	case task == taskCompletions && absent(d.prompt):
		return missingField("prompt", task)
	case task == taskEmbeddings && absent(d.input):
		return missingField("input", task)
	}
	return nil
}

func absent(raw []byte) bool { return raw == nil || string(raw) == "null" }
