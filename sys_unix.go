//go:build unix

package reactor

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

type sysFD int

//lint:ignore U1000 every descriptor embeds it, and Windows keeps something in it.
type sysDescriptor struct{}

const (
	systemName  = runtime.GOOS
	maxUnixPath = len(unix.RawSockaddrUnix{}.Path) - 1
	// reuseAddr: a listener may be bound while connections of the last one linger, as package net has it.
	reuseAddr = true
)

func isWouldBlock(target error) bool {
	return target == syscall.EAGAIN || target == syscall.EWOULDBLOCK
}

// failed dresses the errno of a system call.
func failed(call string, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EAGAIN:
		return ErrWouldBlock
	}
	return os.NewSyscallError(call, errno)
}

func errnoOf(err error) (uint32, bool) {
	var errno syscall.Errno
	ok := errors.As(err, &errno)
	return uint32(errno), ok
}

func isNotConnected(errno uint32) bool { return syscall.Errno(errno) == unix.ENOTCONN }

func connectError(errno uint32) error { return os.NewSyscallError("connect", syscall.Errno(errno)) }
func pendingError(errno uint32) error { return os.NewSyscallError("getsockopt", syscall.Errno(errno)) }

// lacksFamily reports whether a socket could not be bound because the system has no such addresses.
func lacksFamily(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EPROTONOSUPPORT)
}

func (f addrFamily) domain() int {
	switch f {
	case familyIPv4:
		return unix.AF_INET
	case familyIPv6:
		return unix.AF_INET6
	}
	return unix.AF_UNIX
}

func familyOf(domain uint16) addrFamily {
	switch domain {
	case unix.AF_INET:
		return familyIPv4
	case unix.AF_INET6:
		return familyIPv6
	case unix.AF_UNIX:
		return familyUnix
	}
	return familyNone
}

func (k descriptorKind) socketType() int {
	if k == kindPacket {
		return unix.SOCK_DGRAM
	}
	return unix.SOCK_STREAM
}

// adopt makes d of a descriptor that is open. Nothing is changed before it is known to be of the kind.
func (d *descriptor) adopt(fd uintptr, kind descriptorKind) error {
	n, err := checkFD(fd)
	if err != nil {
		return err
	}
	typ, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if typ != kind.socketType() {
		return wrongKind(kind, "a socket of another type")
	}
	listens, err := unix.GetsockoptInt(n, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	switch {
	case kind == kindStream && listens != 0:
		return wrongKind(kind, "a socket that listens")
	case kind == kindListener && listens == 0:
		return wrongKind(kind, "a socket that does not listen")
	}
	var sa unix.RawSockaddrAny
	length := uint32(unix.SizeofSockaddrAny)
	if errno := takeAddress(callGetsockname, sysFD(n), &sa, &length); errno != 0 {
		return os.NewSyscallError("getsockname", errno)
	}
	family := familyOf(uint16(sa.Addr.Family))
	if family == familyNone {
		return wrongKind(kind, "a socket of another address family")
	}
	if err := prepareFD(n); err != nil {
		return err
	}
	d.fd, d.family, d.kind, d.shared = sysFD(n), family, kind, true
	if kind == kindListener && inheritsNoDelay && family != familyUnix {
		// Every connection has it on; one that the peer did not leave would not otherwise.
		_ = d.setOption(optNoDelay, 1)
	}
	return nil
}

// adoptPipe makes d of a pipe's descriptor that is open for the direction.
func (d *descriptor) adoptPipe(fd uintptr, direction Interest) error {
	n, err := checkFD(fd)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(n, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return wrongKind(kindPipe, "something else")
	}
	flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	if err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	access := flags & unix.O_ACCMODE
	if direction == Readable && access == unix.O_WRONLY || direction == Writable && access == unix.O_RDONLY {
		return wrongKind(kindPipe, "a pipe's other end")
	}
	if err := prepareFD(n); err != nil {
		return err
	}
	d.fd, d.kind, d.shared = sysFD(n), kindPipe, true
	return nil
}

func checkFD(fd uintptr) (int, error) {
	// A number that does not fit would be cut to another descriptor's.
	if fd > 1<<31-1 {
		return 0, os.NewSyscallError("fcntl", unix.EBADF)
	}
	return int(fd), nil
}

func prepareFD(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return nil
}

func wrongKind(kind descriptorKind, what string) error {
	names := [...]string{kindStream: "a stream connection", kindListener: "a listening socket", kindPacket: "a datagram socket", kindPipe: "a pipe's end for that direction"}
	return invalid("descriptor is " + what + ", not " + names[kind])
}

func closeFD(fd uintptr) error { return os.NewSyscallError("close", unix.Close(int(fd))) }

func (d *descriptor) sysClose() error {
	err := unix.Close(int(d.fd))
	if err == unix.EINTR {
		// The descriptor is closed all the same, and a second try might hit another.
		return nil
	}
	return os.NewSyscallError("close", err)
}

func unlinkPath(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// connect begins to connect; a stream socket that is not done at once is marked as connecting.
func (d *descriptor) connect(to Addr) error {
	var sa unix.RawSockaddrAny
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return err
	}
	for {
		errno := giveAddress(callConnect, d.fd, &sa, length)
		switch {
		case errno == unix.EINPROGRESS, errno == unix.EINTR && d.family != familyUnix:
			// The system goes on connecting after a signal; a second call would be EALREADY.
			d.state.Or(stateConnecting)
			return nil
		case errno == unix.EINTR:
			continue
		}
		return failed("connect", errno)
	}
}

// disconnect takes the peer from a datagram socket. The BSDs do so, and then say that the address is of no use.
func (d *descriptor) disconnect() error {
	var sa unix.RawSockaddrAny // AF_UNSPEC is zero everywhere
	errno := giveAddress(callConnect, d.fd, &sa, uint32(unsafe.Sizeof(sa.Addr)))
	if errno != 0 {
		if connected, err := d.hasPeer(); err == nil && !connected {
			return nil
		}
	}
	return failed("connect", errno)
}

func (d *descriptor) bind(to Addr) error {
	var sa unix.RawSockaddrAny
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return err
	}
	return failed("bind", giveAddress(callBind, d.fd, &sa, length))
}

