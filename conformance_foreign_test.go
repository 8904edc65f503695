package reactor_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/goreactor/reactor"
)

// foreignPair gives two connected TCP connections of package net.
func foreignPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Skipf("package net cannot listen here: %v", err)
	}
	defer l.Close()
	dialled, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Skipf("package net cannot dial here: %v", err)
	}
	accepted, err := l.Accept()
	check(t, "net Accept", err)
	t.Cleanup(func() {
		// The test may have closed them.
		_ = dialled.Close()
		_ = accepted.Close()
	})
	if a, b := dialled.(syscall.Conn), accepted.(syscall.Conn); fdOf(t, a) == fdOf(t, b) {
		t.Skip("the connections of package net have no descriptors here: it makes believe within the process")
	}
	return dialled.(*net.TCPConn), accepted.(*net.TCPConn)
}

// foreign are the ways to make a Source of what somebody else owns.
var foreign = []struct {
	name string
	make func(t testing.TB, c syscall.Conn) reactor.Source
}{
	{"Raw", func(t testing.TB, c syscall.Conn) reactor.Source { return reactor.Raw(fdOf(t, c)) }},
	{"FromSyscallConn", func(t testing.TB, c syscall.Conn) reactor.Source {
		t.Helper()
		src, err := reactor.FromSyscallConn(c)
		supported(t, "FromSyscallConn", err)
		return src
	}},
}

// eachForeign runs f for each of these ways, with a source that has nothing to read, its connection
// and the peer.
func eachForeign(t *testing.T, f func(t *testing.T, src reactor.Source, c, peer *net.TCPConn)) {
	t.Helper()
	for _, way := range foreign {
		t.Run(way.name, func(t *testing.T) {
			c, peer := foreignPair(t)
			f(t, way.make(t, c), c, peer)
		})
	}
}

// say has the peer write five bytes; hear reads them.
func say(t testing.TB, c *net.TCPConn) {
	t.Helper()
	_, err := c.Write([]byte("hello"))
	check(t, "net Write", err)
}

func hear(t testing.TB, c *net.TCPConn) {
	t.Helper()
	var buf [5]byte
	_, err := io.ReadFull(c, buf[:])
	check(t, "net Read", err)
}

func TestForeignSourceInLevelGivesAnEventFromEveryWaitWhileReady(t *testing.T) {
	eachForeign(t, func(t *testing.T, src reactor.Source, c, peer *net.TCPConn) {
		p := newPoll(t)
		check(t, "Register", p.Register(src, 7, reactor.Readable, reactor.Level))
		for range 3 {
			quiet(t, p)
			say(t, peer)
			for range 5 {
				oneEvent(t, p, 7, reactor.ReadyReadable)
			}
			hear(t, c)
		}
		quiet(t, p)
	})
}

func TestForeignSourceInOneshotSleepsInBothDirectionsUntilReregister(t *testing.T) {
	eachForeign(t, func(t *testing.T, src reactor.Source, c, peer *net.TCPConn) {
		p := newPoll(t)
		check(t, "Register", p.Register(src, 7, reactor.Readable, reactor.Oneshot))
		quiet(t, p)
		say(t, peer)
		oneEvent(t, p, 7, reactor.ReadyReadable)
		quiet(t, p)
		for i := range reactor.Token(3) {
			check(t, "Reregister", p.Reregister(src, 8+i, bothWays, reactor.Oneshot))
			oneEvent(t, p, 8+i, readyBothWays)
			quiet(t, p)
		}
		hear(t, c)
		say(t, peer)
		quiet(t, p)
		check(t, "net Close", peer.Close())
		quiet(t, p)
		check(t, "Reregister", p.Reregister(src, 20, reactor.Readable, reactor.Oneshot))
		oneEvent(t, p, 20, reactor.ReadyReadable)
		quiet(t, p)
	})
}

func TestForeignSourceInEdgeIsArmedAgainByReregister(t *testing.T) {
	eachForeign(t, func(t *testing.T, src reactor.Source, c, peer *net.TCPConn) {
		p := newPoll(t)
		check(t, "Register", p.Register(src, 7, reactor.Readable, reactor.Edge))
		quiet(t, p)
		for i := range reactor.Token(5) {
			say(t, peer)
			oneEvent(t, p, 7+i, reactor.ReadyReadable)
			quiet(t, p)
			if i%2 == 0 {
				hear(t, c)
				check(t, "Reregister", p.Reregister(src, 8+i, reactor.Readable, reactor.Edge))
				quiet(t, p)
				continue
			}
			// Unread: re-registered ready.
			check(t, "Reregister", p.Reregister(src, 8+i, reactor.Readable, reactor.Edge))
			oneEvent(t, p, 8+i, reactor.ReadyReadable)
			quiet(t, p)
			hear(t, c)
			check(t, "Reregister", p.Reregister(src, 8+i, reactor.Readable, reactor.Edge))
			quiet(t, p)
		}
	})
}

func TestForeignSourceThatIsReadyGivesAnEventWhenRegistered(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			eachForeign(t, func(t *testing.T, src reactor.Source, c, peer *net.TCPConn) {
				p := newPoll(t)
				check(t, "Register", p.Register(src, 7, reactor.Writable, mode))
				oneEvent(t, p, 7, reactor.ReadyWritable)
				check(t, "Deregister", p.Deregister(src))
				quiet(t, p)
				say(t, peer)
				check(t, "Register", p.Register(src, 8, reactor.Readable, mode))
				oneEvent(t, p, 8, reactor.ReadyReadable)
			})
		})
	}
}

