package servers_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// dial connects to a server. The connection ends with the test at the latest.
func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout(network, addr, hang)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(hang))
	return c
}

// roundTrip sends b and expects it back.
func roundTrip(c net.Conn, b []byte) error {
	c.SetDeadline(time.Now().Add(hang))
	if _, err := c.Write(b); err != nil {
		return err
	}
	back := make([]byte, len(b))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if !bytes.Equal(back, b) {
		return fmt.Errorf("got %.40q back for %.40q", back, b)
	}
	return nil
}

func mustRoundTrip(t *testing.T, c net.Conn, b string) {
	t.Helper()
	if err := roundTrip(c, []byte(b)); err != nil {
		t.Fatal(err)
	}
}

// throughAndBack sends all of data, then closes the sending side, and expects all of it and then the end.
func throughAndBack(c net.Conn, data []byte) error {
	c.SetDeadline(time.Now().Add(hang))
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		if err == nil {
			err = c.(interface{ CloseWrite() error }).CloseWrite()
		}
		wrote <- err
	}()
	back, err := io.ReadAll(c)
	if err := errors.Join(<-wrote, err); err != nil {
		return err
	}
	if !bytes.Equal(back, data) {
		return fmt.Errorf("%d bytes came back for %d, or other ones", len(back), len(data))
	}
	return nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func TestTCPEchoesOverIPv4AndIPv6(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", ":0", "localhost:0"} {
		t.Run(addr, func(t *testing.T) {
			if strings.HasPrefix(addr, "[") {
				probe, err := net.Listen("tcp", addr)
				if err != nil {
					t.Skipf("no IPv6 here: %v", err)
				}
				probe.Close()
			}
			p := start(t, "tcp_server", "-addr", addr)
			_, port, err := net.SplitHostPort(p.addr)
			if err != nil || port == "0" {
				t.Fatalf("the listening line says %q", p.addr)
			}
			at := p.addr
			if addr == ":0" {
				at = "127.0.0.1:" + port
			}
			mustRoundTrip(t, dial(t, "tcp", at), "hello")
		})
	}
}

func TestTCPEchoesToNetcat(t *testing.T) {
	nc, err := exec.LookPath("nc")
	if err != nil {
		t.Skipf("no nc: %v", err)
	}
	p := startTCP(t)
	host, port, _ := net.SplitHostPort(p.addr)
	cmd := exec.Command(nc, "-N", host, port)
	cmd.Stdin = strings.NewReader("hello, netcat\n")
	out, err := cmd.CombinedOutput()
	if err != nil && (bytes.Contains(out, []byte("option")) || bytes.Contains(out, []byte("usage"))) {
		t.Skipf("this nc cannot close its sending side (-N): %s", out)
	}
	if err != nil || string(out) != "hello, netcat\n" {
		t.Fatalf("nc: %q, %v", out, err)
	}
}

func TestTCPEchoesToSocat(t *testing.T) {
	socat, err := exec.LookPath("socat")
	if err != nil {
		t.Skipf("no socat: %v", err)
	}
	p := startTCP(t)
	data := randomBytes(1 << 20)
	cmd := exec.Command(socat, "-t", "30", "-", "TCP:"+p.addr)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil || !bytes.Equal(out, data) {
		t.Fatalf("socat: %d bytes came back for %d, %v", len(out), len(data), err)
	}
}

func TestTCPHalfCloseGivesBackAllThatWasSent(t *testing.T) {
	p := startTCP(t)
	for _, size := range []int{0, 1, 65535, 65536, 65537, 4 << 20} {
		if err := throughAndBack(dial(t, "tcp", p.addr), randomBytes(size)); err != nil {
			t.Errorf("%d bytes, then half-close: %v", size, err)
		}
	}
}

