package e2e_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Two hundred clients that never get to the end of their request: some say
// nothing, some half a head, some a byte now and then. Nobody else may notice,
// and each must be told to go.
func TestAttackSlowHeads(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.timeouts.readHeader=1s"}})
		const slow = 200
		ends := make(chan string, slow)
		for i := range slow {
			conn := f.connect(t, "")
			go func() {
				switch i % 3 {
				case 0: // nothing
				case 1:
					_, _ = io.WriteString(conn, "GET /open/slow HTTP/1.1\r\nHost: h\r\nX: ")
				default:
					go func() {
						_, _ = io.WriteString(conn, "GET /open/slow HTTP/1.1\r\nHost: h\r\nX: ")
						for {
							time.Sleep(50 * time.Millisecond) // what makes the attack: a byte now and then
							if _, err := io.WriteString(conn, "a"); err != nil {
								return
							}
						}
					}()
				}
				b, err := io.ReadAll(conn)
				head, _, _ := strings.Cut(string(b), "\r\n")
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					head = "not closed"
				}
				ends <- fmt.Sprintf("%d %s", i%3, head)
			}()
		}
		hc := client(t, "")
		others := 0
		for left := slow; left > 0; {
			select {
			case end := <-ends:
				left--
				kind, head, _ := strings.Cut(end, " ")
				told := kind == "0" && head == "" || strings.Contains(head, " 408 ") || strings.HasSuffix(engine, "std") && (head == "" || strings.Contains(head, " 400 "))
				if !told {
					t.Errorf("a slow client of kind %s ended with %q", kind, head)
				}
			default:
				if r, err := call(hc, "GET", f.gateway+"/open/plain", ""); err != nil || r.status != 200 {
					t.Fatalf("another client: %+v %v", r, err)
				}
				others++
			}
		}
		if others == 0 {
			t.Error("nobody else was served meanwhile")
		}
		if strings.Contains(f.wall.bytes.String(), "/slow") {
			t.Error("a slow head reached the backend")
		}
	})
}

// A body that stops arriving ends its call on both sides.
func TestAttackSlowBody(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.timeouts.readBody=500ms"}, wall: func(c *wallConn) { // never answers before the end of the body
			for {
				_, text, err := c.request()
				if err != nil {
					return
				}
				c.answer(text)
			}
		}})
		for name, text := range map[string]string{
			"small, held":      "POST /open/slow HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc",
			"large, streamed":  "POST /open/slow HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc",
			"chunked":          "POST /open/slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
			"half a size":      "POST /open/slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3",
			"buffered by plan": "POST /held/slow HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		} {
			s := f.tell(t, text)
			if len(s.statuses) != 1 || s.statuses[0] != 408 {
				t.Errorf("%s: %v", name, s)
			}
		}
		f.metricOK(t, "sallyport_requests_in_flight", "0")
		f.holds(t)
	})
}

// A client that asks for 100 MB and reads none of it holds a connection, not
// memory, and not for long.
func TestAttackSlowReader(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		const size, readers = 100 << 20, 20
		cutOff := make(chan struct{}, readers)
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.timeouts.write=1s"}, wall: behave(func(c *wallConn, _ *http.Request) {
			c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
			piece := make([]byte, 1<<20)
			for range size >> 20 {
				if _, err := c.Write(piece); err != nil {
					cutOff <- struct{}{}
					return
				}
			}
		})})
		f.plain(t, client(t, ""))
		before := f.node.memory(t)
		conns := make([]net.Conn, readers)
		for i := range conns {
			conns[i] = f.connect(t, "")
			if _, err := io.WriteString(conns[i], "GET /open/bad HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
		}
		for range readers {
			wait(t, cutOff, "the gateway to let go of the backend")
			f.plain(t, client(t, ""))
		}
		if grown := f.node.memory(t) - before; grown > grownLimit() {
			t.Errorf("the process has grown by %d MB", grown>>20)
		}
		for _, c := range conns {
			if n, err := io.Copy(io.Discard, c); n >= size {
				t.Errorf("a reader got everything: %d bytes, %v", n, err)
			} else if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				t.Error("a reader's connection stays open")
			}
		}
		f.metricOK(t, "sallyport_requests_in_flight", "0")
	})
}

