//go:build unix

package reactor_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goreactor/reactor"
)

// openDescriptors counts the process's open descriptors below a number that no test comes to. It opens none.
func openDescriptors(testing.TB) int { return openBelow(4096) }

func openBelow(limit int) int {
	open := 0
	for fd := range limit {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			open++
		}
	}
	return open
}

// wantNoLeak runs cycle once to warm up, then n times, and checks that no descriptor stays open.
func wantNoLeak(t *testing.T, n int, cycle func()) {
	t.Helper()
	cycle()
	before := openDescriptors(t)
	for range n {
		cycle()
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open after %d cycles, before there were %d", after, n, before)
	}
}

func TestTwoThousandConnectionsLeakNoDescriptor(t *testing.T) {
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listenAny(t, network)
			address := l.Addr().String()
			p := newPoll(t)
			check(t, "Register", p.Register(l, 0, reactor.Readable, reactor.Edge))
			wantNoLeak(t, 2000, func() {
				client, err := reactor.Dial(network, address)
				check(t, "Dial", err)
				check(t, "Register", p.Register(client, 1, reactor.Writable, reactor.Edge))
				var server *reactor.Conn
				await(t, p, func(map[reactor.Token]reactor.Ready) bool {
					if server == nil {
						if server, _, err = l.Accept(); err != nil && err != reactor.ErrWouldBlock {
							t.Fatalf("Accept: %v", err)
						}
					}
					return server != nil && client.FinishConnect() == nil
				})
				check(t, "Register", p.Register(server, 2, reactor.Readable, reactor.Edge))
				// Without the wait for the peer's acknowledgement, in which the system keeps the port.
				if network != "unix" {
					check(t, "SetLinger", client.SetLinger(0))
				}
				check(t, "Close", client.Close())
				check(t, "Close", server.Close())
			})
			quiet(t, p)
		})
	}
}

func TestFailuresAndConversionsLeakNoDescriptor(t *testing.T) {
	refused := closedPort(t, "tcp4")
	missing := filepath.Join(t.TempDir(), "missing")
	taken := listenTCP(t, "tcp4").Addr().String()
	a, _ := netPair(t, "tcp4")
	listener := listenTCP(t, "tcp4")
	for name, cycle := range map[string]func(t *testing.T){
		"refused": func(t *testing.T) {
			if c, err := reactor.Dial("tcp4", refused); err == nil {
				wantErr(t, "FinishConnect", awaitErr(t, "the refusal", c.FinishConnect), errnoRefused)
				check(t, "Close", c.Close())
			}
		},
		"missing path": func(t *testing.T) {
			for _, err := range []error{second(reactor.Dial("unix", missing)), second(reactor.DialPacket("unixgram", missing))} {
				wantErr(t, "Dial", err, unix.ENOENT)
			}
		},
		"address in use": func(t *testing.T) {
			wantErr(t, "Listen", second(reactor.Listen("tcp4", taken)), errnoInUse)
		},
		"Poll and Waker": func(t *testing.T) {
			p, err := reactor.NewPoll()
			check(t, "NewPoll", err)
			w, err := reactor.NewWaker(p, 1)
			check(t, "NewWaker", err)
			check(t, "Wake", w.Wake())
			check(t, "Close", errors.Join(w.Close(), p.Close()))
		},
		"pairs and pipes": func(t *testing.T) {
			a, b, err := reactor.Pair()
			check(t, "Pair", err)
			c, d, err := reactor.PacketPair()
			check(t, "PacketPair", err)
			r, w, err := reactor.Pipe()
			check(t, "Pipe", err)
			check(t, "Close", errors.Join(a.Close(), b.Close(), c.Close(), d.Close(), r.Close(), w.Close()))
		},
		"to package net": func(t *testing.T) {
			a, b, err := reactor.Pair()
			check(t, "Pair", err)
			nc, err := a.NetConn()
			check(t, "NetConn", err)
			check(t, "Close", errors.Join(nc.Close(), b.Close()))
			l, err := reactor.Listen("tcp4", "127.0.0.1:0")
			check(t, "Listen", err)
			nl, err := l.NetListener()
			check(t, "NetListener", err)
			check(t, "Close", nl.Close())
			c, err := reactor.ListenPacket("udp4", "127.0.0.1:0")
			check(t, "ListenPacket", err)
			np, err := c.NetPacketConn()
			check(t, "NetPacketConn", err)
			check(t, "Close", np.Close())
		},
		"from package net": func(t *testing.T) {
			c, err := reactor.FromNetConn(a)
			check(t, "FromNetConn", err)
			check(t, "Close", c.Close())
		},
		"from package net, of the wrong kind": func(t *testing.T) {
			u, err := net.ListenPacket("udp4", "127.0.0.1:0")
			check(t, "net.ListenPacket", err)
			if _, err := reactor.FromNetConn(u.(*net.UDPConn)); err == nil {
				t.Fatal("FromNetConn of a UDPConn succeeds")
			}
			check(t, "Close", u.Close())
		},
		"handed over while closed": func(t *testing.T) {
			c, err := reactor.Dial("tcp4", listener.Addr().String())
			check(t, "Dial", err)
			check(t, "Close", c.Close())
			wantErr(t, "NetConn", second(c.NetConn()), reactor.ErrClosed)
			if s, _, err := listener.Accept(); err == nil {
				check(t, "Close", s.Close())
			}
		},
	} {
		t.Run(name, func(t *testing.T) { wantNoLeak(t, 50, func() { cycle(t) }) })
	}
}

