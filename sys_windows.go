package reactor

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The sockets of Windows: Winsock.

type sysFD windows.Handle

// sysDescriptor is what a descriptor has more on Windows.
type sysDescriptor struct {
	pipe *pipeState // of a NamedPipe
	// resetTold says that pendingError gave a reset, which Winsock's SO_ERROR does not know of.
	resetTold atomic.Bool
}

const (
	systemName  = "windows"
	maxUnixPath = windows.UNIX_PATH_MAX - 1
	// reuseAddr: SO_REUSEADDR would let other programs take the port away; lingering connections keep nobody from
	// binding here.
	reuseAddr       = false
	inheritsNoDelay = false
	maxBacklog      = 0x7fffffff // SOMAXCONN: the system chooses
)

// What x/sys/windows lacks of winsock2.h, mswsock.h and ws2ipdef.h.
const (
	soAcceptConn   = 0x0002
	soError        = 0x1007
	soProtocolInfo = 0x2005     // SO_PROTOCOL_INFOW
	fionbio        = 0x8004667e // FIONBIO
)

// winsock starts Winsock, which a program that does not use package net has not done.
var winsock = sync.OnceValue(func() error {
	var data windows.WSAData
	return os.NewSyscallError("WSAStartup", windows.WSAStartup(0x202, &data))
})

// Package net takes an os.File's socket from one completion port to another, which Wine cannot.
func init() { errCannotDetach = windows.ERROR_INVALID_PARAMETER }

func isWouldBlock(target error) bool {
	return target == windows.WSAEWOULDBLOCK || target == syscall.EAGAIN || target == syscall.EWOULDBLOCK
}

// failed dresses the error of a call.
func failed(call string, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case windows.WSAEWOULDBLOCK:
		return ErrWouldBlock
	}
	return os.NewSyscallError(call, errno)
}

func errnoOf(err error) (uint32, bool) {
	var errno syscall.Errno
	ok := errors.As(err, &errno)
	return uint32(errno), ok
}

func isNotConnected(errno uint32) bool { return syscall.Errno(errno) == windows.WSAENOTCONN }

func connectError(errno uint32) error { return os.NewSyscallError("connect", syscall.Errno(errno)) }
func pendingError(errno uint32) error { return os.NewSyscallError("getsockopt", syscall.Errno(errno)) }

// lacksFamily reports whether a socket could not be bound because the system has no such addresses.
func lacksFamily(err error) bool {
	return errors.Is(err, windows.WSAEAFNOSUPPORT) || errors.Is(err, windows.WSAEADDRNOTAVAIL) || errors.Is(err, windows.WSAEPROTONOSUPPORT)
}

func (f addrFamily) domain() int32 {
	switch f {
	case familyIPv4:
		return windows.AF_INET
	case familyIPv6:
		return windows.AF_INET6
	}
	return windows.AF_UNIX
}

func familyOf(domain int32) addrFamily {
	switch domain {
	case windows.AF_INET:
		return familyIPv4
	case windows.AF_INET6:
		return familyIPv6
	case windows.AF_UNIX:
		return familyUnix
	}
	return familyNone
}

func (k descriptorKind) socketType() int32 {
	if k == kindPacket {
		return windows.SOCK_DGRAM
	}
	return windows.SOCK_STREAM
}

const socketFlags = windows.WSA_FLAG_OVERLAPPED | windows.WSA_FLAG_NO_HANDLE_INHERIT

// open makes a socket.
func (d *descriptor) open(family addrFamily, _ protocol, kind descriptorKind) error {
	if err := winsock(); err != nil {
		return err
	}
	if family == familyUnix && kind == kindPacket {
		return unsupported("Unix datagram sockets")
	}
	s, err := windows.WSASocket(family.domain(), kind.socketType(), 0, nil, 0, socketFlags)
	if err != nil {
		if family == familyUnix && (err == windows.WSAEAFNOSUPPORT || err == windows.WSAESOCKTNOSUPPORT || err == windows.WSAEPROTONOSUPPORT || err == windows.WSAEINVAL) {
			// Windows has them from version 1803 on; Wine has none.
			return unsupported("Unix sockets")
		}
		return os.NewSyscallError("WSASocket", err)
	}
	if err := setNonblocking(s); err != nil {
		_ = windows.Closesocket(s)
		return err
	}
	if kind == kindPacket {
		tellUnreachable(s, false)
	}
	d.fd, d.family, d.kind = sysFD(s), family, kind
	return nil
}

