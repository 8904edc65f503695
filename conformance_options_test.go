package reactor_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// wantInt checks an option's value.
func wantInt(t testing.TB, what string, get func() (int, error), want int) {
	t.Helper()
	got, err := get()
	check(t, what, err)
	if got != want {
		t.Errorf("%s = %d, want %d", what, got, want)
	}
}

// wantBool checks an option's value.
func wantBool(t testing.TB, what string, get func() (bool, error), want bool) {
	t.Helper()
	got, err := get()
	check(t, what, err)
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// wantRejected checks that a call fails with an error that names a system call, and goes on to nothing.
func wantRejected(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s succeeds", what)
	case err == reactor.ErrWouldBlock || errors.Is(err, reactor.ErrClosed):
		t.Errorf("%s: %v", what, err)
	}
}

func eachTCP(t *testing.T, f func(t *testing.T, dialled, accepted *reactor.Conn)) {
	t.Helper()
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			a, b := connPair(t, network)
			f(t, a, b)
		})
	}
}

func TestNoDelayIsOnByDefault(t *testing.T) {
	eachTCP(t, func(t *testing.T, dialled, accepted *reactor.Conn) {
		for _, c := range []*reactor.Conn{dialled, accepted} {
			wantBool(t, "NoDelay", c.NoDelay, true)
			check(t, "SetNoDelay", c.SetNoDelay(false))
			wantBool(t, "NoDelay", c.NoDelay, false)
			check(t, "SetNoDelay", c.SetNoDelay(true))
			wantBool(t, "NoDelay", c.NoDelay, true)
		}
	})
}

func TestTCPOptionsOfAUnixConnAreErrors(t *testing.T) {
	for _, kind := range []string{"unix", "pair"} {
		t.Run(kind, func(t *testing.T) {
			a, b := connPair(t, kind)
			_, err := a.NoDelay()
			wantRejected(t, "NoDelay", err)
			wantRejected(t, "SetNoDelay", a.SetNoDelay(true))
			_, err = a.TTL()
			wantRejected(t, "TTL", err)
			wantRejected(t, "SetTTL", a.SetTTL(3))
			wantRejected(t, "SetKeepAliveConfig", a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute}))
			writeFull(t, nil, a, []byte("unharmed"))
			if got := readFull(t, nil, b, 8); string(got) != "unharmed" {
				t.Errorf("read %q", got)
			}
		})
	}
}

func TestConnTTL(t *testing.T) {
	eachTCP(t, func(t *testing.T, a, b *reactor.Conn) {
		for _, c := range []*reactor.Conn{a, b} {
			if ttl, err := c.TTL(); err != nil || ttl < 1 || ttl > 255 {
				t.Errorf("TTL = %d, %v of a new connection", ttl, err)
			}
			for _, want := range []int{1, 42, 255} {
				check(t, "SetTTL", c.SetTTL(want))
				wantInt(t, "TTL", c.TTL, want)
			}
			for _, bad := range []int{256, -2, 1 << 20} {
				wantRejected(t, "SetTTL out of range", c.SetTTL(bad))
				wantInt(t, "TTL", c.TTL, 255)
			}
		}
	})
}

func TestSetKeepAliveConfig(t *testing.T) {
	eachTCP(t, func(t *testing.T, a, b *reactor.Conn) {
		for _, cfg := range []net.KeepAliveConfig{
			{},
			{Enable: true},
			{Enable: true, Idle: 3 * time.Second, Interval: 2 * time.Second, Count: 4},
			{Enable: true, Idle: time.Millisecond, Interval: time.Nanosecond, Count: 1},
			{Enable: true, Idle: -1, Interval: -1, Count: -1},
			{Enable: false, Idle: time.Second},
		} {
			check(t, "SetKeepAliveConfig", a.SetKeepAliveConfig(cfg))
		}
		writeFull(t, nil, a, []byte("alive"))
		if got := readFull(t, nil, b, 5); string(got) != "alive" {
			t.Errorf("read %q", got)
		}
	})
}

func TestLingerOfZeroResetsThePeer(t *testing.T) {
	eachTCP(t, func(t *testing.T, a, b *reactor.Conn) {
		for _, sec := range []int{-1, 3, 0} {
			check(t, "SetLinger", a.SetLinger(sec))
		}
		check(t, "Close", a.Close())
		err := awaitErr(t, "the reset", func() error { return second(b.Read(make([]byte, 1))) })
		wantErr(t, "the peer's Read", err, errnoReset)
		wantOpError(t, err)
	})
}

func TestNegativeLingerDeliversWhatWasWritten(t *testing.T) {
	eachTCP(t, func(t *testing.T, a, b *reactor.Conn) {
		check(t, "SetLinger", a.SetLinger(0))
		check(t, "SetLinger", a.SetLinger(-1))
		writeFull(t, nil, a, pattern(30000))
		check(t, "Close", a.Close())
		if got := readAll(t, nil, b); len(got) != 30000 {
			t.Errorf("%d bytes came of 30000", len(got))
		}
	})
}

