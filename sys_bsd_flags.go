//go:build dragonfly || freebsd || netbsd || openbsd

package reactor

import (
	"os"

	"golang.org/x/sys/unix"
)

// Where the kernel makes descriptors non-blocking and close-on-exec from birth.

const (
	sendFlags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	soLinger  = unix.SO_LINGER
)

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
