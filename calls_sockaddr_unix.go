//go:build aix || solaris

package reactor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// The socket calls of systems that are entered by their C library alone, by package unix. It makes a value of each socket
// address, which costs an allocation for each datagram received with its sender.

const (
	callBind uintptr = iota
	callConnect
	callGetpeername
	callGetsockname
)

// giveAddress is bind(2) and connect(2).
func giveAddress(call uintptr, fd sysFD, sa *unix.RawSockaddrAny, length uint32) syscall.Errno {
	address := toSockaddr(sa, length)
	if address == nil {
		// Only connect is called so: it takes the peer from a datagram socket.
		return unix.EAFNOSUPPORT
	}
	if call == callBind {
		return asErrno(unix.Bind(int(fd), address))
	}
	return asErrno(unix.Connect(int(fd), address))
}

// takeAddress is getsockname(2) and getpeername(2).
func takeAddress(call uintptr, fd sysFD, sa *unix.RawSockaddrAny, length *uint32) syscall.Errno {
	get := unix.Getpeername
	if call == callGetsockname {
		get = unix.Getsockname
	}
	address, err := get(int(fd))
	if err == nil {
		*length = fromSockaddr(address, sa)
	}
	return asErrno(err)
}

// acceptOnce takes a connection. There is no call that makes it close-on-exec from birth. The lock keeps those who fork away
// until it is, unless the call may block, which it may where others share the descriptor.
func (d *descriptor) acceptOnce(sa *unix.RawSockaddrAny, length *uint32) (sysFD, syscall.Errno) {
	if !d.shared {
		syscall.ForkLock.RLock()
	}
	fd, address, err := unix.Accept(int(d.fd))
	if err == nil {
		unix.CloseOnExec(fd)
	}
	if !d.shared {
		syscall.ForkLock.RUnlock()
	}
	if err != nil {
		return 0, asErrno(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return 0, asErrno(err)
	}
	*length = fromSockaddr(address, sa)
	return sysFD(fd), 0
}

// accept takes a connection.
func (d *descriptor) accept() (sysFD, Addr, error) {
	var sa unix.RawSockaddrAny
	for {
		var length uint32
		fd, errno := d.acceptOnce(&sa, &length)
		switch errno {
		case 0:
			return fd, decode(&sa, length, d.protocol(), nil), nil
		case unix.EINTR:
			continue
		}
		return 0, Addr{}, failed("accept", errno)
	}
}

// recvfrom is recv(2) and recvfrom(2).
func (d *descriptor) recvfrom(p []byte, flags int, sa *unix.RawSockaddrAny, length *uint32) (int, syscall.Errno) {
	for {
		n, from, err := unix.Recvfrom(int(d.fd), p, flags|recvFlags)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, asErrno(err)
		}
		if sa != nil {
			*length = fromSockaddr(from, sa)
		}
		return n, 0
	}
}

// sendto is send(2) and sendto(2). Go keeps SIGPIPE away from a program that has not asked for it.
func (d *descriptor) sendto(p []byte, sa *unix.RawSockaddrAny, length uint32) (int, syscall.Errno) {
	var to unix.Sockaddr
	if sa != nil {
		to = toSockaddr(sa, length)
	}
	for {
		n, err := unix.SendmsgN(int(d.fd), p, nil, to, sendFlags)
		if err != unix.EINTR {
			return max(n, 0), asErrno(err)
		}
	}
}

// recvv is recv into many buffers.
func (d *descriptor) recvv(bufs [][]byte) (n int, err error) {
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		m, err := d.recv(b)
		n += m
		if err == ErrWouldBlock && n > 0 {
			return n, nil
		}
		if err != nil || m < len(b) {
			return n, err
		}
	}
	return n, nil
}

// sendv is send of many buffers.
func (d *descriptor) sendv(bufs [][]byte) (n int, err error) {
	for _, b := range bufs {
		if len(b) == 0 {
			continue
		}
		m, err := d.send(b)
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// toSockaddr makes the value that package unix wants.
func toSockaddr(sa *unix.RawSockaddrAny, length uint32) unix.Sockaddr {
	a := decode(sa, length, protoNone, nil)
	switch int(sa.Addr.Family) {
	case unix.AF_INET:
		return &unix.SockaddrInet4{Port: int(a.port), Addr: [4]byte(a.ip[:4])}
	case unix.AF_INET6:
		ip := a.ip
		if a.family == familyIPv4 {
			ip = mappedIPv4(a.ip)
		}
		return &unix.SockaddrInet6{Port: int(a.port), ZoneId: a.scope, Addr: ip}
	case unix.AF_UNIX:
		return &unix.SockaddrUnix{Name: a.path}
	}
	return nil
}

// fromSockaddr writes what package unix gave into sa, and gives its length: 0 if it is no address.
func fromSockaddr(address unix.Sockaddr, sa *unix.RawSockaddrAny) uint32 {
	var a Addr
	family := familyNone
	switch address := address.(type) {
	case *unix.SockaddrInet4:
		family = familyIPv4
		a = Addr{family: family, port: uint16(address.Port)}
		copy(a.ip[:], address.Addr[:])
	case *unix.SockaddrInet6:
		family = familyIPv6
		a = Addr{family: family, port: uint16(address.Port), scope: address.ZoneId, ip: address.Addr}
	case *unix.SockaddrUnix:
		family = familyUnix
		a = Addr{family: family, path: address.Name}
	default:
		*sa = unix.RawSockaddrAny{}
		return 0
	}
	length, err := a.encode(sa, family)
	if err != nil {
		return 0
	}
	return length
}
