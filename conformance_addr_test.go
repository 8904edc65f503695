package reactor_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/goreactor/reactor"
)

var ipNetworks = []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}

// baseNetwork is what Addr.Network says for an address of the network.
func baseNetwork(network string) string { return strings.TrimRight(network, "46") }

// wantBadArgument checks that err is how a bad address is reported: a *net.OpError around a *net.AddrError.
func wantBadArgument(t *testing.T, err error) {
	t.Helper()
	var op *net.OpError
	var bad *net.AddrError
	if !errors.As(err, &op) || !errors.As(err, &bad) {
		t.Errorf("error %q is a %T: want a *net.OpError around a *net.AddrError", err, err)
	}
}

// wantUnknownNetwork checks that err is how an unknown network is reported: a *net.OpError around a net.UnknownNetworkError.
func wantUnknownNetwork(t *testing.T, err error) {
	t.Helper()
	var op *net.OpError
	var unknown net.UnknownNetworkError
	if !errors.As(err, &op) || !errors.As(err, &unknown) {
		t.Errorf("error %q is a %T: want a *net.OpError around a net.UnknownNetworkError", err, err)
	}
}

func wantRoundTrip(t *testing.T, a reactor.Addr) {
	t.Helper()
	b, err := reactor.ParseAddr(a.Network(), a.String())
	if err != nil {
		t.Errorf("ParseAddr(%q, %q) of an Addr's own text: %v", a.Network(), a.String(), err)
	} else if a != b {
		t.Errorf("ParseAddr(%q, %q) = %v, not equal to the Addr that said so", a.Network(), a.String(), b)
	}
}

func TestParseAddrAcceptsNumericAddresses(t *testing.T) {
	for _, tc := range []struct{ networks, address, want string }{
		{"tcp tcp4 udp udp4", "127.0.0.1:80", "127.0.0.1:80"},
		{"tcp tcp4 udp udp4", "0.0.0.0:0", "0.0.0.0:0"},
		{"tcp tcp4 udp udp4", "255.255.255.255:65535", "255.255.255.255:65535"},
		{"tcp tcp6 udp udp6", "[::1]:443", "[::1]:443"},
		{"tcp tcp6 udp udp6", "[::]:0", "[::]:0"},
		{"tcp tcp6 udp udp6", "[2001:DB8:0::0:1]:65535", "[2001:db8::1]:65535"},
		{"tcp tcp4 udp udp4", "[::ffff:192.0.2.1]:9", "192.0.2.1:9"},
		{"tcp4 udp4", ":9000", "0.0.0.0:9000"},
		{"tcp6 udp6", ":9000", "[::]:9000"},
	} {
		for _, network := range strings.Fields(tc.networks) {
			t.Run(network+" "+tc.address, func(t *testing.T) {
				a, err := reactor.ParseAddr(network, tc.address)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := a.AddrPort(), netip.MustParseAddrPort(tc.want); got != want {
					t.Errorf("AddrPort = %v, want %v", got, want)
				}
				if got, want := a.Network(), baseNetwork(network); got != want {
					t.Errorf("Network = %q, want %q", got, want)
				}
				if a.Path() != "" {
					t.Errorf("Path = %q of an IP address", a.Path())
				}
				wantRoundTrip(t, a)
			})
		}
	}
}

func TestParseAddrAcceptsAnEmptyHost(t *testing.T) {
	for _, network := range ipNetworks {
		t.Run(network, func(t *testing.T) {
			a, err := reactor.ParseAddr(network, ":9000")
			if err != nil {
				t.Fatal(err)
			}
			if ap := a.AddrPort(); ap.Port() != 9000 || ap.Addr().IsValid() && !ap.Addr().IsUnspecified() {
				t.Errorf("AddrPort = %v, want port 9000 of no address", ap)
			}
			if a.Network() != baseNetwork(network) {
				t.Errorf("Network = %q", a.Network())
			}
			wantRoundTrip(t, a)
		})
	}
}

