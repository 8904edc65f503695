package reactor_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/goreactor/reactor"
)

// dualStack skips where package net finds that one IPv6 socket does not serve IPv4 too.
func dualStack(t testing.TB) {
	t.Helper()
	loopback(t, "tcp6")
	l, err := net.Listen("tcp", "[::]:0")
	check(t, "net.Listen", err)
	defer l.Close()
	c, err := net.Dial("tcp4", at("127.0.0.1", netip.MustParseAddrPort(l.Addr().String()).Port()))
	if err != nil {
		t.Skipf("no sockets for both families on this machine: %v", err)
	}
	check(t, "net.Conn.Close", c.Close())
}

func at(ip string, port uint16) string {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port).String()
}

func TestListenWithoutAHostServesBothFamilies(t *testing.T) {
	for _, address := range []string{":0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			dualStack(t)
			l, err := reactor.Listen("tcp", address)
			supported(t, "TCP listener", err)
			closeLater(t, l)
			port := l.Addr().AddrPort().Port()
			wantBool(t, "V6Only", l.V6Only, false)
			wantRoundTrip(t, l.Addr())
			for _, host := range []string{"127.0.0.1", "::1"} {
				client := dialNow(t, "tcp", at(host, port))
				c, from := acceptNow(t, l)
				want := netip.MustParseAddr(host)
				if from != client.LocalAddr() || from.AddrPort().Addr() != want {
					t.Errorf("Accept says %v, the client is %v", from, client.LocalAddr())
				}
				if c.RemoteAddr() != from || c.LocalAddr() != client.RemoteAddr() {
					t.Errorf("%v → %v seen from the client, %v → %v from here", client.LocalAddr(), client.RemoteAddr(), c.RemoteAddr(), c.LocalAddr())
				}
				wantBool(t, "NoDelay", c.NoDelay, true)
				check(t, "SetTTL", c.SetTTL(33))
				wantInt(t, "TTL", c.TTL, 33)
			}
		})
	}
}

func TestListenWithoutAHostServesIPv4Everywhere(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0"} {
		l, err := reactor.Listen("tcp", address)
		supported(t, "TCP listener", err)
		closeLater(t, l)
		dialNow(t, "tcp4", at("127.0.0.1", l.Addr().AddrPort().Port()))
		acceptNow(t, l)
	}
}

func TestV6OnlyListenerIsNotReachedByIPv4(t *testing.T) {
	for name, listen := range map[string]func() (*reactor.Listener, error){
		"tcp6":                func() (*reactor.Listener, error) { return reactor.Listen("tcp6", "[::]:0") },
		"tcp6 without a host": func() (*reactor.Listener, error) { return reactor.Listen("tcp6", ":0") },
		"V6Only": func() (*reactor.Listener, error) {
			return (&reactor.ListenConfig{V6Only: true}).Listen("tcp", "[::]:0")
		},
		"V6Only without a host":  func() (*reactor.Listener, error) { return (&reactor.ListenConfig{V6Only: true}).Listen("tcp", ":0") },
		"an address of one host": func() (*reactor.Listener, error) { return reactor.Listen("tcp", "[::1]:0") },
		"V6Only with an own host": func() (*reactor.Listener, error) {
			return (&reactor.ListenConfig{V6Only: true}).Listen("tcp6", "[::1]:0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			loopback(t, "tcp6")
			l, err := listen()
			supported(t, "TCP listener", err)
			closeLater(t, l)
			wantBool(t, "V6Only", l.V6Only, true)
			port := l.Addr().AddrPort().Port()
			dialNow(t, "tcp6", at("::1", port))
			acceptNow(t, l)
			c, err := reactor.Dial("tcp4", at("127.0.0.1", port))
			if err == nil {
				closeLater(t, c)
				err = awaitErr(t, "the refusal", c.FinishConnect)
			}
			if err == nil {
				// Another program may have the port for IPv4: then nothing comes here.
				noneWaits(t, l)
			} else {
				wantErr(t, "Dial by IPv4", err, errnoRefused)
			}
		})
	}
}

func TestV6OnlyOfAnIPv4SocketIsAnErrorOrFalse(t *testing.T) {
	if only, err := listenTCP(t, "tcp4").V6Only(); err == nil && only {
		t.Error("an IPv4 listener says V6Only")
	}
	if only, err := listenUDP(t, "udp4").V6Only(); err == nil && only {
		t.Error("an IPv4 socket says V6Only")
	}
}

