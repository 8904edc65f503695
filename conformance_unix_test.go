//go:build unix

package reactor_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goreactor/reactor"
)

// What needs Unix system calls of its own: urgent data, passed descriptors, signals, descriptors that are
// closed or read behind the package's back.

// urgent sends one byte of TCP urgent data.
func urgent(t testing.TB, c *reactor.Conn) {
	t.Helper()
	rc, err := c.SyscallConn()
	check(t, "SyscallConn", err)
	var serr error
	check(t, "Control", rc.Control(func(fd uintptr) {
		_, serr = unix.SendmsgN(int(fd), []byte("!"), nil, nil, unix.MSG_OOB)
	}))
	supported(t, "urgent data", serr)
}

func TestUrgentDataIsPriority(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		for _, mode := range modes {
			for _, interest := range []reactor.Interest{reactor.Priority, reactor.Priority | reactor.Readable, reactor.Priority | bothWays} {
				t.Run(network+"/"+mode.String()+"/"+interest.String(), func(t *testing.T) {
					a, b := connPair(t, network)
					p := newPoll(t)
					supported(t, "Priority", p.Register(a, 7, interest, mode))
					rearm := rearming(t, p, a, 7, interest, mode)
					urgent(t, b)
					awaitCoherent(t, p, 7, interest, reactor.ReadyPriority, rearm)
				})
			}
		}
	}
}

func TestPriorityComesWithoutInterestSoThatShortReadsCanTrustIt(t *testing.T) {
	a, b := connPair(t, "tcp4")
	p := newPoll(t)
	// A poller without Priority cannot tell it: there a short read tries once more.
	supported(t, "Priority", p.Register(a, 7, reactor.Readable|reactor.Priority, reactor.Edge))
	check(t, "Deregister", p.Deregister(a))
	check(t, "Register", p.Register(a, 7, reactor.Readable, reactor.Edge))
	_, err := b.Write([]byte("before"))
	check(t, "Write", err)
	urgent(t, b)
	_, err = b.Write([]byte("after"))
	check(t, "Write", err)
	awaitCoherent(t, p, 7, reactor.Readable, reactor.ReadyReadable|reactor.ReadyPriority, func() {})
}

// The kernel stops a read at the urgent mark, short of what is there.
func TestAShortReadAtAnUrgentMarkIsAnnouncedByPriority(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			for _, late := range []bool{false, true} {
				a, b := connPair(t, network)
				p := newPoll(t)
				if late {
					check(t, "Register", p.Register(a, 7, reactor.Readable, reactor.Edge))
				}
				for range 3 {
					_, err := b.Write([]byte("0123456789"))
					check(t, "Write", err)
					urgent(t, b)
					_, err = b.Write([]byte("abcde"))
					check(t, "Write", err)
				}
				if !late {
					check(t, "Register", p.Register(a, 7, reactor.Readable, reactor.Edge))
				}
				// An urgent byte that a newer one overtakes comes in line.
				last := "0123456789abcde"
				got := followShortReads(t, p, a.Read, func(got []byte) bool {
					return countBytes(got, 'e') == 3
				})
				if len(got) < 3*len(last) || string(got[len(got)-len(last):]) != last {
					t.Fatalf("read %q", got)
				}
			}
		})
	}
}

func countBytes(data []byte, c byte) (n int) {
	for _, b := range data {
		if b == c {
			n++
		}
	}
	return n
}

// pass sends data with a descriptor.
func pass(t testing.TB, c *reactor.Conn, data string) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	check(t, "Open", err)
	defer null.Close()
	rc, err := c.SyscallConn()
	check(t, "SyscallConn", err)
	var serr error
	check(t, "Control", rc.Control(func(fd uintptr) {
		_, serr = unix.SendmsgN(int(fd), []byte(data), unix.UnixRights(int(null.Fd())), nil, 0)
	}))
	supported(t, "passing of descriptors", serr)
}

