package reactor_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goreactor/reactor"
)

// forceReadBuffer sets the receive buffer past the system's limit, where the test may.
func forceReadBuffer(t testing.TB, c *reactor.PacketConn, bytes int) {
	t.Helper()
	rc, err := c.SyscallConn()
	check(t, "SyscallConn", err)
	check(t, "Control", rc.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes); err != nil {
			t.Logf("SO_RCVBUFFORCE: %v", err)
		}
	}))
}
