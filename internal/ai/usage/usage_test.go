package usage

import (
	"strings"
	"testing"
)

var cases = []struct { //nolint:gochecknoglobals // test table shared with the fuzzer
	name, text string
	want       Counts
	found      bool
}{
	{"whole answer", `{"id":"x","choices":[{"message":{"content":"the \"usage\": {"}}],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`, Counts{12, 3, 15, 4, 2}, true},
	{"stream, last wins", "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7,\"total_tokens\":12}}\n\ndata: [DONE]\n\n", Counts{Prompt: 5, Completion: 7, Total: 12}, true},
	{"responses API", `{"type":"response.completed","response":{"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":1},"output_tokens":4,"total_tokens":13}}}`, Counts{Prompt: 9, Completion: 4, Total: 13, Cached: 1}, true},
	{"messages API", `{"type":"message_delta", "usage" : { "input_tokens": 2, "output_tokens": 3 }}`, Counts{Prompt: 2, Completion: 3, Total: 5}, true},
	{"braces in strings", `{"usage":{"note":"} \" {","prompt_tokens":1}}`, Counts{Prompt: 1, Total: 1}, true},
	{"none", `{"error":{"message":"usage"}}`, Counts{}, false},
	{"another API's", `{"usage":{"disk":7}}`, Counts{}, false},
	{"not an object", `{"usage":"high","x":1}`, Counts{}, false},
	{"unfinished", `{"usage":{"prompt_tokens":1`, Counts{}, false},
	{"key is half of another", `{"my_usage":{"prompt_tokens":1},"usages":{"prompt_tokens":2}}`, Counts{}, false},
}

// Every answer is found whole, at each split offset and byte by byte.
func TestSplitsEverywhere(t *testing.T) {
	for _, c := range cases {
		for i := 0; i <= len(c.text); i++ {
			var tap Tap
			tap.Write([]byte(c.text[:i]))
			tap.Write([]byte(c.text[i:]))
			check(t, c.name, &tap, c.want, c.found)
		}
		var tap Tap
		for i := range len(c.text) {
			tap.Write([]byte{c.text[i]})
		}
		check(t, c.name+", bytes", &tap, c.want, c.found)
	}
}

func check(t *testing.T, name string, tap *Tap, want Counts, found bool) {
	t.Helper()
	if got, ok := tap.Counts(); got != want || ok != found {
		t.Fatalf("%s: %+v, %v", name, got, ok)
	}
}

func TestHugeObjectIsPassedBy(t *testing.T) {
	var tap Tap
	tap.Write([]byte(`{"usage":{"x":"` + strings.Repeat("y", maxObject) + `"},`))
	tap.Write([]byte(`"usage":{"prompt_tokens":1}}`))
	check(t, "after a huge object", &tap, Counts{Prompt: 1, Total: 1}, true)
	if cap(tap.object) > 2*maxObject {
		t.Errorf("%d bytes kept", cap(tap.object))
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	chunk := []byte("data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}],\"usage\":null}\n\n")
	var tap Tap
	if n := testing.AllocsPerRun(100, func() { tap.Write(chunk) }); n > 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

// However an answer is split, the counts are the same.
func FuzzTap(f *testing.F) {
	for i, c := range cases {
		f.Add(c.text, uint(i*7), uint(i*13))
	}
	f.Fuzz(func(t *testing.T, text string, i, k uint) {
		if len(text) > maxObject/2 {
			return
		}
		var whole, split Tap
		whole.Write([]byte(text))
		i %= uint(len(text) + 1)
		k = i + k%(uint(len(text))-i+1)
		split.Write([]byte(text[:i]))
		split.Write([]byte(text[i:k]))
		split.Write([]byte(text[k:]))
		a, okA := whole.Counts()
		if b, okB := split.Counts(); a != b || okA != okB {
			t.Errorf("%q split at %d, %d: %+v %v, whole %+v %v", text, i, k, b, okB, a, okA)
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	chunk := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}],\"usage\":null}\n\n")
	var tap Tap
	b.ReportAllocs()
	for b.Loop() {
		tap.Write(chunk)
	}
}

func BenchmarkAnswer(b *testing.B) {
	answer := []byte(cases[0].text)
	var tap Tap
	b.ReportAllocs()
	for b.Loop() {
		tap.Reset()
		tap.Write(answer)
	}
}
