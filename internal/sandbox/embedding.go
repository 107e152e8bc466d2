package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
)

// maxInputs is the most inputs one embeddings call may carry.
const maxInputs = 2048

type embeddingAnswer struct {
	Object string           `json:"object"`
	Data   []embeddingValue `json:"data"`
	Model  string           `json:"model"`
	Usage  embeddingUsage   `json:"usage"`
}

type embeddingValue struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"`
}

type embeddingUsage struct {
	Prompt int `json:"prompt_tokens"`
	Total  int `json:"total_tokens"`
}

func (c *call) serveEmbeddings() {
	p := c.params()
	inputs := p.inputs("input")
	size := 0
	if p.err == nil {
		size = p.integer("dimensions", 1, c.deployment.Vector, c.deployment.Vector)
	}
	format := p.text("encoding_format")
	if p.err == nil {
		switch {
		case len(inputs) > maxInputs:
			p.err = invalid("input", "array_above_max_length", fmt.Sprintf("Invalid 'input': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", maxInputs, len(inputs)))
		case format != "" && format != "float" && format != "base64":
			p.err = invalid("encoding_format", "invalid_value", fmt.Sprintf("Invalid value: '%s'. Supported values are: 'float' and 'base64'.", format))
		}
	}
	if p.err != nil {
		c.refuse(p.err.reason, p.err)
		return
	}
	a := embeddingAnswer{Object: "list", Model: c.deployment.answered()}
	for i, in := range inputs {
		v := embeddingValue{Object: "embedding", Index: i}
		vec := vector(in, size)
		if v.Embedding = any(vec); format == "base64" {
			v.Embedding = packed(vec)
		}
		a.Data = append(a.Data, v)
		a.Usage.Prompt += countTokens(in)
	}
	a.Usage.Total = a.Usage.Prompt
	c.window.spend(c.now, a.Usage.Total)
	if c.begin() {
		c.answer(a)
	}
}

// vector is a unit vector made of the words of text: each word adds its own
// direction, so that texts which share words lie close together and caches
// keyed by meaning have something to find.
func vector(text string, size int) []float32 {
	sum := make([]float64, size)
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		words = []string{""}
	}
	for _, w := range words {
		h := fnv.New64a()
		_, _ = h.Write([]byte(strings.Trim(w, ".,;:!?\"'()")))
		g := rand.New(rand.NewPCG(h.Sum64(), uint64(size)))
		for i := range sum {
			sum[i] += g.NormFloat64()
		}
	}
	norm := 0.0
	for _, x := range sum {
		norm += x * x
	}
	norm = math.Sqrt(norm)
	out := make([]float32, size)
	for i, x := range sum {
		out[i] = float32(x / norm)
	}
	return out
}

// packed is the base64 form: little-endian 32-bit floats.
func packed(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}
