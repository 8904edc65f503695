package reactor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	soReusePort = unix.SO_REUSEPORT
	// keepAliveSwitchOnly: tcp(4) has keep-alive probes, but their times are the system's alone.
	keepAliveSwitchOnly = true
	tcpKeepIdle         = 0
	tcpKeepInterval     = 0
	tcpKeepCount        = 0
	urgentUntold        = false
)

func (d *descriptor) acceptOnce(sa *unix.RawSockaddrAny, length *uint32) (sysFD, syscall.Errno) {
	return d.acceptBy(callAccept, sa, length, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
