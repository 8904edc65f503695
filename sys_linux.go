package reactor

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

const (
	maxBacklog      = math.MaxInt32 // the kernel cuts it to net.core.somaxconn
	soReusePort     = unix.SO_REUSEPORT
	soLinger        = unix.SO_LINGER
	tcpKeepIdle     = unix.TCP_KEEPIDLE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT
	sendFlags       = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	recvFlags       = unix.MSG_DONTWAIT
	// inheritsNoDelay: an accepted socket has the listener's TCP_NODELAY, which saves setting it.
	inheritsNoDelay = true
	// abstractNames: a Unix path may be a name outside the file system.
	abstractNames = true

	// What others lack, or do otherwise.
	urgentUntold        = false
	byteOptions         = false
	keepAliveSwitchOnly = false
)

// setSockaddrLen has nothing to do: a socket address begins with its family.
func setSockaddrLen(*unix.RawSockaddrAny, uint32) {}

func duplicateFD(fd uintptr) (uintptr, error) {
	n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	return uintptr(n), os.NewSyscallError("fcntl", err)
}

// open makes a socket.
func (d *descriptor) open(family addrFamily, _ protocol, kind descriptorKind) error {
	fd, err := unix.Socket(family.domain(), kind.socketType()|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	d.fd, d.family, d.kind = sysFD(fd), family, kind
	return nil
}

func openPair(a, b *descriptor, kind descriptorKind) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind.socketType()|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	a.fd, a.family, a.kind = sysFD(fds[0]), familyUnix, kind
	b.fd, b.family, b.kind = sysFD(fds[1]), familyUnix, kind
	return nil
}

// pipe makes a pipe that does not block.
func pipe(fds *[2]int) error {
	return os.NewSyscallError("pipe2", unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
}

// accept takes a connection.
func (d *descriptor) accept() (sysFD, Addr, error) {
	var sa unix.RawSockaddrAny
	for {
		length := uint32(unix.SizeofSockaddrAny)
		fd, errno := d.acceptBy(unix.SYS_ACCEPT4, &sa, &length, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		switch errno {
		case 0:
			return fd, decode(&sa, length, d.protocol(), nil), nil
		case unix.EINTR:
			continue
		}
		return 0, Addr{}, failed("accept4", errno)
	}
}

// membershipIPv4 is the option for IPv4.
func (d *descriptor) membershipIPv4(name, index int, group [4]byte) error {
	mreq := unix.IPMreqn{Multiaddr: group, Ifindex: int32(index)}
	return os.NewSyscallError("setsockopt", unix.SetsockoptIPMreqn(int(d.fd), unix.IPPROTO_IP, name, &mreq))
}