// Large bodies pass in both directions at the same time, and in pieces.
func TestAttackHundredMegabytesBothWays(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		const size = 100 << 20
		f := startFort(t, fortOptions{engine: engine, wall: func(c *wallConn) {
			c.br = bufio.NewReader(c.Conn) // keeps no copy of it
			for {
				r, err := http.ReadRequest(c.br)
				if err != nil {
					return
				}
				if r.Method != "POST" {
					c.answer("plain")
					continue
				}
				c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				buf := make([]byte, 64<<10)
				for {
					n, err := r.Body.Read(buf)
					if n > 0 {
						c.say(fmt.Sprintf("%x\r\n%s\r\n", n, buf[:n]))
					}
					if err != nil {
						break
					}
				}
				c.say("0\r\n\r\n")
			}
		}})
		hc := client(t, "")
		f.plain(t, hc)
		before := f.node.memory(t)
		var all sync.WaitGroup
		for _, length := range []int64{size, -1} {
			all.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), "POST", f.gateway+"/open/large", io.LimitReader(new(pattern), size))
				if err != nil {
					t.Error(err)
					return
				}
				req.ContentLength = length
				res, err := hc.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = res.Body.Close() }()
				n, err := io.Copy(io.Discard, &patternCheck{Reader: res.Body})
				if n != size || err != nil {
					t.Errorf("%d of %d bytes came back: %v", n, size, err)
				}
			})
		}
		all.Wait()
		if grown := f.node.memory(t) - before; grown > grownLimit() {
			t.Errorf("the process has grown by %d MB", grown>>20)
		}
		f.plain(t, hc)
	})
}

// pattern is an endless text in which a piece that is lost or moved shows.
type pattern struct{ at int }

const patternText = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY\n" // 62 bytes, no power of two

var patternBlock = strings.Repeat(patternText, 1024)

func (p *pattern) Read(b []byte) (int, error) {
	n := copy(b, patternBlock[p.at:])
	p.at = (p.at + n) % len(patternText)
	return n, nil
}

// patternCheck fails when what is read is not the pattern.
type patternCheck struct {
	io.Reader
	at int
}

func (c *patternCheck) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), len(patternBlock)-len(patternText))])
	if string(p[:n]) != patternBlock[c.at:c.at+n] {
		return n, errors.New("bytes were lost, moved or changed")
	}
	c.at = (c.at + n) % len(patternText)
	return n, err
}

// A policy that holds bodies holds none of any size.
func TestAttackBodyOverLimitForPolicy(t *testing.T) {
	const body413 = `{ "statusCode": 413, "message": "Request body is too large" }`
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.limits.bufferedBody=64KiB", "gateway.limits.requestBody=256KiB"}})
		send := func(api string, size int, length int64) (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), "POST", f.gateway+"/"+api+"/large", strings.NewReader(strings.Repeat("a", size)))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = length
			res, err := client(t, "").Do(req)
			if err != nil {
				return 0, err.Error()
			}
			defer func() { _ = res.Body.Close() }()
			b, _ := io.ReadAll(res.Body)
			return res.StatusCode, string(b)
		}
		for _, k := range []struct {
			api    string
			size   int
			known  bool
			status int
		}{
			{"held", 60 << 10, true, 200}, {"held", 60 << 10, false, 200}, {"held", 70 << 10, true, 413}, {"held", 70 << 10, false, 413},
			{"open", 200 << 10, true, 200}, {"open", 200 << 10, false, 200}, {"open", 300 << 10, true, 413}, {"open", 300 << 10, false, 413},
			{"held", 8 << 20, true, 413}, {"open", 8 << 20, false, 413},
		} {
			length := int64(-1)
			if k.known {
				length = int64(k.size)
			}
			status, body := send(k.api, k.size, length)
			if status != k.status || status == 413 && body != body413 {
				t.Errorf("%s, %d bytes, length known %v: %d %s", k.api, k.size, k.known, status, tail(body, 200))
			}
		}
		f.holds(t)
	})
}

// A chunked body that never ends is stopped by the limit, not by memory.
func TestAttackEndlessChunkedBody(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.limits.requestBody=10MiB", "gateway.limits.bufferedBody=10MiB"}, wall: func(c *wallConn) {
			c.br = bufio.NewReader(c.Conn) // keeps no copy of it
			for {
				r, err := http.ReadRequest(c.br)
				if err != nil {
					return
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					return
				}
				c.answer("plain")
			}
		}})
		f.plain(t, client(t, ""))
		before := f.node.memory(t)
		for _, api := range []string{"open", "held"} {
			for _, chunk := range []string{"8000\r\n" + strings.Repeat("a", 32<<10) + "\r\n", strings.Repeat("1\r\na\r\n", 4000)} {
				conn := f.connect(t, "")
				go func() {
					_, _ = io.WriteString(conn, "POST /"+api+"/endless HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
					for {
						if _, err := io.WriteString(conn, chunk); err != nil {
							return
						}
					}
				}()
				// The answer may be lost when the connection is closed under a client
				// that goes on sending; the end may not.
				if s := listen(conn); len(s.statuses) > 1 || len(s.statuses) == 1 && s.statuses[0] != 413 || timedOut(s.err) {
					t.Errorf("%s: %v", api, s)
				}
				_ = conn.Close()
			}
		}
		// A body of unknown length that is held grows by doubling up to its limit,
		// twice here, and what it grew out of is garbage for a while.
		if grown := f.node.memory(t) - before; grown > 3*grownLimit() {
			t.Errorf("the process has grown by %d MB", grown>>20)
		}
		f.plain(t, client(t, ""))
		f.metricOK(t, "sallyport_requests_in_flight", "0")
	})
}

