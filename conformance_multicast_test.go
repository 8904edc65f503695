package reactor_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/goreactor/reactor"
)

var groups = map[string]netip.Addr{
	"udp4": netip.MustParseAddr("239.255.77.66"),
	"udp6": netip.MustParseAddr("ff01::7766"), // interface-local
}

// groupInterface gives an interface where package net can send to the group and hear itself.
func groupInterface(t testing.TB, network string) *net.Interface {
	t.Helper()
	ifs, err := net.Interfaces()
	if err != nil {
		t.Skipf("the interfaces cannot be listed here: %v", err)
	}
	for _, ifi := range ifs {
		if ifi.Flags&(net.FlagUp|net.FlagMulticast) == net.FlagUp|net.FlagMulticast && ifi.Flags&net.FlagLoopback == 0 {
			c, err := net.ListenMulticastUDP(network, &ifi, &net.UDPAddr{IP: groups[network].AsSlice(), Zone: ifi.Name})
			if err != nil {
				t.Logf("%s: %v", ifi.Name, err)
				continue
			}
			check(t, "net.UDPConn.Close", c.Close())
			return &ifi
		}
	}
	t.Skip("no interface here can join a multicast group")
	panic("unreachable")
}

func TestMulticastJoinHearLeave(t *testing.T) {
	for network, group := range groups {
		t.Run(network, func(t *testing.T) {
			address := "0.0.0.0:0"
			if network == "udp6" {
				loopback(t, network)
				address = "[::]:0"
			}
			ifi := groupInterface(t, network)
			c, err := reactor.ListenPacket(network, address)
			supported(t, "datagram socket", err)
			closeLater(t, c)
			check(t, "JoinGroup", c.JoinGroup(ifi, group))
			if err := c.JoinGroup(ifi, group); err == nil {
				t.Error("JoinGroup twice succeeds")
			} else {
				wantOpError(t, err)
			}
			check(t, "SetMulticastLoop", c.SetMulticastLoop(true))
			to := group
			if network == "udp6" {
				to = group.WithZone(ifi.Name)
			}
			dest := reactor.AddrFromAddrPort(network, netip.AddrPortFrom(to, c.LocalAddr().AddrPort().Port()))
			if n, err := c.WriteTo([]byte("group"), dest); err != nil {
				t.Logf("WriteTo the group = %d, %v: no route here", n, err)
			} else {
				p := newPoll(t)
				check(t, "Register", p.Register(c, 1, reactor.Readable, reactor.Level))
				buf := make([]byte, 16)
				if events := waitOnce(t, p, 1, watchdog/10); len(events) == 0 {
					t.Log("what is sent to the group does not come back here")
				} else if n, _ := recv(t, c, buf); string(buf[:n]) != "group" {
					t.Errorf("read %q", buf[:n])
				}
			}
			check(t, "LeaveGroup", c.LeaveGroup(ifi, group))
			if err := c.LeaveGroup(ifi, group); err == nil {
				t.Error("LeaveGroup twice succeeds")
			} else {
				wantOpError(t, err)
			}
		})
	}
}

func TestJoinGroupWithoutAnInterfaceLetsTheSystemChoose(t *testing.T) {
	for network, group := range groups {
		t.Run(network, func(t *testing.T) {
			c := listenUDP(t, network)
			if err := c.JoinGroup(nil, group); err != nil {
				wantOpError(t, err)
				t.Skipf("the system finds no interface: %v", err)
			}
			check(t, "LeaveGroup", c.LeaveGroup(nil, group))
		})
	}
}

func TestJoinGroupRejectsWhatIsNoGroup(t *testing.T) {
	c4 := listenUDP(t, "udp4")
	for _, bad := range []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("ff02::1")} {
		for what, err := range map[string]error{"JoinGroup": c4.JoinGroup(nil, bad), "LeaveGroup": c4.LeaveGroup(nil, bad)} {
			if err == nil {
				t.Errorf("%s(%v) succeeds", what, bad)
				continue
			}
			if !errors.Is(err, errors.ErrUnsupported) {
				wantBadArgument(t, err)
			}
		}
	}
	a, _ := packetPair(t, "pair")
	if err := a.JoinGroup(nil, groups["udp4"]); err == nil {
		t.Error("a Unix socket joins a group")
	}
}

// A socket for a group's address shares the port with others.
func TestListenPacketOnAMulticastAddressSharesThePort(t *testing.T) {
	first, err := reactor.ListenPacket("udp4", groups["udp4"].String()+":0")
	supported(t, "datagram socket", err)
	closeLater(t, first)
	port := first.LocalAddr().AddrPort().Port()
	again, err := reactor.ListenPacket("udp4", netip.AddrPortFrom(groups["udp4"], port).String())
	check(t, "ListenPacket on the same group and port", err)
	closeLater(t, again)
}

func TestBroadcastNeedsToBeAllowed(t *testing.T) {
	c, err := reactor.ListenPacket("udp4", "0.0.0.0:0")
	supported(t, "datagram socket", err)
	closeLater(t, c)
	to := reactor.AddrFromAddrPort("udp", netip.MustParseAddrPort("127.255.255.255:9"))
	if _, err := c.WriteTo([]byte("x"), to); err == nil {
		t.Skip("this system does not take 127.255.255.255 for a broadcast address")
	} else {
		wantOpError(t, err)
	}
	check(t, "SetBroadcast", c.SetBroadcast(true))
	if _, err := c.WriteTo([]byte("x"), to); err != nil {
		t.Skipf("no broadcast on the loopback network here: %v", err)
	}
}
