package reactor_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goreactor/reactor"
)

// listenerKinds are the networks that listenAny knows.
var listenerKinds = []string{"tcp4", "tcp6", "unix"}

func eachListener(t *testing.T, f func(t *testing.T, network string, l *reactor.Listener)) {
	t.Helper()
	for _, network := range listenerKinds {
		t.Run(network, func(t *testing.T) { f(t, network, listenAny(t, network)) })
	}
}

// acceptNow accepts a connection that is there, or nearly.
func acceptNow(t testing.TB, l *reactor.Listener) (*reactor.Conn, reactor.Addr) {
	t.Helper()
	var c *reactor.Conn
	var from reactor.Addr
	err := awaitErr(t, "a connection", func() (err error) { c, from, err = l.Accept(); return err })
	check(t, "Accept", err)
	closeLater(t, c)
	return c, from
}

// dialNow connects, and waits until it is connected.
func dialNow(t testing.TB, network, address string) *reactor.Conn {
	t.Helper()
	c, err := reactor.Dial(network, address)
	supported(t, "Dial on "+network, err)
	closeLater(t, c)
	check(t, "FinishConnect", awaitErr(t, "the connection to "+address, c.FinishConnect))
	return c
}

// noneWaits checks that there is nothing to accept.
func noneWaits(t testing.TB, l *reactor.Listener) {
	t.Helper()
	c, from, err := l.Accept()
	if c != nil || from != (reactor.Addr{}) || err != reactor.ErrWouldBlock {
		t.Fatalf("Accept = %v, %v, %v; want ErrWouldBlock", c, from, err)
	}
}

func TestAcceptGivesEachConnectionThenErrWouldBlock(t *testing.T) {
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		noneWaits(t, l)
		clients := map[reactor.Addr]bool{}
		for range 5 {
			c := dialNow(t, network, l.Addr().String())
			if network != "unix" {
				clients[c.LocalAddr()] = true
			}
		}
		for range 5 {
			c, from := acceptNow(t, l)
			if from != c.RemoteAddr() {
				t.Errorf("Accept says %v, RemoteAddr %v", from, c.RemoteAddr())
			}
			if network != "unix" && !clients[from] {
				t.Errorf("Accept says %v: no client's address, or twice", from)
			}
			delete(clients, from)
		}
		noneWaits(t, l)
	})
}

func TestListenerAddrIsWhereItListens(t *testing.T) {
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		a := l.Addr()
		if a.Network() != baseNetwork(network) {
			t.Errorf("Network = %q", a.Network())
		}
		if network != "unix" && (a.AddrPort().Port() == 0 || !a.AddrPort().Addr().IsLoopback()) {
			t.Errorf("Addr = %v", a)
		}
		wantRoundTrip(t, a)
		dialNow(t, network, a.String())
		acceptNow(t, l)
	})
}

func TestBacklogOfZeroHoldsManyConnections(t *testing.T) {
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		for range 100 {
			dialNow(t, network, l.Addr().String())
		}
		for range 100 {
			acceptNow(t, l)
		}
		noneWaits(t, l)
	})
}

func TestNegativeBacklogIsAnError(t *testing.T) {
	lc := reactor.ListenConfig{Backlog: -1}
	l, err := lc.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		l.Close()
		t.Fatal("no error")
	}
}

func TestListenControlIsCalledBeforeBind(t *testing.T) {
	path := filepath.Join(socketDir(t), "s")
	for _, tc := range []struct{ network, address, wantNetwork, wantAddress string }{
		{"tcp4", "127.0.0.1:0", "tcp4", "127.0.0.1:0"},
		{"tcp", "127.0.0.1:0", "tcp4", "127.0.0.1:0"},
		{"tcp6", "[::1]:0", "tcp6", "[::1]:0"},
		{"udp4", "127.0.0.1:0", "udp4", "127.0.0.1:0"},
		{"udp", "[::1]:0", "udp6", "[::1]:0"},
		{"unix", path, "unix", path},
		{"unixgram", path, "unixgram", path},
	} {
		t.Run(tc.network+" "+tc.address, func(t *testing.T) {
			if strings.Contains(tc.address, "::1") {
				loopback(t, "tcp6")
			}
			listen := func(lc reactor.ListenConfig) (syscall.Conn, error) {
				if tc.network[0] == 't' || tc.network == "unix" {
					return lc.Listen(tc.network, tc.address)
				}
				return lc.ListenPacket(tc.network, tc.address)
			}
			calls := 0
			var controlled uintptr
			lc := reactor.ListenConfig{Control: func(network, address string, c syscall.RawConn) error {
				calls++
				if network != tc.wantNetwork || address != tc.wantAddress {
					t.Errorf("Control(%q, %q), want (%q, %q)", network, address, tc.wantNetwork, tc.wantAddress)
				}
				if _, err := os.Lstat(path); err == nil {
					t.Error("Control is called after bind: the path exists")
				}
				return c.Control(func(fd uintptr) { controlled = fd })
			}}
			l, err := listen(lc)
			supported(t, "listener", err)
			if calls != 1 {
				t.Errorf("Control was called %d times", calls)
			}
			if fd := fdOf(t, l); fd != controlled {
				t.Errorf("Control was given descriptor %d, the listener's is %d", controlled, fd)
			}
			check(t, "Close", l.(interface{ Close() error }).Close())
			// A datagram socket's path is the caller's to remove.
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}

			refusal := errors.New("refused by Control")
			lc.Control = func(string, string, syscall.RawConn) error { return refusal }
			_, err = listen(lc)
			wantErr(t, "the error of Control", err, refusal)
			if _, err := os.Lstat(path); err == nil {
				t.Error("the path exists although Control refused")
			}
		})
	}
}

