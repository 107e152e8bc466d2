package sandbox

import (
	"net/url"
	"strings"
)

type modelEntry struct {
	ID           string          `json:"id"`
	Object       string          `json:"object"`
	Created      int64           `json:"created"`
	OwnedBy      string          `json:"owned_by"`
	Status       string          `json:"status"`
	Lifecycle    string          `json:"lifecycle_status"`
	Capabilities map[string]bool `json:"capabilities"`
}

// modelsSince is when the models of the sandbox say they were created.
const modelsSince = 1735689600

func (d *Deployment) entry() modelEntry {
	return modelEntry{
		ID: d.Name, Object: "model", Created: modelsSince, OwnedBy: "sallyport-sandbox",
		Status: "succeeded", Lifecycle: "generally-available",
		Capabilities: map[string]bool{
			"chat_completion": d.Kind == Chat, "completion": d.Kind == Completion,
			"embeddings": d.Kind == Embedding, "inference": true, "fine_tune": false,
		},
	}
}

func (c *call) listModels() {
	list := make([]modelEntry, len(c.cfg.Deployments))
	for i := range c.cfg.Deployments {
		list[i] = c.cfg.Deployments[i].entry()
	}
	c.answer(map[string]any{"object": "list", "data": list})
}

func (c *call) getModel() {
	name, _ := url.PathUnescape(strings.TrimPrefix(c.path, "/openai/v1/models/"))
	if d := c.cfg.deployment(name); d != nil {
		c.answer(d.entry())
		return
	}
	f := invalid("model", "model_not_found", "The model '"+name+"' does not exist.")
	f.status = 404
	c.refuse(ReasonDeployment, f)
}
