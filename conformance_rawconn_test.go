package reactor_test

import (
	"syscall"
	"testing"

	"github.com/goreactor/reactor"
)

func TestRawConnCallsItsFunctionOnce(t *testing.T) {
	eachStream(t, func(t *testing.T, _ streamKind, r readSource, w writeSource) {
		for _, c := range []syscall.Conn{r, w} {
			rc, err := c.SyscallConn()
			supported(t, "SyscallConn", err)
			want := fdOf(t, c)
			for _, answer := range []bool{true, false} {
				for name, call := range map[string]func(func(uintptr) bool) error{"Read": rc.Read, "Write": rc.Write} {
					calls := 0
					err := call(func(fd uintptr) bool {
						calls++
						if fd != want {
							t.Errorf("%s gives the descriptor %d, Control %d", name, fd, want)
						}
						return answer
					})
					if calls != 1 {
						t.Errorf("%s calls its function %d times", name, calls)
					}
					if answer && err != nil {
						t.Errorf("%s with true: %v", name, err)
					}
					if !answer && err != reactor.ErrWouldBlock {
						t.Errorf("%s with false: %v, want ErrWouldBlock", name, err)
					}
				}
			}
		}
	})
}

// otherDescriptors opens descriptors as long as fd might be handed out again, and reports whether it was.
func otherDescriptors(t testing.TB, fd uintptr) (reused bool) {
	t.Helper()
	for range 8 {
		c, err := reactor.ListenPacket("udp4", "127.0.0.1:0")
		supported(t, "datagram socket", err)
		closeLater(t, c)
		if fdOf(t, c) == fd {
			reused = true
		}
	}
	return reused
}

func TestRawConnPinsTheDescriptorAgainstClose(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		rc, err := a.SyscallConn()
		supported(t, "SyscallConn", err)
		reused := false
		err = rc.Control(func(fd uintptr) {
			check(t, "Close inside Control", a.Close())
			reused = otherDescriptors(t, fd)
			if n, err := b.Peek(make([]byte, 1)); err != reactor.ErrWouldBlock {
				t.Errorf("the peer's Peek = %d, %v inside Control: the descriptor is closed", n, err)
			}
		})
		check(t, "Control", err)
		if reused {
			t.Error("the descriptor's number was handed out again while it was pinned")
		}
		if rest := readAll(t, nil, b); len(rest) != 0 {
			t.Errorf("read %q", rest)
		}
		if err := rc.Control(func(uintptr) { t.Error("Control calls after Close") }); err != reactor.ErrClosed {
			t.Errorf("Control after Close: %v", err)
		}
	})
}

func TestRawConnPinsTheDescriptorAgainstCloseElsewhere(t *testing.T) {
	eachConn(t, func(t *testing.T, a, b *reactor.Conn) {
		rc, err := a.SyscallConn()
		supported(t, "SyscallConn", err)
		inside, leave, done := make(chan uintptr), make(chan struct{}), make(chan error)
		go func() {
			done <- rc.Read(func(fd uintptr) bool {
				inside <- fd
				<-leave
				return true
			})
		}()
		fd := <-inside
		closed := make(chan error, 1)
		go func() { closed <- a.Close() }()
		until(t, "Close to begin", func() bool { return a.TakeError() == reactor.ErrClosed })
		reused := otherDescriptors(t, fd)
		close(leave)
		check(t, "RawConn.Read", <-done)
		check(t, "Close", <-closed)
		if reused {
			t.Error("the descriptor's number was handed out again while it was pinned")
		}
		if rest := readAll(t, nil, b); len(rest) != 0 {
			t.Errorf("read %q", rest)
		}
	})
}