// tellUnreachable says whether reads of a datagram socket fail, once, for a datagram sent before that nobody was there to
// receive. As on Unix they do so on connected sockets alone. A system that lacks the controls has its own way: no
// read is the last one for it.
func tellUnreachable(s windows.Handle, on bool) {
	for _, control := range [...]uint32{windows.SIO_UDP_CONNRESET, windows.SIO_UDP_NETRESET} {
		var v, got uint32
		if on {
			v = 1
		}
		_ = windows.WSAIoctl(s, control, (*byte)(unsafe.Pointer(&v)), uint32(unsafe.Sizeof(v)), nil, 0, &got, nil, 0)
	}
}

func setNonblocking(s windows.Handle) error {
	on := uint32(1)
	if r, _, errno := syscall.SyscallN(procIoctlsocket.Addr(), uintptr(s), fionbio, uintptr(unsafe.Pointer(&on))); int32(r) != 0 {
		return os.NewSyscallError("ioctlsocket", orInvalid(errno))
	}
	return nil
}

func openPair(_, _ *descriptor, _ descriptorKind) error { return unsupported("socket pairs") }
func openPipe(_, _ *descriptor) error                   { return unsupported("pipes without a name") }

func (d *descriptor) adoptPipe(uintptr, Interest) error { return unsupported("pipes without a name") }
func (d *descriptor) read([]byte) (int, error)          { return 0, unsupported("pipes without a name") }
func (d *descriptor) write([]byte) (int, error)         { return 0, unsupported("pipes without a name") }

// adopt makes d of a socket that is open. Nothing is changed before it is known to be of the kind.
func (d *descriptor) adopt(fd uintptr, kind descriptorKind) error {
	if err := winsock(); err != nil {
		return err
	}
	s := windows.Handle(fd)
	var info windows.WSAProtocolInfo
	size := int32(unsafe.Sizeof(info))
	if err := windows.Getsockopt(s, windows.SOL_SOCKET, soProtocolInfo, (*byte)(unsafe.Pointer(&info)), &size); err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if info.SocketType != kind.socketType() {
		return wrongKind(kind, "a socket of another type")
	}
	listens := 0
	if kind != kindPacket {
		var err error
		if listens, err = windows.GetsockoptInt(s, windows.SOL_SOCKET, soAcceptConn); err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
	}
	switch {
	case kind == kindStream && listens != 0:
		return wrongKind(kind, "a socket that listens")
	case kind == kindListener && listens == 0:
		return wrongKind(kind, "a socket that does not listen")
	}
	family := familyOf(info.AddressFamily)
	if family == familyNone {
		return wrongKind(kind, "a socket of another address family")
	}
	if err := setNonblocking(s); err != nil {
		return err
	}
	if err := windows.SetHandleInformation(s, windows.HANDLE_FLAG_INHERIT, 0); err != nil {
		return os.NewSyscallError("SetHandleInformation", err)
	}
	d.fd, d.family, d.kind, d.shared = sysFD(s), family, kind, true
	return nil
}

func wrongKind(kind descriptorKind, what string) error {
	names := [...]string{kindStream: "a stream connection", kindListener: "a listening socket", kindPacket: "a datagram socket"}
	return invalid("descriptor is " + what + ", not " + names[kind])
}