func init() { children["exhaustion"] = exhaustion }

func TestOutOfDescriptorsIsAClearErrorThatPasses(t *testing.T) {
	cmd := child(t, "exhaustion")
	cmd.Stderr = nil
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the child: %v\n%s", err, out)
	}
}

// exhaustion runs as a process of its own, for the limit is the process's.
func exhaustion() error {
	const limit = 64
	l, err := reactor.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p, err := reactor.NewPoll()
	if err != nil {
		return err
	}
	if err := p.Register(l, 1, reactor.Readable, reactor.Level); err != nil {
		return err
	}
	held, _, err := reactor.Pair()
	if err != nil {
		return err
	}
	if err := p.Register(held, 2, reactor.Readable, reactor.Level); err != nil {
		return err
	}
	client, err := reactor.Dial("tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	var events [1]reactor.Event
	if n, err := p.Wait(events[:], watchdog); n != 1 || err != nil || events[0].Token != 1 {
		return fmt.Errorf("Wait for the client = %d, %v, %+v", n, err, events)
	}
	var rlimit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &rlimit); err != nil {
		return err
	}
	rlimit.Cur = limit
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &rlimit); err != nil {
		return err
	}
	var fillers []int
	for {
		fd, err := unix.Dup(0)
		if err == unix.EMFILE {
			break
		}
		if err != nil {
			return err
		}
		fillers = append(fillers, fd)
	}
	calls := []struct {
		name  string
		needs int // descriptors, at least
		call  func() error
	}{
		{"Accept", 1, func() error {
			return openAndClose(func() (*reactor.Conn, error) { c, _, err := l.Accept(); return c, err })
		}},
		{"Dial", 1, func() error {
			return openAndClose(func() (*reactor.Conn, error) { return reactor.Dial("tcp4", l.Addr().String()) })
		}},
		{"Listen", 1, func() error {
			return openAndClose(func() (*reactor.Listener, error) { return reactor.Listen("tcp4", "127.0.0.1:0") })
		}},
		{"ListenPacket", 1, func() error {
			return openAndClose(func() (*reactor.PacketConn, error) { return reactor.ListenPacket("udp4", "127.0.0.1:0") })
		}},
		{"DialPacket", 1, func() error {
			return openAndClose(func() (*reactor.PacketConn, error) { return reactor.DialPacket("udp4", "127.0.0.1:9") })
		}},
		{"NewPoll", 1, func() error { return openAndClose(reactor.NewPoll) }},
		{"Pair", 2, func() error {
			a, b, err := reactor.Pair()
			if err == nil {
				err = errors.Join(a.Close(), b.Close())
			}
			return err
		}},
		{"PacketPair", 2, func() error {
			a, b, err := reactor.PacketPair()
			if err == nil {
				err = errors.Join(a.Close(), b.Close())
			}
			return err
		}},
		{"Pipe", 2, func() error {
			r, w, err := reactor.Pipe()
			if err == nil {
				err = errors.Join(r.Close(), w.Close())
			}
			return err
		}},
	}
	for free := range 2 {
		if free == 1 {
			if err := unix.Close(fillers[len(fillers)-1]); err != nil {
				return err
			}
			fillers = fillers[:len(fillers)-1]
		}
		for _, c := range calls {
			if c.needs <= free {
				continue
			}
			for range 2 {
				err := c.call()
				if !errors.Is(err, unix.EMFILE) {
					return fmt.Errorf("%s with %d descriptors free: %w, want EMFILE", c.name, free, err)
				}
				if err.Error() == error(unix.EMFILE).Error() {
					return fmt.Errorf("%s: the bare errno %q", c.name, err)
				}
				if open := openBelow(limit); open != limit-free {
					return fmt.Errorf("%s left %d of %d descriptors open, before there were %d", c.name, open, limit, limit-free)
				}
			}
		}
		if free == 0 {
			if err := held.TakeError(); err != nil {
				return fmt.Errorf("a connection at hand: %w", err)
			}
			if _, err := held.NetConn(); !errors.Is(err, unix.EMFILE) {
				return fmt.Errorf("NetConn: %w, want EMFILE", err)
			}
			if err := p.Reregister(held, 2, reactor.Readable, reactor.Level); err != nil {
				return fmt.Errorf("Reregister after NetConn failed: %w", err)
			}
		}
	}
	for _, fd := range fillers {
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	for _, c := range calls {
		if err := c.call(); err != nil {
			return fmt.Errorf("%s with descriptors free again: %w", c.name, err)
		}
	}
	if open := openBelow(limit); open != limit-len(fillers)-1 {
		return fmt.Errorf("%d descriptors are open in the end, want %d", open, limit-len(fillers)-1)
	}
	return client.Close()
}

// openAndClose closes what open gives.
func openAndClose[T interface {
	comparable
	Close() error
}](open func() (T, error)) error {
	c, err := open()
	var none T
	if err != nil {
		if c != none {
			return fmt.Errorf("a %T beside the error %w", c, err)
		}
		return err
	}
	return c.Close()
}
