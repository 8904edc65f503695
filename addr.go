package reactor

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// An Addr is the address of a socket: an IP address and port, or a Unix path. It is a value: two are equal (==)
// when they name the same place, and it can be a map's key. It implements [net.Addr].
//
// The zero Addr is no address: what LocalAddr and RemoteAddr give when there is none, and in a [Message] the
// connected peer.
type Addr struct {
	path   string // Unix; "@" in front stands for Linux's abstract names
	ip     [16]byte
	scope  uint32 // the interface's index for IPv6 link-local: its name costs a system call
	port   uint16
	proto  protocol
	family addrFamily
}

type protocol uint8

const (
	protoNone protocol = iota
	protoTCP
	protoUDP
	protoUnix
	protoUnixgram
)

var protocolNames = [...]string{"", "tcp", "udp", "unix", "unixgram"}

func (p protocol) String() string { return protocolNames[p] }

// ParseAddr reads a numeric address for one of the networks tcp, tcp4, tcp6, udp, udp4, udp6, unix and unixgram:
// "127.0.0.1:9000", "[::1]:9000", "[fe80::1%eth0]:9000", ":9000" (every local address), or a path. A leading "@"
// of a path stands for Linux's abstract names. Neither host nor service names are looked up, for that would
// block: use [net.Resolver]. IPv4-mapped IPv6 addresses become plain IPv4.
func ParseAddr(network, address string) (Addr, error) {
	a, err := parseAddr(network, address)
	if err != nil {
		return Addr{}, &net.OpError{Op: "parse", Net: network, Err: err}
	}
	return a, nil
}

// parseNetwork splits a network's name: "tcp6" is TCP with IPv6 alone.
func parseNetwork(network string) (protocol, addrFamily, error) {
	switch network {
	case "tcp":
		return protoTCP, familyNone, nil
	case "tcp4":
		return protoTCP, familyIPv4, nil
	case "tcp6":
		return protoTCP, familyIPv6, nil
	case "udp":
		return protoUDP, familyNone, nil
	case "udp4":
		return protoUDP, familyIPv4, nil
	case "udp6":
		return protoUDP, familyIPv6, nil
	case "unix":
		return protoUnix, familyUnix, nil
	case "unixgram":
		return protoUnixgram, familyUnix, nil
	}
	return protoNone, familyNone, net.UnknownNetworkError(network)
}

func parseAddr(network, address string) (Addr, error) {
	proto, family, err := parseNetwork(network)
	if err != nil {
		return Addr{}, err
	}
	bad := func(why string) (Addr, error) { return Addr{}, &net.AddrError{Err: why, Addr: address} }
	if family == familyUnix {
		switch {
		case address == "":
			return bad("missing path")
		case len(address) > maxUnixPath:
			return bad("path of " + strconv.Itoa(len(address)) + " bytes: the system takes " + strconv.Itoa(maxUnixPath))
		case address[0] != '@' && strings.IndexByte(address, 0) >= 0:
			return bad("NUL byte in path")
		}
		return Addr{proto: proto, family: family, path: address}, nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return Addr{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil && service != "" {
		return bad("port is not a number from 0 to 65535")
	}
	if host == "" {
		// Whichever family there is: the sockets decide.
		return Addr{proto: proto, family: family, port: uint16(port)}, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return bad("host is not an IP address; names are looked up with net.Resolver")
	}
	a, why := addrFromIP(proto, ip, uint16(port))
	switch {
	case why != "":
		return bad(why)
	case family == familyIPv4 && a.family != familyIPv4:
		return bad("not an IPv4 address")
	case family == familyIPv6 && a.family != familyIPv6:
		return bad("not an IPv6 address")
	}
	return a, nil
}

func addrFromIP(proto protocol, ip netip.Addr, port uint16) (a Addr, why string) {
	a = Addr{proto: proto, port: port}
	if ip.Is4() || ip.Is4In6() {
		a.family = familyIPv4
		ip4 := ip.Unmap().As4()
		copy(a.ip[:], ip4[:])
		return a, ""
	}
	a.family = familyIPv6
	a.ip = ip.As16()
	if zone := ip.Zone(); zone != "" {
		if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
			a.scope = uint32(n)
		} else if ifi, err := net.InterfaceByName(zone); err == nil {
			a.scope = uint32(ifi.Index)
		} else {
			return Addr{}, "zone is no interface of this system"
		}
	}
	return a, ""
}

// AddrFromAddrPort makes an Addr for one of the networks tcp, tcp4, tcp6, udp, udp4 and udp6. It gives the zero
// Addr for another network, an IP address that is invalid or of the other family, and a zone that names no
// interface of this system.
func AddrFromAddrPort(network string, ap netip.AddrPort) Addr {
	proto, family, err := parseNetwork(network)
	if err != nil || family == familyUnix || !ap.IsValid() {
		return Addr{}
	}
	a, why := addrFromIP(proto, ap.Addr(), ap.Port())
	if why != "" || family != familyNone && a.family != family {
		return Addr{}
	}
	return a
}

// Network gives "tcp", "udp", "unix" or "unixgram"; "" for the zero Addr.
func (a Addr) Network() string { return a.proto.String() }

// String gives what [ParseAddr] reads: "127.0.0.1:9000", "[::1]:9000", "/run/echo.sock"; "" for the zero Addr
// and for an unnamed Unix socket. For an IPv6 address with a zone it asks the system for the interface's name.
func (a Addr) String() string {
	switch {
	case a.proto == protoNone:
		return ""
	case a.proto == protoUnix || a.proto == protoUnixgram:
		return a.path
	case !a.hasIP():
		return ":" + strconv.Itoa(int(a.port))
	}
	return a.AddrPort().String()
}

// AddrPort gives the IP address and port. The address is invalid for Unix sockets, the zero Addr and ":9000".
func (a Addr) AddrPort() netip.AddrPort {
	if !a.hasIP() {
		return netip.AddrPortFrom(netip.Addr{}, a.port)
	}
	if a.family == familyIPv4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.ip[:4])), a.port)
	}
	ip := netip.AddrFrom16(a.ip)
	if a.scope != 0 {
		ip = ip.WithZone(zoneName(a.scope))
	}
	return netip.AddrPortFrom(ip, a.port)
}

// Path gives the path of a Unix socket; "" for an unnamed one and for IP addresses.
func (a Addr) Path() string { return a.path }

func (a Addr) hasIP() bool { return a.family == familyIPv4 || a.family == familyIPv6 }

// isWildcard reports whether a stands for every local address.
func (a Addr) isWildcard() bool { return a.ip == [16]byte{} && a.family != familyUnix }

func (a Addr) isMulticast() bool {
	return a.family == familyIPv4 && a.ip[0]&0xf0 == 0xe0 || a.family == familyIPv6 && a.ip[0] == 0xff
}

// loopback gives where a peer of this host is reached when a stands for every local address.
func (a Addr) loopback() Addr {
	if !a.isWildcard() {
		return a
	}
	if a.family == familyIPv6 {
		a.ip[15] = 1
	} else {
		a.family = familyIPv4
		a.ip = [16]byte{127, 0, 0, 1}
	}
	return a
}

func zoneName(scope uint32) string {
	if ifi, err := net.InterfaceByIndex(int(scope)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}
