//go:build aix || dragonfly || netbsd || openbsd || solaris

package reactor

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// membershipIPv4 is the option for IPv4. These systems know the interface by one of its IPv4 addresses: struct ip_mreq
// of ip(4).
func (d *descriptor) membershipIPv4(name, index int, group [4]byte) error {
	mreq := unix.IPMreq{Multiaddr: group}
	if index != 0 {
		address, err := interfaceIPv4(index)
		if err != nil {
			return err
		}
		mreq.Interface = address
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptIPMreq(int(d.fd), unix.IPPROTO_IP, name, &mreq))
}

func interfaceIPv4(index int) ([4]byte, error) {
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return [4]byte{}, err
	}
	addrs, err := ifi.Addrs()
	if err != nil {
		return [4]byte{}, err
	}
	for _, a := range addrs {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			return prefix.Addr().As4(), nil
		}
	}
	return [4]byte{}, &net.AddrError{Err: "interface without an IPv4 address", Addr: ifi.Name}
}
