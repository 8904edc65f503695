//go:build unix

package servers_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptors gives the number of descriptors that a process has open.
func descriptors(t *testing.T, p *process) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell a process's descriptors: %v", err)
	}
	return len(open)
}

// resident gives the memory that a process occupies, in bytes.
func resident(t *testing.T, p *process) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skipf("this system does not tell a process's memory: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Skip("/proc tells no VmRSS here")
	return 0
}

// eventually waits until f gives "".
func eventually(t *testing.T, f func() string) {
	t.Helper()
	deadline := time.Now().Add(hang)
	for {
		wrong := f()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(wrong)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTCPClientThatNeverReadsCostsBoundedMemory(t *testing.T) {
	const flood, bound = 256 << 20, 64 << 20
	p := startTCP(t)
	resident(t, p)
	var flooders sync.WaitGroup
	for range 8 {
		c := dial(t, "tcp", p.addr)
		flooders.Go(func() {
			block := make([]byte, 1<<20)
			for sent := 0; sent < flood; {
				// It is stuck when the server has taken nothing for a while.
				c.SetWriteDeadline(time.Now().Add(time.Second))
				n, err := c.Write(block)
				sent += n
				if errors.Is(err, os.ErrDeadlineExceeded) && n == 0 {
					return
				}
				if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { flooders.Wait(); close(done) }()
	other := dial(t, "tcp", p.addr)
	most := 0
	for flooding := true; flooding; {
		select {
		case <-done:
			flooding = false
		default:
		}
		mustRoundTrip(t, other, "still served")
		most = max(most, resident(t, p))
	}
	t.Logf("at most %d KiB resident", most>>10)
	if most >= bound {
		t.Errorf("%d bytes resident, more than %d", most, bound)
	}
}

func TestTCPConnectCloseCyclesLeakNoDescriptor(t *testing.T) {
	p := startTCP(t)
	mustRoundTrip(t, dial(t, "tcp", p.addr), "first")
	before := descriptors(t, p)
	for i := range 2000 {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			err = roundTrip(c, []byte("x"))
		case 1:
			_, err = c.Write([]byte("x")) // closed with an echo unread: a reset
		}
		c.(*net.TCPConn).SetLinger(0)
		if err := errors.Join(err, c.Close()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() string {
		if now := descriptors(t, p); now != before {
			return fmt.Sprintf("%d descriptors are open, %d were before", now, before)
		}
		return ""
	})
}

func TestTCPTenThousandConnectionsOnOneLoop(t *testing.T) {
	n := 10_000
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	if most := int(min(uint64(lim.Cur), 1<<30)) - 200; most < n {
		t.Logf("%d connections only: descriptors are limited to %d", most, lim.Cur)
		n = most
	}
	p := startTCP(t)
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.DialTimeout("tcp", p.addr, hang)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		conns[i] = c
	}
	// Twice, in different orders, so that all were there at the same time.
	for i := range conns {
		if err := roundTrip(conns[i], []byte(strconv.Itoa(i))); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	for i := range conns {
		i = n - 1 - i
		if err := roundTrip(conns[i], []byte(strconv.Itoa(i))); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}

func TestTCPRecoversFromRunningOutOfDescriptors(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no sh to set a limit with: %v", err)
	}
	const limit, n = 64, 200
	for _, args := range [][]string{nil, {"-max-conns", "1000"}, {"-max-conns", "1000", "-loops", "2"}} {
		t.Run(strings.Join(append([]string{"limit"}, args...), " "), func(t *testing.T) {
			cmd := exec.Command(sh, "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, limit), program(t, "tcp_server"), "-addr", "127.0.0.1:0")
			cmd.Args = append(cmd.Args, args...)
			p := launch(t, cmd).listening(t)

			// Each client that was served stays until enough are there: so many that, had the server no limit, there
			// would be no reason to stop.
			served := make(chan int, n)
			leave := make(chan struct{})
			var clients sync.WaitGroup
			for i := range n {
				c := dial(t, "tcp", p.addr)
				clients.Go(func() {
					defer c.Close()
					if err := roundTrip(c, []byte("let me in")); err != nil {
						t.Errorf("client %d: %v", i, err)
						return
					}
					served <- i
					<-leave
				})
			}
			for range 24 {
				select {
				case <-served:
				case <-time.After(hang):
					t.Fatal("too few clients are served within the limit")
				}
			}
			if len(args) > 0 {
				if p.await(t, `msg="cannot accept for now"`, 1) == "" {
					t.Fatal("the server ended")
				}
			}
			close(leave)
			clients.Wait()
			if t.Failed() {
				return
			}
			mustRoundTrip(t, dial(t, "tcp", p.addr), "and afterwards")
		})
	}
}

func TestTCPBrokenLogPipeDoesNotEndTheServer(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, "tcp_server"), "-addr", "127.0.0.1:0", "-log", "debug")
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	defer cmd.Wait()
	defer cmd.Process.Kill()
	said := make([]byte, 4096)
	n, err := r.Read(said)
	if err != nil {
		t.Fatal(err)
	}
	addr := listeningAddr.FindSubmatch(said[:n])
	if addr == nil {
		t.Skipf("not on this system: %s", said[:n])
	}
	r.Close() // from here on the log has no reader
	for range 3 {
		c := dial(t, "tcp", string(addr[1]))
		mustRoundTrip(t, c, "hello")
		c.Close()
	}
}

func TestTCPListensOnUnixSocketByTheLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serveLibrary(t, "unix", path, func(addr net.Addr) {
		if addr.String() != path {
			t.Errorf("it listens on %v", addr)
		}
		serveMany(t, "unix", path, 8)
	})
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the path is still there: %v", err)
	}
}
