package reactor_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/goreactor/reactor"
)

// noAllocs asserts that f allocates nothing, neither for itself nor by making what its caller has on
// the stack escape: f declares its buffers itself.
func noAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations a run", what, n)
	}
}

func TestWaitDoesNotAllocate(t *testing.T) {
	p := newPoll(t)
	cs := readySockets(t, 4)
	for i, c := range cs {
		check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, reactor.Level))
	}
	noAllocs(t, "Wait with more ready than room", func() {
		var events [2]reactor.Event
		if n, err := p.Wait(events[:], -1); n == 0 || err != nil {
			t.Fatalf("Wait: %d, %v", n, err)
		}
	})
	noAllocs(t, "Wait", func() {
		var events [64]reactor.Event
		if n, err := p.Wait(events[:], -1); n != 4 || err != nil {
			t.Fatalf("Wait: %d, %v", n, err)
		}
	})
	for _, c := range cs {
		check(t, "Reregister", p.Reregister(c, 0, reactor.Readable, reactor.Oneshot))
	}
	for len(waitOnce(t, p, 64, silence)) > 0 {
	}
	noAllocs(t, "Wait that looks", func() {
		var events [64]reactor.Event
		if n, err := p.Wait(events[:], 0); n != 0 || err != nil {
			t.Fatalf("Wait: %d, %v", n, err)
		}
	})
	noAllocs(t, "Wait until the timeout", func() {
		var events [64]reactor.Event
		if n, err := p.Wait(events[:], 1); n != 0 || err != nil {
			t.Fatalf("Wait: %d, %v", n, err)
		}
	})
}

func TestWaitContextWithTheSameContextDoesNotAllocate(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	running, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{
		"background": context.Background(), "running": running, "cancelled": cancelled,
		"not comparable": sliceContext{Context: running}, "with a value": context.WithValue(running, t, t),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPoll(t)
			check(t, "Register", p.Register(readySockets(t, 1)[0], 1, reactor.Readable, reactor.Level))
			noAllocs(t, "WaitContext", func() {
				var events [8]reactor.Event
				if n, err := p.WaitContext(ctx, events[:], -1); n != 1 || err != nil {
					t.Fatalf("WaitContext: %d, %v", n, err)
				}
			})
		})
	}
}

func TestWakeDoesNotAllocate(t *testing.T) {
	p := newPoll(t)
	ws := []*reactor.Waker{newWaker(t, p, 1), newWaker(t, p, 2), newWaker(t, p, 3)}
	noAllocs(t, "Wake", func() {
		for _, w := range ws {
			if err := w.Wake(); err != nil {
				t.Fatalf("Wake: %v", err)
			}
			if err := w.Wake(); err != nil {
				t.Fatalf("Wake: %v", err)
			}
		}
		var events [8]reactor.Event
		for got := 0; got < len(ws); {
			n, err := p.Wait(events[:], -1)
			if err != nil {
				t.Fatalf("Wait: %v", err)
			}
			got += n
		}
	})
}

func TestReregisterDoesNotAllocate(t *testing.T) {
	p := newPoll(t)
	c := readySockets(t, 1)[0]
	check(t, "Register", p.Register(c, 1, reactor.Readable, reactor.Oneshot))
	noAllocs(t, "Reregister", func() {
		var events [8]reactor.Event
		if n, err := p.Wait(events[:], -1); n != 1 || err != nil {
			t.Fatalf("Wait: %d, %v", n, err)
		}
		if err := p.Reregister(c, 1, reactor.Readable, reactor.Oneshot); err != nil {
			t.Fatalf("Reregister: %v", err)
		}
	})
}

