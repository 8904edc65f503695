package reactor

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// The sockets of WASI preview 1: listeners that the runtime opened beforehand, and what they accept. A program
// cannot open, bind, connect or name one.

type sysFD int

//lint:ignore U1000 every descriptor embeds it, and Windows keeps something in it.
type sysDescriptor struct{}

const (
	systemName  = "WASI preview 1"
	maxUnixPath = 103
	reuseAddr   = false
	// inheritsNoDelay: what cannot be set need not be tried.
	inheritsNoDelay = true

	// wasiIOLimit is how much one call is asked to move: sizes have 32 bits.
	wasiIOLimit = 1 << 30
)

func isWouldBlock(target error) bool { return target == syscall.EAGAIN }

// failed dresses the errno of a call.
func failed(call string, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case syscall.EAGAIN:
		return ErrWouldBlock
	}
	return os.NewSyscallError(call, errno)
}

func errnoOf(err error) (uint32, bool) {
	var errno syscall.Errno
	ok := errors.As(err, &errno)
	return uint32(errno), ok
}

func isNotConnected(errno uint32) bool { return syscall.Errno(errno) == syscall.ENOTCONN }

// adopt makes d of a descriptor that is open: a listener, or a connection. Both are stream sockets to the runtime; what tells
// them apart is that a listener cannot be read.
func (d *descriptor) adopt(fd uintptr, kind descriptorKind) error {
	if kind == kindPacket {
		return unsupported("datagram sockets")
	}
	n, err := checkFD(fd)
	if err != nil {
		return err
	}
	var stat wasiFDStat
	if errno := wasiFDStatGet(n, &stat); errno != 0 {
		return failed("fd_fdstat_get", syscall.Errno(errno))
	}
	if stat.filetype != wasiSocketStream {
		return invalid("descriptor is not a stream socket")
	}
	flags := uint32(stat.flags)
	if flags&wasiNonblock == 0 {
		if errno := wasiFDStatSetFlags(n, flags|wasiNonblock); errno != 0 {
			return failed("fd_fdstat_set_flags", syscall.Errno(errno))
		}
	}
	if isListener(n) != (kind == kindListener) {
		if flags&wasiNonblock == 0 {
			if errno := wasiFDStatSetFlags(n, flags); errno != 0 {
				return failed("fd_fdstat_set_flags", syscall.Errno(errno))
			}
		}
		if kind == kindListener {
			return invalid("descriptor is a connection, not a listening socket")
		}
		return invalid("descriptor is a listening socket, not a connection")
	}
	d.fd, d.kind, d.shared = sysFD(n), kind, true
	return nil
}

// isListener tells a listener from a connection, both of them non-blocking.
func isListener(fd int32) bool {
	var b [1]byte
	_, errno := wasiRecv(fd, b[:], wasiPeek)
	return errno == syscall.EBADF || errno == syscall.ENOTSOCK || errno == syscall.EINVAL || errno == syscall.ENOTSUP
}

func checkFD(fd uintptr) (int32, error) {
	// A number that does not fit would be cut to another descriptor's.
	if fd > 1<<31-1 {
		return 0, os.NewSyscallError("fd_fdstat_get", syscall.EBADF)
	}
	return int32(fd), nil
}

func (d *descriptor) sysClose() error {
	if d.kind == kindStream && pollIsBlind() {
		// wazero leaves a connection open until its own garbage is collected: the peer would not see the close. What
		// fails here was shut already.
		_ = wasiSockShutdown(int32(d.fd), wasiShutWrite)
	}
	return closeFD(uintptr(d.fd))
}

func closeFD(fd uintptr) error {
	return failed("fd_close", syscall.Errno(wasiFDClose(int32(fd))))
}

// accept takes a connection. The system does not tell whose.
func (d *descriptor) accept() (sysFD, Addr, error) {
	for {
		var fd int32
		switch errno := syscall.Errno(wasiSockAccept(int32(d.fd), wasiNonblock, &fd)); errno {
		case 0:
			return sysFD(fd), Addr{}, nil
		case syscall.EINTR:
		default:
			return 0, Addr{}, failed("sock_accept", errno)
		}
	}
}

func (d *descriptor) shutdown(side Interest) error {
	how := uint32(wasiShutRead)
	if side == Writable {
		how = wasiShutWrite
	}
	return failed("sock_shutdown", syscall.Errno(wasiSockShutdown(int32(d.fd), how)))
}