func TestParseAddrRejectsBadAddresses(t *testing.T) {
	for _, tc := range []struct{ what, networks, address string }{
		{"nothing", "tcp tcp4 tcp6 udp udp4 udp6", ""},
		{"missing port", "tcp udp4", "127.0.0.1"},
		{"missing port", "tcp udp6", "[::1]"},
		{"too many colons", "tcp tcp6 udp", "::1:80"},
		{"open bracket", "tcp udp", "[::1:80"},
		{"closed bracket", "tcp udp", "::1]:80"},
		{"brackets doubled", "tcp udp", "[[::1]]:80"},
		{"text after the bracket", "tcp udp", "[::1]x:80"},
		{"port too large", "tcp udp", "127.0.0.1:65536"},
		{"port huge", "tcp udp", "127.0.0.1:18446744073709551617"},
		{"negative port", "tcp udp", "127.0.0.1:-1"},
		{"service name", "tcp udp", "127.0.0.1:http"},
		{"space", "tcp udp", " 127.0.0.1:80"},
		{"space in the port", "tcp udp", "127.0.0.1: 80"},
		{"leading zeros", "tcp udp", "127.0.0.01:80"},
		{"five octets", "tcp udp", "127.0.0.0.1:80"},
		{"IPv6 for tcp4", "tcp4 udp4", "[::1]:80"},
		{"IPv6 unspecified for tcp4", "tcp4 udp4", "[::]:80"},
		{"IPv4 for tcp6", "tcp6 udp6", "127.0.0.1:80"},
		{"mapped IPv4 for tcp6", "tcp6 udp6", "[::ffff:127.0.0.1]:80"},
		{"zone on IPv4", "tcp udp", "127.0.0.1%1:80"},
		{"zone empty", "tcp udp", "[fe80::1%]:80"},
		{"zone of no interface", "tcp udp", "[fe80::1%no-such-interface]:80"},
		{"host name", "tcp tcp4 tcp6 udp udp4 udp6", "localhost:80"},
		{"NUL", "tcp udp", "127.0.0.1\x00:80"},
	} {
		for _, network := range strings.Fields(tc.networks) {
			t.Run(tc.what+" "+network, func(t *testing.T) {
				a, err := reactor.ParseAddr(network, tc.address)
				if err == nil {
					t.Fatalf("ParseAddr(%q, %q) = %v, want an error", network, tc.address, a)
				}
				if a != (reactor.Addr{}) {
					t.Errorf("Addr = %v beside an error, want the zero Addr", a)
				}
				wantBadArgument(t, err)
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("error %q has more than one line", err)
				}
			})
		}
	}
}

func TestParseAddrOfAHostNameNamesTheResolver(t *testing.T) {
	for _, address := range []string{"localhost:80", "example.com:443", "a-b.example:1"} {
		_, err := reactor.ParseAddr("tcp", address)
		if err == nil {
			t.Fatalf("ParseAddr(%q) of a host name succeeds", address)
		}
		wantBadArgument(t, err)
		if !strings.Contains(err.Error(), "net.Resolver") {
			t.Errorf("error %q does not name net.Resolver", err)
		}
	}
}

func TestParseAddrRejectsUnknownNetworks(t *testing.T) {
	for _, network := range []string{"", "TCP", "tcp5", "udp46", "ip", "ip4:icmp", "unixpacket", "sctp", "tcp ", "\x00"} {
		t.Run(strconv.Quote(network), func(t *testing.T) {
			_, err := reactor.ParseAddr(network, "127.0.0.1:80")
			if err == nil {
				t.Fatal("no error")
			}
			wantUnknownNetwork(t, err)
		})
	}
}

func TestUnknownNetworksAreRejectedByEveryConstructor(t *testing.T) {
	for _, tc := range []struct {
		name string
		call func(network string) error
		// networks that are known but of the wrong kind for the call
		wrong []string
	}{
		{"Listen", func(n string) error { _, err := reactor.Listen(n, "127.0.0.1:0"); return err }, []string{"udp", "unixgram"}},
		{"ListenPacket", func(n string) error { _, err := reactor.ListenPacket(n, "127.0.0.1:0"); return err }, []string{"tcp", "unix"}},
		{"Dial", func(n string) error { _, err := reactor.Dial(n, "127.0.0.1:1"); return err }, []string{"udp4", "unixgram"}},
		{"DialPacket", func(n string) error { _, err := reactor.DialPacket(n, "127.0.0.1:1"); return err }, []string{"tcp", "unix"}},
	} {
		for _, network := range append([]string{"", "nosuch", "ip"}, tc.wrong...) {
			t.Run(tc.name+" "+network, func(t *testing.T) {
				err := tc.call(network)
				if err == nil {
					t.Fatal("no error")
				}
				if errors.Is(err, errors.ErrUnsupported) {
					t.Skipf("no sockets here: %v", err)
				}
				wantUnknownNetwork(t, err)
			})
		}
	}
}