func TestTCPHalfCloseBeforeAnythingIsRead(t *testing.T) {
	// The end of the stream comes while output is pending: the client reads only after it has sent everything
	// that the buffers of both sides take.
	p := startTCP(t)
	c := dial(t, "tcp", p.addr).(*net.TCPConn)
	var sent bytes.Buffer
	block := randomBytes(32 << 10)
	for {
		c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		n, err := c.Write(block)
		sent.Write(block[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if sent.Len() > 512<<20 {
			t.Fatal("the server takes 512 MiB without giving any of it back")
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(hang))
	back, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(back, sent.Bytes()) {
		t.Fatalf("%d bytes came back for %d, %v", len(back), sent.Len(), err)
	}
}

func TestTCPServesManyClientsAtOnceOnFourLoops(t *testing.T) {
	p := startTCP(t, "-loops", "4")
	serveMany(t, "tcp", p.addr, 64)
}

// serveMany lets n clients talk to a server at the same time, with messages of many sizes.
func serveMany(t *testing.T, network, addr string, n int) {
	t.Helper()
	var clients sync.WaitGroup
	for i := range n {
		c := dial(t, network, addr)
		clients.Go(func() {
			for round := range 20 {
				if err := roundTrip(c, randomBytes(1+(i*7919+round*104729)%100_000)); err != nil {
					t.Errorf("client %d, round %d: %v", i, round, err)
					return
				}
			}
			if err := throughAndBack(c, randomBytes(300_000)); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	clients.Wait()
}

func TestTCPReset(t *testing.T) {
	// A reset ends the client that sent it and nobody else.
	p := startTCP(t)
	other := dial(t, "tcp", p.addr)
	for i := range 200 {
		c := dial(t, "tcp", p.addr).(*net.TCPConn)
		if i%2 == 0 {
			c.Write(randomBytes(100_000))
		}
		c.SetLinger(0)
		c.Close()
		mustRoundTrip(t, other, "still here")
	}
}

func TestTCPMaxConnsStopsAcceptingUntilOneLeaves(t *testing.T) {
	for _, loops := range []string{"1", "3"} {
		t.Run(loops+" loops", func(t *testing.T) {
			p := startTCP(t, "-max-conns", "2", "-loops", loops)
			first, second := dial(t, "tcp", p.addr), dial(t, "tcp", p.addr)
			mustRoundTrip(t, first, "one")
			mustRoundTrip(t, second, "two")
			third := dial(t, "tcp", p.addr) // the kernel takes it
			if _, err := third.Write([]byte("three")); err != nil {
				t.Fatal(err)
			}
			third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			back := make([]byte, 5)
			if n, err := third.Read(back); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the third of two got %q, %v", back[:n], err)
			}
			mustRoundTrip(t, first, "one again")
			second.Close()
			third.SetReadDeadline(time.Now().Add(hang))
			if _, err := io.ReadFull(third, back); err != nil || string(back) != "three" {
				t.Fatalf("after one left the third got %q, %v", back, err)
			}
			mustRoundTrip(t, first, "one at last")
		})
	}
}

func TestTCPDebugLogNamesTokens(t *testing.T) {
	p := startTCP(t, "-log", "debug")
	for i := 1; i <= 3; i++ {
		c := dial(t, "tcp", p.addr)
		mustRoundTrip(t, c, "x")
		c.Close()
		p.await(t, fmt.Sprintf(`level=DEBUG msg=accepted token=%d peer=127\.0\.0\.1:\d+`, i), 1)
		p.await(t, fmt.Sprintf(`level=DEBUG msg=closed token=%d$`, i), 1)
	}
	c := dial(t, "tcp", p.addr).(*net.TCPConn)
	mustRoundTrip(t, c, "x")
	c.SetLinger(0)
	c.Close()
	p.await(t, `level=DEBUG msg=closed token=4 err=.*reset`, 1)
}

func TestTCPLogLevel(t *testing.T) {
	p := startTCP(t)
	c := dial(t, "tcp", p.addr)
	mustRoundTrip(t, c, "x")
	if lines := p.said("level=DEBUG"); len(lines) > 0 {
		t.Errorf("without -log debug it says %q", lines)
	}
}

func TestTCPAddressInUse(t *testing.T) {
	p := startTCP(t)
	status, said := runToEnd(t, exec.Command(program(t, "tcp_server"), "-addr", p.addr))
	if status != 1 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "tcp_server: ") || !strings.Contains(said, p.addr) {
		t.Errorf("status %d, %q", status, said)
	}
}
