package reactor_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// connKinds are the networks that connPair knows.
var connKinds = []string{"tcp4", "tcp6", "unix", "pair"}

// eachConn runs f with a connected pair of each kind.
func eachConn(t *testing.T, f func(t *testing.T, a, b *reactor.Conn)) {
	t.Helper()
	for _, kind := range connKinds {
		t.Run(kind, func(t *testing.T) {
			a, b := connPair(t, kind)
			f(t, a, b)
		})
	}
}

// pattern gives n bytes in which every stretch differs from its neighbours.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}

// awaitErr repeats try until it gives something other than ErrWouldBlock.
func awaitErr(t testing.TB, what string, try func() error) error {
	t.Helper()
	var err error
	until(t, what, func() bool {
		err = try()
		return err != reactor.ErrWouldBlock
	})
	return err
}

// wantResult fails the test unless a call gave n and err, by ==.
func wantResult(t testing.TB, what string, n int, err error, wantN int, wantErr error) {
	t.Helper()
	if n != wantN || err != wantErr {
		t.Fatalf("%s = %d, %v; want %d, %v", what, n, err, wantN, wantErr)
	}
}

// closedPort gives an address of the network at which nobody listens.
func closedPort(t testing.TB, network string) string {
	t.Helper()
	l, err := net.Listen(network, loopback(t, network))
	check(t, "net.Listen", err)
	check(t, "net.Listener.Close", l.Close())
	return l.Addr().String()
}

func TestFinishConnectIsNilOnceConnected(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		for range 2 {
			check(t, "FinishConnect", a.FinishConnect())
			check(t, "FinishConnect of the other end", b.FinishConnect())
		}
	})
}

func TestFinishConnectWouldBlockUntilConnected(t *testing.T) {
	lc := reactor.ListenConfig{Backlog: 1}
	l, err := lc.Listen("tcp4", "127.0.0.1:0")
	supported(t, "TCP listener", err)
	closeLater(t, l)
	p := newPoll(t)
	check(t, "Register", p.Register(l, 0, reactor.Readable, reactor.Level))

	// More than the backlog takes: some of them stay on the way until the listener accepts.
	var waiting []*reactor.Conn
	for range 8 {
		c, err := reactor.Dial("tcp4", l.Addr().String())
		check(t, "Dial", err)
		closeLater(t, c)
		check(t, "Register", p.Register(c, 1, reactor.Writable, reactor.Edge))
		waiting = append(waiting, c)
	}
	for range 5 {
		waitOnce(t, p, 64, silence)
		still := waiting[:0:0]
		for _, c := range waiting {
			if err := c.FinishConnect(); err == reactor.ErrWouldBlock {
				still = append(still, c)
			} else if err != nil {
				t.Skipf("this system does not keep connections beyond the backlog waiting: %v", err)
			}
		}
		waiting = still
	}
	if len(waiting) == 0 {
		t.Skip("this system connects beyond the backlog")
	}
	if err := waiting[0].TakeError(); err != nil {
		t.Errorf("TakeError while connecting: %v", err)
	}
	last := waiting[len(waiting)-1]
	for _, c := range waiting[:len(waiting)-1] {
		check(t, "Close while connecting", c.Close())
	}
	await(t, p, func(map[reactor.Token]reactor.Ready) bool {
		for {
			c, _, err := l.Accept()
			if err != nil {
				wantErr(t, "Accept", err, reactor.ErrWouldBlock)
				break
			}
			check(t, "Close", c.Close())
		}
		err := last.FinishConnect()
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("FinishConnect: %v", err)
		}
		return err == nil
	})
}

