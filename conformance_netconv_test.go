package reactor_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// deadlinesWork checks that package net's own poller serves c: a read's deadline passes.
func deadlinesWork(t testing.TB, c interface{ SetReadDeadline(time.Time) error }, read func([]byte) error) {
	t.Helper()
	check(t, "SetReadDeadline", c.SetReadDeadline(time.Now().Add(time.Millisecond)))
	wantErr(t, "a read past its deadline", read(make([]byte, 1)), os.ErrDeadlineExceeded)
	check(t, "SetReadDeadline", c.SetReadDeadline(time.Now().Add(watchdog)))
}

// acceptDeadline makes a listener's deadline one of reading.
type acceptDeadline struct{ net.Listener }

func (l acceptDeadline) SetReadDeadline(when time.Time) error {
	return l.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(when)
}

// unregistered checks that what package net has now is in no Poll of ours: it can be registered anew.
func unregistered(t testing.TB, p *reactor.Poll, src reactor.Source, err error) {
	t.Helper()
	check(t, "FromSyscallConn", err)
	quiet(t, p)
	check(t, "Register of what package net has", p.Register(src, 9, reactor.Readable, reactor.Level))
	awaitReady(t, p, 9, reactor.ReadyReadable)
	check(t, "Deregister", p.Deregister(src))
}

func TestNetConnHandsTheConnectionOver(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		p := newPoll(t)
		check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Level))
		local, remote := a.LocalAddr(), a.RemoteAddr()
		nc, err := a.NetConn()
		supported(t, "NetConn", err)
		defer nc.Close()
		if err := a.Close(); err != reactor.ErrClosed {
			t.Errorf("Close after NetConn: %v, want ErrClosed", err)
		}
		if _, err := a.Read(make([]byte, 1)); err != reactor.ErrClosed {
			t.Errorf("Read after NetConn: %v, want ErrClosed", err)
		}
		if local.Network() == "tcp" && (nc.LocalAddr().String() != local.String() || nc.RemoteAddr().String() != remote.String()) {
			t.Errorf("%v → %v became %v → %v", local, remote, nc.LocalAddr(), nc.RemoteAddr())
		}
		deadlinesWork(t, nc, func(buf []byte) error { return second(nc.Read(buf)) })

		writeFull(t, nil, b, []byte("to net"))
		src, err := reactor.FromSyscallConn(nc.(syscall.Conn))
		unregistered(t, p, src, err)
		buf := make([]byte, 6)
		_, err = io.ReadFull(nc, buf)
		check(t, "net.Conn.Read", err)
		_, err = nc.Write([]byte("from net"))
		check(t, "net.Conn.Write", err)
		if got := readFull(t, nil, b, 8); string(buf) != "to net" || string(got) != "from net" {
			t.Errorf("%q and %q came", buf, got)
		}
		check(t, "net.Conn.Close", nc.Close())
		if rest := readAll(t, nil, b); len(rest) != 0 {
			t.Errorf("read %q", rest)
		}
	})
}

func TestNetConnIsOfTheTypeOfItsNetwork(t *testing.T) {
	for kind, is := range map[string]func(net.Conn) bool{
		"tcp4": func(c net.Conn) bool { _, ok := c.(*net.TCPConn); return ok },
		"tcp6": func(c net.Conn) bool { _, ok := c.(*net.TCPConn); return ok },
		"unix": func(c net.Conn) bool { _, ok := c.(*net.UnixConn); return ok },
	} {
		t.Run(kind, func(t *testing.T) {
			a, _ := connPair(t, kind)
			nc, err := a.NetConn()
			supported(t, "NetConn", err)
			defer nc.Close()
			if !is(nc) {
				t.Errorf("NetConn gives a %T", nc)
			}
		})
	}
}

func TestNetListenerHandsTheListenerOver(t *testing.T) {
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		p := newPoll(t)
		check(t, "Register", p.Register(l, 1, reactor.Readable, reactor.Level))
		addr := l.Addr()
		nl, err := l.NetListener()
		supported(t, "NetListener", err)
		defer nl.Close()
		if err := l.Close(); err != reactor.ErrClosed {
			t.Errorf("Close after NetListener: %v, want ErrClosed", err)
		}
		if nl.Addr().String() != addr.String() {
			t.Errorf("%v became %v", addr, nl.Addr())
		}
		deadlinesWork(t, acceptDeadline{nl}, func([]byte) error { return second(nl.Accept()) })
		client := dialNow(t, network, addr.String())
		src, err := reactor.FromSyscallConn(nl.(syscall.Conn))
		unregistered(t, p, src, err)
		nc, err := nl.Accept()
		check(t, "net.Listener.Accept", err)
		check(t, "net.Conn.Close", nc.Close())
		readAll(t, nil, client)
		check(t, "net.Listener.Close", nl.Close())
		if network == "unix" {
			if _, err := os.Lstat(addr.Path()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the path, which Listen made, after net.Listener.Close: %v", err)
			}
		}
	})
}

