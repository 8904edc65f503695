package reactor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// soReusePort also spreads connections over the sockets that share the port: setsockopt(2).
	soReusePort     = unix.SO_REUSEPORT
	tcpKeepIdle     = unix.TCP_KEEPIDLE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT

	keepAliveSwitchOnly = false
	urgentUntold        = false
)

func (d *descriptor) acceptOnce(sa *unix.RawSockaddrAny, length *uint32) (sysFD, syscall.Errno) {
	return d.acceptBy(unix.SYS_ACCEPT4, sa, length, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}