func TestForeignSourceWhosePeerLeavesIsReadClosed(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			eachForeign(t, func(t *testing.T, src reactor.Source, c, peer *net.TCPConn) {
				p := newPoll(t)
				check(t, "Register", p.Register(src, 7, reactor.Readable, mode))
				check(t, "net Close", peer.Close())
				e := oneEvent(t, p, 7, reactor.ReadyReadable|reactor.ReadyReadClosed)
				coherent(t, e, reactor.Readable)
			})
		})
	}
}

func TestSourcesOfOneDescriptorAreOneRegistration(t *testing.T) {
	for _, first := range foreign {
		for _, second := range foreign {
			t.Run(first.name+" and "+second.name, func(t *testing.T) {
				c, peer := foreignPair(t)
				a, b := first.make(t, c), second.make(t, c)
				p := newPoll(t)
				wantErr(t, "Reregister", p.Reregister(b, 1, reactor.Readable, reactor.Level), reactor.ErrNotRegistered)
				wantErr(t, "Deregister", p.Deregister(b), reactor.ErrNotRegistered)
				check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Level))
				wantErr(t, "Register again", p.Register(a, 2, reactor.Readable, reactor.Level), reactor.ErrRegistered)
				wantErr(t, "Register of the same descriptor", p.Register(b, 2, reactor.Readable, reactor.Level), reactor.ErrRegistered)
				say(t, peer)
				oneEvent(t, p, 1, reactor.ReadyReadable)
				check(t, "Reregister", p.Reregister(b, 3, reactor.Readable, reactor.Level))
				oneEvent(t, p, 3, reactor.ReadyReadable)
				check(t, "Deregister", p.Deregister(b))
				quiet(t, p)
				wantErr(t, "Deregister", p.Deregister(a), reactor.ErrNotRegistered)
				check(t, "Register", p.Register(b, 4, reactor.Readable, reactor.Level))
				oneEvent(t, p, 4, reactor.ReadyReadable)
			})
		}
	}
}

func TestForeignSourceStaysItsOwners(t *testing.T) {
	eachForeign(t, func(t *testing.T, src reactor.Source, c, peer *net.TCPConn) {
		for _, mode := range modes {
			p := newPoll(t)
			check(t, "Register", p.Register(src, 7, bothWays, mode))
			say(t, peer)
			hear(t, c)
			say(t, c)
			hear(t, peer)
			if mode == reactor.Edge {
				check(t, "Deregister", p.Deregister(src))
			}
			check(t, "Poll.Close", p.Close())
			say(t, peer)
			hear(t, c)
		}
	})
}

func TestForeignSourceOfAClosedConnectionIsAnError(t *testing.T) {
	c, _ := foreignPair(t)
	src, err := reactor.FromSyscallConn(c)
	supported(t, "FromSyscallConn", err)
	p := newPoll(t)
	check(t, "net Close", c.Close())
	wantErr(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge), net.ErrClosed)
	wantErr(t, "Reregister", p.Reregister(src, 1, reactor.Readable, reactor.Edge), net.ErrClosed)
	if err := p.Deregister(src); !errors.Is(err, net.ErrClosed) && !errors.Is(err, reactor.ErrNotRegistered) {
		t.Errorf("Deregister: %v", err)
	}
}

// The owner should deregister first; one that does not finds no trace of it afterwards.
func TestForeignSourceClosedBeforeDeregisterLeavesNothingBehind(t *testing.T) {
	p := newPoll(t)
	for round := range reactor.Token(20) {
		c, peer := foreignPair(t)
		src, err := reactor.FromSyscallConn(c)
		supported(t, "FromSyscallConn", err)
		check(t, "Register", p.Register(src, 1000+round, reactor.Readable, reactor.Edge))
		say(t, peer)
		check(t, "net Close", c.Close())
		check(t, "Deregister", p.Deregister(src))
		if events := waitOnce(t, p, 8, 0); len(events) > 0 {
			t.Fatalf("events after Deregister: %+v", events)
		}
		// The next connection tends to get the same number.
		d, peer := foreignPair(t)
		fresh := reactor.Raw(fdOf(t, d))
		check(t, "Register", p.Register(fresh, round, reactor.Readable, reactor.Level))
		say(t, peer)
		oneEvent(t, p, round, reactor.ReadyReadable)
		check(t, "Deregister", p.Deregister(fresh))
	}
}

func TestFromSyscallConnOfNilIsAnError(t *testing.T) {
	if src, err := reactor.FromSyscallConn(nil); err == nil {
		t.Errorf("FromSyscallConn(nil) gave %v", src)
	}
}

func TestRegisterOfADescriptorThatIsNotOpenIsAnError(t *testing.T) {
	p := newPoll(t)
	for _, fd := range []uintptr{1 << 20, 1<<31 - 1, 1 << 31, 1<<32 - 1, ^uintptr(0), ^uintptr(0) >> 1} {
		src := reactor.Raw(fd)
		err := p.Register(src, 1, reactor.Readable, reactor.Edge)
		if err == nil || err == reactor.ErrRegistered {
			t.Errorf("Register of descriptor %#x: %v", fd, err)
		}
		wantErr(t, "Reregister", p.Reregister(src, 1, reactor.Readable, reactor.Edge), reactor.ErrNotRegistered)
		wantErr(t, "Deregister", p.Deregister(src), reactor.ErrNotRegistered)
	}
	quiet(t, p)
}