func TestNetPacketConnHandsTheSocketOver(t *testing.T) {
	eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
		p := newPoll(t)
		check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Level))
		addr := a.LocalAddr()
		nc, err := a.NetPacketConn()
		supported(t, "NetPacketConn", err)
		defer nc.Close()
		if err := a.Close(); err != reactor.ErrClosed {
			t.Errorf("Close after NetPacketConn: %v, want ErrClosed", err)
		}
		if nc.LocalAddr().String() != addr.String() {
			t.Errorf("%v became %v", addr, nc.LocalAddr())
		}
		read := func(buf []byte) error { _, _, err := nc.ReadFrom(buf); return err }
		deadlinesWork(t, nc, read)
		sendTo(t, b, []byte("x"), addr)
		src, err := reactor.FromSyscallConn(nc.(syscall.Conn))
		unregistered(t, p, src, err)
		check(t, "net.PacketConn.ReadFrom", read(make([]byte, 4)))
	})
}

func TestConnectedSocketHandedOverStaysConnected(t *testing.T) {
	for _, kind := range []string{"udp4", "udp6", "unixgram"} {
		t.Run(kind, func(t *testing.T) {
			a, b := packetPair(t, kind)
			nc, err := a.NetPacketConn()
			supported(t, "NetPacketConn", err)
			defer nc.Close()
			_, err = nc.(net.Conn).Write([]byte("x"))
			check(t, "net.Conn.Write", err)
			recv(t, b, make([]byte, 4))
			dup, err := reactor.FromNetPacketConn(nc)
			check(t, "FromNetPacketConn", err)
			closeLater(t, dup)
			if dup.RemoteAddr() != b.LocalAddr() {
				t.Errorf("RemoteAddr = %v, want %v", dup.RemoteAddr(), b.LocalAddr())
			}
			n, err := dup.Write([]byte("y"))
			wantResult(t, "Write", n, err, 1, nil)
			sendTo(t, dup, []byte("z"), b.LocalAddr())
			recvBatch(t, b, 2, 4)
		})
	}
}

// netPair gives two ends of a connection of package net.
func netPair(t testing.TB, network string) (a, b net.Conn) {
	t.Helper()
	address := filepath.Join(socketDir(t), "s")
	if network != "unix" {
		address = loopback(t, network)
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Skipf("package net cannot listen on %s here: %v", network, err)
	}
	defer l.Close()
	a, err = net.Dial(network, l.Addr().String())
	check(t, "net.Dial", err)
	t.Cleanup(func() { a.Close() })
	b, err = l.Accept()
	check(t, "net.Listener.Accept", err)
	t.Cleanup(func() { b.Close() })
	return a, b
}

func TestFromNetConnDuplicates(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := netPair(t, network)
			c, err := reactor.FromNetConn(a)
			supported(t, "FromNetConn", err)
			closeLater(t, c)
			if c.RemoteAddr().String() != a.RemoteAddr().String() {
				t.Errorf("RemoteAddr = %v, want %v", c.RemoteAddr(), a.RemoteAddr())
			}
			_, err = c.Read(make([]byte, 1))
			wantErr(t, "Read of nothing", err, reactor.ErrWouldBlock)
			check(t, "FinishConnect", c.FinishConnect())
			writeFull(t, nil, c, []byte("one "))
			_, err = a.Write([]byte("two"))
			check(t, "the original's Write", err)
			check(t, "the original's Close", a.Close())
			writeFull(t, nil, c, []byte(" three"))
			buf := make([]byte, 13)
			_, err = io.ReadFull(b, buf)
			check(t, "the peer's Read", err)
			if string(buf) != "one two three" {
				t.Errorf("the peer read %q", buf)
			}
			_, err = b.Write([]byte("back"))
			check(t, "the peer's Write", err)
			if got := readFull(t, nil, c, 4); string(got) != "back" {
				t.Errorf("read %q", got)
			}
			check(t, "Close", c.Close())
			if _, err := b.Read(buf); err != io.EOF {
				t.Errorf("the peer's Read after both were closed: %v", err)
			}
		})
	}
}

func TestFromNetConnLeavesTheOriginalAlone(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			a, b := netPair(t, network)
			c, err := reactor.FromNetConn(a)
			supported(t, "FromNetConn", err)
			p := newPoll(t)
			check(t, "Register", p.Register(c, 1, reactor.Readable, reactor.Edge))
			check(t, "Close", c.Close())
			deadlinesWork(t, a, func(buf []byte) error { return second(a.Read(buf)) })
			_, err = b.Write([]byte("x"))
			check(t, "the peer's Write", err)
			_, err = io.ReadFull(a, make([]byte, 1))
			check(t, "the original's Read", err)
			quiet(t, p)
		})
	}
}