// recv fills p from a stream until the socket has no more for one call.
func (d *descriptor) recv(p []byte) (n int, err error) {
	for {
		want := p[n:min(len(p), n+wasiIOLimit)]
		m, errno := wasiRecv(int32(d.fd), want, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			if n > 0 && errno == syscall.EAGAIN {
				return n, nil
			}
			return n, failed("sock_recv", errno)
		}
		n += m
		if m < len(want) || n == len(p) {
			return n, nil
		}
	}
}

// peek reads what stays in the socket.
func (d *descriptor) peek(p []byte) (int, error) {
	for {
		n, errno := wasiRecv(int32(d.fd), p[:min(len(p), wasiIOLimit)], wasiPeek)
		if errno != syscall.EINTR {
			return n, failed("sock_recv", errno)
		}
	}
}

// send writes p to a stream until it is done or the system says that there is no room: only then is an edge owed.
func (d *descriptor) send(p []byte) (n int, err error) {
	for {
		m, errno := wasiSend(int32(d.fd), p[n:min(len(p), n+wasiIOLimit)])
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return n, failed("sock_send", errno)
		}
		if n += m; n == len(p) {
			return n, nil
		}
	}
}

func (d *descriptor) recvv(bufs [][]byte) (n int, err error) {
	for _, p := range bufs {
		if len(p) == 0 {
			continue
		}
		m, err := d.recv(p)
		n += m
		if err == ErrWouldBlock && n > 0 {
			return n, nil
		}
		if err != nil || m < len(p) {
			return n, err
		}
	}
	return n, nil
}

func (d *descriptor) sendv(bufs [][]byte) (n int, err error) {
	for _, p := range bufs {
		if len(p) == 0 {
			continue
		}
		m, err := d.send(p)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// What preview 1 lacks.

func connectError(errno uint32) error      { return os.NewSyscallError("connect", syscall.Errno(errno)) }
func pendingError(errno uint32) error      { return os.NewSyscallError("getsockopt", syscall.Errno(errno)) }
func lacksFamily(error) bool               { return false }
func unlinkPath(string) error              { return unsupported("Unix sockets") }
func duplicateFD(uintptr) (uintptr, error) { return 0, unsupported("duplicating descriptors") }

func openPair(_, _ *descriptor, _ descriptorKind) error { return unsupported("socket pairs") }
func openPipe(_, _ *descriptor) error                   { return unsupported("pipes") }

func (d *descriptor) open(addrFamily, protocol, descriptorKind) error {
	return unsupported("opening sockets")
}
func (d *descriptor) adoptPipe(uintptr, Interest) error      { return unsupported("pipes") }
func (d *descriptor) connect(Addr) error                     { return unsupported("connecting") }
func (d *descriptor) disconnect() error                      { return unsupported("connecting") }
func (d *descriptor) bind(Addr) error                        { return unsupported("binding") }
func (d *descriptor) listen(int) error                       { return unsupported("listening") }
func (d *descriptor) hasPeer() (bool, error)                 { return false, unsupported("socket names") }
func (d *descriptor) pendingError() (uint32, error)          { return 0, unsupported("socket options") }
func (d *descriptor) localName() Addr                        { return Addr{} }
func (d *descriptor) peerName() Addr                         { return Addr{} }
func (d *descriptor) getOption(option) (int, error)          { return 0, unsupported("socket options") }
func (d *descriptor) setOption(option, int) error            { return unsupported("socket options") }
func (d *descriptor) linger(int) error                       { return unsupported("socket options") }
func (d *descriptor) keepAlive(net.KeepAliveConfig) error    { return unsupported("socket options") }
func (d *descriptor) membership(bool, int, netip.Addr) error { return unsupported("socket options") }

func (d *descriptor) read([]byte) (int, error)       { return 0, unsupported("pipes") }
func (d *descriptor) write([]byte) (int, error)      { return 0, unsupported("pipes") }
func (d *descriptor) recvPacket([]byte) (int, error) { return 0, unsupported("datagrams") }
func (d *descriptor) sendTo([]byte, *Addr) (int, error) {
	return 0, unsupported("datagrams")
}
func (d *descriptor) recvFrom([]byte, bool, *pathCache) (int, Addr, error) {
	return 0, Addr{}, unsupported("datagrams")
}
func (d *descriptor) recvBatch([]Message, bool, *pathCache) (int, error) {
	return 0, unsupported("datagrams")
}
func (d *descriptor) sendBatch([]Message, *Addr) (int, error) {
	return 0, unsupported("datagrams")
}