// The kernel stops a read where descriptors were passed, short of what is there.
func TestAShortReadOfAUnixStreamDrainsItThoughDescriptorsWerePassed(t *testing.T) {
	for _, network := range []string{"unix", "pair"} {
		for name, read := range map[string]func(c *reactor.Conn) func([]byte) (int, error){
			"Read": func(c *reactor.Conn) func([]byte) (int, error) { return c.Read },
			"Readv": func(c *reactor.Conn) func([]byte) (int, error) {
				return func(buf []byte) (int, error) { return c.Readv([][]byte{buf[:3], buf[3:]}) }
			},
		} {
			t.Run(network+"/"+name, func(t *testing.T) {
				a, b := connPair(t, network)
				p := newPoll(t)
				check(t, "Register", p.Register(a, 7, reactor.Readable, reactor.Edge))
				want := ""
				for range 3 {
					for range 3 {
						_, err := b.Write([]byte("0123456789"))
						check(t, "Write", err)
						pass(t, b, "abcde")
						pass(t, b, "fghij")
						want += "0123456789abcdefghij"
					}
					got := followShortReads(t, p, read(a), func(got []byte) bool { return len(got) >= len(want) })
					if string(got) != want {
						t.Fatalf("read %q, want %q", got, want)
					}
					want = ""
				}
			})
		}
	}
}

// readRaw reads a source's descriptor past the package.
func readRaw(t testing.TB, c readSource) string {
	t.Helper()
	rc, err := c.SyscallConn()
	check(t, "SyscallConn", err)
	var buf [256]byte
	var n int
	var rerr error
	check(t, "Control", rc.Control(func(fd uintptr) { n, rerr = unix.Read(int(fd), buf[:]) }))
	check(t, "read", rerr)
	return string(buf[:n])
}

// Somebody else read what the event was for. Only the call under test meets that nothing is there.
func TestEdgeIsArmedByTheFirstCallThatWouldBlock(t *testing.T) {
	for _, k := range streams {
		calls := map[string]func(c readSource) error{
			"Read": func(c readSource) error {
				_, err := c.Read(make([]byte, 8))
				return err
			},
			"Peek": func(c readSource) error {
				peeker, ok := c.(interface{ Peek([]byte) (int, error) })
				if !ok {
					return errors.ErrUnsupported
				}
				_, err := peeker.Peek(make([]byte, 8))
				return err
			},
			"Readv": func(c readSource) error {
				reader, ok := c.(*reactor.Conn)
				if !ok {
					return errors.ErrUnsupported
				}
				_, err := reader.Readv([][]byte{make([]byte, 4), make([]byte, 4)})
				return err
			},
			"ReadFrom": func(c readSource) error {
				reader, ok := c.(*reactor.PacketConn)
				if !ok {
					return errors.ErrUnsupported
				}
				_, _, err := reader.ReadFrom(make([]byte, 8))
				return err
			},
			"PeekFrom": func(c readSource) error {
				reader, ok := c.(*reactor.PacketConn)
				if !ok {
					return errors.ErrUnsupported
				}
				_, _, err := reader.PeekFrom(make([]byte, 8))
				return err
			},
			"ReadBatch": func(c readSource) error {
				reader, ok := c.(*reactor.PacketConn)
				if !ok {
					return errors.ErrUnsupported
				}
				_, err := reader.ReadBatch([]reactor.Message{{Buf: make([]byte, 8)}})
				return err
			},
			"RawConn.Read": func(c readSource) error {
				rc, err := c.SyscallConn()
				if err != nil {
					return err
				}
				return rc.Read(func(fd uintptr) bool {
					_, err := unix.Read(int(fd), make([]byte, 8))
					return err != unix.EAGAIN
				})
			},
		}
		t.Run(k.name, func(t *testing.T) {
			has, _ := k.open(t)
			for name, call := range calls {
				if errors.Is(call(has), errors.ErrUnsupported) {
					continue // a method of another kind
				}
				t.Run(name, func(t *testing.T) {
					r, w := k.open(t)
					p := newPoll(t)
					check(t, "Register", p.Register(r, 7, reactor.Readable, reactor.Edge))
					for range 3 {
						_, err := w.Write([]byte("hello"))
						check(t, "Write", err)
						awaitReady(t, p, 7, reactor.ReadyReadable)
						if got := readRaw(t, r); got != "hello" {
							t.Fatalf("read %q", got)
						}
						if err := call(r); err != reactor.ErrWouldBlock {
							t.Fatalf("%s of nothing: %v", name, err)
						}
						quiet(t, p)
					}
				})
			}
		})
	}
}

