package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	maxBacklog      = unix.SOMAXCONN
	soReusePort     = 0 // there is none before Solaris 11.4, and package unix does not know it
	soLinger        = unix.SO_LINGER
	tcpKeepIdle     = unix.TCP_KEEPIDLE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT
	recvFlags       = unix.MSG_DONTWAIT
	sendFlags       = unix.MSG_DONTWAIT // not every release knows MSG_NOSIGNAL: send(3SOCKET)
	inheritsNoDelay = false
	abstractNames   = false
	// byteOptions: the multicast options of ip(4P) are unsigned char.
	byteOptions = true

	keepAliveSwitchOnly = false
	urgentUntold        = false
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
