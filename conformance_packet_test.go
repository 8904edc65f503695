package reactor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/goreactor/reactor"
)

// packetKinds are the networks that packetPair knows.
var packetKinds = []string{"udp4", "udp6", "unixgram", "pair"}

// eachPacketPair runs f with two sockets of each kind, connected to each other.
func eachPacketPair(t *testing.T, f func(t *testing.T, a, b *reactor.PacketConn)) {
	t.Helper()
	for _, kind := range packetKinds {
		t.Run(kind, func(t *testing.T) {
			a, b := packetPair(t, kind)
			f(t, a, b)
		})
	}
}

// eachBound runs f with two sockets of each kind that has names, bound and not connected.
func eachBound(t *testing.T, f func(t *testing.T, a, b *reactor.PacketConn)) {
	t.Helper()
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		t.Run(network, func(t *testing.T) { f(t, listenAnyPacket(t, network), listenAnyPacket(t, network)) })
	}
}

// listenAnyPacket gives a bound socket of the network: udp4, udp6 or unixgram.
func listenAnyPacket(t testing.TB, network string) *reactor.PacketConn {
	t.Helper()
	if network != "unixgram" {
		return listenUDP(t, network)
	}
	c, err := reactor.ListenPacket(network, filepath.Join(socketDir(t), "s"))
	supported(t, "Unix datagram socket", err)
	closeLater(t, c)
	return c
}

// recv takes one datagram, and waits for it.
func recv(t testing.TB, c *reactor.PacketConn, p []byte) (int, reactor.Addr) {
	t.Helper()
	var n int
	var from reactor.Addr
	err := awaitErr(t, "a datagram", func() (err error) { n, from, err = c.ReadFrom(p); return err })
	check(t, "ReadFrom", err)
	return n, from
}

// sendTo sends one datagram whole.
func sendTo(t testing.TB, c *reactor.PacketConn, p []byte, to reactor.Addr) {
	t.Helper()
	n, err := c.WriteTo(p, to)
	wantResult(t, fmt.Sprintf("WriteTo %v", to), n, err, len(p), nil)
}

// drained checks that no datagram waits.
func drained(t testing.TB, c *reactor.PacketConn) {
	t.Helper()
	n, from, err := c.ReadFrom(make([]byte, 8))
	wantResult(t, "ReadFrom", n, err, 0, reactor.ErrWouldBlock)
	if from != (reactor.Addr{}) {
		t.Errorf("ReadFrom gives the sender %v beside ErrWouldBlock", from)
	}
}

func TestDatagramsCarryTheirSender(t *testing.T) {
	eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
		drained(t, b)
		sendTo(t, a, []byte("ping"), b.LocalAddr())
		buf := make([]byte, 16)
		n, from := recv(t, b, buf)
		if string(buf[:n]) != "ping" || from != a.LocalAddr() {
			t.Errorf("read %q from %v, want ping from %v", buf[:n], from, a.LocalAddr())
		}
		sendTo(t, b, []byte("pong"), from)
		if n, from = recv(t, a, buf); string(buf[:n]) != "pong" || from != b.LocalAddr() {
			t.Errorf("read %q from %v, want pong from %v", buf[:n], from, b.LocalAddr())
		}
		drained(t, a)
		drained(t, b)
	})
}

func TestPeekFromLeavesTheDatagram(t *testing.T) {
	eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
		n, from, err := b.PeekFrom(make([]byte, 8))
		wantResult(t, "PeekFrom", n, err, 0, reactor.ErrWouldBlock)
		if from != (reactor.Addr{}) {
			t.Errorf("PeekFrom gives the sender %v beside ErrWouldBlock", from)
		}
		n, err = b.Peek(make([]byte, 8))
		wantResult(t, "Peek", n, err, 0, reactor.ErrWouldBlock)
		sendTo(t, a, []byte("first"), b.LocalAddr())
		sendTo(t, a, []byte("second"), b.LocalAddr())
		buf := make([]byte, 16)
		for range 2 {
			err := awaitErr(t, "a datagram", func() (err error) { n, from, err = b.PeekFrom(buf); return err })
			check(t, "PeekFrom", err)
			if string(buf[:n]) != "first" || from != a.LocalAddr() {
				t.Errorf("peeked %q from %v", buf[:n], from)
			}
			n, err = b.Peek(buf[:3])
			wantResult(t, "Peek into 3 bytes", n, err, 3, nil)
		}
		for _, want := range []string{"first", "second"} {
			if n, _ := recv(t, b, buf); string(buf[:n]) != want {
				t.Errorf("read %q, want %q", buf[:n], want)
			}
		}
	})
}