func TestFinishConnectGivesTheSameRefusalEachTime(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		for _, tc := range []struct {
			name    string
			consume func(c *reactor.Conn) error
		}{
			{"at once", nil},
			{"after TakeError", (*reactor.Conn).TakeError},
			{"after Read", func(c *reactor.Conn) error { _, err := c.Read(make([]byte, 1)); return err }},
			{"after Write", func(c *reactor.Conn) error { _, err := c.Write(make([]byte, 1)); return err }},
			{"after Peek", func(c *reactor.Conn) error { _, err := c.Peek(make([]byte, 1)); return err }},
			{"after Readv", func(c *reactor.Conn) error { _, err := c.Readv([][]byte{make([]byte, 1)}); return err }},
			{"after Writev", func(c *reactor.Conn) error { _, err := c.Writev([][]byte{make([]byte, 1)}); return err }},
		} {
			t.Run(network+"/"+tc.name, func(t *testing.T) {
				var address string
				if network == "unix" {
					address = deadSocket(t)
				} else {
					address = closedPort(t, network)
				}
				c, err := reactor.Dial(network, address)
				if err != nil {
					if c != nil {
						t.Error("Dial gives a Conn beside an error")
					}
					if errors.Is(err, errors.ErrUnsupported) {
						supported(t, "Dial", err)
					}
					wantErr(t, "Dial", err, errnoRefused)
					wantOpError(t, err)
					return
				}
				closeLater(t, c)
				p := newPoll(t)
				check(t, "Register", p.Register(c, 1, reactor.Writable, reactor.Level))
				awaitReady(t, p, 1, reactor.ReadyWritable)
				if tc.consume != nil {
					wantErr(t, "the call before FinishConnect", tc.consume(c), errnoRefused)
				}
				var first error
				for i := range 3 {
					err := c.FinishConnect()
					wantErr(t, "FinishConnect", err, errnoRefused)
					wantOpError(t, err)
					if i == 0 {
						first = err
					} else if err.Error() != first.Error() {
						t.Errorf("FinishConnect first says %q, then %q", first, err)
					}
				}
				if text := first.Error(); strings.Contains(text, c.LocalAddr().String()) && !strings.Contains(text, address) {
					t.Errorf("error %q names the local address alone, which reads as the peer's", text)
				}
			})
		}
	}
}

// deadSocket gives a Unix path that exists, with nobody behind it.
func deadSocket(t testing.TB) string {
	t.Helper()
	path := filepath.Join(socketDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("no Unix sockets on this system: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	check(t, "net.Listener.Close", l.Close())
	return path
}

func TestDialOfAMissingUnixPathFails(t *testing.T) {
	path := filepath.Join(socketDir(t), "missing")
	_, err := reactor.Dial("unix", path)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("no Unix sockets on this system: %v", err)
	}
	wantErr(t, "Dial", err, fs.ErrNotExist)
	wantOpError(t, err)
	if !strings.Contains(err.Error(), path) {
		t.Errorf("error %q does not name the path", err)
	}
}

func TestDialOfAFullUnixBacklogWouldBlock(t *testing.T) {
	lc := reactor.ListenConfig{Backlog: 1}
	l, err := lc.Listen("unix", filepath.Join(socketDir(t), "s"))
	supported(t, "Unix listener", err)
	closeLater(t, l)
	full := false
	for range 64 {
		c, err := reactor.Dial("unix", l.Addr().String())
		if err == reactor.ErrWouldBlock {
			if c != nil {
				t.Fatal("Dial gives a Conn beside ErrWouldBlock")
			}
			full = true
			break
		}
		if errors.Is(err, errnoRefused) {
			t.Skipf("this system refuses connections beyond the backlog: %v", err)
		}
		check(t, "Dial", err)
		closeLater(t, c)
	}
	if !full {
		t.Skip("this system connects 64 times with a backlog of 1")
	}
	c, _, err := l.Accept()
	check(t, "Accept", err)
	closeLater(t, c)
	again, err := reactor.Dial("unix", l.Addr().String())
	check(t, "Dial after Accept made room", err)
	closeLater(t, again)
}

func TestDialOfABadAddressIsAClearError(t *testing.T) {
	for _, tc := range []struct{ network, address string }{
		{"tcp", ""}, {"tcp", "127.0.0.1"}, {"tcp", "localhost:1"}, {"tcp4", "[::1]:1"}, {"tcp6", "127.0.0.1:1"}, {"tcp", "127.0.0.1:65536"},
		{"unix", ""}, {"unix", strings.Repeat("p", 300)},
	} {
		t.Run(tc.network+" "+tc.address[:min(len(tc.address), 20)], func(t *testing.T) {
			c, err := reactor.Dial(tc.network, tc.address)
			if err == nil {
				c.Close()
				t.Fatal("no error")
			}
			if errors.Is(err, errors.ErrUnsupported) {
				t.Skipf("no %s on this system: %v", tc.network, err)
			}
			wantBadArgument(t, err)
		})
	}
}

func TestReadGivesEOFAtTheEndOfAStream(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		writeFull(t, nil, a, []byte("last words"))
		check(t, "Close", a.Close())
		if got := readAll(t, nil, b); string(got) != "last words" {
			t.Errorf("read %q before the end", got)
		}
		buf := make([]byte, 8)
		for range 2 {
			n, err := b.Read(buf)
			wantResult(t, "Read", n, err, 0, io.EOF)
			n, err = b.Peek(buf)
			wantResult(t, "Peek", n, err, 0, io.EOF)
			n, err = b.Readv([][]byte{buf[:3], buf[3:]})
			wantResult(t, "Readv", n, err, 0, io.EOF)
		}
	})
}

