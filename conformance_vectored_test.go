package reactor_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// pieces cuts p into buffers of the sizes, which repeat.
func pieces(p []byte, sizes ...int) [][]byte {
	var bufs [][]byte
	for i, k := 0, 0; i < len(p); k++ {
		end := min(i+sizes[k%len(sizes)], len(p))
		bufs = append(bufs, p[i:end:end])
		i = end
	}
	return bufs
}

// awaitBytes waits until n bytes can be read at once.
func awaitBytes(t testing.TB, c *reactor.Conn, n int) {
	t.Helper()
	buf := make([]byte, n)
	until(t, "data", func() bool {
		m, err := c.Peek(buf)
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("Peek: %v", err)
		}
		return m == n
	})
}

func TestWritevGathersInOrder(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		bufs := [][]byte{nil, []byte("one "), {}, []byte("two "), nil, nil, []byte("three"), {}}
		n, err := a.Writev(bufs)
		wantResult(t, "Writev", n, err, 13, nil)
		if len(bufs[1]) != 4 || len(bufs[6]) != 5 {
			t.Error("Writev changes the caller's buffers")
		}
		if got := readFull(t, nil, b, 13); string(got) != "one two three" {
			t.Errorf("read %q", got)
		}
	})
}

func TestReadvScattersInOrder(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		writeFull(t, nil, a, []byte("one two three"))
		awaitBytes(t, b, 13)
		first, second, third := make([]byte, 4), make([]byte, 4), make([]byte, 9)
		n, err := b.Readv([][]byte{{}, first, nil, second, third, {}})
		wantResult(t, "Readv", n, err, 13, nil)
		if string(first) != "one " || string(second) != "two " || string(third[:5]) != "three" {
			t.Errorf("read %q %q %q", first, second, third)
		}
		n, err = b.Readv([][]byte{first})
		wantResult(t, "Readv", n, err, 0, reactor.ErrWouldBlock)
	})
}

func TestReadvTakesOnlyWhatFits(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		writeFull(t, nil, a, []byte("abcdefgh"))
		awaitBytes(t, b, 8)
		x, y := make([]byte, 2), make([]byte, 3)
		n, err := b.Readv([][]byte{x, y})
		wantResult(t, "Readv", n, err, 5, nil)
		if string(x)+string(y) != "abcde" {
			t.Errorf("read %q %q", x, y)
		}
		if got := readFull(t, nil, b, 3); string(got) != "fgh" {
			t.Errorf("then read %q", got)
		}
	})
}

// A system takes IOV_MAX buffers a call, commonly 1,024; one call of this package takes all.
func TestVectoredCallsGoPastIOVMax(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		data := pattern(3100)
		var sent [][]byte
		for i, buf := range pieces(data, 1) {
			if i%7 == 0 {
				sent = append(sent, nil)
			}
			sent = append(sent, buf)
		}
		n, err := a.Writev(sent)
		wantResult(t, "Writev", n, err, len(data), nil)
		awaitBytes(t, b, len(data))
		got := make([]byte, len(data))
		n, err = b.Readv(pieces(got, 1))
		wantResult(t, "Readv", n, err, len(data), nil)
		if !bytes.Equal(got, data) {
			t.Error("the bytes differ")
		}
	})
}

func TestReadvPastIOVMaxStopsWhereTheDataEnd(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		// Exactly what one call of the system takes, so that the next finds nothing, and then the end.
		data := pattern(1024)
		writeFull(t, nil, a, data)
		awaitBytes(t, b, len(data))
		got := make([]byte, 2000)
		n, err := b.Readv(pieces(got, 1))
		wantResult(t, "Readv", n, err, len(data), nil)
		if !bytes.Equal(got[:n], data) {
			t.Error("the bytes differ")
		}
		writeFull(t, nil, a, data)
		check(t, "Close", a.Close())
		awaitBytes(t, b, len(data))
		clear(got)
		n, err = b.Readv(pieces(got, 1))
		wantResult(t, "Readv before the end", n, err, len(data), nil)
		if !bytes.Equal(got[:n], data) {
			t.Error("the bytes before the end differ")
		}
		if rest := readAll(t, nil, b); len(rest) != 0 {
			t.Errorf("%d bytes after the end", len(rest))
		}
	})
}

func TestVectoredTransferArrivesWhole(t *testing.T) {
	data := pattern(4 << 20)
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		p := newPoll(t)
		check(t, "Register", p.Register(a, 0, reactor.Writable, reactor.Edge))
		check(t, "Register", p.Register(b, 1, reactor.Readable, reactor.Edge))
		deadline := time.Now().Add(watchdog)
		got := make([]byte, len(data))
		sent, came := 0, 0
		for came < len(data) {
			n, err := a.Writev(pieces(data[sent:], 1, 0, 700, 3, 40000))
			sent += n
			if err != nil && err != reactor.ErrWouldBlock {
				t.Fatalf("Writev after %d: %v", sent, err)
			}
			// At most so much at once: the cutting into pieces costs, too.
			end := min(came+1<<20, len(got))
			n, err = b.Readv(pieces(got[came:end], 5, 0, 1, 30000))
			came += n
			switch {
			case err == reactor.ErrWouldBlock:
				pause(t, p, deadline, "the transfer")
			case err != nil:
				t.Fatalf("Readv after %d: %v", came, err)
			}
		}
		if !bytes.Equal(got, data) {
			t.Error("the bytes differ")
		}
	})
}

func TestOneGoroutineReadsWhileAnotherWrites(t *testing.T) {
	data := pattern(1 << 20)
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		// Each end writes all of data in a goroutine of its own while this one reads both.
		errs := make(chan error, 2)
		for _, c := range []*reactor.Conn{a, b} {
			go func() {
				p, err := reactor.NewPoll()
				if err != nil {
					errs <- err
					return
				}
				defer p.Close()
				if err := p.Register(c, 0, reactor.Writable, reactor.Level); err != nil {
					errs <- err
					return
				}
				var events [1]reactor.Event
				for sent := 0; sent < len(data); {
					n, err := c.Write(data[sent:])
					sent += n
					if err == reactor.ErrWouldBlock {
						_, err = p.Wait(events[:], watchdog)
					}
					if err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
		}
		var got [2][]byte
		buf := make([]byte, 32<<10)
		until(t, "both transfers", func() bool {
			for i, c := range []*reactor.Conn{a, b} {
				n, err := c.Read(buf)
				if err != nil && err != reactor.ErrWouldBlock {
					t.Fatalf("Read: %v", err)
				}
				got[i] = append(got[i], buf[:n]...)
			}
			return len(got[0]) >= len(data) && len(got[1]) >= len(data)
		})
		for range 2 {
			check(t, "the writing goroutine", <-errs)
		}
		if !bytes.Equal(got[0], data) || !bytes.Equal(got[1], data) {
			t.Error("the bytes differ")
		}
	})
}
