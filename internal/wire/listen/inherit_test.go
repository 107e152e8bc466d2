package listen

import (
	"io"
	"net"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhoseSockets(t *testing.T) {
	const pid, parent = 100, 99
	for name, k := range map[string]struct {
		pid, fds, handOver string
		ready              int
		ours               bool
	}{
		"nothing":              {},
		"systemd":              {pid: "100", fds: "2", ours: true},
		"for somebody else":    {pid: "98", fds: "2"},
		"no number":            {pid: "100"},
		"hand-over":            {fds: "2", handOver: "99:5", ready: 5, ours: true},
		"of another parent":    {fds: "2", handOver: "1:5", ready: 5},
		"standard output":      {fds: "2", handOver: "99:1", ready: 1},
		"no descriptor at all": {fds: "2", handOver: "99:x"},
	} {
		ready, ours := addressed(map[string]string{"LISTEN_PID": k.pid, "LISTEN_FDS": k.fds, HandOverVariable: k.handOver}, pid, parent)
		if ready != k.ready || ours != k.ours {
			t.Errorf("%s: %d %v", name, ready, ours)
		}
	}
}

func TestSocketsAreFoundByAddress(t *testing.T) {
	open := func(addr string) net.Listener {
		ln, err := Bind(addr, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		return ln
	}
	a, b, all := open("127.0.0.1:0"), open("127.0.0.1:0"), open(":0")
	_, port, _ := net.SplitHostPort(all.Addr().String())
	for name, k := range map[string]struct {
		handOver   bool
		name, addr string
		want       net.Listener
	}{
		"address":                           {addr: b.Addr().String(), want: b},
		"address before name":               {name: "a", addr: b.Addr().String(), want: b},
		"every address":                     {addr: ":" + port, want: all},
		"every address, other spelling":     {addr: "0.0.0.0:" + port, want: all},
		"one address is not every":          {addr: "127.0.0.1:" + port},
		"name":                              {name: "b", addr: "127.0.0.1:1", want: b},
		"hand-over, address changed":        {handOver: true, name: "b", addr: "127.0.0.1:1"},
		"hand-over, port of no one's wish":  {handOver: true, name: "b", addr: "127.0.0.1:0", want: b},
		"neither":                           {name: "c", addr: "127.0.0.1:1"},
		"no name is not the name of no one": {name: "none", addr: "127.0.0.1:1"},
	} {
		in := &Inherited{sockets: []inherited{{a, "a"}, {b, "b"}, {all, ""}}}
		if k.handOver {
			in.ready = os.Stderr // anything that is not nil
		}
		got, ok := in.Take(k.name, k.addr)
		if got != k.want || ok != (k.want != nil) {
			t.Errorf("%s: %v", name, got)
		}
		if ok && len(in.Left()) != 2 || !ok && len(in.Left()) != 3 {
			t.Errorf("%s: left %v", name, in.Left())
		}
	}
}

func TestNothingInherited(t *testing.T) {
	in, err := Inherit()
	if in != nil || err != nil {
		t.Fatal(in, err)
	}
	if _, ok := in.Take("gateway", ":1"); ok || in.Left() != nil || in.Ready() != nil {
		t.Error("something comes of nothing")
	}
	in.Close()
}

func TestVariablesAreTakenAway(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	t.Setenv("LISTEN_FDS", "x")
	t.Setenv("LISTEN_FDNAMES", "a")
	if _, err := Inherit(); err == nil {
		t.Error("LISTEN_FDS=x is accepted")
	}
	if _, there := os.LookupEnv("LISTEN_FDS"); there {
		t.Error("a child would take the sockets for its own")
	}
}

func TestReadyIsToldOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	in := &Inherited{ready: w}
	if err := in.Ready(); err != nil {
		t.Fatal(err)
	}
	if err := in.Ready(); err != nil {
		t.Error(err)
	}
	b, err := io.ReadAll(r)
	if d := cmp.Diff(ReadyLine, string(b)); d != "" || err != nil {
		t.Error(d, err)
	}
}