func TestReadOfNothingGivesErrWouldBlockBare(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		buf := make([]byte, 8)
		n, err := a.Read(buf)
		wantResult(t, "Read", n, err, 0, reactor.ErrWouldBlock)
		n, err = a.Peek(buf)
		wantResult(t, "Peek", n, err, 0, reactor.ErrWouldBlock)
		n, err = a.Readv([][]byte{buf[:3], nil, buf[3:]})
		wantResult(t, "Readv", n, err, 0, reactor.ErrWouldBlock)
	})
}

func TestEmptyBuffersAreZeroNil(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		all := func(when string) {
			t.Helper()
			for what, call := range map[string]func([]byte) (int, error){
				"Read": a.Read, "Write": a.Write, "Peek": a.Peek,
			} {
				for _, p := range [][]byte{nil, {}} {
					n, err := call(p)
					wantResult(t, what+" "+when, n, err, 0, nil)
				}
			}
			for what, call := range map[string]func([][]byte) (int, error){"Readv": a.Readv, "Writev": a.Writev} {
				for _, p := range [][][]byte{nil, {}, {nil}, {{}, nil, {}}} {
					n, err := call(p)
					wantResult(t, what+" "+when, n, err, 0, nil)
				}
			}
		}
		all("with nothing to read")
		writeFull(t, nil, b, []byte("x"))
		until(t, "data", func() bool { n, _ := a.Peek(make([]byte, 1)); return n == 1 })
		all("with something to read")
		if got := readFull(t, nil, a, 1); string(got) != "x" {
			t.Errorf("read %q", got)
		}
	})
}

func TestWriteThatTakesPartGivesItsCountAndErrWouldBlock(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(c *reactor.Conn, p []byte) (int, error)
	}{
		{"Write", (*reactor.Conn).Write},
		{"Writev", func(c *reactor.Conn, p []byte) (int, error) {
			var bufs [][]byte
			for i, size := 0, 1; i < len(p); i, size = i+size, size*3%10007 {
				bufs = append(bufs, p[i:min(i+size, len(p))])
			}
			return c.Writev(bufs)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
				data := pattern(32 << 20)
				n, err := tc.write(a, data)
				if n <= 0 || n >= len(data) || err != reactor.ErrWouldBlock {
					t.Fatalf("%s of %d bytes = %d, %v; want a part and ErrWouldBlock", tc.name, len(data), n, err)
				}
				// What was taken may move on into the peer's buffer and so make room for a while.
				sent := n
				until(t, "the buffers' being full", func() bool {
					n, err := tc.write(a, data[sent:])
					if err != reactor.ErrWouldBlock {
						t.Fatalf("%s = %d, %v; want ErrWouldBlock", tc.name, n, err)
					}
					sent += n
					return n == 0
				})
				if got := readFull(t, nil, b, sent); !bytes.Equal(got, data[:sent]) {
					t.Error("what came is not what was taken")
				}
				n, err = b.Read(make([]byte, 1))
				wantResult(t, "Read after all that was taken", n, err, 0, reactor.ErrWouldBlock)
			})
		})
	}
}

