//go:build unix

package servers_test

import (
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSignalsStopTheServersCleanly(t *testing.T) {
	for _, name := range []string{"tcp_server", "udp_server"} {
		for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(name+" "+sig.String(), func(t *testing.T) {
				p := start(t, name, "-addr", "127.0.0.1:0", "-loops", "2")
				c := dial(t, strings.TrimSuffix(name, "_server"), p.addr)
				mustRoundTrip(t, c, "hello")
				if err := p.cmd.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				if status := p.wait(t); status != 0 {
					t.Errorf("status %d: %s", status, p.tail(5))
				}
				if len(p.said("level=(WARN|ERROR)|panic")) > 0 {
					t.Errorf("it says %s", p.tail(40))
				}
				if name == "udp_server" {
					return
				}
				c.SetDeadline(time.Now().Add(hang))
				if n, err := c.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the client sees %d, %v", n, err)
				}
			})
		}
	}
}
