package reactor_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/goreactor/reactor"
)

// batch gives n messages with buffers of the size.
func batch(n, size int) []reactor.Message {
	all := make([]byte, n*size)
	ms := make([]reactor.Message, n)
	for i := range ms {
		ms[i].Buf = all[i*size : (i+1)*size : (i+1)*size]
	}
	return ms
}

// numbered gives n messages that say their numbers, to the address.
func numbered(n int, to reactor.Addr) []reactor.Message {
	ms := batch(n, 8)
	for i := range ms {
		ms[i].N = copy(ms[i].Buf, fmt.Sprint(i))
		ms[i].Addr = to
	}
	return ms
}

// recvBatch reads until n messages came, and gives them.
func recvBatch(t testing.TB, c *reactor.PacketConn, n, size int) []reactor.Message {
	t.Helper()
	ms := batch(n, size)
	got := 0
	until(t, fmt.Sprintf("%d datagrams", n), func() bool {
		m, err := c.ReadBatch(ms[got:])
		if err != nil && (err != reactor.ErrWouldBlock || m != 0) {
			t.Fatalf("ReadBatch after %d = %d, %v", got, m, err)
		}
		got += m
		return got == n
	})
	return ms
}

func TestReadBatchSetsLengthAndSender(t *testing.T) {
	eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
		network := "unixgram"
		if ip := a.LocalAddr().AddrPort().Addr(); ip.Is4() {
			network = "udp4"
		} else if ip.Is6() {
			network = "udp6"
		}
		senders := []*reactor.PacketConn{a, listenAnyPacket(t, network), a}
		texts := []string{"one", "", "three"}
		for i, s := range senders {
			sendTo(t, s, []byte(texts[i]), b.LocalAddr())
		}
		ms := recvBatch(t, b, 3, 16)
		for i, m := range ms {
			if m.N != len(texts[i]) || string(m.Buf[:m.N]) != texts[i] || m.Addr != senders[i].LocalAddr() {
				t.Errorf("message %d: %q (%d) from %v, want %q from %v", i, m.Buf[:m.N], m.N, m.Addr, texts[i], senders[i].LocalAddr())
			}
			if len(m.Buf) != 16 {
				t.Errorf("message %d: Buf has %d bytes, had 16", i, len(m.Buf))
			}
		}
	})
}

func TestReadBatchOfFewerThanAllHasDrainedTheSocket(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		ms := batch(8, 16)
		n, err := b.ReadBatch(ms)
		wantResult(t, "ReadBatch", n, err, 0, reactor.ErrWouldBlock)
		sent := numbered(5, reactor.Addr{})
		n, err = a.WriteBatch(sent)
		wantResult(t, "WriteBatch", n, err, 5, nil)
		// Unix sockets hand over at once; the loopback interface nearly so: then the rest comes in another batch.
		got := 0
		until(t, "the datagrams", func() bool {
			n, err := b.ReadBatch(ms[got:])
			if n > 0 && err != nil || n == 0 && err != reactor.ErrWouldBlock {
				t.Fatalf("ReadBatch = %d, %v", n, err)
			}
			got += n
			return got == 5
		})
		for i, m := range ms[:5] {
			if string(m.Buf[:m.N]) != fmt.Sprint(i) {
				t.Errorf("message %d is %q", i, m.Buf[:m.N])
			}
		}
		drained(t, b)
	})
}

func TestBatchCanBeWrittenBackAsItWasRead(t *testing.T) {
	t.Run("connected", func(t *testing.T) {
		eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
			n, err := a.WriteBatch(numbered(4, reactor.Addr{}))
			wantResult(t, "WriteBatch", n, err, 4, nil)
			ms := recvBatch(t, b, 4, 64)
			n, err = b.WriteBatch(ms)
			wantResult(t, "WriteBatch of what was read", n, err, 4, nil)
			for i, m := range recvBatch(t, a, 4, 64) {
				if string(m.Buf[:m.N]) != fmt.Sprint(i) {
					t.Errorf("message %d is %q", i, m.Buf[:m.N])
				}
			}
		})
	})
	t.Run("unconnected", func(t *testing.T) {
		eachBound(t, func(t *testing.T, a, b *reactor.PacketConn) {
			n, err := a.WriteBatch(numbered(4, b.LocalAddr()))
			wantResult(t, "WriteBatch", n, err, 4, nil)
			ms := recvBatch(t, b, 4, 64)
			n, err = b.WriteBatch(ms)
			wantResult(t, "WriteBatch of what was read", n, err, 4, nil)
			for i, m := range recvBatch(t, a, 4, 64) {
				if string(m.Buf[:m.N]) != fmt.Sprint(i) || m.Addr != b.LocalAddr() {
					t.Errorf("message %d is %q from %v", i, m.Buf[:m.N], m.Addr)
				}
			}
		})
	})
}