func TestConnCallsDoNotAllocate(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix", "pair"} {
		t.Run(network, func(t *testing.T) {
			a, b := connPair(t, network)
			// Registered, for the calls report to the Poll what they use up.
			p := newPoll(t)
			check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Edge))
			check(t, "Register", p.Register(b, 2, reactor.Writable, reactor.Edge))
			noAllocs(t, "Write, Wait and Read", func() {
				var out [64]byte
				if n, err := b.Write(out[:]); n != len(out) || err != nil {
					t.Fatalf("Write: %d, %v", n, err)
				}
				for got := 0; got < len(out); {
					var in [100]byte
					n, err := a.Read(in[:])
					if err != nil && err != reactor.ErrWouldBlock {
						t.Fatalf("Read: %v", err)
					}
					got += n
					var events [8]reactor.Event
					if _, err := p.Wait(events[:], 0); err != nil {
						t.Fatalf("Wait: %v", err)
					}
				}
			})
			noAllocs(t, "Writev, Peek and Readv", func() {
				var out1, out2 [32]byte
				bufs := [2][]byte{out1[:], out2[:]}
				if n, err := b.Writev(bufs[:]); n != 64 || err != nil {
					t.Fatalf("Writev: %d, %v", n, err)
				}
				for got := 0; got < 64; {
					var in1, in2 [50]byte
					if _, err := a.Peek(in1[:]); err != nil && err != reactor.ErrWouldBlock {
						t.Fatalf("Peek: %v", err)
					}
					bufs := [2][]byte{in1[:], in2[:]}
					n, err := a.Readv(bufs[:])
					if err != nil && err != reactor.ErrWouldBlock {
						t.Fatalf("Readv: %v", err)
					}
					got += n
				}
			})
			noAllocs(t, "Read, Readv and Peek that would block", func() {
				var in1, in2 [50]byte
				bufs := [2][]byte{in1[:], in2[:]}
				if n, err := a.Read(in1[:]); n != 0 || err != reactor.ErrWouldBlock {
					t.Fatalf("Read: %d, %v", n, err)
				}
				if n, err := a.Readv(bufs[:]); n != 0 || err != reactor.ErrWouldBlock {
					t.Fatalf("Readv: %d, %v", n, err)
				}
				if n, err := a.Peek(in1[:]); n != 0 || err != reactor.ErrWouldBlock {
					t.Fatalf("Peek: %d, %v", n, err)
				}
			})
			noAllocs(t, "Write and Writev that would block", func() {
				var out [8192]byte
				bufs := [2][]byte{out[:100], out[100:]}
				for {
					if _, err := b.Write(out[:]); err == reactor.ErrWouldBlock {
						break
					} else if err != nil {
						t.Fatalf("Write: %v", err)
					}
				}
				for {
					if _, err := b.Writev(bufs[:]); err == reactor.ErrWouldBlock {
						break
					} else if err != nil {
						t.Fatalf("Writev: %v", err)
					}
				}
			})
		})
	}
}

func TestPipeCallsDoNotAllocate(t *testing.T) {
	r, w, err := reactor.Pipe()
	supported(t, "pipe", err)
	closeLater(t, r)
	closeLater(t, w)
	p := newPoll(t)
	check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
	check(t, "Register", p.Register(w, 2, reactor.Writable, reactor.Edge))
	noAllocs(t, "Write, Wait and Read", func() {
		var out, in [64]byte
		if n, err := w.Write(out[:]); n != len(out) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		var events [8]reactor.Event
		if _, err := p.Wait(events[:], 0); err != nil {
			t.Fatalf("Wait: %v", err)
		}
		if n, err := r.Read(in[:]); n != len(in) || err != nil {
			t.Fatalf("Read: %d, %v", n, err)
		}
		if n, err := r.Read(in[:]); n != 0 || err != reactor.ErrWouldBlock {
			t.Fatalf("Read: %d, %v", n, err)
		}
	})
}

func TestCallsWithManyBuffersDoNotAllocate(t *testing.T) {
	a, b := connPair(t, "tcp4")
	p := newPoll(t)
	check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Edge))
	noAllocs(t, "Writev and Readv of 2,000 buffers", func() {
		var data [2000]byte
		var bufs [2000][]byte
		for i := range bufs {
			bufs[i] = data[i : i+1]
		}
		if n, err := b.Writev(bufs[:]); n != len(data) || err != nil {
			t.Fatalf("Writev: %d, %v", n, err)
		}
		for got := 0; got < len(data); {
			n, err := a.Readv(bufs[:])
			if err != nil && err != reactor.ErrWouldBlock {
				t.Fatalf("Readv: %v", err)
			}
			got += n
		}
	})
}

