package reactor_test

import (
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/goreactor/reactor"
)

type namedCall struct {
	name string
	call func() error
}

// second drops a call's first result.
func second[T any](_ T, err error) error { return err }

// wantAllClosed closes c and checks that every call gives ErrClosed from then on.
func wantAllClosed(t *testing.T, c interface {
	io.Closer
	syscall.Conn
}, calls []namedCall) {
	t.Helper()
	before, err := c.SyscallConn()
	check(t, "SyscallConn", err)
	check(t, "Close", c.Close())
	touched := func(uintptr) bool { t.Error("a RawConn of a closed thing calls its function"); return true }
	calls = append(calls,
		namedCall{"Close", c.Close},
		namedCall{"SyscallConn", func() error { return second(c.SyscallConn()) }},
		namedCall{"RawConn.Control", func() error { return before.Control(func(fd uintptr) { touched(fd) }) }},
		namedCall{"RawConn.Read", func() error { return before.Read(touched) }},
		namedCall{"RawConn.Write", func() error { return before.Write(touched) }},
	)
	for range 2 {
		for _, tc := range calls {
			if err := tc.call(); err != reactor.ErrClosed {
				t.Errorf("%s after Close: %v, want ErrClosed", tc.name, err)
			}
		}
	}
}

func TestClosedConnGivesErrClosed(t *testing.T) {
	eachConn(t, func(t *testing.T, c, _ *reactor.Conn) {
		buf := make([]byte, 4)
		p := newPoll(t)
		wantAllClosed(t, c, []namedCall{
			{"Read", func() error { return second(c.Read(buf)) }},
			{"Read of nothing", func() error { return second(c.Read(nil)) }},
			{"Write", func() error { return second(c.Write(buf)) }},
			{"Write of nothing", func() error { return second(c.Write(nil)) }},
			{"Readv", func() error { return second(c.Readv([][]byte{buf})) }},
			{"Writev", func() error { return second(c.Writev([][]byte{buf})) }},
			{"Peek", func() error { return second(c.Peek(buf)) }},
			{"FinishConnect", c.FinishConnect},
			{"TakeError", c.TakeError},
			{"CloseRead", c.CloseRead},
			{"CloseWrite", c.CloseWrite},
			{"NetConn", func() error { return second(c.NetConn()) }},
			{"NoDelay", func() error { return second(c.NoDelay()) }},
			{"SetNoDelay", func() error { return c.SetNoDelay(true) }},
			{"TTL", func() error { return second(c.TTL()) }},
			{"SetTTL", func() error { return c.SetTTL(9) }},
			{"SetKeepAliveConfig", func() error { return c.SetKeepAliveConfig(net.KeepAliveConfig{}) }},
			{"SetLinger", func() error { return c.SetLinger(-1) }},
			{"ReadBuffer", func() error { return second(c.ReadBuffer()) }},
			{"SetReadBuffer", func() error { return c.SetReadBuffer(4096) }},
			{"WriteBuffer", func() error { return second(c.WriteBuffer()) }},
			{"SetWriteBuffer", func() error { return c.SetWriteBuffer(4096) }},
			{"Register", func() error { return p.Register(c, 1, reactor.Readable, reactor.Level) }},
			{"Reregister", func() error { return p.Reregister(c, 1, reactor.Readable, reactor.Level) }},
			{"Deregister", func() error { return p.Deregister(c) }},
		})
		if a := c.LocalAddr(); a != (reactor.Addr{}) {
			t.Errorf("LocalAddr = %v after Close", a)
		}
		if a := c.RemoteAddr(); a != (reactor.Addr{}) {
			t.Errorf("RemoteAddr = %v after Close", a)
		}
	})
}

func TestClosedListenerGivesErrClosed(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		t.Run(network, func(t *testing.T) {
			l := listenAny(t, network)
			p := newPoll(t)
			wantAllClosed(t, l, []namedCall{
				{"Accept", func() error {
					c, from, err := l.Accept()
					if c != nil || from != (reactor.Addr{}) {
						t.Errorf("Accept = %v, %v beside an error", c, from)
					}
					return err
				}},
				{"NetListener", func() error { return second(l.NetListener()) }},
				{"V6Only", func() error { return second(l.V6Only()) }},
				{"TakeError", l.TakeError},
				{"TTL", func() error { return second(l.TTL()) }},
				{"SetTTL", func() error { return l.SetTTL(9) }},
				{"Register", func() error { return p.Register(l, 1, reactor.Readable, reactor.Level) }},
			})
		})
	}
}

