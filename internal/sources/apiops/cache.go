package apiops

import (
	"crypto/sha256"
	"slices"
	"sync"

	"sallyport/internal/diag"
	"sallyport/internal/imports/openapi"
	"sallyport/internal/model"
)

// Cache remembers what the specifications of the last load were converted to.
// Of a load with hundreds of APIs nearly all time goes into them, and a change
// rarely touches more than one. Files are always read: dates and sizes do not
// tell whether a file has changed. The zero value is an empty cache.
type Cache struct {
	mu   sync.Mutex
	last map[specKey]*conversion
}

// specKey is everything that a conversion depends on.
type specKey struct {
	file, api string
	sum       [sha256.Size]byte
}

// conversion is a result of openapi.Convert. It is shared by loads and never
// changed.
type conversion struct {
	result   openapi.Result
	findings diag.List
}

// convertOnce converts a specification, whose content has this sum, unless the
// last load did.
func (l *loader) convertOnce(doc openapi.Document, sum [sha256.Size]byte) (openapi.Result, diag.List) {
	if l.opts.Cache == nil {
		return openapi.Convert(doc)
	}
	key := specKey{doc.File, doc.APIName, sum}
	c := l.opts.Cache.get(key)
	if c == nil {
		c = &conversion{}
		c.result, c.findings = openapi.Convert(doc)
	}
	l.converted[key] = c
	return c.copy(), slices.Clone(c.findings)
}

// copy is the result with operations of its own: a load hangs policies and
// tags on them. What lies below an operation is read only.
func (c *conversion) copy() openapi.Result {
	r := c.result
	if r.Operations == nil {
		return r
	}
	own := make([]model.Operation, len(r.Operations))
	r.Operations = make([]*model.Operation, len(own))
	for i, op := range c.result.Operations {
		own[i] = *op
		r.Operations[i] = &own[i]
	}
	return r
}

func (c *Cache) get(key specKey) *conversion {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[key]
}

// keep takes over what one load has used; everything else is forgotten.
func (c *Cache) keep(used map[specKey]*conversion) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = used
}