func TestReadAfterCloseReadIsEOF(t *testing.T) {
	for _, queued := range []bool{false, true} {
		name := "empty"
		if queued {
			name = "with data queued"
		}
		t.Run(name, func(t *testing.T) {
			eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
				buf := make([]byte, 8)
				if queued {
					writeFull(t, nil, b, []byte("unread"))
					until(t, "data", func() bool { n, _ := a.Peek(buf); return n > 0 })
				}
				check(t, "CloseRead", a.CloseRead())
				for range 2 {
					n, err := a.Read(buf)
					wantResult(t, "Read", n, err, 0, io.EOF)
					n, err = a.Peek(buf)
					wantResult(t, "Peek", n, err, 0, io.EOF)
					n, err = a.Readv([][]byte{buf})
					wantResult(t, "Readv", n, err, 0, io.EOF)
				}
				writeFull(t, nil, a, []byte("still writing"))
				if got := readFull(t, nil, b, 13); string(got) != "still writing" {
					t.Errorf("read %q", got)
				}
			})
		})
	}
}

func TestCloseWriteEndsOneDirection(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		writeFull(t, nil, a, []byte("question"))
		check(t, "CloseWrite", a.CloseWrite())
		if got := readAll(t, nil, b); string(got) != "question" {
			t.Errorf("read %q", got)
		}
		for what, call := range map[string]func() (int, error){
			"Write":  func() (int, error) { return a.Write([]byte("more")) },
			"Writev": func() (int, error) { return a.Writev([][]byte{[]byte("m"), []byte("ore")}) },
		} {
			n, err := call()
			if n != 0 {
				t.Errorf("%s after CloseWrite takes %d bytes", what, n)
			}
			wantErr(t, what+" after CloseWrite", err, errnoPipe)
			wantOpError(t, err)
		}
		writeFull(t, nil, b, []byte("answer"))
		check(t, "CloseWrite of the other end", b.CloseWrite())
		if got := readAll(t, nil, a); string(got) != "answer" {
			t.Errorf("read %q", got)
		}
	})
}

func TestWriteToAClosedPeerIsAnError(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		check(t, "Close", b.Close())
		deadline := time.Now().Add(watchdog)
		for {
			_, err := a.Write([]byte("x"))
			if err == nil || err == reactor.ErrWouldBlock {
				if time.Now().After(deadline) {
					t.Fatal("no error")
				}
				continue
			}
			if !errors.Is(err, errnoPipe) && !errors.Is(err, errnoReset) {
				t.Errorf("Write: %v, want a broken pipe or a reset", err)
			}
			wantOpError(t, err)
			break
		}
		check(t, "Close", a.Close())
	})
}

func TestPeekDoesNotTake(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		writeFull(t, nil, a, []byte("peekaboo"))
		long, short := make([]byte, 16), make([]byte, 4)
		until(t, "data", func() bool { n, _ := b.Peek(long); return n == 8 })
		for range 2 {
			n, err := b.Peek(long)
			wantResult(t, "Peek", n, err, 8, nil)
			n, err = b.Peek(short)
			wantResult(t, "Peek", n, err, 4, nil)
			if string(long[:8]) != "peekaboo" || string(short) != "peek" {
				t.Errorf("peeked %q and %q", long[:8], short)
			}
		}
		n, err := b.Read(long)
		wantResult(t, "Read", n, err, 8, nil)
		if string(long[:8]) != "peekaboo" {
			t.Errorf("read %q", long[:8])
		}
		n, err = b.Peek(long)
		wantResult(t, "Peek", n, err, 0, reactor.ErrWouldBlock)
	})
}

func TestTransferOf8MiBArrivesWhole(t *testing.T) {
	data := pattern(8 << 20)
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		if got := transfer(t, a, b, data); !bytes.Equal(got, data) {
			t.Error("the bytes differ")
		}
		if got := transfer(t, b, a, data[:1<<20]); !bytes.Equal(got, data[:1<<20]) {
			t.Error("the bytes differ on the way back")
		}
	})
}