func TestZeroLengthDatagramsAreSentAndReceived(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		buf := make([]byte, 8)
		for what, write := range map[string]func() (int, error){
			"Write nil":   func() (int, error) { return a.Write(nil) },
			"Write empty": func() (int, error) { return a.Write([]byte{}) },
			"WriteTo":     func() (int, error) { return a.WriteTo(nil, reactor.Addr{}) },
			"WriteBatch": func() (int, error) {
				n, err := a.WriteBatch([]reactor.Message{{}})
				return n - 1, err
			},
		} {
			for how, read := range map[string]func() (int, error){
				"Read":     func() (int, error) { return b.Read(buf) },
				"ReadFrom": func() (int, error) { n, _, err := b.ReadFrom(buf); return n, err },
				"ReadBatch": func() (int, error) {
					ms := []reactor.Message{{Buf: buf, N: 77}}
					n, err := b.ReadBatch(ms)
					if err == nil {
						n += ms[0].N - 1
					}
					return n, err
				},
			} {
				n, err := write()
				wantResult(t, what, n, err, 0, nil)
				_, err = a.Write([]byte("after"))
				check(t, "Write", err)
				check(t, how, awaitErr(t, "a datagram", func() error { n, err = read(); return err }))
				if n != 0 {
					t.Errorf("%s of an empty datagram from %s gives %d bytes", how, what, n)
				}
				if n, _ := recv(t, b, buf); string(buf[:n]) != "after" {
					t.Errorf("then read %q", buf[:n])
				}
			}
		}
		drained(t, b)
	})
}

func TestReadIntoNothingTakesNoDatagram(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		none := func() {
			t.Helper()
			for what, call := range map[string]func([]byte) (int, error){"Read": b.Read, "Peek": b.Peek} {
				n, err := call(nil)
				wantResult(t, what+" of nothing", n, err, 0, nil)
			}
			n, _, err := b.ReadFrom([]byte{})
			wantResult(t, "ReadFrom of nothing", n, err, 0, nil)
			for what, call := range map[string]func([]reactor.Message) (int, error){"ReadBatch": b.ReadBatch, "WriteBatch": b.WriteBatch} {
				n, err := call(nil)
				wantResult(t, what+" of nothing", n, err, 0, nil)
			}
		}
		none()
		_, err := a.Write([]byte("x"))
		check(t, "Write", err)
		none()
		buf := make([]byte, 8)
		if n, _ := recv(t, b, buf); string(buf[:n]) != "x" {
			t.Errorf("read %q", buf[:n])
		}
	})
}

func TestLongDatagramsAreCutWithoutAnError(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		buf := make([]byte, 4)
		for how, read := range map[string]func() (int, error){
			"Read":     func() (int, error) { return b.Read(buf) },
			"ReadFrom": func() (int, error) { n, _, err := b.ReadFrom(buf); return n, err },
			"ReadBatch": func() (int, error) {
				ms := []reactor.Message{{Buf: buf}}
				_, err := b.ReadBatch(ms)
				return ms[0].N, err
			},
		} {
			for _, text := range []string{"too long", "next"} {
				_, err := a.Write([]byte(text))
				check(t, "Write", err)
			}
			for _, want := range []string{"too ", "next"} {
				clear(buf)
				var n int
				err := awaitErr(t, "a datagram", func() (err error) { n, err = read(); return err })
				wantResult(t, how, n, err, 4, nil)
				if string(buf) != want {
					t.Errorf("%s gives %q, want %q", how, buf, want)
				}
			}
		}
		drained(t, b)
	})
}

func TestDatagramTooLongToSendIsAnError(t *testing.T) {
	a, b := packetPair(t, "udp4")
	for _, write := range []func([]byte) (int, error){
		a.Write,
		func(p []byte) (int, error) { return a.WriteTo(p, b.LocalAddr()) },
	} {
		n, err := write(make([]byte, 70000))
		if n != 0 {
			t.Errorf("Write takes %d bytes", n)
		}
		wantErr(t, "Write", err, errnoTooLong)
		wantOpError(t, err)
	}
	_, err := a.Write([]byte("fits"))
	check(t, "Write", err)
	buf := make([]byte, 8)
	if n, _ := recv(t, b, buf); string(buf[:n]) != "fits" {
		t.Errorf("read %q", buf[:n])
	}
}