// duplicateFD makes another descriptor of a socket: DuplicateHandle does not tell Winsock.
func duplicateFD(fd uintptr) (uintptr, error) {
	if err := winsock(); err != nil {
		return 0, err
	}
	var info windows.WSAProtocolInfo
	if err := windows.WSADuplicateSocket(windows.Handle(fd), windows.GetCurrentProcessId(), &info); err != nil {
		return 0, os.NewSyscallError("WSADuplicateSocket", err)
	}
	s, err := windows.WSASocket(fromProtocolInfo, fromProtocolInfo, fromProtocolInfo, &info, 0, socketFlags)
	return uintptr(s), os.NewSyscallError("WSASocket", err)
}

// fromProtocolInfo takes a socket's family, type and protocol from its WSAPROTOCOL_INFO: FROM_PROTOCOL_INFO.
const fromProtocolInfo = -1

func closeFD(fd uintptr) error {
	return os.NewSyscallError("closesocket", windows.Closesocket(windows.Handle(fd)))
}

func (d *descriptor) sysClose() error {
	if d.pipe != nil {
		return d.pipe.close()
	}
	return closeFD(uintptr(d.fd))
}

func unlinkPath(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// connect begins to connect; a stream socket that is not done at once is marked as connecting. The unspecified address,
// which Windows refuses, stands for this host as elsewhere.
func (d *descriptor) connect(to Addr) error {
	if to.hasIP() {
		to = to.loopback()
	}
	var sa sockaddr
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return err
	}
	r, _, errno := syscall.SyscallN(procConnect.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), length)
	if int32(r) == 0 {
		if d.kind == kindPacket && !d.shared {
			tellUnreachable(windows.Handle(d.fd), true)
		}
		return nil
	}
	if errno == windows.WSAEWOULDBLOCK && d.kind == kindStream {
		d.state.Or(stateConnecting)
		return nil
	}
	return os.NewSyscallError("connect", orInvalid(errno))
}

// disconnect takes the peer from a datagram socket: Winsock does that for an address of zeros.
func (d *descriptor) disconnect() error {
	var sa sockaddr
	sa.setFamily(uint16(d.family.domain()))
	length := uintptr(sizeofSockaddrInet4)
	if d.family == familyIPv6 {
		length = sizeofSockaddrInet6
	}
	if r, _, errno := syscall.SyscallN(procConnect.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), length); int32(r) != 0 {
		return failed("connect", orInvalid(errno))
	}
	if !d.shared {
		tellUnreachable(windows.Handle(d.fd), false)
	}
	return nil
}

func (d *descriptor) bind(to Addr) error {
	var sa sockaddr
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return err
	}
	if r, _, errno := syscall.SyscallN(procBind.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), length); int32(r) != 0 {
		return failed("bind", orInvalid(errno))
	}
	return nil
}

func (d *descriptor) listen(backlog int) error {
	if backlog == 0 {
		backlog = maxBacklog
	}
	return os.NewSyscallError("listen", windows.Listen(windows.Handle(d.fd), backlog))
}

// accept takes a connection. It does not block because the listener does not.
func (d *descriptor) accept() (sysFD, Addr, error) {
	var sa sockaddr
	length := int32(len(sa))
	r, _, errno := syscall.SyscallN(procAccept.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)))
	if windows.Handle(r) == windows.InvalidHandle {
		return 0, Addr{}, failed("accept", orInvalid(errno))
	}
	s := windows.Handle(r)
	err := os.NewSyscallError("SetHandleInformation", windows.SetHandleInformation(s, windows.HANDLE_FLAG_INHERIT, 0))
	if err != nil {
		_ = windows.Closesocket(s)
		return 0, Addr{}, err
	}
	return sysFD(s), decode(&sa, length, d.protocol(), nil), nil
}

// hasPeer reports whether the socket is connected.
func (d *descriptor) hasPeer() (bool, error) {
	var sa sockaddr
	length := int32(len(sa))
	r, _, errno := syscall.SyscallN(procGetpeername.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)))
	switch {
	case int32(r) == 0:
		return true, nil
	case errno == windows.WSAENOTCONN || errno == windows.WSAEINVAL:
		return false, nil
	}
	return false, failed("getpeername", orInvalid(errno))
}