// Linux takes 1,024 messages a call; one call of this package takes all.
func TestBatchesGoPastTheSystemsLimit(t *testing.T) {
	a, b := packetPair(t, "udp4")
	const total = 3000
	check(t, "SetReadBuffer", b.SetReadBuffer(4<<20))
	forceReadBuffer(t, b, 4<<20)

	// Empty datagrams: the least that the buffers have to hold.
	n, err := a.WriteBatch(make([]reactor.Message, total))
	if n < total && err == reactor.ErrWouldBlock {
		t.Skipf("the send buffer holds %d datagrams", n)
	}
	wantResult(t, "WriteBatch", n, err, total, nil)

	in := batch(total, 1)
	for i := range in {
		in[i].N = -1
	}
	n, err = b.ReadBatch(in)
	check(t, "ReadBatch", err)
	for i, m := range in[:n] {
		if m.N != 0 || m.Addr != a.LocalAddr() {
			t.Fatalf("message %d of %d: N %d, Addr %v", i, n, m.N, m.Addr)
		}
	}
	if n == total {
		return
	}
	// What the receive buffer had no room for was dropped.
	drained(t, b)
	if n <= 1024 {
		t.Skipf("the receive buffer holds %d datagrams only: ReadBatch was not tested", n)
	}
}

func TestWriteBatchOfFewerThanAllGivesErrWouldBlock(t *testing.T) {
	for _, kind := range []string{"unixgram", "pair"} {
		t.Run(kind, func(t *testing.T) {
			a, b := packetPair(t, kind)
			const size = 1 << 10
			out := batch(4096, size)
			for i := range out {
				out[i].N = copy(out[i].Buf, fmt.Sprint(i, " "))
			}
			n, err := a.WriteBatch(out)
			if n == len(out) {
				t.Skip("the buffers take all")
			}
			if n <= 0 || err != reactor.ErrWouldBlock {
				if errors.Is(err, errnoNoBufs) {
					t.Skipf("a full socket gives an error here: %v", err)
				}
				t.Fatalf("WriteBatch = %d, %v; want a part and ErrWouldBlock", n, err)
			}
			m, err := a.WriteBatch(out[n:])
			wantResult(t, "WriteBatch to a full socket", m, err, 0, reactor.ErrWouldBlock)
			m, err = a.Write(out[0].Buf)
			wantResult(t, "Write to a full socket", m, err, 0, reactor.ErrWouldBlock)
			in := recvBatch(t, b, n, size)
			for i, m := range in {
				if string(m.Buf[:m.N]) != string(out[i].Buf[:out[i].N]) {
					t.Fatalf("message %d is %q", i, m.Buf[:m.N])
				}
			}
			drained(t, b)
			m, err = a.WriteBatch(out[n : n+1])
			wantResult(t, "WriteBatch once there is room", m, err, 1, nil)
		})
	}
}

func TestWriteBatchWithLengthOutsideBufIsAnError(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		for _, bad := range []int{-1, 9, math.MaxInt, math.MinInt} {
			for at := range 3 {
				ms := numbered(3, reactor.Addr{})
				ms[at].N = bad
				n, err := a.WriteBatch(ms)
				if err == nil || err == reactor.ErrWouldBlock || n != at && n != 0 {
					t.Fatalf("WriteBatch with N = %d of message %d = %d, %v; want an error", bad, at, n, err)
				}
				for i, m := range recvBatch(t, b, n, 8) {
					if string(m.Buf[:m.N]) != fmt.Sprint(i) {
						t.Errorf("message %d is %q", i, m.Buf[:m.N])
					}
				}
				drained(t, b)
			}
		}
	})
}