func TestConnectedSocketWritesToItsPeerAlone(t *testing.T) {
	eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
		check(t, "Connect", a.Connect(b.LocalAddr()))
		if got := a.RemoteAddr(); got != b.LocalAddr() {
			t.Errorf("RemoteAddr = %v, want %v", got, b.LocalAddr())
		}
		sendTo(t, a, []byte("1"), reactor.Addr{})
		sendTo(t, a, []byte("2"), b.LocalAddr())
		sendTo(t, a, []byte("3"), a.RemoteAddr())
		n, err := a.Write([]byte("4"))
		wantResult(t, "Write", n, err, 1, nil)
		n, err = a.WriteTo([]byte("5"), a.LocalAddr())
		if n != 0 || err == nil || err == reactor.ErrWouldBlock {
			t.Errorf("WriteTo an address other than the peer's = %d, %v; want an error", n, err)
		}
		ms := []reactor.Message{
			{Buf: []byte("6"), N: 1}, {Buf: []byte("7"), N: 1, Addr: b.LocalAddr()}, {Buf: []byte("8"), N: 1, Addr: a.LocalAddr()},
		}
		n, err = a.WriteBatch(ms)
		if n != 2 || err == nil || err == reactor.ErrWouldBlock {
			t.Errorf("WriteBatch with another address third = %d, %v; want 2 and an error", n, err)
		}
		buf := make([]byte, 8)
		for _, want := range []string{"1", "2", "3", "4", "6", "7"} {
			if n, _ := recv(t, b, buf); string(buf[:n]) != want {
				t.Errorf("read %q, want %q", buf[:n], want)
			}
		}
		drained(t, b)
	})
}

func TestConnectedSocketReceivesFromItsPeerAlone(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			a, b, stranger := listenUDP(t, network), listenUDP(t, network), listenUDP(t, network)
			check(t, "Connect", a.Connect(b.LocalAddr()))
			sendTo(t, stranger, []byte("strange"), a.LocalAddr())
			sendTo(t, b, []byte("peer"), a.LocalAddr())
			buf := make([]byte, 8)
			if n, from := recv(t, a, buf); string(buf[:n]) != "peer" || from != b.LocalAddr() {
				t.Errorf("read %q from %v", buf[:n], from)
			}
			check(t, "Connect to none", a.Connect(reactor.Addr{}))
			if got := a.RemoteAddr(); got != (reactor.Addr{}) {
				t.Errorf("RemoteAddr = %v after the disconnect", got)
			}
			if _, err := a.Write([]byte("x")); err == nil || err == reactor.ErrWouldBlock {
				t.Errorf("Write after the disconnect: %v, want an error", err)
			}
			// Some systems forget the port that was bound with the disconnect: the stranger learns the new one.
			sendTo(t, a, []byte("hello"), stranger.LocalAddr())
			_, from := recv(t, stranger, buf)
			if from.AddrPort().Port() != a.LocalAddr().AddrPort().Port() {
				t.Errorf("LocalAddr = %v, the receiver sees %v", a.LocalAddr(), from)
			}
			sendTo(t, stranger, []byte("again"), from)
			if n, from := recv(t, a, buf); string(buf[:n]) != "again" || from != stranger.LocalAddr() {
				t.Errorf("read %q from %v after the disconnect", buf[:n], from)
			}
		})
	}
}

func TestUnixgramConnectAndDisconnect(t *testing.T) {
	a, b, c := listenAnyPacket(t, "unixgram"), listenAnyPacket(t, "unixgram"), listenAnyPacket(t, "unixgram")
	check(t, "Connect", a.Connect(b.LocalAddr()))
	check(t, "Connect elsewhere", a.Connect(c.LocalAddr()))
	_, err := a.Write([]byte("c"))
	check(t, "Write", err)
	check(t, "Connect to none", a.Connect(reactor.Addr{}))
	if got := a.RemoteAddr(); got != (reactor.Addr{}) {
		t.Errorf("RemoteAddr = %v after the disconnect", got)
	}
	sendTo(t, a, []byte("b"), b.LocalAddr())
	buf := make([]byte, 8)
	if n, from := recv(t, c, buf); string(buf[:n]) != "c" || from != a.LocalAddr() {
		t.Errorf("read %q from %v", buf[:n], from)
	}
	if n, from := recv(t, b, buf); string(buf[:n]) != "b" || from != a.LocalAddr() {
		t.Errorf("read %q from %v", buf[:n], from)
	}
}