// pendingError takes the socket's error. Winsock tells that of a connect, but a reset to reads and writes alone: a read that takes
// nothing asks for it.
func (d *descriptor) pendingError() (uint32, error) {
	v, err := windows.GetsockoptInt(windows.Handle(d.fd), windows.SOL_SOCKET, soError)
	if err != nil || v != 0 || d.kind != kindStream || d.has(stateConnecting) || d.resetTold.Load() {
		return uint32(v), os.NewSyscallError("getsockopt", err)
	}
	var b [1]byte
	_, errno := d.recvfrom(b[:], msgPeek, nil, nil)
	if errno != windows.WSAECONNRESET && errno != windows.WSAECONNABORTED || d.resetTold.Swap(true) {
		return 0, nil
	}
	return uint32(errno), nil
}

// settled reports why a socket that is connecting cannot move data: calls that do would have Winsock's own ideas of what
// became of the connection.
func (d *descriptor) settled() error {
	if !d.has(stateConnecting) {
		return nil
	}
	if errno, err := d.pendingError(); err != nil {
		return err
	} else if errno != 0 {
		d.connectErr.CompareAndSwap(0, errno)
	}
	if errno := d.connectErr.Load(); errno != 0 {
		return connectError(errno)
	}
	if established, err := d.hasPeer(); err != nil {
		return err
	} else if !established {
		return ErrWouldBlock
	}
	d.state.And(^uint32(stateConnecting))
	return nil
}

func (d *descriptor) shutdown(side Interest) error {
	how := windows.SHUT_RD
	if side == Writable {
		how = windows.SHUT_WR
	}
	return os.NewSyscallError("shutdown", windows.Shutdown(windows.Handle(d.fd), how))
}

// place gives the level and name of an option. Those of IP have twins of IPv6.
func (o option) place(family addrFamily) (level, name int) {
	v6 := family == familyIPv6
	switch o {
	case optReuseAddr:
		return windows.SOL_SOCKET, windows.SO_REUSEADDR
	case optBroadcast:
		return windows.SOL_SOCKET, windows.SO_BROADCAST
	case optReadBuffer:
		return windows.SOL_SOCKET, windows.SO_RCVBUF
	case optWriteBuffer:
		return windows.SOL_SOCKET, windows.SO_SNDBUF
	case optNoDelay:
		return windows.IPPROTO_TCP, windows.TCP_NODELAY
	case optV6Only:
		return windows.IPPROTO_IPV6, windows.IPV6_V6ONLY
	case optTTL:
		if v6 {
			return windows.IPPROTO_IPV6, windows.IPV6_UNICAST_HOPS
		}
		return windows.IPPROTO_IP, windows.IP_TTL
	case optMulticastTTL:
		if v6 {
			return windows.IPPROTO_IPV6, windows.IPV6_MULTICAST_HOPS
		}
		return windows.IPPROTO_IP, windows.IP_MULTICAST_TTL
	case optMulticastLoop:
		if v6 {
			return windows.IPPROTO_IPV6, windows.IPV6_MULTICAST_LOOP
		}
		return windows.IPPROTO_IP, windows.IP_MULTICAST_LOOP
	}
	panic("unreachable: an option without a place")
}

func (d *descriptor) getOption(o option) (int, error) {
	if o == optReusePort {
		return 0, unsupported("SO_REUSEPORT")
	}
	level, name := o.place(d.family)
	v, err := windows.GetsockoptInt(windows.Handle(d.fd), level, name)
	return v, os.NewSyscallError("getsockopt", err)
}