func timedOut(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// More connections than the gateway may hold are turned away, and those it
// has go on.
func TestAttackConnectionFlood(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.limits.connections=20", "gateway.timeouts.readHeader=1s"}})
		hc := client(t, "") // its connection was here first
		f.holds(t)
		if r, err := call(hc, "GET", f.gateway+"/open/plain", ""); err != nil || r.status != 200 {
			t.Fatalf("%v %v", r, err)
		}
		ends := make(chan *said, 500)
		for range cap(ends) {
			conn := f.connect(t, "")
			go func() { ends <- listen(conn) }()
		}
		for left := cap(ends); left > 0; {
			select {
			case s := <-ends:
				left--
				if timedOut(s.err) || len(s.statuses) > 1 || len(s.statuses) == 1 && s.statuses[0] != 503 && s.statuses[0] != 408 {
					t.Errorf("a flooding connection: %v", s)
				}
			default:
				if r, err := call(hc, "GET", f.gateway+"/open/plain", ""); err != nil || r.status != 200 {
					t.Fatalf("who was here first: %v %v", r, err)
				}
			}
		}
		eventually(t, "room for new clients", func() error {
			r, err := call(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}, "GET", f.gateway+"/open/plain", "")
			if err == nil && r.status != 200 {
				err = errors.New(r.body)
			}
			return err
		})
	})
}

// More requests than may run or wait are told so at once; none hangs, and the
// ones that run are finished.
func TestAttackRequestFlood(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		goOn, arrived := make(chan struct{}), make(chan struct{}, 64)
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.limits.inFlight=4", "gateway.limits.queue=4", "gateway.timeouts.queue=1h"}, wall: func(c *wallConn) {
			for {
				_, _, err := c.request()
				if err != nil {
					return
				}
				select {
				case arrived <- struct{}{}:
				default:
				}
				select {
				case <-goOn:
				case <-c.done:
					return
				}
				c.answer("plain")
			}
		}})
		hc := client(t, "")
		served := make(chan error, 8)
		ask := func() {
			r, err := call(hc, "GET", f.gateway+"/open/held", "")
			if err == nil && r.status != 200 {
				err = errors.New(r.body)
			}
			served <- err
		}
		for range 4 {
			go ask()
			wait(t, arrived, "the backend to be called")
		}
		for range 4 {
			go ask()
		}
		f.metricOK(t, "sallyport_queue_length", "4")
		flood := make(chan error, 200)
		for range cap(flood) {
			go func() {
				r, err := call(hc, "GET", f.gateway+"/open/flood", "")
				if err == nil && (r.status != 503 || r.header.Get("Retry-After") == "" || r.body != bodyBusy) {
					err = fmt.Errorf("%d %v %s", r.status, r.header, r.body)
				}
				flood <- err
			}()
		}
		for range cap(flood) {
			if err := <-flood; err != nil {
				t.Error(err)
			}
		}
		close(goOn)
		for range 8 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
		f.metricOK(t, "sallyport_queue_length", "0")
		f.metricOK(t, `sallyport_shed_total{reason="queue_full"}`, "200")
	})
}

// Without memory new requests are shed, and the process lives; see
// TestMemoryCeiling for what else goes on.
func TestAttackMemoryCeilingSheds(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		f := startFort(t, fortOptions{engine: engine, set: []string{"gateway.limits.memory=1MiB"}})
		f.metricOK(t, "sallyport_memory_pressure", "1")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		answers := make(chan error, 100)
		for range cap(answers) {
			go func() {
				res, err := send(ctx, client(t, ""), "POST", f.gateway+"/held/large", strings.Repeat("a", 1<<20))
				if err == nil {
					_ = res.Body.Close()
					if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
						err = errors.New(res.Status)
					}
				}
				answers <- err
			}()
		}
		for range cap(answers) {
			if err := <-answers; err != nil && !strings.Contains(err.Error(), "connection reset") && !strings.Contains(err.Error(), "broken pipe") {
				t.Error(err)
			}
		}
		if got := f.wall.bytes.String(); got != "" {
			t.Errorf("the backend was sent %q", tail(got, 200))
		}
		if f.node.ended() {
			t.Error("the process has ended")
		}
	})
}
