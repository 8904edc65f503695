package reactor

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// sockaddr has room for the addresses of all families that there are sockets of: SOCKADDR_IN, SOCKADDR_IN6 and SOCKADDR_UN.
// It begins with the family, in the host's order; the rest is laid out by offsets.
type sockaddr [2 + windows.UNIX_PATH_MAX]byte

const (
	sizeofSockaddrInet4 = 16 // family, port, address, 8 bytes of nothing
	sizeofSockaddrInet6 = 28 // family, port, flow label, address, scope
)

func (sa *sockaddr) setFamily(af uint16) { binary.NativeEndian.PutUint16(sa[0:], af) }
func (sa *sockaddr) family() uint16      { return binary.NativeEndian.Uint16(sa[0:]) }

// encode writes a into sa as a socket of the family wants it, and gives its length.
func (a *Addr) encode(sa *sockaddr, family addrFamily) (uintptr, error) {
	*sa = sockaddr{}
	switch {
	case family == familyIPv4 && a.family == familyIPv4:
		sa.setFamily(windows.AF_INET)
		binary.BigEndian.PutUint16(sa[2:], a.port)
		copy(sa[4:], a.ip[:4])
		return sizeofSockaddrInet4, nil
	case family == familyIPv6 && a.hasIP():
		sa.setFamily(windows.AF_INET6)
		binary.BigEndian.PutUint16(sa[2:], a.port)
		if a.family == familyIPv4 {
			sa[18], sa[19] = 0xff, 0xff
			copy(sa[20:], a.ip[:4])
		} else {
			copy(sa[8:], a.ip[:])
			binary.NativeEndian.PutUint32(sa[24:], a.scope)
		}
		return sizeofSockaddrInet6, nil
	case family == familyUnix && a.family == familyUnix:
		path := sa[2:]
		if len(a.path) > len(path) {
			return 0, addrError("path too long", a)
		}
		sa.setFamily(windows.AF_UNIX)
		n := copy(path, a.path)
		if n > 0 && path[0] == '@' {
			// An abstract name ends where its length says, and not at a NUL.
			path[0] = 0
		} else {
			n = min(n+1, len(path))
		}
		return uintptr(2 + n), nil
	case a.family == familyNone:
		return 0, addrError("missing host", a)
	}
	return 0, addrError("address of a family that the socket is not of", a)
}

// addrError copies the address, so that a caller's message stays on its stack.
func addrError(why string, a *Addr) error {
	return &net.AddrError{Err: why, Addr: strings.Clone(a.String())}
}

// decode reads what the system wrote into sa. Paths are kept in paths, if that is not nil.
func decode(sa *sockaddr, length int32, proto protocol, paths *pathCache) Addr {
	if length < 2 {
		return Addr{}
	}
	switch sa.family() {
	case windows.AF_INET:
		a := Addr{proto: proto, family: familyIPv4, port: binary.BigEndian.Uint16(sa[2:])}
		copy(a.ip[:], sa[4:8])
		return a
	case windows.AF_INET6:
		a := Addr{proto: proto, port: binary.BigEndian.Uint16(sa[2:])}
		ip := [16]byte(sa[8:24])
		if [12]byte(ip[:12]) == [12]byte{10: 0xff, 11: 0xff} {
			a.family = familyIPv4
			copy(a.ip[:], ip[12:])
			return a
		}
		a.family, a.ip, a.scope = familyIPv6, ip, binary.NativeEndian.Uint32(sa[24:])
		return a
	case windows.AF_UNIX:
		return Addr{proto: proto, family: familyUnix, path: unixPath(sa[2:min(int(length), len(sa))], paths)}
	}
	return Addr{}
}

// unixPath gives the path of a Unix socket: empty for one without a name, for which the system gives NULs.
func unixPath(path []byte, paths *pathCache) string {
	path = bytes.TrimRight(path, "\x00")
	if len(path) == 0 {
		return ""
	}
	if path[0] == 0 {
		path[0] = '@'
	} else if end := bytes.IndexByte(path, 0); end >= 0 {
		path = path[:end]
	}
	if paths == nil {
		return string(path)
	}
	return paths.intern(path)
}

// localName and peerName give the zero Addr where the system knows none.

func (d *descriptor) localName() Addr { return d.nameBy(procGetsockname.Addr()) }
func (d *descriptor) peerName() Addr {
	a := d.nameBy(procGetpeername.Addr())
	if a.isWildcard() && a.port == 0 {
		// A datagram socket that was disconnected.
		return Addr{}
	}
	return a
}

func (d *descriptor) nameBy(call uintptr) Addr {
	if d.kind == kindPipe {
		return Addr{}
	}
	var sa sockaddr
	length := int32(len(sa))
	r, _, _ := syscall.SyscallN(call, uintptr(d.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)))
	if int32(r) != 0 {
		return Addr{}
	}
	return decode(&sa, length, d.protocol(), nil)
}

// recvFrom takes a datagram, or looks at it, and tells its sender.
func (d *descriptor) recvFrom(p []byte, peek bool, paths *pathCache) (int, Addr, error) {
	var sa sockaddr
	length := int32(len(sa))
	flags := uintptr(0)
	if peek {
		flags = msgPeek
	}
	n, errno := d.recvDatagram(p, flags, &sa, &length)
	if errno != 0 {
		return 0, Addr{}, failed("recvfrom", errno)
	}
	return n, decode(&sa, length, d.protocol(), paths), nil
}

// sendTo sends a datagram; a nil address is the connected peer.
func (d *descriptor) sendTo(p []byte, to *Addr) (int, error) {
	if to == nil {
		n, errno := d.sendto(p, nil, 0)
		return n, failed("send", errno)
	}
	var sa sockaddr
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return 0, err
	}
	n, errno := d.sendto(p, &sa, length)
	return n, failed("sendto", errno)
}