func TestClosedPacketConnGivesErrClosed(t *testing.T) {
	for _, kind := range []string{"udp4", "udp6", "unixgram", "pair"} {
		t.Run(kind, func(t *testing.T) {
			c, peer := packetPair(t, kind)
			to := peer.LocalAddr()
			buf := make([]byte, 4)
			group := netip.MustParseAddr("224.0.0.251")
			p := newPoll(t)
			wantAllClosed(t, c, []namedCall{
				{"ReadFrom", func() error { _, _, err := c.ReadFrom(buf); return err }},
				{"PeekFrom", func() error { _, _, err := c.PeekFrom(buf); return err }},
				{"WriteTo", func() error { return second(c.WriteTo(buf, to)) }},
				{"Read", func() error { return second(c.Read(buf)) }},
				{"Write", func() error { return second(c.Write(buf)) }},
				{"Peek", func() error { return second(c.Peek(buf)) }},
				{"Connect", func() error { return c.Connect(to) }},
				{"Connect to none", func() error { return c.Connect(reactor.Addr{}) }},
				{"ReadBatch", func() error { return second(c.ReadBatch([]reactor.Message{{Buf: buf}})) }},
				{"WriteBatch", func() error { return second(c.WriteBatch([]reactor.Message{{Buf: buf, N: 1}})) }},
				{"V6Only", func() error { return second(c.V6Only()) }},
				{"Broadcast", func() error { return second(c.Broadcast()) }},
				{"SetBroadcast", func() error { return c.SetBroadcast(true) }},
				{"MulticastLoop", func() error { return second(c.MulticastLoop()) }},
				{"SetMulticastLoop", func() error { return c.SetMulticastLoop(true) }},
				{"MulticastTTL", func() error { return second(c.MulticastTTL()) }},
				{"SetMulticastTTL", func() error { return c.SetMulticastTTL(1) }},
				{"TTL", func() error { return second(c.TTL()) }},
				{"SetTTL", func() error { return c.SetTTL(9) }},
				{"ReadBuffer", func() error { return second(c.ReadBuffer()) }},
				{"SetReadBuffer", func() error { return c.SetReadBuffer(4096) }},
				{"WriteBuffer", func() error { return second(c.WriteBuffer()) }},
				{"SetWriteBuffer", func() error { return c.SetWriteBuffer(4096) }},
				{"JoinGroup", func() error { return c.JoinGroup(nil, group) }},
				{"LeaveGroup", func() error { return c.LeaveGroup(nil, group) }},
				{"TakeError", c.TakeError},
				{"CloseRead", c.CloseRead},
				{"CloseWrite", c.CloseWrite},
				{"NetPacketConn", func() error { return second(c.NetPacketConn()) }},
				{"Register", func() error { return p.Register(c, 1, reactor.Readable, reactor.Level) }},
			})
			if a := c.LocalAddr(); a != (reactor.Addr{}) {
				t.Errorf("LocalAddr = %v after Close", a)
			}
			if a := c.RemoteAddr(); a != (reactor.Addr{}) {
				t.Errorf("RemoteAddr = %v after Close", a)
			}
		})
	}
}

func TestClosedPipeGivesErrClosed(t *testing.T) {
	r, w, err := reactor.Pipe()
	supported(t, "pipe", err)
	p := newPoll(t)
	wantAllClosed(t, w, []namedCall{
		{"Write", func() error { return second(w.Write([]byte("x"))) }},
		{"Write of nothing", func() error { return second(w.Write(nil)) }},
		{"Register", func() error { return p.Register(w, 1, reactor.Writable, reactor.Level) }},
	})
	wantAllClosed(t, r, []namedCall{
		{"Read", func() error { return second(r.Read(make([]byte, 1))) }},
		{"Read of nothing", func() error { return second(r.Read(nil)) }},
		{"Register", func() error { return p.Register(r, 1, reactor.Readable, reactor.Level) }},
	})
}

// listenAny gives a listener of the network: tcp4, tcp6 or unix.
func listenAny(t testing.TB, network string) *reactor.Listener {
	t.Helper()
	if network != "unix" {
		return listenTCP(t, network)
	}
	l, err := reactor.Listen("unix", filepath.Join(socketDir(t), "s"))
	supported(t, "Unix listener", err)
	closeLater(t, l)
	return l
}

func TestCloseIsSeenByThePeer(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		p := newPoll(t)
		check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Edge))
		check(t, "Close", a.Close())
		if rest := readAll(t, nil, b); len(rest) != 0 {
			t.Errorf("read %q", rest)
		}
	})
}

func TestCloseBesideReadsAndWritesEndsThemWithErrClosed(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		const workers = 4
		errs := make(chan error, 2*workers)
		ready := make(chan struct{}, 2*workers)
		for range workers {
			for _, call := range []func([]byte) (int, error){a.Read, a.Write} {
				go func() {
					buf := make([]byte, 16)
					_, err := call(buf)
					ready <- struct{}{}
					for err == nil || err == reactor.ErrWouldBlock {
						_, err = call(buf)
					}
					errs <- err
				}()
			}
		}
		for range 2 * workers {
			<-ready
		}
		check(t, "Close", a.Close())
		for range 2 * workers {
			if err := <-errs; err != reactor.ErrClosed {
				t.Errorf("an operation beside Close ends with %v, want ErrClosed", err)
			}
		}
	})
}
