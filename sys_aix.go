package reactor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxBacklog      = unix.SOMAXCONN
	soReusePort     = unix.SO_REUSEPORT
	soLinger        = unix.SO_LINGER
	tcpKeepIdle     = unix.TCP_KEEPIDLE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT
	recvFlags       = unix.MSG_NONBLOCK
	sendFlags       = unix.MSG_NONBLOCK | unix.MSG_NOSIGNAL
	inheritsNoDelay = false
	abstractNames   = false
	// byteOptions: the multicast options are unsigned char.
	byteOptions = true

	keepAliveSwitchOnly = false
	urgentUntold        = false
)

// setSockaddrLen fills in the length that a socket address begins with; a path's may be beyond what it holds, which the
// system does not mind.
func setSockaddrLen(sa *unix.RawSockaddrAny, length uint32) { sa.Addr.Len = uint8(min(length, 255)) }

// The system has no call that makes a descriptor non-blocking and close-on-exec from birth. The lock keeps those who fork away
// until it is.

func duplicateFD(fd uintptr) (uintptr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, err := unix.FcntlInt(fd, unix.F_DUPFD, 0)
	if err != nil {
		return 0, os.NewSyscallError("fcntl", err)
	}
	unix.CloseOnExec(n)
	return uintptr(n), nil
}

// open makes a socket.
func (d *descriptor) open(family addrFamily, _ protocol, kind descriptorKind) error {
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family.domain(), kind.socketType(), 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	d.fd, d.family, d.kind = sysFD(fd), family, kind
	return nil
}

func openPair(a, b *descriptor, kind descriptorKind) error {
	var fds [2]int
	err := double(&fds, "socketpair", func() (err error) {
		fds, err = unix.Socketpair(unix.AF_UNIX, kind.socketType(), 0)
		return err
	})
	if err != nil {
		return err
	}
	a.fd, a.family, a.kind = sysFD(fds[0]), familyUnix, kind
	b.fd, b.family, b.kind = sysFD(fds[1]), familyUnix, kind
	return nil
}

// pipe makes a pipe that does not block.
func pipe(fds *[2]int) error {
	return double(fds, "pipe", func() error { return unix.Pipe(fds[:]) })
}

// double makes two descriptors at once by f.
func double(fds *[2]int, call string, f func() error) error {
	syscall.ForkLock.RLock()
	err := f()
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError(call, err)
	}
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			_ = unix.Close(fds[0])
			_ = unix.Close(fds[1])
			return os.NewSyscallError("fcntl", err)
		}
	}
	return nil
}
