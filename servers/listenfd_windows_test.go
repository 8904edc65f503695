package servers_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/goreactor/reactor"
)

const (
	socketServer = "SYSTEMFD_SOCKET_SERVER="
	socketSecret = "SYSTEMFD_SOCKET_SECRET="
	secret       = "7b4c2d1e-0000-4000-8000-9f3a5c6b7d8e"
)

// systemfd plays the server of the protocol: each client that knows the secret gets what answer says. It gives its address.
func systemfd(t *testing.T, answer func(pid uint32) ([]byte, error)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				done <- nil
				return
			}
			if err := handOver(c, answer); err != nil {
				done <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Errorf("handing over: %v", err)
		}
	})
	return l.Addr().String()
}

func handOver(c net.Conn, answer func(pid uint32) ([]byte, error)) error {
	defer c.Close()
	said, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	word, number, _ := strings.Cut(string(said), "|")
	pid, err := strconv.ParseUint(number, 10, 32)
	if err != nil || word != secret {
		return fmt.Errorf("the program said %q", said)
	}
	data, err := answer(uint32(pid))
	if err != nil {
		return err
	}
	_, err = c.Write(data)
	return err
}

// sockets gives an answer of duplicates.
func sockets(of ...syscall.Conn) func(pid uint32) ([]byte, error) {
	return func(pid uint32) (data []byte, err error) {
		for _, c := range of {
			rc, err := c.SyscallConn()
			if err != nil {
				return nil, err
			}
			var info windows.WSAProtocolInfo
			var dupErr error
			if err := rc.Control(func(fd uintptr) { dupErr = windows.WSADuplicateSocket(windows.Handle(fd), pid, &info) }); err != nil {
				return nil, err
			}
			if dupErr != nil {
				return nil, dupErr
			}
			data = append(data, unsafe.Slice((*byte)(unsafe.Pointer(&info)), unsafe.Sizeof(info))...)
		}
		return data, nil
	}
}

func bytesOf(n int) func(uint32) ([]byte, error) {
	return func(uint32) ([]byte, error) { return make([]byte, n), nil }
}

func listener(t *testing.T, address string) *reactor.Listener {
	t.Helper()
	l, err := reactor.Listen("tcp", address)
	if err != nil {
		t.Skipf("no listener on %s: %v", address, err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// listenFD gives the command of tcp_listenfd_server with an environment of its own.
func listenFD(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program(t, "tcp_listenfd_server"), args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SYSTEMFD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func TestListenFDServesTheSocketsThatItIsHanded(t *testing.T) {
	for _, loops := range []string{"1", "4"} {
		t.Run(loops+" loops", func(t *testing.T) {
			a, b := listener(t, "127.0.0.1:0"), listener(t, "127.0.0.1:0")
			server := systemfd(t, sockets(a, b))
			p := launch(t, listenFD(t, []string{socketServer + server, socketSecret + secret}, "-loops", loops)).listening(t)
			p.await(t, "msg=listening", 2)
			for _, l := range []*reactor.Listener{a, b} {
				address := l.Addr().String()
				// The server's own duplicate is what serves.
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				serveMany(t, "tcp", address, 8)
			}
		})
	}
}

func TestListenFDWithoutGoodSocketsEndsWithStatus1AndALineThatNamesTheFault(t *testing.T) {
	good := listener(t, "127.0.0.1:0")
	udp, err := reactor.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	nobody := listener(t, "127.0.0.1:0")
	refused := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  []string
		want string
	}{
		{"unset", nil, "SYSTEMFD_SOCKET_SERVER is not set; start the server as in"},
		{"empty", []string{socketServer, socketSecret + secret}, `SYSTEMFD_SOCKET_SERVER="" is not an address and port`},
		{"no address", []string{socketServer + "somewhere", socketSecret + secret}, `SYSTEMFD_SOCKET_SERVER="somewhere" is not an address and port`},
		{"no secret", []string{socketServer + "127.0.0.1:1"}, "SYSTEMFD_SOCKET_SECRET is not"},
		{"nobody there", []string{socketServer + refused, socketSecret + secret}, "SYSTEMFD_SOCKET_SERVER=" + refused},
		{"no sockets", []string{socketServer + systemfd(t, bytesOf(0)), socketSecret + secret}, "it has no sockets for this process"},
		{"cut short", []string{socketServer + systemfd(t, bytesOf(627)), socketSecret + secret}, "it sent 627 bytes"},
		{"no socket", []string{socketServer + systemfd(t, bytesOf(628)), socketSecret + secret}, "socket 1 of 1 from .* is no listening stream socket: WSASocket"},
		{"UDP", []string{socketServer + systemfd(t, sockets(udp)), socketSecret + secret}, "socket 1 of 1 from .* is no listening stream socket"},
		{"second is UDP", []string{socketServer + systemfd(t, sockets(good, udp)), socketSecret + secret}, "socket 2 of 2 from .* is no listening stream socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, said := runToEnd(t, listenFD(t, c.env))
			if status != 1 || !regexp.MustCompile(c.want).MatchString(said) {
				t.Errorf("status %d, said %q; want 1 and %q", status, said, c.want)
			}
		})
	}
}