// openAs opens duplicates of fd until one has the number want.
func openAs(t testing.TB, fd, want int) {
	t.Helper()
	for range 100 {
		n, err := unix.Dup(fd)
		check(t, "dup", err)
		if n == want {
			t.Cleanup(func() { _ = unix.Close(n) })
			return
		}
		defer unix.Close(n)
	}
	t.Skipf("the system does not give out number %d again", want)
}

// osPipe gives a pipe whose descriptors are the test's alone.
func osPipe(t testing.TB) (r, w int) {
	t.Helper()
	var fds [2]int
	check(t, "pipe", unix.Pipe(fds[:]))
	for _, fd := range fds {
		check(t, "nonblock", unix.SetNonblock(fd, true))
	}
	return fds[0], fds[1]
}

func TestRawWhoseOwnerClosedItGivesWayToTheNextOfItsNumber(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			old, oldWriter := osPipe(t)
			defer unix.Close(oldWriter)
			r, w := osPipe(t)
			defer unix.Close(r)
			defer unix.Close(w)
			check(t, "Register", p.Register(reactor.Raw(uintptr(old)), 1, reactor.Readable, mode))
			_, err := unix.Write(oldWriter, []byte("x"))
			check(t, "write", err)
			check(t, "close", unix.Close(old))
			openAs(t, r, old)
			src := reactor.Raw(uintptr(old))
			if err := p.Register(src, 2, reactor.Readable, mode); err != nil {
				switch p.Backend() {
				case "epoll", "kqueue":
					t.Fatalf("Register of the number's next owner: %v", err)
				}
				t.Skipf("%s does not show that a descriptor is dead: %v", p.Backend(), err)
			}
			quiet(t, p)
			_, err = unix.Write(w, []byte("x"))
			check(t, "write", err)
			oneEvent(t, p, 2, reactor.ReadyReadable)
			check(t, "Deregister", p.Deregister(src))
			quiet(t, p)
			wantErr(t, "Deregister", p.Deregister(src), reactor.ErrNotRegistered)
		})
	}
}

func TestRawWhoseOwnerClosedItCanBeDeregistered(t *testing.T) {
	p := newPoll(t)
	r, w := osPipe(t)
	defer unix.Close(w)
	src := reactor.Raw(uintptr(r))
	check(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge))
	_, err := unix.Write(w, []byte("x"))
	check(t, "write", err)
	check(t, "close", unix.Close(r))
	check(t, "Deregister", p.Deregister(src))
	quiet(t, p)
	wantErr(t, "Deregister", p.Deregister(src), reactor.ErrNotRegistered)
}

// A duplicate keeps the open file alive in the kernel's table after the registered number was closed.
func TestNoEventAfterDeregisterThoughADuplicateLivesOn(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			a, b := connPair(t, "tcp4")
			rc, err := a.SyscallConn()
			check(t, "SyscallConn", err)
			dup := -1
			check(t, "Control", rc.Control(func(fd uintptr) { dup, err = unix.Dup(int(fd)) }))
			check(t, "dup", err)
			defer unix.Close(dup)
			check(t, "Register", p.Register(a, 1, reactor.Readable, mode))
			_, err = b.Write([]byte("hello"))
			check(t, "Write", err)
			check(t, "Close", a.Close())
			quiet(t, p)
			quiet(t, p)
		})
	}
}

func TestPipesOfPackageOSAreSources(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			r, w, err := os.Pipe()
			check(t, "Pipe", err)
			defer r.Close()
			defer w.Close()
			src, err := reactor.FromSyscallConn(r)
			supported(t, "FromSyscallConn of a pipe", err)
			p := newPoll(t)
			check(t, "Register", p.Register(src, 1, reactor.Readable, mode))
			quiet(t, p)
			_, err = w.Write([]byte("hello"))
			check(t, "Write", err)
			oneEvent(t, p, 1, reactor.ReadyReadable)
			var buf [5]byte
			_, err = io.ReadFull(r, buf[:])
			check(t, "Read", err)
			check(t, "Reregister", p.Reregister(src, 2, reactor.Readable, mode))
			quiet(t, p)
			check(t, "Close", w.Close())
			e := oneEvent(t, p, 2, reactor.ReadyReadable|reactor.ReadyReadClosed)
			coherent(t, e, reactor.Readable)
			check(t, "Deregister", p.Deregister(src))
		})
	}
}
