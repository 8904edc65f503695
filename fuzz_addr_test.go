package reactor_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/goreactor/reactor"
)

// FuzzParseAddr holds ParseAddr to three promises: no input makes it panic, what it accepts it prints in a form that it
// reads back as an equal Addr, and for IP networks it agrees with netip.ParseAddrPort.
func FuzzParseAddr(f *testing.F) {
	for _, network := range []string{"tcp", "tcp4", "udp6", "unix", "unixgram", "bad"} {
		for _, address := range []string{
			"127.0.0.1:80", "[::1]:443", "[fe80::1%1]:9", "[fe80::1%lo]:9", "[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4%1]:5",
			":9000", "127.0.0.1:", "localhost:80", "/tmp/a.sock", "@abstract", "", "[", "]:", "%:0", "[::%]:0",
			"\x00", "@\x00", "1.2.3.4:00080", "[1.2.3.4]:80",
		} {
			f.Add(network, address)
		}
	}
	f.Fuzz(func(t *testing.T, network, address string) {
		a, err := reactor.ParseAddr(network, address)
		if err != nil {
			if a != (reactor.Addr{}) {
				t.Errorf("ParseAddr(%q, %q) = %v beside the error %v", network, address, a, err)
			}
		} else {
			b, err := reactor.ParseAddr(a.Network(), a.String())
			if err != nil {
				t.Errorf("ParseAddr(%q, %q) says %q, which it rejects: %v", network, address, a, err)
			} else if a != b {
				t.Errorf("ParseAddr(%q, %q) says %q, which it reads as another Addr, %q", network, address, a, b)
			}
		}

		switch network {
		case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
		default:
			return
		}
		want, netErr := netip.ParseAddrPort(address)
		if err == nil {
			if netErr != nil {
				// Two things are read as package net reads them, which netip does not know: no host (every address of the
				// family) and no port (0); and brackets around an IPv4 address.
				host, port, ok := cutPort(address)
				if !ok {
					t.Fatalf("ParseAddr(%q, %q) = %v, without a port", network, address, a)
				}
				if port == "" {
					port = "0"
				}
				number, portErr := strconv.ParseUint(port, 10, 16)
				if portErr != nil {
					t.Fatalf("ParseAddr(%q, %q) = %v, but the port: %v", network, address, a, portErr)
				}
				if host == "" || host == "[]" {
					if ip := a.AddrPort().Addr(); ip.IsValid() && !ip.IsUnspecified() {
						t.Errorf("ParseAddr(%q, %q) = %v, want no address", network, address, a)
					}
					if a.AddrPort().Port() != uint16(number) {
						t.Errorf("ParseAddr(%q, %q) = %v, want port %d", network, address, a, number)
					}
					return
				}
				ip, ipErr := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
				if ipErr != nil {
					t.Fatalf("ParseAddr(%q, %q) = %v, but netip says %v", network, address, a, ipErr)
				}
				want = netip.AddrPortFrom(ip, uint16(number))
			}
			got := a.AddrPort()
			if got.Port() != want.Port() || got.Addr().WithZone("") != want.Addr().Unmap().WithZone("") {
				t.Errorf("ParseAddr(%q, %q).AddrPort() = %v, netip says %v", network, address, got, want)
			}
			if got.Addr().Is4() && strings.HasSuffix(network, "6") || got.Addr().Is6() && strings.HasSuffix(network, "4") {
				t.Errorf("ParseAddr(%q, %q) = %v, of the other family", network, address, a)
			}
			return
		}
		if netErr != nil || want.Addr().Zone() != "" {
			return
		}
		if four := want.Addr().Unmap().Is4(); four && strings.HasSuffix(network, "6") || !four && strings.HasSuffix(network, "4") {
			return
		}
		t.Errorf("ParseAddr(%q, %q) fails with %v, netip reads %v", network, address, err, want)
	})
}

// cutPort splits at the last colon.
func cutPort(address string) (host, port string, ok bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return "", "", false
	}
	return address[:i], address[i+1:], true
}