func TestErrorInTheMiddleOfABatchComesWithTheCount(t *testing.T) {
	a, b := packetPair(t, "udp4")
	for _, at := range []int{0, 1, 2, 5} {
		ms := numbered(6, reactor.Addr{})
		ms[at] = reactor.Message{Buf: make([]byte, 70000), N: 70000}
		n, err := a.WriteBatch(ms)
		if n != at {
			t.Errorf("WriteBatch with message %d too long sends %d", at, n)
		}
		wantErr(t, "WriteBatch", err, errnoTooLong)
		wantOpError(t, err)
		m, err := a.WriteBatch(ms[at+1:])
		wantResult(t, "WriteBatch of the rest", m, err, 5-at, nil)
		for i, got := range recvBatch(t, b, 5, 8) {
			want := i
			if i >= at {
				want++
			}
			if string(got.Buf[:got.N]) != fmt.Sprint(want) {
				t.Errorf("message %d is %q, want %d", i, got.Buf[:got.N], want)
			}
		}
	}
	drained(t, b)
}

func TestForgottenLengthSendsAnEmptyDatagram(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		n, err := a.WriteBatch([]reactor.Message{{Buf: []byte("forgotten")}, {Buf: []byte("sent"), N: 4}})
		wantResult(t, "WriteBatch", n, err, 2, nil)
		ms := recvBatch(t, b, 2, 16)
		if ms[0].N != 0 || string(ms[1].Buf[:ms[1].N]) != "sent" {
			t.Errorf("N = %d, then %q", ms[0].N, ms[1].Buf[:ms[1].N])
		}
	})
}

func TestBatchCutsLongDatagramsToTheirBuffers(t *testing.T) {
	eachPacketPair(t, func(t *testing.T, a, b *reactor.PacketConn) {
		long := []byte("0123456789")
		n, err := a.WriteBatch([]reactor.Message{{Buf: long, N: 10}, {Buf: long, N: 3}, {Buf: long, N: 10}})
		wantResult(t, "WriteBatch", n, err, 3, nil)
		until(t, "the datagrams", func() bool { n, _ := b.Peek(make([]byte, 16)); return n == 10 })
		in := []reactor.Message{{Buf: make([]byte, 4)}, {Buf: make([]byte, 4)}, {Buf: make([]byte, 12)}}
		got := 0
		until(t, "the datagrams", func() bool {
			n, err := b.ReadBatch(in[got:])
			if err != nil && err != reactor.ErrWouldBlock {
				t.Fatalf("ReadBatch: %v", err)
			}
			got += n
			return got == 3
		})
		for i, want := range []string{"0123", "012", "0123456789"} {
			if string(in[i].Buf[:in[i].N]) != want {
				t.Errorf("message %d is %q, want %q", i, in[i].Buf[:in[i].N], want)
			}
		}
	})
}

func TestBatchToAnUnnamedUnixSenderIsAnError(t *testing.T) {
	server := listenAnyPacket(t, "unixgram")
	c, err := reactor.DialPacket("unixgram", server.LocalAddr().Path())
	supported(t, "DialPacket", err)
	closeLater(t, c)
	named := listenAnyPacket(t, "unixgram")
	sendTo(t, named, []byte("named"), server.LocalAddr())
	_, err = c.Write([]byte("unnamed"))
	check(t, "Write", err)
	ms := recvBatch(t, server, 2, 16)
	n, err := server.WriteBatch(ms)
	if n != 1 || err == nil || err == reactor.ErrWouldBlock {
		t.Errorf("WriteBatch = %d, %v; want 1 and an error", n, err)
	}
	buf := make([]byte, 16)
	if n, _ := recv(t, named, buf); string(buf[:n]) != "named" {
		t.Errorf("read %q", buf[:n])
	}
}

func TestReadBatchFromManyUnixSendersKeepsThemApart(t *testing.T) {
	server := listenAnyPacket(t, "unixgram")
	var want []reactor.Addr
	for i := range 6 {
		c := listenAnyPacket(t, "unixgram")
		if i%3 == 2 {
			anonymous, err := reactor.DialPacket("unixgram", server.LocalAddr().Path())
			supported(t, "DialPacket", err)
			closeLater(t, anonymous)
			_, err = anonymous.Write([]byte("x"))
			check(t, "Write", err)
			want = append(want, reactor.Addr{})
		}
		sendTo(t, c, []byte("x"), server.LocalAddr())
		want = append(want, c.LocalAddr())
	}
	for i, m := range recvBatch(t, server, len(want), 4) {
		if m.Addr.Path() != want[i].Path() {
			t.Errorf("message %d from %q, want %q", i, m.Addr.Path(), want[i].Path())
		}
	}
}