func (d *descriptor) listen(backlog int) error {
	if backlog == 0 {
		backlog = maxBacklog
	}
	return os.NewSyscallError("listen", unix.Listen(int(d.fd), backlog))
}

// hasPeer reports whether the socket is connected.
func (d *descriptor) hasPeer() (bool, error) {
	var sa unix.RawSockaddrAny
	length := uint32(unix.SizeofSockaddrAny)
	errno := takeAddress(callGetpeername, d.fd, &sa, &length)
	if errno == unix.ENOTCONN || errno == unix.EINVAL {
		return false, nil
	}
	return errno == 0, failed("getpeername", errno)
}

// pendingError takes the socket's error.
func (d *descriptor) pendingError() (uint32, error) {
	v, err := unix.GetsockoptInt(int(d.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	return uint32(v), os.NewSyscallError("getsockopt", err)
}

func (d *descriptor) shutdown(side Interest) error {
	how := unix.SHUT_RD
	if side == Writable {
		how = unix.SHUT_WR
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(int(d.fd), how))
}

// place gives the level and name of an option. Those of IP have twins of IPv6.
func (o option) place(family addrFamily) (level, name int) {
	v6 := family == familyIPv6
	switch o {
	case optReuseAddr:
		return unix.SOL_SOCKET, unix.SO_REUSEADDR
	case optReusePort:
		return unix.SOL_SOCKET, soReusePort
	case optBroadcast:
		return unix.SOL_SOCKET, unix.SO_BROADCAST
	case optReadBuffer:
		return unix.SOL_SOCKET, unix.SO_RCVBUF
	case optWriteBuffer:
		return unix.SOL_SOCKET, unix.SO_SNDBUF
	case optNoDelay:
		return unix.IPPROTO_TCP, unix.TCP_NODELAY
	case optV6Only:
		return unix.IPPROTO_IPV6, unix.IPV6_V6ONLY
	case optTTL:
		if v6 {
			return unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS
		}
		return unix.IPPROTO_IP, unix.IP_TTL
	case optMulticastTTL:
		if v6 {
			return unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS
		}
		return unix.IPPROTO_IP, unix.IP_MULTICAST_TTL
	case optMulticastLoop:
		if v6 {
			return unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_LOOP
		}
		return unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP
	}
	panic("unreachable: an option without a place")
}

func (d *descriptor) getOption(o option) (int, error) {
	level, name := o.place(d.family)
	if isByteOption(level, name) {
		v, err := unix.GetsockoptByte(int(d.fd), level, name)
		return int(v), os.NewSyscallError("getsockopt", err)
	}
	v, err := unix.GetsockoptInt(int(d.fd), level, name)
	return v, os.NewSyscallError("getsockopt", err)
}

// isByteOption reports whether an option is one byte: so it began, and the BSDs hold to it.
func isByteOption(level, name int) bool {
	return byteOptions && level == unix.IPPROTO_IP && (name == unix.IP_MULTICAST_TTL || name == unix.IP_MULTICAST_LOOP)
}

func setsockopt(fd sysFD, level, name, v int) error {
	switch {
	case !isByteOption(level, name):
		return unix.SetsockoptInt(int(fd), level, name, v)
	case v < 0 || v > 255:
		return unix.EINVAL
	}
	return unix.SetsockoptByte(int(fd), level, name, byte(v))
}

func (d *descriptor) setOption(o option, v int) error {
	level, name := o.place(d.family)
	if name == 0 {
		return unsupported("ReusePort")
	}
	err := setsockopt(d.fd, level, name, v)
	if err == nil && level == unix.IPPROTO_IPV6 && o != optV6Only {
		// What a socket of both families sends to IPv4 peers follows IPv4's option. One that is for IPv6
		// only may refuse it.
		level, name = o.place(familyIPv4)
		_ = setsockopt(d.fd, level, name, v)
	}
	return os.NewSyscallError("setsockopt", err)
}

func (d *descriptor) linger(sec int) error {
	l := unix.Linger{Onoff: 1, Linger: int32(sec)}
	if sec < 0 {
		l = unix.Linger{}
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(int(d.fd), unix.SOL_SOCKET, soLinger, &l))
}

// keepAlive has the defaults of package net: zero is 15 s and 9 probes, negative leaves the system's.
func (d *descriptor) keepAlive(cfg net.KeepAliveConfig) error {
	set := func(level, name, v int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(d.fd), level, name, v))
	}
	if keepAliveSwitchOnly && cfg.Enable && (cfg.Idle >= 0 || cfg.Interval >= 0 || cfg.Count >= 0) {
		return unsupported("keep-alive times of one socket")
	}
	if !cfg.Enable {
		return set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
	if err := set(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
		return err
	}
	const period, probes = 15 * time.Second, 9
	seconds := func(t time.Duration) int { return int((t + time.Second - 1) / time.Second) }
	if cfg.Idle >= 0 {
		if cfg.Idle == 0 {
			cfg.Idle = period
		}
		if err := set(unix.IPPROTO_TCP, tcpKeepIdle, seconds(cfg.Idle)); err != nil {
			return err
		}
	}
	if cfg.Interval >= 0 {
		if cfg.Interval == 0 {
			cfg.Interval = period
		}
		if err := set(unix.IPPROTO_TCP, tcpKeepInterval, seconds(cfg.Interval)); err != nil {
			return err
		}
	}
	if cfg.Count >= 0 {
		if cfg.Count == 0 {
			cfg.Count = probes
		}
		return set(unix.IPPROTO_TCP, tcpKeepCount, cfg.Count)
	}
	return nil
}

// membership joins or leaves a group on the interface of that index; 0 lets the system choose.
func (d *descriptor) membership(join bool, index int, group netip.Addr) error {
	if group.Is4() {
		name := unix.IP_DROP_MEMBERSHIP
		if join {
			name = unix.IP_ADD_MEMBERSHIP
		}
		return d.membershipIPv4(name, index, group.As4())
	}
	name := unix.IPV6_LEAVE_GROUP
	if join {
		name = unix.IPV6_JOIN_GROUP
	}
	mreq := unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}
	return os.NewSyscallError("setsockopt", unix.SetsockoptIPv6Mreq(int(d.fd), unix.IPPROTO_IPV6, name, &mreq))
}