func TestDualStackDatagramsShowAndTakePlainIPv4(t *testing.T) {
	dualStack(t)
	for _, address := range []string{":0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			s, err := reactor.ListenPacket("udp", address)
			supported(t, "datagram socket", err)
			closeLater(t, s)
			wantBool(t, "V6Only", s.V6Only, false)
			bound := s.LocalAddr()
			port := bound.AddrPort().Port()
			buf := make([]byte, 8)
			for host, network := range map[string]string{"127.0.0.1": "udp4", "::1": "udp6"} {
				client := listenUDP(t, network)
				sendTo(t, client, []byte("ping"), reactor.AddrFromAddrPort("udp", netip.AddrPortFrom(netip.MustParseAddr(host), port)))
				var from reactor.Addr
				check(t, "PeekFrom", awaitErr(t, "a datagram", func() (err error) { _, from, err = s.PeekFrom(buf); return err }))
				if from != client.LocalAddr() {
					t.Errorf("PeekFrom says %v, the client is %v", from, client.LocalAddr())
				}
				ms := recvBatch(t, s, 1, 8)
				if ms[0].Addr != client.LocalAddr() || ms[0].Addr.AddrPort().Addr() != netip.MustParseAddr(host) {
					t.Errorf("ReadBatch says %v, the client is %v", ms[0].Addr, client.LocalAddr())
				}
				n, err := s.WriteBatch(ms)
				wantResult(t, "WriteBatch", n, err, 1, nil)
				sendTo(t, s, []byte("pong"), from)
				for _, want := range []string{"ping", "pong"} {
					if n, _ := recv(t, client, buf); string(buf[:n]) != want {
						t.Errorf("read %q, want %q", buf[:n], want)
					}
				}
				check(t, "Connect", s.Connect(from))
				if s.RemoteAddr() != from {
					t.Errorf("RemoteAddr = %v, want %v", s.RemoteAddr(), from)
				}
				sendTo(t, s, []byte("x"), from)
				sendTo(t, s, []byte("y"), s.RemoteAddr())
				recvBatch(t, client, 2, 4)
				if err := s.Connect(reactor.Addr{}); err != nil {
					t.Fatalf("Connect to none: %v", err)
				}
				// The disconnect may have taken the local address and port with it; what follows wants them.
				if s.LocalAddr() != bound {
					return
				}
			}
		})
	}
}

func TestV6OnlyDatagramSocketDoesNotTakeIPv4(t *testing.T) {
	loopback(t, "udp6")
	for name, listen := range map[string]func() (*reactor.PacketConn, error){
		"udp6": func() (*reactor.PacketConn, error) { return reactor.ListenPacket("udp6", "[::]:0") },
		"V6Only": func() (*reactor.PacketConn, error) {
			return (&reactor.ListenConfig{V6Only: true}).ListenPacket("udp", ":0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := listen()
			supported(t, "datagram socket", err)
			closeLater(t, c)
			wantBool(t, "V6Only", c.V6Only, true)
			client := listenUDP(t, "udp4")
			n, err := c.WriteTo([]byte("x"), client.LocalAddr())
			if n != 0 || err == nil || err == reactor.ErrWouldBlock {
				t.Errorf("WriteTo an IPv4 address = %d, %v; want an error", n, err)
			}
			drained(t, client)
		})
	}
}

func TestDialWithoutAHostReachesThisHost(t *testing.T) {
	l := listenTCP(t, "tcp4")
	port := l.Addr().AddrPort().Port()
	for _, address := range []string{fmt.Sprintf(":%d", port), at("0.0.0.0", port), at("127.0.0.1", port)} {
		c := dialNow(t, "tcp", address)
		if !c.RemoteAddr().AddrPort().Addr().IsLoopback() {
			t.Errorf("RemoteAddr = %v", c.RemoteAddr())
		}
		acceptNow(t, l)
	}
}

// What the system cannot reach is told by Dial or by FinishConnect, as an error of the system.
func TestDialToAnUnreachableAddressIsAnError(t *testing.T) {
	c, err := reactor.Dial("tcp4", "255.255.255.255:9")
	if err == nil {
		closeLater(t, c)
		err = awaitErr(t, "the failure", c.FinishConnect)
	}
	if err == nil {
		t.Fatal("a connection to the broadcast address")
	}
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("no TCP here: %v", err)
	}
	wantOpError(t, err)
}