// linkLocal gives a socket on a link-local address of this machine, whose zone its peers' addresses carry.
func linkLocal(t testing.TB) *reactor.PacketConn {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Skipf("the system does not list its interfaces: %v", err)
	}
	for _, ifi := range interfaces {
		addrs, err := ifi.Addrs()
		if err != nil || ifi.Flags&net.FlagUp == 0 {
			continue
		}
		for _, addr := range addrs {
			ipnet, ok := addr.(*net.IPNet)
			if !ok || ipnet.IP.To4() != nil || !ipnet.IP.IsLinkLocalUnicast() {
				continue
			}
			c, err := reactor.ListenPacket("udp6", fmt.Sprintf("[%v%%%s]:0", ipnet.IP, ifi.Name))
			if err != nil {
				t.Logf("cannot listen on %v of %s: %v", ipnet.IP, ifi.Name, err)
				continue
			}
			closeLater(t, c)
			return c
		}
	}
	t.Skip("no interface has a link-local IPv6 address")
	return nil
}

// unixgram gives a datagram socket with a path.
func unixgram(t testing.TB) *reactor.PacketConn {
	t.Helper()
	c, err := reactor.ListenPacket("unixgram", filepath.Join(socketDir(t), "socket"))
	supported(t, "Unix datagram socket", err)
	closeLater(t, c)
	return c
}

var packetSockets = []struct {
	name string
	open func(t testing.TB) *reactor.PacketConn
}{
	{"udp4", func(t testing.TB) *reactor.PacketConn { return listenUDP(t, "udp4") }},
	{"udp6", func(t testing.TB) *reactor.PacketConn { return listenUDP(t, "udp6") }},
	{"udp6 with a zone", linkLocal},
	{"unixgram", unixgram},
}

// eachSocket runs f with a socket that is registered, and with the peers that send to it: one, or two in
// turn, so that the address changes from one datagram to the next.
func eachSocket(t *testing.T, f func(t *testing.T, c *reactor.PacketConn, peers []*reactor.PacketConn)) {
	t.Helper()
	for _, s := range packetSockets {
		for n, name := range []string{1: "one peer", 2: "two peers in turn"} {
			if n == 0 {
				continue
			}
			t.Run(s.name+"/"+name, func(t *testing.T) {
				c := s.open(t)
				peers := make([]*reactor.PacketConn, n)
				for i := range peers {
					peers[i] = s.open(t)
				}
				p := newPoll(t)
				check(t, "Register", p.Register(c, 1, bothWays, reactor.Edge))
				f(t, c, peers)
			})
		}
	}
}

func TestDatagramCallsDoNotAllocate(t *testing.T) {
	eachSocket(t, func(t *testing.T, c *reactor.PacketConn, peers []*reactor.PacketConn) {
		to := c.LocalAddr()
		took := func(n int, from reactor.Addr, err error) bool {
			if err == reactor.ErrWouldBlock {
				return false
			}
			if n != 64 || err != nil || from == (reactor.Addr{}) {
				t.Fatalf("reading a datagram: %d from %v, %v", n, from, err)
			}
			return true
		}
		noAllocs(t, "WriteTo, PeekFrom and ReadFrom", func() {
			for _, peer := range peers {
				var out [64]byte
				if n, err := peer.WriteTo(out[:], to); n != 64 || err != nil {
					t.Fatalf("WriteTo: %d, %v", n, err)
				}
				var in [100]byte
				for !took(c.PeekFrom(in[:])) {
				}
				for !took(c.ReadFrom(in[:])) {
				}
			}
		})
		noAllocs(t, "ReadFrom and PeekFrom that would block", func() {
			var in [100]byte
			if _, _, err := c.ReadFrom(in[:]); err != reactor.ErrWouldBlock {
				t.Fatalf("ReadFrom: %v", err)
			}
			if _, _, err := c.PeekFrom(in[:]); err != reactor.ErrWouldBlock {
				t.Fatalf("PeekFrom: %v", err)
			}
		})
	})
}

