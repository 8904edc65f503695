package wasi

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

const servers = "github.com/goreactor/reactor/servers/cmd/"

// eachServer runs f against tcp_listenfd_server under each runtime.
func eachServer(t *testing.T, f func(t *testing.T, p *program)) {
	t.Helper()
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		f(t, r.start(t, servers+"tcp_listenfd_server", "listening", []string{"LISTEN_FDS=1"}, nil))
	})
}

func TestServerFindsItsListenerWithoutBeingTold(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		p := r.start(t, servers+"tcp_listenfd_server", "listening", nil, nil)
		check(t, echo(p.dial(t), 1000))
	})
}

// echo sends n bytes while it reads them back.
func echo(c *net.TCPConn, n int) error {
	data := make([]byte, n)
	random := rand.NewChaCha8(sha256.Sum256([]byte(c.LocalAddr().String())))
	if _, err := random.Read(data); err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- err
	}()
	back := make([]byte, n)
	if _, err := io.ReadFull(c, back); err != nil {
		return fmt.Errorf("reading the echo: %w", err)
	}
	if !bytes.Equal(data, back) {
		return errors.New("the echo differs")
	}
	return <-sent
}

func TestServerEchoesFor100Clients(t *testing.T) {
	eachServer(t, func(t *testing.T, p *program) {
		var wg sync.WaitGroup
		for i := range 100 {
			c := p.dial(t)
			wg.Go(func() {
				for _, n := range []int{1, 100, 1 + 100*i, 64 << 10} {
					if err := echo(c, n); err != nil {
						t.Errorf("client %d, %d bytes: %v", i, n, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestServerEchoes8MiB(t *testing.T) {
	eachServer(t, func(t *testing.T, p *program) {
		var wg sync.WaitGroup
		for i := range 3 {
			c := p.dial(t)
			wg.Go(func() {
				if err := echo(c, 8<<20); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestServerEchoesAllThatCameBeforeAHalfClose(t *testing.T) {
	eachServer(t, func(t *testing.T, p *program) {
		for _, n := range []int{0, 1, 5, 100_000} {
			c := p.dial(t)
			data := bytes.Repeat([]byte("x"), n)
			_, err := c.Write(data)
			check(t, err)
			check(t, c.CloseWrite())
			back, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(back, data) {
				t.Fatalf("%d bytes of %d came back, %v", len(back), n, err)
			}
		}
	})
}

func TestServerOutlivesResets(t *testing.T) {
	eachServer(t, func(t *testing.T, p *program) {
		other := p.dial(t)
		for i := range 20 {
			c := p.dial(t)
			check(t, echo(c, 10))
			if i%2 == 0 {
				// What comes back meets a closed connection.
				_, err := c.Write(make([]byte, 10_000))
				check(t, err)
			}
			check(t, c.SetLinger(0))
			check(t, c.Close())
			check(t, echo(other, 100))
		}
	})
}

// A client that does not read what comes back is not read from either, while the others are served; when it reads, it gets
// everything.
func TestServerHoldsASlowReaderBack(t *testing.T) {
	eachServer(t, func(t *testing.T, p *program) {
		slow, other := p.dial(t), p.dial(t)
		check(t, echo(other, 100))
		chunk := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		const most = 256 << 20
		sent := 0
		for {
			check(t, slow.SetWriteDeadline(time.Now().Add(2*time.Second)))
			n, err := slow.Write(chunk)
			if sent += n; errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			check(t, err)
			if sent >= most {
				t.Fatalf("the server took %d bytes of which nobody reads the echo", sent)
			}
		}
		for range 5 {
			check(t, echo(other, 1000))
		}
		check(t, slow.CloseWrite())
		got := 0
		buf := make([]byte, 1<<20)
		for {
			n, err := slow.Read(buf)
			for i, b := range buf[:n] {
				if b != chunk[(got+i)%len(chunk)] {
					t.Fatalf("byte %d of the echo differs", got+i)
				}
			}
			got += n
			if err == io.EOF {
				break
			}
			check(t, err)
		}
		if got != sent {
			t.Fatalf("%d bytes of %d came back", got, sent)
		}
	})
}

func TestServerIsReachedAgainAfterManyClients(t *testing.T) {
	eachServer(t, func(t *testing.T, p *program) {
		for range 300 {
			c := p.dial(t)
			check(t, echo(c, 64))
			check(t, c.CloseWrite())
			if _, err := io.ReadAll(c); err != nil {
				t.Fatal(err)
			}
			check(t, c.Close())
		}
	})
}

func TestServersThatCannotListenSaySoInOneLine(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		for _, name := range []string{"tcp_server", "udp_server"} {
			out, err := exec.Command(r.command[0], append(r.run(), module(t, servers+name))...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
			text := strings.TrimSpace(string(out))
			if strings.Contains(text, "\n") || !strings.Contains(text, "tcp_listenfd_server") && name == "tcp_server" {
				t.Errorf("%s says: %s", name, text)
			}
		}
		out, err := exec.Command(r.command[0], append(r.run(), module(t, servers+"tcp_listenfd_server"))...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "listening sockets") {
			t.Errorf("tcp_listenfd_server without a listener: %v\n%s", err, out)
		}
	})
}
