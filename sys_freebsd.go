package reactor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// soReusePort is the option that spreads connections over the sockets that share a port: setsockopt(2). FreeBSD 11
	// has SO_REUSEPORT alone, which does not.
	soReusePort     = unix.SO_REUSEPORT_LB
	tcpKeepIdle     = unix.TCP_KEEPIDLE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT

	keepAliveSwitchOnly = false
	// urgentUntold: kevent(2) has no filter for urgent data.
	urgentUntold = true
)

func (d *descriptor) acceptOnce(sa *unix.RawSockaddrAny, length *uint32) (sysFD, syscall.Errno) {
	return d.acceptBy(unix.SYS_ACCEPT4, sa, length, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

// membershipIPv4 is the option for IPv4: struct ip_mreqn of ip(4).
func (d *descriptor) membershipIPv4(name, index int, group [4]byte) error {
	mreq := unix.IPMreqn{Multiaddr: group, Ifindex: int32(index)}
	return os.NewSyscallError("setsockopt", unix.SetsockoptIPMreqn(int(d.fd), unix.IPPROTO_IP, name, &mreq))
}
