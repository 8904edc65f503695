//go:build unix

package reactor

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// encode writes a into sa as a socket of the family wants it, and gives its length.
func (a *Addr) encode(sa *unix.RawSockaddrAny, family addrFamily) (uint32, error) {
	switch {
	case family == familyIPv4 && a.family == familyIPv4:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*sa4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte(a.ip[:4])}
		putPort(&sa4.Port, a.port)
		setSockaddrLen(sa, unix.SizeofSockaddrInet4)
		return unix.SizeofSockaddrInet4, nil
	case family == familyIPv6 && a.hasIP():
		sa6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		*sa6 = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.ip, Scope_id: a.scope}
		if a.family == familyIPv4 {
			sa6.Addr = mappedIPv4(a.ip)
		}
		putPort(&sa6.Port, a.port)
		setSockaddrLen(sa, unix.SizeofSockaddrInet6)
		return unix.SizeofSockaddrInet6, nil
	case family == familyUnix && a.family == familyUnix:
		sau := (*unix.RawSockaddrUnix)(unsafe.Pointer(sa))
		*sau = unix.RawSockaddrUnix{Family: unix.AF_UNIX}
		path := sockaddrPath(sau)
		if len(a.path) > len(path) {
			return 0, &net.AddrError{Err: "path too long", Addr: strings.Clone(a.path)}
		}
		n := copy(path, a.path)
		if abstractNames && n > 0 && path[0] == '@' {
			// An abstract name ends where its length says, and not at a NUL.
			path[0] = 0
		} else {
			n = min(n+1, len(path))
		}
		length := uint32(unsafe.Offsetof(sau.Path)) + uint32(n)
		setSockaddrLen(sa, length)
		return length, nil
	case a.family == familyNone:
		return 0, &net.AddrError{Err: "missing host", Addr: strings.Clone(a.String())}
	}
	return 0, &net.AddrError{Err: "address of a family that the socket is not of", Addr: strings.Clone(a.String())}
}

// mappedIPv4 gives the IPv6 address that stands for an IPv4 one: RFC 4291, 2.5.5.2.
func mappedIPv4(ip [16]byte) [16]byte {
	return [16]byte{10: 0xff, 11: 0xff, 12: ip[0], 13: ip[1], 14: ip[2], 15: ip[3]}
}

// decode reads what the kernel wrote into sa. A path that is in paths, if there are some, is not copied again.
func decode(sa *unix.RawSockaddrAny, length uint32, proto protocol, paths *pathCache) Addr {
	if length < uint32(unsafe.Offsetof(sa.Addr.Family)+unsafe.Sizeof(sa.Addr.Family)) || sa.Addr.Family == unix.AF_UNSPEC {
		if proto == protoUnixgram || proto == protoUnix {
			return Addr{proto: proto, family: familyUnix}
		}
		return Addr{}
	}
	switch sa.Addr.Family {
	case unix.AF_INET:
		sa4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		a := Addr{proto: proto, family: familyIPv4, port: getPort(&sa4.Port)}
		copy(a.ip[:], sa4.Addr[:])
		return a
	case unix.AF_INET6:
		sa6 := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		a := Addr{proto: proto, port: getPort(&sa6.Port)}
		if [12]byte(sa6.Addr[:12]) == [12]byte{10: 0xff, 11: 0xff} {
			a.family = familyIPv4
			copy(a.ip[:], sa6.Addr[12:])
			return a
		}
		a.family, a.ip, a.scope = familyIPv6, sa6.Addr, sa6.Scope_id
		return a
	case unix.AF_UNIX:
		sau := (*unix.RawSockaddrUnix)(unsafe.Pointer(sa))
		path := sockaddrPath(sau)
		path = path[:min(uint32(len(path)), length-uint32(unsafe.Offsetof(sau.Path)))]
		return Addr{proto: proto, family: familyUnix, path: pathString(path, paths)}
	}
	return Addr{}
}

func sockaddrPath(sa *unix.RawSockaddrUnix) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&sa.Path[0])), len(sa.Path))
}

func pathString(path []byte, paths *pathCache) string {
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

// Ports are in the network's order.

func putPort(p *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(p))[:], port)
}

func getPort(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

// localName and peerName give the zero Addr where the system knows none.

func (d *descriptor) localName() Addr { return d.nameBy(callGetsockname) }
func (d *descriptor) peerName() Addr  { return d.nameBy(callGetpeername) }

func (d *descriptor) nameBy(call uintptr) Addr {
	if d.kind == kindPipe {
		return Addr{}
	}
	var sa unix.RawSockaddrAny
	length := uint32(unix.SizeofSockaddrAny)
	if takeAddress(call, d.fd, &sa, &length) != 0 {
		return Addr{}
	}
	return decode(&sa, length, d.protocol(), nil)
}
