package egress

import "syscall"

// ipBindAddressNoPort is IP_BIND_ADDRESS_NO_PORT of linux/in.h.
const ipBindAddressNoPort = 24

// latePort lets the kernel choose the port at connect instead of at bind, so
// that one source address is good for some 28,000 connections to each
// destination and not in total. Kernels without the option ignore it.
func latePort(c syscall.RawConn) {
	_ = c.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	})
}