func TestUnconnectedSocketNeedsAnAddress(t *testing.T) {
	eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
		if got := a.RemoteAddr(); got != (reactor.Addr{}) {
			t.Errorf("RemoteAddr = %v of an unconnected socket", got)
		}
		for what, call := range map[string]func() (int, error){
			"Write":               func() (int, error) { return a.Write([]byte("x")) },
			"WriteTo nowhere":     func() (int, error) { return a.WriteTo([]byte("x"), reactor.Addr{}) },
			"WriteTo TCP":         func() (int, error) { return a.WriteTo([]byte("x"), mustParse(t, "tcp", "127.0.0.1:9")) },
			"WriteBatch":          func() (int, error) { return a.WriteBatch([]reactor.Message{{Buf: []byte("x"), N: 1}}) },
			"WriteBatch of empty": func() (int, error) { return a.WriteBatch([]reactor.Message{{}}) },
		} {
			n, err := call()
			if n != 0 || err == nil || err == reactor.ErrWouldBlock {
				t.Errorf("%s = %d, %v; want an error", what, n, err)
				continue
			}
			wantBadArgument(t, err)
		}
		drained(t, b)
	})
}

func mustParse(t testing.TB, network, address string) reactor.Addr {
	t.Helper()
	a, err := reactor.ParseAddr(network, address)
	check(t, "ParseAddr", err)
	return a
}

func TestConnectToAnAddressOfAnotherKindIsAnError(t *testing.T) {
	c := listenUDP(t, "udp4")
	for _, to := range []reactor.Addr{
		mustParse(t, "tcp", "127.0.0.1:9"), mustParse(t, "unixgram", "/tmp/x"), mustParse(t, "udp", "[::1]:9"),
	} {
		if err := c.Connect(to); err == nil {
			t.Errorf("Connect of a udp4 socket to %v of %s succeeds", to, to.Network())
		}
		if n, err := c.WriteTo([]byte("x"), to); err == nil || err == reactor.ErrWouldBlock {
			t.Errorf("WriteTo of a udp4 socket to %v of %s = %d, %v", to, to.Network(), n, err)
		}
	}
	if got := c.RemoteAddr(); got != (reactor.Addr{}) {
		t.Errorf("RemoteAddr = %v after failed connects", got)
	}
}

// The system connects to the loopback address when asked for the unspecified one; that is the peer's name then.
func TestPeerOfAConnectToTheUnspecifiedAddressIsTheSystems(t *testing.T) {
	a, b := listenUDP(t, "udp4"), listenUDP(t, "udp4")
	to := reactor.AddrFromAddrPort("udp", netip.AddrPortFrom(netip.IPv4Unspecified(), b.LocalAddr().AddrPort().Port()))
	if err := a.Connect(to); err != nil {
		t.Skipf("this system does not connect to the unspecified address: %v", err)
	}
	if got := a.RemoteAddr(); got != b.LocalAddr() {
		t.Errorf("RemoteAddr = %v, want %v", got, b.LocalAddr())
	}
	sendTo(t, a, []byte("x"), a.RemoteAddr())
	buf := make([]byte, 8)
	_, from := recv(t, b, buf)
	sendTo(t, b, []byte("y"), from)
	n, from := recv(t, a, buf)
	if string(buf[:n]) != "y" {
		t.Errorf("read %q", buf[:n])
	}
	sendTo(t, a, []byte("z"), from)
}

func TestDialPacketIsConnected(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			server := listenAnyPacket(t, network)
			c, err := reactor.DialPacket(network, server.LocalAddr().String())
			supported(t, "DialPacket", err)
			closeLater(t, c)
			if got := c.RemoteAddr(); got != server.LocalAddr() {
				t.Errorf("RemoteAddr = %v, want %v", got, server.LocalAddr())
			}
			n, err := c.Write([]byte("ping"))
			wantResult(t, "Write", n, err, 4, nil)
			buf := make([]byte, 8)
			n, from := recv(t, server, buf)
			if string(buf[:n]) != "ping" {
				t.Errorf("read %q", buf[:n])
			}
			if network == "unixgram" {
				// The dialled socket has no name.
				if from.Path() != "" || from.AddrPort().IsValid() {
					t.Errorf("sender %v of an unnamed socket", from)
				}
				if n, err := server.WriteTo([]byte("x"), from); n != 0 || err == nil || err == reactor.ErrWouldBlock {
					t.Errorf("WriteTo an unnamed sender = %d, %v; want an error", n, err)
				}
				return
			}
			if from != c.LocalAddr() {
				t.Errorf("sender %v, want %v", from, c.LocalAddr())
			}
			sendTo(t, server, []byte("pong"), from)
			err = awaitErr(t, "the answer", func() (err error) { n, err = c.Read(buf); return err })
			wantResult(t, "Read", n, err, 4, nil)
		})
	}
}

