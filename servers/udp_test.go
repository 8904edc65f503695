package servers_test

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func startUDP(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, "udp_server", append([]string{"-addr", "127.0.0.1:0"}, args...)...)
}

// datagram sends one and expects it back.
func datagram(c net.Conn, b []byte) error {
	c.SetDeadline(time.Now().Add(hang))
	if _, err := c.Write(b); err != nil {
		return err
	}
	back := make([]byte, 65536)
	n, err := c.Read(back)
	if err != nil {
		return err
	}
	if !bytes.Equal(back[:n], b) {
		return fmt.Errorf("%d bytes came back for %d, or other ones", n, len(b))
	}
	return nil
}

func TestUDPEchoesDatagramsOfAllSizes(t *testing.T) {
	p := startUDP(t)
	c := dial(t, "udp", p.addr)
	for _, size := range []int{0, 1, 1472, 1473, 9000, 65507, 0, 65507, 1} {
		err := datagram(c, randomBytes(size))
		if size > 9000 && err != nil && strings.Contains(err.Error(), "message too long") {
			t.Logf("%d bytes: this system does not send as much by default: %v", size, err)
		} else if err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestUDPEchoesOverIPv6(t *testing.T) {
	probe, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	probe.Close()
	p := start(t, "udp_server", "-addr", "[::1]:0")
	if err := datagram(dial(t, "udp", p.addr), []byte("hello")); err != nil {
		t.Error(err)
	}
}

func TestUDPEchoesToEverySenderOfABothFamiliesSocket(t *testing.T) {
	p := start(t, "udp_server", "-addr", ":0")
	_, port, _ := net.SplitHostPort(p.addr)
	for _, host := range []string{"127.0.0.1", "::1"} {
		probe, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Logf("no %s here: %v", host, err)
			continue
		}
		probe.Close()
		if err := datagram(dial(t, "udp", net.JoinHostPort(host, port)), []byte("hello")); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestUDPBurstsComeBackWholeAndAreCounted(t *testing.T) {
	// A burst fits every buffer on the way, so that nothing may be missing.
	const bursts, burst = 50, 60
	p := startUDP(t)
	c := dial(t, "udp", p.addr)
	back := make([]byte, 2048)
	for b := range bursts {
		for i := range burst {
			if _, err := fmt.Fprintf(c, "burst %d datagram %d", b, i); err != nil {
				t.Fatal(err)
			}
		}
		c.SetReadDeadline(time.Now().Add(hang))
		for i := range burst {
			n, err := c.Read(back)
			if want := fmt.Sprintf("burst %d datagram %d", b, i); err != nil || string(back[:n]) != want {
				t.Fatalf("got %q, %v, and not %q", back[:n], err, want)
			}
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("no signal can be sent here that stops the server, so it does not tell its counts")
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("status %d", status)
	}
	want := fmt.Sprintf(`msg=stopped received=%d sent=%d dropped=0`, bursts*burst, bursts*burst)
	if len(p.said(want)) != 1 {
		t.Errorf("it says %q, and not %q", p.tail(3), want)
	}
}

func TestUDPSenderThatIsGoneDoesNotEndTheServer(t *testing.T) {
	p := startUDP(t)
	other := dial(t, "udp", p.addr)
	for range 50 {
		c := dial(t, "udp", p.addr)
		for range 5 {
			if _, err := c.Write([]byte("nobody waits for this")); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
		if err := datagram(other, []byte("still here")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUDPServesManySendersOnFourLoops(t *testing.T) {
	p := startUDP(t, "-loops", "4")
	var senders sync.WaitGroup
	for i := range 32 {
		c := dial(t, "udp", p.addr)
		senders.Go(func() {
			for round := range 50 {
				if err := datagram(c, []byte(strings.Repeat("x", i*round))); err != nil {
					t.Errorf("sender %d, round %d: %v", i, round, err)
					return
				}
			}
		})
	}
	senders.Wait()
}