func TestReusePortLetsListenersShareAPort(t *testing.T) {
	lc := reactor.ListenConfig{ReusePort: true}
	first, err := lc.Listen("tcp4", "127.0.0.1:0")
	supported(t, "shared port", err)
	closeLater(t, first)
	second, err := lc.Listen("tcp4", first.Addr().String())
	check(t, "Listen on the same port", err)
	closeLater(t, second)
	if _, err := reactor.Listen("tcp4", first.Addr().String()); !errors.Is(err, errnoInUse) {
		t.Errorf("Listen on the port without ReusePort: %v", err)
	}
	for range 16 {
		dialNow(t, "tcp4", first.Addr().String())
	}
	accepted := 0
	until(t, "16 connections at one listener or the other", func() bool {
		for _, l := range []*reactor.Listener{first, second} {
			if c, _, err := l.Accept(); err == nil {
				closeLater(t, c)
				accepted++
			}
		}
		return accepted == 16
	})
}

func TestReusePortLetsDatagramSocketsShareAPort(t *testing.T) {
	lc := reactor.ListenConfig{ReusePort: true}
	first, err := lc.ListenPacket("udp4", "127.0.0.1:0")
	supported(t, "shared port", err)
	closeLater(t, first)
	second, err := lc.ListenPacket("udp4", first.LocalAddr().String())
	check(t, "ListenPacket on the same port", err)
	closeLater(t, second)
}

func TestListenOnAPortInUseIsAnError(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			l := listenTCP(t, network)
			_, err := reactor.Listen(network, l.Addr().String())
			wantErr(t, "Listen", err, errnoInUse)
			check(t, "Close", l.Close())
			again, err := reactor.Listen(network, l.Addr().String())
			if err == nil {
				check(t, "Close", again.Close())
			}
		})
	}
}

// What stays of the connections that a server closed (TIME_WAIT) does not keep its successor from listening.
func TestListenAgainAfterConnectionsWereClosedHere(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			l := listenTCP(t, network)
			address := l.Addr().String()
			client, server := dialAccept(t, network, l)
			check(t, "Close of the server's end", server.Close())
			readAll(t, nil, client)
			check(t, "Close of the client's end", client.Close())
			check(t, "Close", l.Close())
			again, err := reactor.Listen(network, address)
			check(t, "Listen again", err)
			check(t, "Close", again.Close())
		})
	}
}

func TestUnixListenerUnlinksItsPathOnClose(t *testing.T) {
	l := listenAny(t, "unix")
	path := l.Addr().Path()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the path while listening: %v", err)
	}
	check(t, "Close", l.Close())
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the path after Close: %v", err)
	}
	again, err := reactor.Listen("unix", path)
	check(t, "Listen on the path again", err)
	check(t, "Close", again.Close())
}

func TestSecondCloseOfAUnixListenerLeavesAnothersPath(t *testing.T) {
	l := listenAny(t, "unix")
	path := l.Addr().Path()
	check(t, "Close", l.Close())
	again, err := reactor.Listen("unix", path)
	check(t, "Listen on the path again", err)
	closeLater(t, again)
	if err := l.Close(); err != reactor.ErrClosed {
		t.Errorf("second Close: %v", err)
	}
	dialNow(t, "unix", path)
}

func TestUnixListenOnAnExistingPathIsAnError(t *testing.T) {
	l := listenAny(t, "unix")
	path := l.Addr().Path()
	_, err := reactor.Listen("unix", path)
	wantErr(t, "Listen", err, errnoInUse)
	dialNow(t, "unix", path)

	file := filepath.Join(t.TempDir(), "file")
	check(t, "WriteFile", os.WriteFile(file, []byte("precious"), 0o600))
	_, err = reactor.Listen("unix", file)
	wantErr(t, "Listen on a file", err, errnoInUse)
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q, %v after a failed Listen", text, err)
	}
}

func TestUnixListenOnAPathTooLongIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("p", 200))
	for network, listen := range map[string]func() error{
		"unix":     func() error { return second(reactor.Listen("unix", path)) },
		"unixgram": func() error { return second(reactor.ListenPacket("unixgram", path)) },
	} {
		err := listen()
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("no %s on this system: %v", network, err)
		}
		if err == nil {
			t.Fatalf("Listen on %d bytes of path succeeds", len(path))
		}
		wantBadArgument(t, err)
	}
}

func TestLongestUnixPathWorks(t *testing.T) {
	t.Chdir(t.TempDir())
	path := ""
	for n := 120; n > 80; n-- {
		if _, err := reactor.ParseAddr("unix", strings.Repeat("p", n)); err == nil {
			path = strings.Repeat("p", n)
			break
		}
	}
	if path == "" {
		t.Fatal("ParseAddr takes no path of 81 to 120 bytes")
	}
	l, err := reactor.Listen("unix", path)
	supported(t, "Unix listener", err)
	closeLater(t, l)
	if l.Addr().Path() != path {
		t.Errorf("Addr = %q, want %d bytes", l.Addr(), len(path))
	}
	c := dialNow(t, "unix", path)
	if c.RemoteAddr() != l.Addr() {
		t.Errorf("RemoteAddr = %q", c.RemoteAddr())
	}
	acceptNow(t, l)
}

func TestUnixgramPathIsLeftToTheCaller(t *testing.T) {
	c := listenAnyPacket(t, "unixgram")
	path := c.LocalAddr().Path()
	check(t, "Close", c.Close())
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the path after Close: %v; package net leaves it, too", err)
	}
	_, err := reactor.ListenPacket("unixgram", path)
	wantErr(t, "ListenPacket on a path that exists", err, errnoInUse)
}

// A name with @ in front is Linux's: it is in no file system.
func TestAbstractUnixNames(t *testing.T) {
	t.Chdir(t.TempDir())
	name := fmt.Sprintf("@reactor-test-%d", os.Getpid())
	l, err := reactor.Listen("unix", name)
	supported(t, "Unix listener", err)
	closeLater(t, l)
	if _, err := os.Lstat(name); err == nil {
		t.Skip("no abstract names on this system: the name is a path")
	}
	if l.Addr().String() != name || l.Addr().Path() != name {
		t.Errorf("Addr = %q, want %q", l.Addr(), name)
	}
	c := dialNow(t, "unix", name)
	acceptNow(t, l)
	if c.RemoteAddr() != l.Addr() {
		t.Errorf("RemoteAddr = %q", c.RemoteAddr())
	}
	nc, err := net.Dial("unix", name)
	check(t, "net.Dial", err)
	check(t, "net.Conn.Close", nc.Close())

	a, err := reactor.ListenPacket("unixgram", name+"-a")
	check(t, "ListenPacket", err)
	closeLater(t, a)
	b, err := reactor.ListenPacket("unixgram", name+"-b")
	check(t, "ListenPacket", err)
	closeLater(t, b)
	sendTo(t, a, []byte("x"), b.LocalAddr())
	if _, from := recv(t, b, make([]byte, 4)); from.Path() != name+"-a" || from != a.LocalAddr() {
		t.Errorf("sender %q", from)
	}
	check(t, "Close", l.Close())
	again, err := reactor.Listen("unix", name)
	check(t, "Listen on the name again", err)
	check(t, "Close", again.Close())
}

func TestCloseEndsAcceptInAnotherGoroutine(t *testing.T) {
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		accepted, ended := make(chan *reactor.Conn, 8), make(chan error, 2)
		for range 2 {
			go func() {
				for {
					c, _, err := l.Accept()
					switch err {
					case nil:
						accepted <- c
					case reactor.ErrWouldBlock:
					default:
						ended <- err
						return
					}
				}
			}()
		}
		for range 4 {
			dialNow(t, network, l.Addr().String())
		}
		for range 4 {
			closeLater(t, <-accepted)
		}
		check(t, "Close", l.Close())
		for range 2 {
			if err := <-ended; err != reactor.ErrClosed {
				t.Errorf("Accept beside Close: %v, want ErrClosed", err)
			}
		}
	})
}

func TestClosedListenerRefuses(t *testing.T) {
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		address := l.Addr().String()
		check(t, "Close", l.Close())
		c, err := reactor.Dial(network, address)
		if err == nil {
			closeLater(t, c)
			err = awaitErr(t, "the refusal", c.FinishConnect)
		}
		if err == nil {
			t.Error("a closed listener takes connections")
		}
	})
}