func (d *descriptor) setOption(o option, v int) error {
	if o == optReusePort {
		return unsupported("SO_REUSEPORT")
	}
	level, name := o.place(d.family)
	err := windows.SetsockoptInt(windows.Handle(d.fd), level, name, v)
	if err == nil && level == windows.IPPROTO_IPV6 && o != optV6Only {
		// What a socket of both families sends to IPv4 peers follows IPv4's option. One that is for IPv6
		// only may refuse it.
		level, name = o.place(familyIPv4)
		_ = windows.SetsockoptInt(windows.Handle(d.fd), level, name, v)
	}
	return os.NewSyscallError("setsockopt", err)
}

func (d *descriptor) linger(sec int) error {
	l := windows.Linger{Onoff: 1, Linger: int32(min(sec, 0xffff))}
	if sec < 0 {
		l = windows.Linger{}
	}
	return os.NewSyscallError("setsockopt", windows.SetsockoptLinger(windows.Handle(d.fd), windows.SOL_SOCKET, windows.SO_LINGER, &l))
}

// keepAlive has the defaults of package net: zero is 15 s and 9 probes, negative leaves the system's.
func (d *descriptor) keepAlive(cfg net.KeepAliveConfig) error {
	set := func(level, name, v int) error {
		return os.NewSyscallError("setsockopt", windows.SetsockoptInt(windows.Handle(d.fd), level, name, v))
	}
	if !cfg.Enable {
		return set(windows.SOL_SOCKET, windows.SO_KEEPALIVE, 0)
	}
	if err := set(windows.SOL_SOCKET, windows.SO_KEEPALIVE, 1); err != nil {
		return err
	}
	const period, probes = 15 * time.Second, 9
	seconds := func(t time.Duration) int { return int((t + time.Second - 1) / time.Second) }
	if cfg.Idle >= 0 {
		if cfg.Idle == 0 {
			cfg.Idle = period
		}
		if err := set(windows.IPPROTO_TCP, windows.TCP_KEEPIDLE, seconds(cfg.Idle)); err != nil {
			return err
		}
	}
	if cfg.Interval >= 0 {
		if cfg.Interval == 0 {
			cfg.Interval = period
		}
		if err := set(windows.IPPROTO_TCP, windows.TCP_KEEPINTVL, seconds(cfg.Interval)); err != nil {
			return err
		}
	}
	if cfg.Count >= 0 {
		if cfg.Count == 0 {
			cfg.Count = probes
		}
		return set(windows.IPPROTO_TCP, windows.TCP_KEEPCNT, cfg.Count)
	}
	return nil
}

// membership joins or leaves a group on the interface of that index; 0 lets the system choose. For IPv4 the interface is named by
// an address of its own.
func (d *descriptor) membership(join bool, index int, group netip.Addr) error {
	if group.Is4() {
		mreq := windows.IPMreq{Multiaddr: group.As4()}
		if index != 0 {
			var err error
			if mreq.Interface, err = interfaceIPv4(index); err != nil {
				return err
			}
		}
		name := windows.IP_DROP_MEMBERSHIP
		if join {
			name = windows.IP_ADD_MEMBERSHIP
		}
		return os.NewSyscallError("setsockopt", windows.SetsockoptIPMreq(windows.Handle(d.fd), windows.IPPROTO_IP, name, &mreq))
	}
	name := windows.IPV6_LEAVE_GROUP
	if join {
		name = windows.IPV6_JOIN_GROUP
	}
	mreq := windows.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)}
	return os.NewSyscallError("setsockopt", windows.Setsockopt(windows.Handle(d.fd), windows.IPPROTO_IPV6, int32(name), (*byte)(unsafe.Pointer(&mreq)), int32(unsafe.Sizeof(mreq))))
}

// interfaceIPv4 gives an IPv4 address of an interface.
func interfaceIPv4(index int) (a [4]byte, err error) {
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return a, err
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return a, err
	}
	for _, addr := range addrs {
		if ipnet, ok := addr.(*net.IPNet); ok {
			if ip := ipnet.IP.To4(); ip != nil {
				return [4]byte(ip), nil
			}
		}
	}
	return a, &net.AddrError{Err: "interface without an IPv4 address", Addr: ifi.Name}
}
