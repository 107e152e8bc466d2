//go:build linux

package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		in       string
		used     int // -1 = all of it
		wants100 bool
		bad      bool
		want     string // target|key|body|close|streams
	}{
		"plain":          {in: "GET /x?y=1 HTTP/1.1\r\nHost: h\r\n\r\n", used: -1, want: "/x?y=1|||false|false"},
		"body":           {in: "POST /a HTTP/1.1\r\nContent-Length: 3\r\nAPI-Key: k\r\n\r\nabcREST", used: 54, want: "/a|k|abc|false|false"},
		"bearer":         {in: "GET / HTTP/1.1\r\nAuthorization: Bearer t\r\nConnection: Close\r\n\r\n", used: -1, want: "/|t||true|false"},
		"chunked":        {in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n", used: -1, want: "/||abc|false|false"},
		"stream":         {in: "POST / HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"stream\": true", used: -1, want: "/||{\"stream\": true|false|true"},
		"no stream":      {in: "POST / HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"stream\":false", used: -1, want: "/||{\"stream\":false|false|false"},
		"half a head":    {in: "GET / HTTP/1.1\r\nHost: h\r\n"},
		"half a body":    {in: "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"},
		"half a chunk":   {in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na"},
		"waits for 100":  {in: "POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", wants100: true},
		"no request":     {in: "nonsense\r\n\r\n", bad: true},
		"bad length":     {in: "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", bad: true},
		"bad chunk size": {in: "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", bad: true},
		"endless head":   {in: strings.Repeat("a", maxHead), bad: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, used, wants100, ok := parse([]byte(tt.in))
			if tt.used == -1 {
				tt.used = len(tt.in)
			}
			if used != tt.used || wants100 != tt.wants100 || ok == tt.bad {
				t.Fatalf("used %d, want %d; wants100 %v; ok %v", used, tt.used, wants100, ok)
			}
			if got := fmt.Sprintf("%s|%s|%s|%v|%v", r.target, r.key, r.body, r.close, r.streams()); used > 0 && got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestTimelineYieldsInOrder(t *testing.T) {
	var line timeline
	var conns []*conn
	for _, when := range []int64{5, 3, 9, 1, 7, 3} {
		c := &conn{when: when, slot: -1}
		conns = append(conns, c)
		line.push(c)
	}
	line.remove(conns[2]) // 9, from the middle
	var got []int64
	for len(line) > 0 {
		c := line[0]
		got = append(got, c.when)
		line.remove(c)
	}
	if fmt.Sprint(got) != "[1 3 3 5 7]" {
		t.Error(got)
	}
}

func TestSetChangesOnlyWhatIsNamed(t *testing.T) {
	b := behaviour{chunks: 50, gap: 1, size: 1024, dims: 4}
	b.build()
	q, _ := url.ParseQuery("size=4096&gap=2s&chunks=x")
	n := b.set(q)
	if n.chunks != 50 || n.gap.String() != "2s" || b.gap != 1 {
		t.Errorf("%+v", n)
	}
	if body := string(n.plain); !strings.Contains(body, "Content-Length: 4096\r\n") {
		t.Errorf("the plain answer was not made again: %.300s", body)
	}
}