func TestConnBufferSizes(t *testing.T) {
	eachConn(t, func(t *testing.T, a, _ *reactor.Conn) {
		for what, o := range map[string]struct {
			get func() (int, error)
			set func(int) error
		}{
			"ReadBuffer":  {a.ReadBuffer, a.SetReadBuffer},
			"WriteBuffer": {a.WriteBuffer, a.SetWriteBuffer},
		} {
			if n, err := o.get(); err != nil || n <= 0 {
				t.Errorf("%s = %d, %v of a new connection", what, n, err)
			}
			for _, want := range []int{16 << 10, 64 << 10} {
				check(t, "Set"+what, o.set(want))
				// Linux doubles what was asked for.
				if n, err := o.get(); err != nil || n < want || n > 4*want {
					t.Errorf("%s = %d, %v after Set%s(%d)", what, n, err, what, want)
				}
			}
		}
	})
}

func TestTakeErrorGivesThePendingErrorOnce(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		for _, c := range []*reactor.Conn{a, b} {
			check(t, "TakeError of a sound connection", c.TakeError())
		}
	})
	t.Run("reset", func(t *testing.T) {
		eachTCP(t, func(t *testing.T, a, b *reactor.Conn) {
			check(t, "SetLinger", a.SetLinger(0))
			check(t, "Close", a.Close())
			var err error
			until(t, "the reset", func() bool { err = b.TakeError(); return err != nil })
			wantErr(t, "TakeError", err, errnoReset)
			wantOpError(t, err)
			check(t, "TakeError again", b.TakeError())
		})
	})
}

func TestConnAddressesAreThoseOfTheOtherEnd(t *testing.T) {
	eachTCP(t, func(t *testing.T, a, b *reactor.Conn) {
		if a.LocalAddr() != b.RemoteAddr() || a.RemoteAddr() != b.LocalAddr() {
			t.Errorf("%v → %v and %v → %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
		for _, addr := range []reactor.Addr{a.LocalAddr(), a.RemoteAddr()} {
			if !addr.AddrPort().Addr().IsLoopback() || addr.AddrPort().Port() == 0 || addr.Network() != "tcp" {
				t.Errorf("address %v of %s", addr, addr.Network())
			}
			wantRoundTrip(t, addr)
		}
	})
	t.Run("unix", func(t *testing.T) {
		l := listenAny(t, "unix")
		a, b := dialAccept(t, "unix", l)
		if a.RemoteAddr() != l.Addr() || b.LocalAddr() != l.Addr() || l.Addr().Network() != "unix" {
			t.Errorf("RemoteAddr %v, LocalAddr %v, listener %v", a.RemoteAddr(), b.LocalAddr(), l.Addr())
		}
		for _, addr := range []reactor.Addr{a.LocalAddr(), b.RemoteAddr()} {
			if addr.Path() != "" || addr.String() != "" {
				t.Errorf("address %q of an unnamed socket", addr)
			}
		}
	})
}

func TestPacketConnOptions(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			c := listenUDP(t, network)
			for _, want := range []int{1, 42, 255} {
				check(t, "SetTTL", c.SetTTL(want))
				wantInt(t, "TTL", c.TTL, want)
			}
			wantRejected(t, "SetTTL out of range", c.SetTTL(256))
			wantInt(t, "MulticastTTL of a new socket", c.MulticastTTL, 1)
			for _, want := range []int{0, 3, 255} {
				check(t, "SetMulticastTTL", c.SetMulticastTTL(want))
				wantInt(t, "MulticastTTL", c.MulticastTTL, want)
			}
			wantRejected(t, "SetMulticastTTL out of range", c.SetMulticastTTL(256))
			wantInt(t, "TTL", c.TTL, 255)
			wantBool(t, "MulticastLoop of a new socket", c.MulticastLoop, true)
			for _, want := range []bool{false, true} {
				check(t, "SetMulticastLoop", c.SetMulticastLoop(want))
				wantBool(t, "MulticastLoop", c.MulticastLoop, want)
			}
			wantBool(t, "Broadcast of a new socket", c.Broadcast, false)
			for _, want := range []bool{true, false} {
				check(t, "SetBroadcast", c.SetBroadcast(want))
				wantBool(t, "Broadcast", c.Broadcast, want)
			}
			check(t, "TakeError", c.TakeError())
		})
	}
}

func TestPacketConnBufferSizes(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, c, _ *reactor.PacketConn) {
		for what, o := range map[string]struct {
			get func() (int, error)
			set func(int) error
		}{
			"ReadBuffer":  {c.ReadBuffer, c.SetReadBuffer},
			"WriteBuffer": {c.WriteBuffer, c.SetWriteBuffer},
		} {
			for _, want := range []int{16 << 10, 64 << 10} {
				check(t, "Set"+what, o.set(want))
				if n, err := o.get(); err != nil || n < want || n > 4*want {
					t.Errorf("%s = %d, %v after Set%s(%d)", what, n, err, what, want)
				}
			}
		}
	})
}

func TestListenerOptions(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			l := listenTCP(t, network)
			for _, want := range []int{1, 42, 255} {
				check(t, "SetTTL", l.SetTTL(want))
				wantInt(t, "TTL", l.TTL, want)
			}
			wantRejected(t, "SetTTL out of range", l.SetTTL(256))
			check(t, "TakeError", l.TakeError())
		})
	}
}