func TestFromNetListenerDuplicates(t *testing.T) {
	for _, network := range listenerKinds {
		t.Run(network, func(t *testing.T) {
			address := filepath.Join(socketDir(t), "s")
			if network != "unix" {
				address = loopback(t, network)
			}
			nl, err := net.Listen(network, address)
			if err != nil {
				t.Skipf("package net cannot listen on %s here: %v", network, err)
			}
			defer nl.Close()
			if ul, ok := nl.(*net.UnixListener); ok {
				ul.SetUnlinkOnClose(false)
			}
			l, err := reactor.FromNetListener(nl)
			supported(t, "FromNetListener", err)
			if l.Addr().String() != nl.Addr().String() {
				t.Errorf("Addr = %v, want %v", l.Addr(), nl.Addr())
			}
			noneWaits(t, l)
			check(t, "the original's Close", nl.Close())
			dialNow(t, network, l.Addr().String())
			c, _ := acceptNow(t, l)
			if network != "unix" {
				wantBool(t, "NoDelay", c.NoDelay, true)
			}
			check(t, "Close", l.Close())
			if network == "unix" {
				if _, err := os.Lstat(address); err != nil {
					t.Errorf("the path, which this package did not make, after Close: %v", err)
				}
			}
		})
	}
}

func TestFromNetPacketConnDuplicates(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			address := filepath.Join(socketDir(t), "s")
			if network != "unixgram" {
				address = loopback(t, network)
			}
			nc, err := net.ListenPacket(network, address)
			if err != nil {
				t.Skipf("package net cannot listen on %s here: %v", network, err)
			}
			defer nc.Close()
			c, err := reactor.FromNetPacketConn(nc)
			supported(t, "FromNetPacketConn", err)
			closeLater(t, c)
			drained(t, c)
			check(t, "the original's Close", nc.Close())
			peer := listenAnyPacket(t, network)
			sendTo(t, peer, []byte("ping"), c.LocalAddr())
			_, from := recv(t, c, make([]byte, 8))
			sendTo(t, c, []byte("pong"), from)
			recv(t, peer, make([]byte, 8))
		})
	}
}

// What has no descriptor, one that is closed, or of another kind.
func TestFromNetRejectsWhatHasNoSocketOfTheKind(t *testing.T) {
	inMemory, other := net.Pipe()
	defer inMemory.Close()
	defer other.Close()
	closed, _ := netPair(t, "tcp4")
	check(t, "net.Conn.Close", closed.Close())
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, "net.ListenPacket", err)
	defer udp.Close()
	if c, err := reactor.FromNetPacketConn(udp); err == nil {
		closeLater(t, c)
	} else {
		supported(t, "FromNetPacketConn", err)
	}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, "net.Listen", err)
	defer tcp.Close()
	for what, err := range map[string]error{
		"FromNetConn of net.Pipe":              second(reactor.FromNetConn(inMemory)),
		"FromNetConn of nil":                   second(reactor.FromNetConn(nil)),
		"FromNetConn of a closed one":          second(reactor.FromNetConn(closed)),
		"FromNetConn of a UDPConn":             second(reactor.FromNetConn(udp.(*net.UDPConn))),
		"FromNetListener of nil":               second(reactor.FromNetListener(nil)),
		"FromNetListener without a descriptor": second(reactor.FromNetListener(struct{ net.Listener }{tcp})),
		"FromNetPacketConn of nil":             second(reactor.FromNetPacketConn(nil)),
	} {
		if err == nil {
			t.Errorf("%s succeeds", what)
		} else if err.Error() == "" {
			t.Errorf("%s: an error without a text", what)
		}
	}
	wantErr(t, "FromNetConn of a closed one", second(reactor.FromNetConn(closed)), net.ErrClosed)
}

func TestNewRejectsNumbersThatAreNoDescriptors(t *testing.T) {
	for _, fd := range []uintptr{^uintptr(0), ^uintptr(0) >> 1, 1 << 30, 1<<31 - 1, 1 << 31} {
		for what, err := range map[string]error{
			"NewConn":       second(reactor.NewConn(fd)),
			"NewListener":   second(reactor.NewListener(fd)),
			"NewPacketConn": second(reactor.NewPacketConn(fd)),
			"NewPipeReader": second(reactor.NewPipeReader(fd)),
			"NewPipeWriter": second(reactor.NewPipeWriter(fd)),
		} {
			if err == nil {
				t.Errorf("%s(%#x) succeeds", what, fd)
			} else if !errors.Is(err, errors.ErrUnsupported) {
				wantOpError(t, err)
			}
		}
	}
}