func TestDialPacketOfNobodysPath(t *testing.T) {
	_, err := reactor.DialPacket("unixgram", filepath.Join(socketDir(t), "missing"))
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("no Unix datagram sockets on this system: %v", err)
	}
	wantErr(t, "DialPacket", err, os.ErrNotExist)
	wantOpError(t, err)
}

func TestRefusedDatagramIsAnErrorThatDoesNotEndTheSocket(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			gone := listenUDP(t, network)
			to := gone.LocalAddr()
			check(t, "Close", gone.Close())
			c, err := reactor.DialPacket(network, to.String())
			check(t, "DialPacket", err)
			closeLater(t, c)
			p := newPoll(t)
			check(t, "Register", p.Register(c, 1, reactor.Readable, reactor.Edge))
			_, err = c.Write([]byte("anyone?"))
			check(t, "Write", err)
			if events := waitOnce(t, p, 1, watchdog/10); len(events) == 0 {
				t.Skip("this system does not tell a datagram socket that nobody is there")
			}
			n, err := c.Read(make([]byte, 8))
			if n != 0 || err == nil || err == reactor.ErrWouldBlock {
				t.Fatalf("Read = %d, %v; want the refusal", n, err)
			}
			wantOpError(t, err)
			again, err := reactor.ListenPacket(network, to.String())
			check(t, "ListenPacket at the same port", err)
			closeLater(t, again)
			_, err = c.Write([]byte("now?"))
			check(t, "Write after the refusal", err)
			buf := make([]byte, 8)
			if n, from := recv(t, again, buf); string(buf[:n]) != "now?" || from != c.LocalAddr() {
				t.Errorf("read %q from %v", buf[:n], from)
			}
		})
	}
}

func TestLargestDatagramArrivesWhole(t *testing.T) {
	for network, size := range map[string]int{"udp4": 65507, "udp6": 65507} {
		t.Run(network, func(t *testing.T) {
			a, b := packetPair(t, network)
			check(t, "SetWriteBuffer", a.SetWriteBuffer(128<<10))
			data := pattern(size)
			n, err := a.Write(data)
			if errors.Is(err, errnoTooLong) {
				t.Skipf("this system sends no datagrams of %d bytes: %v", size, err)
			}
			wantResult(t, "Write", n, err, size, nil)
			buf := make([]byte, size+1)
			if n, _ := recv(t, b, buf); !bytes.Equal(buf[:n], data) {
				t.Errorf("%d bytes came, or others", n)
			}
		})
	}
}

func TestPacketConnAfterCloseReadAndCloseWrite(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		buf := make([]byte, 8)
		check(t, "CloseWrite", a.CloseWrite())
		if n, err := a.Write([]byte("x")); n != 0 || err == nil || err == reactor.ErrWouldBlock {
			t.Errorf("Write after CloseWrite = %d, %v; want an error", n, err)
		}
		_, err := b.Write([]byte("still reading"))
		check(t, "Write of the other end", err)
		n, _ := recv(t, a, buf)
		if string(buf[:n]) != "still re" {
			t.Errorf("read %q", buf[:n])
		}
		check(t, "CloseRead", b.CloseRead())
		n, err = b.Read(buf)
		wantEOF(t, "Read", n, err)
		n, err = b.Peek(buf)
		wantEOF(t, "Peek", n, err)
		n, _, err = b.ReadFrom(buf)
		wantEOF(t, "ReadFrom", n, err)
		n, err = b.ReadBatch([]reactor.Message{{Buf: buf}})
		wantEOF(t, "ReadBatch", n, err)
	})
}

func wantEOF(t testing.TB, what string, n int, err error) {
	t.Helper()
	wantResult(t, what+" after CloseRead", n, err, 0, io.EOF)
}