func TestParseAddrOfUnixPaths(t *testing.T) {
	for _, network := range []string{"unix", "unixgram"} {
		for _, path := range []string{"/tmp/a.sock", "a", "./with space", "/tmp/:80", strings.Repeat("p", 100)} {
			t.Run(network+" "+path, func(t *testing.T) {
				a, err := reactor.ParseAddr(network, path)
				if errors.Is(err, errors.ErrUnsupported) {
					t.Skipf("no %s here: %v", network, err)
				}
				if err != nil {
					t.Fatal(err)
				}
				if a.Path() != path || a.String() != path || a.Network() != network {
					t.Errorf("Path %q, String %q, Network %q; want %q of %s", a.Path(), a.String(), a.Network(), path, network)
				}
				if a.AddrPort().IsValid() {
					t.Errorf("AddrPort = %v of a path", a.AddrPort())
				}
				wantRoundTrip(t, a)
			})
		}
		for _, tc := range []struct{ what, path string }{
			{"empty", ""},
			{"too long", "/tmp/" + strings.Repeat("p", 200)},
			{"NUL inside", "/tmp/a\x00b"},
			{"NUL first", "\x00abstract"},
		} {
			t.Run(network+" "+tc.what, func(t *testing.T) {
				a, err := reactor.ParseAddr(network, tc.path)
				if errors.Is(err, errors.ErrUnsupported) {
					t.Skipf("no %s here: %v", network, err)
				}
				if err == nil {
					t.Fatalf("ParseAddr = %v, want an error", a)
				}
				wantBadArgument(t, err)
			})
		}
	}
}

