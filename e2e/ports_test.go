package e2e_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The planes of a chain take ports in a row, as `demo --port-base` does.
const (
	gatewayPort = iota
	managementPort
	servingPort
	sandboxPort
	planePorts
	tlsPort = planePorts // one more, for tests with TLS
	blockPorts
)

// portBlock is a row of ports that were free when it was taken.
type portBlock struct {
	base  int
	guard net.Listener
}

// guardAddress is an address that nothing but this helper listens on. Holding
// the first port of a row there keeps other test processes off the row.
const guardAddress = "127.97.3.1"

// takePorts finds a row of free ports below the range that the system gives to
// outgoing connections.
func takePorts() (*portBlock, error) {
	for range 200 {
		base := 10240 + rand.IntN(2500)*8
		guard, err := net.Listen("tcp", net.JoinHostPort(guardAddress, strconv.Itoa(base)))
		if err != nil {
			continue
		}
		if rowIsFree(base) {
			return &portBlock{base: base, guard: guard}, nil
		}
		_ = guard.Close()
	}
	return nil, errors.New("no row of free ports found")
}

func rowIsFree(base int) bool {
	for i := range blockPorts {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base+i))
		if err != nil {
			return false
		}
		_ = ln.Close()
	}
	return true
}

func (p *portBlock) release() { _ = p.guard.Close() }

func (p *portBlock) addr(n int) string { return fmt.Sprintf("127.0.0.1:%d", p.base+n) }

func (p *portBlock) url(n int) string { return "http://" + p.addr(n) }
