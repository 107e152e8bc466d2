//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
)

// read feeds in to an answer in pieces of n bytes.
func read(in string, n int) (a answer, content, rest string, state answerState) {
	for in != "" {
		d := []byte(in[:min(n, len(in))])
		in = in[len(d):]
		for len(d) > 0 && state == answerMore {
			var c []byte
			c, d, state = a.take(d)
			content += string(c)
		}
		if state != answerMore {
			return a, content, string(d) + in, state
		}
	}
	return a, content, "", state
}

func TestAnswersAreReadHoweverTheyAreSplit(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	tests := map[string]struct {
		in, content, rest string
		state             answerState
		status            int
		closes            bool
	}{
		"sized":        {in: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP", content: "abc", rest: "HTTP", state: answerDone, status: 200},
		"empty":        {in: "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", state: answerDone, status: 204, closes: true},
		"chunks":       {in: chunked + "2\r\nab\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n", content: "ab0123456789", state: answerDone, status: 200},
		"trailer":      {in: chunked + "1\r\na\r\n0\r\nX: y\r\n\r\nrest", content: "a", rest: "rest", state: answerDone, status: 200},
		"cut chunk":    {in: chunked + "5\r\nab", content: "ab", state: answerMore, status: 200},
		"no end":       {in: chunked + "2\r\nab\r\n", content: "ab", state: answerMore, status: 200},
		"bad size":     {in: chunked + "zz\r\n", state: answerBad, status: 200},
		"until close":  {in: "HTTP/1.0 200 OK\r\n\r\nabc", content: "abc", state: answerMore, status: 200, closes: true},
		"100 first":    {in: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", content: "a", state: answerDone, status: 200},
		"not HTTP":     {in: "SSH-2.0-OpenSSH\r\n\r\n", state: answerBad},
		"half a head":  {in: "HTTP/1.1 200 OK\r\nContent-", state: answerMore},
		"an old hello": {in: "HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n", state: answerDone, status: 503, closes: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for n := 1; n <= len(tt.in); n++ {
				a, content, rest, state := read(tt.in, n)
				if state == answerBad {
					rest = ""
				}
				if content != tt.content || rest != tt.rest || state != tt.state || a.status != tt.status || a.closes != tt.closes {
					t.Fatalf("pieces of %d: content %q, rest %q, state %d, status %d, closes %v", n, content, rest, state, a.status, a.closes)
				}
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	token := func(i int) string {
		return fmt.Sprintf("data: {\"delta\":{\"content\":\"tok#%d@%d \"}}\n\n", i, 1000+i)
	}
	const done = "data: [DONE]\n\n"
	tests := map[string]struct {
		in   string
		want verdict
		seen string
	}{
		"whole":         {token(0) + token(1) + token(2) + "data: {\"usage\":{}}\n\n" + done, whole, "1000* 1001 1002"},
		"CRLF, comment": {strings.ReplaceAll(": ping\n\n"+token(0)+token(1)+token(2)+done, "\n", "\r\n"), whole, "1000* 1001 1002"},
		"cut":           {token(0) + token(1), cut, "1000* 1001"},
		"no [DONE]":     {token(0) + token(1) + token(2), cut, "1000* 1001 1002"},
		"one missing":   {token(0) + token(2) + done, corrupt, "1000* 1002"},
		"one doubled":   {token(0) + token(0) + token(1) + token(2) + done, corrupt, "1000* 1000 1001 1002"},
		"swapped":       {token(1) + token(0) + token(2) + done, corrupt, "1001* 1000 1002"},
		"too few":       {token(0) + token(1) + done, corrupt, "1000* 1001"},
		"after the end": {token(0) + token(1) + done + token(2), corrupt, "1000* 1001 1002"},
		"two ends":      {token(0) + token(1) + token(2) + done + done, corrupt, "1000* 1001 1002"},
		"garbled token": {strings.Replace(token(0)+token(1)+token(2)+done, "tok#1@", "tok#1", 1), corrupt, "1000* 0 1002"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for n := 1; n <= len(tt.in); n++ {
				var e events
				var seen []string
				for in := tt.in; in != ""; {
					k := min(n, len(in))
					e.take([]byte(in[:k]), func(at int64, first bool) {
						s := fmt.Sprint(at)
						if first {
							s += "*"
						}
						seen = append(seen, s)
					})
					in = in[k:]
				}
				if got := e.verdict(3); got != tt.want {
					t.Fatalf("pieces of %d: verdict %d, want %d", n, got, tt.want)
				}
				if got := strings.Join(seen, " "); got != tt.seen {
					t.Fatalf("pieces of %d: tokens %s", n, got)
				}
			}
		})
	}
}

func TestSummariseGivesMicroseconds(t *testing.T) {
	a, b := newHist(), newHist()
	for i := int64(1); i <= 100; i++ {
		h := a
		if i%2 == 0 {
			h = b
		}
		if err := h.RecordValue(i * 1_000_000); err != nil {
			t.Fatal(err)
		}
	}
	s := summarise(a, b)
	near := func(got, want float64) bool { return got > want*0.998 && got < want*1.002 }
	if s.N != 100 || !near(s.P50, 50_000) || !near(s.P99, 99_000) || !near(s.Max, 100_000) || !near(s.Mean, 50_500) {
		t.Errorf("%+v", s)
	}
	if summarise(newHist()) != nil {
		t.Error("nothing measured is not a summary")
	}
}