func TestAddrIsComparable(t *testing.T) {
	parse := func(network, address string) reactor.Addr {
		a, err := reactor.ParseAddr(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a := parse("tcp", "127.0.0.1:80")
	for _, same := range []reactor.Addr{
		parse("tcp", "127.0.0.1:80"),
		parse("tcp4", "127.0.0.1:80"),
		parse("tcp", "[::ffff:127.0.0.1]:80"),
		reactor.AddrFromAddrPort("tcp", netip.MustParseAddrPort("127.0.0.1:80")),
		reactor.AddrFromAddrPort("tcp", netip.MustParseAddrPort("[::ffff:127.0.0.1]:80")),
	} {
		if a != same {
			t.Errorf("%v of %s is not equal to %v of %s", a, a.Network(), same, same.Network())
		}
	}
	m := map[reactor.Addr]string{a: "a"}
	for _, other := range []reactor.Addr{
		parse("udp", "127.0.0.1:80"),
		parse("tcp", "127.0.0.1:81"),
		parse("tcp", "127.0.0.2:80"),
		parse("tcp", "[::1]:80"),
		{},
	} {
		if a == other {
			t.Errorf("%v of %s equals %v of %s", a, a.Network(), other, other.Network())
		}
		if _, ok := m[other]; ok {
			t.Errorf("a map finds %v of %s by %v of %s", a, a.Network(), other, other.Network())
		}
	}
	if m[parse("tcp", "127.0.0.1:80")] != "a" {
		t.Error("a map does not find an equal Addr")
	}
	if u, err := reactor.ParseAddr("unix", "/tmp/a"); err == nil {
		g, err := reactor.ParseAddr("unixgram", "/tmp/a")
		if err != nil {
			t.Fatal(err)
		}
		if u == g {
			t.Error("a unix Addr equals a unixgram Addr")
		}
	}
}

func TestZeroAddrNamesNothing(t *testing.T) {
	var a reactor.Addr
	if a.Path() != "" || a.AddrPort() != (netip.AddrPort{}) {
		t.Errorf("Path %q, AddrPort %v of the zero Addr", a.Path(), a.AddrPort())
	}
	if a.Network() != "" {
		t.Errorf("Network = %q of the zero Addr", a.Network())
	}
	var _ net.Addr = a
	if s := fmt.Sprint(a); s != a.String() {
		t.Errorf("fmt prints %q, String says %q", s, a.String())
	}
}

func TestAddrFromAddrPortRoundTrips(t *testing.T) {
	for _, network := range ipNetworks {
		for _, text := range []string{"192.0.2.1:0", "0.0.0.0:65535", "[::]:1", "[2001:db8::1]:443"} {
			ap := netip.MustParseAddrPort(text)
			if strings.HasSuffix(network, "4") && ap.Addr().Is6() || strings.HasSuffix(network, "6") && ap.Addr().Is4() {
				continue
			}
			a := reactor.AddrFromAddrPort(network, ap)
			if a.AddrPort() != ap || a.String() != text || a.Network() != baseNetwork(network) {
				t.Errorf("AddrFromAddrPort(%s, %v): AddrPort %v, String %q, Network %q", network, ap, a.AddrPort(), a, a.Network())
			}
			wantRoundTrip(t, a)
		}
	}
}

func TestAddrFromAddrPortNeverPanics(t *testing.T) {
	valid := netip.MustParseAddrPort("192.0.2.1:7")
	for _, network := range []string{"", "nosuch", "unix", "unixgram", "tcp", "tcp6", "udp"} {
		for _, ap := range []netip.AddrPort{{}, netip.AddrPortFrom(netip.Addr{}, 80), valid} {
			a := reactor.AddrFromAddrPort(network, ap)
			if p := a.AddrPort(); p.IsValid() && p != valid {
				t.Errorf("AddrFromAddrPort(%q, %v).AddrPort() = %v", network, ap, p)
			}
			_, _, _ = a.String(), a.Network(), a.Path()
		}
	}
}

// loopbackInterface gives the loopback interface, for its name and index.
func loopbackInterface(t testing.TB) net.Interface {
	t.Helper()
	ifs, err := net.Interfaces()
	if err != nil {
		t.Skipf("the interfaces cannot be listed here: %v", err)
	}
	for _, ifi := range ifs {
		if ifi.Flags&net.FlagLoopback != 0 {
			return ifi
		}
	}
	t.Skip("no loopback interface here")
	panic("unreachable")
}

func TestAddrZonesByNameAndByNumberAreOne(t *testing.T) {
	lo := loopbackInterface(t)
	byName, err := reactor.ParseAddr("udp", "[fe80::1%"+lo.Name+"]:80")
	if err != nil {
		t.Fatal(err)
	}
	byNumber, err := reactor.ParseAddr("udp", fmt.Sprintf("[fe80::1%%%d]:80", lo.Index))
	if err != nil {
		t.Fatal(err)
	}
	if byName != byNumber {
		t.Errorf("%v by name and %v by number differ", byName, byNumber)
	}
	ap := netip.AddrPortFrom(netip.MustParseAddr("fe80::1").WithZone(lo.Name), 80)
	if byName.AddrPort() != ap {
		t.Errorf("AddrPort = %v, want %v", byName.AddrPort(), ap)
	}
	if a := reactor.AddrFromAddrPort("udp", ap); a != byName {
		t.Errorf("AddrFromAddrPort = %v, want %v", a, byName)
	}
	if want := "[fe80::1%" + lo.Name + "]:80"; byName.String() != want {
		t.Errorf("String = %q, want %q", byName, want)
	}
	plain, err := reactor.ParseAddr("udp", "[fe80::1]:80")
	if err != nil {
		t.Fatal(err)
	}
	if plain == byName {
		t.Error("an address with a zone equals the one without")
	}
	for _, a := range []reactor.Addr{byName, plain} {
		wantRoundTrip(t, a)
	}
}

func TestAddrZoneNumberWithoutAnInterfaceRoundTrips(t *testing.T) {
	a, err := reactor.ParseAddr("udp", "[fe80::1%54321]:80")
	if err != nil {
		t.Fatal(err)
	}
	if got := a.AddrPort().Addr().Zone(); got != "54321" {
		t.Errorf("Zone = %q, want 54321", got)
	}
	wantRoundTrip(t, a)
}

// Package net looks host names up; the inputs here are those which it decides without that.
func TestParseAddrAgreesWithPackageNet(t *testing.T) {
	resolve := func(network, address string) (netip.AddrPort, error) {
		if baseNetwork(network) == "tcp" {
			a, err := net.ResolveTCPAddr(network, address)
			if err != nil {
				return netip.AddrPort{}, err
			}
			return a.AddrPort(), nil
		}
		a, err := net.ResolveUDPAddr(network, address)
		if err != nil {
			return netip.AddrPort{}, err
		}
		return a.AddrPort(), nil
	}
	for _, network := range ipNetworks {
		for _, address := range []string{
			"127.0.0.1:80", "0.0.0.0:0", "[::1]:443", "[2001:db8::1]:65535", "[::ffff:192.0.2.1]:80",
			"[192.0.2.1]:80", "127.0.0.1:", "[::1]:", "127.0.0.1:007",
			"127.0.0.1", "127.0.0.1:65536", "127.0.0.1:-1", "[::1]", "::1:80", "[::1:80", "::1]:80", "[::1]]:80",
		} {
			t.Run(network+" "+address, func(t *testing.T) {
				want, netErr := resolve(network, address)
				a, err := reactor.ParseAddr(network, address)
				if (err == nil) != (netErr == nil) {
					t.Fatalf("ParseAddr = %v, %v; package net has %v, %v", a, err, want, netErr)
				}
				if err != nil {
					return
				}
				want = netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
				if a.AddrPort() != want {
					t.Errorf("AddrPort = %v, package net has %v", a.AddrPort(), want)
				}
			})
		}
	}
}
