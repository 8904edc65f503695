package reactor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	sendFlags       = unix.MSG_DONTWAIT // SO_NOSIGPIPE is what keeps the signal away
	soReusePort     = unix.SO_REUSEPORT
	soLinger        = unix.SO_LINGER_SEC // SO_LINGER counts ticks
	tcpKeepIdle     = unix.TCP_KEEPALIVE
	tcpKeepInterval = unix.TCP_KEEPINTVL
	tcpKeepCount    = unix.TCP_KEEPCNT

	keepAliveSwitchOnly = false
	urgentUntold        = false
)

// The system has no call that makes a descriptor non-blocking and close-on-exec from birth. The lock keeps those who fork away
// until it is.

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
	if err := quieten(fd); err != nil {
		_ = unix.Close(fd)
		return err
	}
	d.fd, d.family, d.kind = sysFD(fd), family, kind
	return nil
}

// quieten makes a new socket non-blocking and keeps it from raising SIGPIPE.
func quieten(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return noSIGPIPE(fd)
}

// noSIGPIPE is what a socket needs whoever made it. It fails on one that its peer has reset: such a socket tells EPIPE
// without a signal, or what ended it.
func noSIGPIPE(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1)
	if err == unix.EINVAL {
		return nil
	}
	return os.NewSyscallError("setsockopt", err)
}

func openPair(a, b *descriptor, kind descriptorKind) error {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind.socketType(), 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		if err := quieten(fd); err != nil {
			_ = unix.Close(fds[0])
			_ = unix.Close(fds[1])
			return err
		}
	}
	a.fd, a.family, a.kind = sysFD(fds[0]), familyUnix, kind
	b.fd, b.family, b.kind = sysFD(fds[1]), familyUnix, kind
	return nil
}

// pipe makes a pipe that does not block.
func pipe(fds *[2]int) error {
	syscall.ForkLock.RLock()
	err := unix.Pipe(fds[:])
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("pipe", err)
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

// acceptOnce takes a connection. It holds the lock unless the call may block, which it may where others share the
// descriptor.
func (d *descriptor) acceptOnce(sa *unix.RawSockaddrAny, length *uint32) (sysFD, syscall.Errno) {
	if !d.shared {
		syscall.ForkLock.RLock()
	}
	fd, errno := d.acceptBy(callAccept, sa, length, 0)
	if errno == 0 {
		unix.CloseOnExec(int(fd))
	}
	if !d.shared {
		syscall.ForkLock.RUnlock()
	}
	if errno != 0 {
		return 0, errno
	}
	if *length == 0 {
		// A connection that is gone already comes without an address, instead of with an error.
		_ = unix.Close(int(fd))
		return 0, unix.ECONNABORTED
	}
	if err := quieten(int(fd)); err != nil {
		_ = unix.Close(int(fd))
		if errno, ok := errnoOf(err); ok {
			return 0, syscall.Errno(errno)
		}
		return 0, unix.EINVAL
	}
	return fd, 0
}

// membershipIPv4 is the option for IPv4: struct ip_mreqn of ip(4).
func (d *descriptor) membershipIPv4(name, index int, group [4]byte) error {
	mreq := unix.IPMreqn{Multiaddr: group, Ifindex: int32(index)}
	return os.NewSyscallError("setsockopt", unix.SetsockoptIPMreqn(int(d.fd), unix.IPPROTO_IP, name, &mreq))
}
