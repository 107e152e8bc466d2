package listen

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// firstInherited is the first descriptor of socket activation (systemd:
// sd_listen_fds(3)).
const firstInherited = 3

// HandOverVariable tells a process that it follows a running one. Its value is
// "<process id of the parent>:<descriptor of the ready pipe>". The number of
// the new process cannot be known before it exists, so LISTEN_PID is not used
// between the two.
const HandOverVariable = "LISTEN_HANDOVER"

// Inherited are sockets that were open before the process began: from systemd,
// or from the process whose place this one takes. A nil *Inherited has none.
type Inherited struct {
	sockets []inherited
	ready   *os.File // tells the parent; nil without one
}

type inherited struct {
	net.Listener
	name string
}

// Inherit takes over the sockets that the environment announces. The variables
// are removed, so that no child takes them for its own.
func Inherit() (*Inherited, error) {
	e := map[string]string{}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", HandOverVariable} {
		e[name] = os.Getenv(name)
		if err := os.Unsetenv(name); err != nil {
			return nil, fmt.Errorf("take over sockets: %w", err)
		}
	}
	ready, ours := addressed(e, os.Getpid(), os.Getppid())
	if !ours {
		return nil, nil
	}
	n, err := strconv.Atoi(e["LISTEN_FDS"])
	if err != nil || n < 0 || n > 1024 {
		return nil, fmt.Errorf("take over sockets: LISTEN_FDS=%q is not a number of sockets", e["LISTEN_FDS"])
	}
	in := &Inherited{}
	if ready > 0 {
		in.ready = os.NewFile(uintptr(ready), "ready")
	}
	names := strings.Split(e["LISTEN_FDNAMES"], ":")
	for i := range n {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		f := os.NewFile(uintptr(firstInherited+i), name)
		ln, err := net.FileListener(f)
		_ = f.Close() // the listener has a copy
		if err != nil {
			in.Close()
			return nil, fmt.Errorf("take over socket %d (%s): %w", firstInherited+i, name, err)
		}
		in.sockets = append(in.sockets, inherited{ln, name})
	}
	return in, nil
}

// addressed reports whether the variables are meant for this process, and the
// descriptor of the ready pipe, 0 for none.
func addressed(e map[string]string, pid, parent int) (ready int, ours bool) {
	if from, pipe, ok := strings.Cut(e[HandOverVariable], ":"); ok {
		n, err := strconv.Atoi(pipe)
		return n, err == nil && n >= firstInherited && from == strconv.Itoa(parent)
	}
	return 0, e["LISTEN_PID"] == strconv.Itoa(pid) && e["LISTEN_FDS"] != ""
}

// Take returns the socket for a listener on addr. It is found by its address,
// or by its name when the address cannot tell: sockets of systemd may be named
// on purpose, and a port of the system's choice is known to nobody else.
func (in *Inherited) Take(name, addr string) (net.Listener, bool) {
	if in == nil {
		return nil, false
	}
	for i, s := range in.sockets {
		if sameAddress(s.Addr(), addr) {
			return in.remove(i), true
		}
	}
	_, port, _ := net.SplitHostPort(addr)
	for i, s := range in.sockets {
		if name != "" && s.name == name && (in.ready == nil || port == "0") {
			return in.remove(i), true
		}
	}
	return nil, false
}

func (in *Inherited) remove(i int) net.Listener {
	ln := in.sockets[i].Listener
	in.sockets = append(in.sockets[:i], in.sockets[i+1:]...)
	return ln
}

func sameAddress(have net.Addr, want string) bool {
	h, ok := have.(*net.TCPAddr)
	if !ok {
		return false
	}
	w, err := net.ResolveTCPAddr("tcp", want)
	if err != nil || w.Port != h.Port {
		return false
	}
	if w.IP == nil || w.IP.IsUnspecified() {
		// ":80" listens on both families, "0.0.0.0:80" on one; a socket for all
		// addresses is what was asked for in either case.
		return h.IP.IsUnspecified()
	}
	return w.IP.Equal(h.IP)
}

// Left lists the sockets that nobody has taken.
func (in *Inherited) Left() []string {
	if in == nil {
		return nil
	}
	var left []string
	for _, s := range in.sockets {
		left = append(left, s.name+" "+s.Addr().String())
	}
	return left
}

// Close closes the sockets that nobody has taken.
func (in *Inherited) Close() {
	if in == nil {
		return
	}
	for _, s := range in.sockets {
		_ = s.Close()
	}
	in.sockets = nil
}

// ReadyLine is what a process writes into the ready pipe when it serves.
const ReadyLine = "ready\n"

// Ready tells the process before this one that it may go.
func (in *Inherited) Ready() error {
	if in == nil || in.ready == nil {
		return nil
	}
	_, err := in.ready.WriteString(ReadyLine)
	if errClose := in.ready.Close(); err == nil {
		err = errClose
	}
	in.ready = nil
	if err != nil {
		return fmt.Errorf("tell the process before this one: %w", err)
	}
	return nil
}
