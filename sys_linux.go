package reactor

import (
	"math"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	maxBacklog  = math.MaxInt32 // the kernel cuts it to net.core.somaxconn
	soReusePort = unix.SO_REUSEPORT
	tcpKeepIdle = unix.TCP_KEEPIDLE
	// inheritsNoDelay: an accepted socket has the listener's TCP_NODELAY, which saves setting it.
	inheritsNoDelay = true

	// rawLimit is how much a system call may copy without telling the scheduler. Such a call costs less, and keeps
	// its P: it must not block, nor last.
	rawLimit = 64 << 10
	// ioLimit is how much one system call is asked to move; the kernel's own limit is near 2 GiB.
	ioLimit = 1 << 30
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

func openPipe(r, w *descriptor) error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		return os.NewSyscallError("pipe2", err)
	}
	r.fd, r.kind = sysFD(fds[0]), kindPipe
	w.fd, w.kind = sysFD(fds[1]), kindPipe
	return nil
}

// accept takes a connection. A descriptor that others share may block: the scheduler has to know.
func (d *descriptor) accept() (sysFD, Addr, error) {
	var sa unix.RawSockaddrAny
	for {
		length := uint32(unix.SizeofSockaddrAny)
		var fd uintptr
		var errno syscall.Errno
		if d.shared {
			fd, _, errno = syscall.Syscall6(unix.SYS_ACCEPT4, uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		} else {
			fd, _, errno = syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		}
		switch errno {
		case 0:
			return sysFD(fd), decode(&sa, length, d.protocol(), "", nil), nil
		case unix.EINTR:
			continue
		}
		return 0, Addr{}, failed("accept4", errno)
	}
}

// recvfrom is recv(2) and recvfrom(2). It never blocks, whatever others do with a shared socket's O_NONBLOCK.
func (d *descriptor) recvfrom(p []byte, flags uintptr, sa *unix.RawSockaddrAny, length *uint32) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawLimit {
			n, _, errno = syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
		}
		switch errno {
		case 0:
			if raceEnabled {
				raceWrite(p[:n])
			}
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// sendto is send(2) and sendto(2), without SIGPIPE and never blocking.
func (d *descriptor) sendto(p []byte, sa *unix.RawSockaddrAny, length uint32) (int, syscall.Errno) {
	if raceEnabled {
		raceRead(p)
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawLimit {
			n, _, errno = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(length))
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_SENDTO, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(length))
		}
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// recv fills p from a stream. It goes on past the limit of one call, and on a Unix socket until the kernel says that
// nothing is left: that stops at passed descriptors too, and what comes after them makes no edge.
func (d *descriptor) recv(p []byte) (n int, err error) {
	for {
		want := p[n:min(len(p), n+ioLimit)]
		m, errno := d.recvfrom(want, 0, nil, nil)
		n += m
		if errno != 0 {
			if n > 0 && errno == unix.EAGAIN {
				return n, nil
			}
			return n, failed("recvfrom", errno)
		}
		if m == 0 || n == len(p) || m < len(want) && d.family != familyUnix {
			return n, nil
		}
	}
}

// peek reads what stays in the socket.
func (d *descriptor) peek(p []byte) (int, error) {
	n, errno := d.recvfrom(p[:min(len(p), ioLimit)], unix.MSG_PEEK, nil, nil)
	return n, failed("recvfrom", errno)
}

// send writes p to a stream until it is done or the kernel says that there is no room: only then is an edge owed.
func (d *descriptor) send(p []byte) (n int, err error) {
	for {
		m, errno := d.sendto(p[n:min(len(p), n+ioLimit)], nil, 0)
		n += m
		if errno != 0 || n == len(p) {
			return n, failed("sendto", errno)
		}
	}
}

// recvFrom takes a datagram, or looks at it, and tells its sender.
func (d *descriptor) recvFrom(p []byte, peek bool, path *atomic.Pointer[string]) (int, Addr, error) {
	var sa unix.RawSockaddrAny
	length := uint32(unix.SizeofSockaddrAny)
	flags := uintptr(0)
	if peek {
		flags = unix.MSG_PEEK
	}
	n, errno := d.recvfrom(p, flags, &sa, &length)
	if errno != 0 {
		return 0, Addr{}, failed("recvfrom", errno)
	}
	return n, decode(&sa, length, d.protocol(), "", path), nil
}

// recvPacket takes a datagram without its sender.
func (d *descriptor) recvPacket(p []byte) (int, error) {
	n, errno := d.recvfrom(p, 0, nil, nil)
	return n, failed("recvfrom", errno)
}

// sendTo sends a datagram; a nil address is the connected peer.
func (d *descriptor) sendTo(p []byte, to *Addr) (int, error) {
	if to == nil {
		n, errno := d.sendto(p, nil, 0)
		return n, failed("sendto", errno)
	}
	var sa unix.RawSockaddrAny
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return 0, err
	}
	n, errno := d.sendto(p, &sa, length)
	return n, failed("sendto", errno)
}

// read fills p from a pipe.
func (d *descriptor) read(p []byte) (n int, err error) {
	for {
		want := p[n:min(len(p), n+ioLimit)]
		m, errno := d.transfer(unix.SYS_READ, want)
		n += m
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN && n > 0:
			return n, nil
		case errno != 0:
			return n, failed("read", errno)
		}
		if raceEnabled {
			raceWrite(want[:m])
		}
		if m < len(want) || n == len(p) {
			return n, nil
		}
	}
}

// write writes p to a pipe until it is done or the kernel says that there is no room.
func (d *descriptor) write(p []byte) (n int, err error) {
	if raceEnabled {
		raceRead(p)
	}
	for {
		m, errno := d.transfer(unix.SYS_WRITE, p[n:min(len(p), n+ioLimit)])
		n += m
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n == len(p) {
			return n, failed("write", errno)
		}
	}
}

// transfer is read(2) or write(2). What copies much, and what others may have made blocking, the scheduler has to know.
func (d *descriptor) transfer(call uintptr, p []byte) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if len(p) <= rawLimit && !d.shared {
		n, _, errno = syscall.RawSyscall(call, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	} else {
		n, _, errno = syscall.Syscall(call, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