// echoBatch has a peer send a batch, which c reads and writes back as it is. A queue of a Unix datagram
// socket is short: so are the batches.
func echoBatch(t *testing.T, peer, c *reactor.PacketConn, out, ms []reactor.Message) {
	if n, err := peer.WriteBatch(out); n != len(out) || err != nil {
		t.Fatalf("WriteBatch: %d, %v", n, err)
	}
	for got := 0; got < len(out); {
		n, err := c.ReadBatch(ms)
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("ReadBatch: %v", err)
		}
		if m, err := c.WriteBatch(ms[:n]); m != n || err != nil {
			t.Fatalf("WriteBatch of what was read: %d of %d, %v", m, n, err)
		}
		got += n
	}
	for got := 0; got < len(out); {
		n, err := peer.ReadBatch(out[got:])
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("the peer's ReadBatch: %v", err)
		}
		got += n
	}
}

func TestBatchCallsDoNotAllocate(t *testing.T) {
	eachSocket(t, func(t *testing.T, c *reactor.PacketConn, peers []*reactor.PacketConn) {
		to := c.LocalAddr()
		outBuf, inBufs := make([]byte, 100), make([]byte, 800)
		out, ms := make([]reactor.Message, 4), make([]reactor.Message, 8)
		noAllocs(t, "ReadBatch and WriteBatch of lasting messages", func() {
			for _, peer := range peers {
				for i := range out {
					out[i] = reactor.Message{Buf: outBuf, N: 64, Addr: to}
				}
				for i := range ms {
					ms[i].Buf = inBufs[i*100 : i*100+100]
				}
				echoBatch(t, peer, c, out, ms)
			}
		})
		noAllocs(t, "ReadBatch and WriteBatch of messages on the stack", func() {
			for _, peer := range peers {
				var out [4]reactor.Message
				var ms [8]reactor.Message
				for i := range out {
					out[i] = reactor.Message{Buf: outBuf, N: 64, Addr: to}
				}
				for i := range ms {
					ms[i].Buf = inBufs[i*100 : i*100+100]
				}
				echoBatch(t, peer, c, out[:], ms[:])
			}
		})
		noAllocs(t, "ReadBatch and WriteBatch of messages and buffers on the stack", func() {
			for _, peer := range peers {
				var outBuf [100]byte
				var inBufs [8][100]byte
				var out [4]reactor.Message
				var ms [8]reactor.Message
				for i := range out {
					out[i] = reactor.Message{Buf: outBuf[:], N: 64, Addr: to}
				}
				for i := range ms {
					ms[i].Buf = inBufs[i][:]
				}
				echoBatch(t, peer, c, out[:], ms[:])
			}
		})
	})
}

func TestConnectedDatagramCallsDoNotAllocate(t *testing.T) {
	for _, network := range []string{"udp4", "udp6", "unixgram", "pair"} {
		t.Run(network, func(t *testing.T) {
			a, b := packetPair(t, network)
			noAllocs(t, "Write, Peek and Read", func() {
				var buf [64]byte
				if n, err := b.Write(buf[:]); n != 64 || err != nil {
					t.Fatalf("Write: %d, %v", n, err)
				}
				for {
					if _, err := a.Peek(buf[:]); err != reactor.ErrWouldBlock {
						break
					}
				}
				if n, err := a.Read(buf[:]); n != 64 || err != nil {
					t.Fatalf("Read: %d, %v", n, err)
				}
			})
			noAllocs(t, "WriteBatch and ReadBatch", func() {
				var buf [64]byte
				ms := [2]reactor.Message{{Buf: buf[:], N: 10}, {Buf: buf[:], N: 20}}
				if n, err := b.WriteBatch(ms[:]); n != 2 || err != nil {
					t.Fatalf("WriteBatch: %d, %v", n, err)
				}
				for got := 0; got < 2; {
					n, err := a.ReadBatch(ms[:])
					if err != nil && err != reactor.ErrWouldBlock {
						t.Fatalf("ReadBatch: %v", err)
					}
					got += n
				}
			})
		})
	}
}
