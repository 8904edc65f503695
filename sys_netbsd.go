package reactor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	soReusePort     = unix.SO_REUSEPORT
	tcpKeepIdle     = unix.TCP_KEEPIDLE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT

	keepAliveSwitchOnly = false
	// urgentUntold: kevent(2) has no filter for urgent data.
	urgentUntold = true
)

// acceptOnce is paccept(2) without a signal mask.
func (d *descriptor) acceptOnce(sa *unix.RawSockaddrAny, length *uint32) (sysFD, syscall.Errno) {
	return d.acceptBy(unix.SYS_PACCEPT, sa, length, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
