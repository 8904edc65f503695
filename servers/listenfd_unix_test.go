//go:build unix

package servers_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// file gives the descriptor of a listener or a packet socket, to be passed on.
func file(t *testing.T, of interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := of.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func tcpListener(t *testing.T) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

func unixListener(t *testing.T) *net.UnixListener {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.UnixListener)
}

// listenFD gives the command of tcp_listenfd_server with an environment of its own and with files as descriptors
// from 3 on.
func listenFD(t *testing.T, env []string, files []*os.File, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program(t, "tcp_listenfd_server"), args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LISTEN_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.ExtraFiles = files
	return cmd
}

func TestListenFDServesSeveralListenersAtOnce(t *testing.T) {
	for _, loops := range []string{"1", "4"} {
		t.Run(loops+" loops", func(t *testing.T) {
			a, b, c := tcpListener(t), unixListener(t), tcpListener(t)
			cmd := listenFD(t, []string{"LISTEN_FDS=3", "LISTEN_FDNAMES=web:local:"}, []*os.File{file(t, a), file(t, b), file(t, c)}, "-loops", loops)
			p := launch(t, cmd).listening(t)
			p.await(t, "msg=listening", 3)
			if len(p.said("name=web$")) != 1 || len(p.said("network=unix .*name=local$")) != 1 {
				t.Errorf("the names are missing: %s", p.tail(5))
			}
			for _, addr := range []net.Addr{a.Addr(), b.Addr(), c.Addr()} {
				serveMany(t, addr.Network(), addr.String(), 8)
			}
		})
	}
}

func TestListenFDLeavesAUnixListenersPath(t *testing.T) {
	ln := unixListener(t)
	p := launch(t, listenFD(t, []string{"LISTEN_FDS=1"}, []*os.File{file(t, ln)})).listening(t)
	mustRoundTrip(t, dial(t, "unix", ln.Addr().String()), "hello")
	p.cmd.Process.Signal(os.Interrupt)
	if status := p.wait(t); status != 0 {
		t.Errorf("status %d", status)
	}
	if _, err := os.Lstat(ln.Addr().String()); err != nil {
		t.Errorf("the path belongs to who made it: %v", err)
	}
}

func TestListenFDWithoutGoodListenersEndsWithStatus1AndALineThatNamesTheFault(t *testing.T) {
	good := file(t, tcpListener(t))
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	regular, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	peer := tcpListener(t)
	connected := dial(t, "tcp", peer.Addr().String())

	for _, c := range []struct {
		name  string
		env   string
		files []*os.File
		want  string
	}{
		{"unset", "", []*os.File{good}, "LISTEN_FDS is not set; start the server as in"},
		{"none", "LISTEN_FDS=0", nil, "LISTEN_FDS=0; start the server as in"},
		{"empty", "LISTEN_FDS=", []*os.File{good}, `LISTEN_FDS="" is not a number`},
		{"no number", "LISTEN_FDS=two", []*os.File{good}, `LISTEN_FDS="two" is not a number`},
		{"trailing", "LISTEN_FDS=1x", []*os.File{good}, `LISTEN_FDS="1x" is not a number`},
		{"space", "LISTEN_FDS= 1", []*os.File{good}, `LISTEN_FDS=" 1" is not a number`},
		{"negative", "LISTEN_FDS=-1", []*os.File{good}, "LISTEN_FDS=-1 is negative"},
		{"huge", "LISTEN_FDS=99999999999999999999999", []*os.File{good}, "out of range"},
		{"more than an int", "LISTEN_FDS=2147483647", []*os.File{good}, "out of range"},
		{"more than there are", "LISTEN_FDS=1000000", []*os.File{good}, "descriptor 4 is no listening stream socket"},
		{"closed", "LISTEN_FDS=1", nil, "descriptor 3 is no listening stream socket"},
		{"one closed", "LISTEN_FDS=2", []*os.File{good}, "descriptor 4 is no listening stream socket"},
		{"UDP", "LISTEN_FDS=1", []*os.File{file(t, udp.(*net.UDPConn))}, "descriptor 3 is no listening stream socket"},
		{"second is UDP", "LISTEN_FDS=2", []*os.File{good, file(t, udp.(*net.UDPConn))}, "descriptor 4 is no listening stream socket"},
		{"file", "LISTEN_FDS=1", []*os.File{regular}, "descriptor 3 is no listening stream socket"},
		{"connection", "LISTEN_FDS=1", []*os.File{file(t, connected.(*net.TCPConn))}, "descriptor 3 is no listening stream socket"},
		{"another's", "LISTEN_FDS=1 LISTEN_PID=1", []*os.File{good}, "LISTEN_PID=1 is another process"},
		{"pid is no number", "LISTEN_FDS=1 LISTEN_PID=me", []*os.File{good}, `LISTEN_PID="me" is not the number of a process`},
		{"pid is negative", "LISTEN_FDS=1 LISTEN_PID=-7", []*os.File{good}, `LISTEN_PID="-7" is not the number of a process`},
		{"too many names", "LISTEN_FDS=1 LISTEN_FDNAMES=a:b", []*os.File{good}, "has 2 names, but LISTEN_FDS=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var env []string
			if name, value, ok := strings.Cut(c.env, "= "); ok {
				env = []string{name + "= " + value}
			} else {
				env = strings.Fields(c.env)
			}
			status, said := runToEnd(t, listenFD(t, env, c.files))
			if status != 1 || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "tcp_listenfd_server: ") || !strings.Contains(said, c.want) {
				t.Errorf("status %d, %q, and not %q", status, said, c.want)
			}
		})
	}
}

func TestListenFDUnderSystemdSocketActivate(t *testing.T) {
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skipf("no systemd-socket-activate: %v", err)
	}
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			var p *process
			addr := filepath.Join(t.TempDir(), "s")
			for range 5 {
				if network == "tcp" {
					// It cannot tell which port it got, so it gets one that is free, unless another is faster.
					ln := tcpListener(t)
					addr = ln.Addr().String()
					ln.Close()
				}
				p = launch(t, exec.Command(activate, "-l", addr, "--fdname=echo", program(t, "tcp_listenfd_server")))
				if p.await(t, "Listening on", 1) != "" {
					break
				}
				t.Logf("it ended: %s", p.tail(5))
			}
			c := dial(t, network, addr) // starts the server, in the same process
			mustRoundTrip(t, c, "hello, systemd")
			p.listening(t)
			if len(p.said("name=echo$")) != 1 {
				t.Errorf("the name is missing: %s", p.tail(5))
			}
			serveMany(t, network, addr, 8)
			c.SetDeadline(time.Now().Add(hang))
			p.cmd.Process.Signal(os.Interrupt)
			if status := p.wait(t); status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestListenFDTakesItsOwnLISTENPID(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no sh to set LISTEN_PID with: %v", err)
	}
	ln := tcpListener(t)
	cmd := listenFD(t, []string{"LISTEN_FDS=1"}, []*os.File{file(t, ln)})
	cmd.Args = []string{sh, "-c", `LISTEN_PID=$$ exec "$0"`, cmd.Path}
	cmd.Path = sh
	launch(t, cmd).listening(t)
	mustRoundTrip(t, dial(t, "tcp", ln.Addr().String()), "hello")
}
