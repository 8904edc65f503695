package reactor_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/goreactor/reactor"
)

// wantOpError checks that err is how a failed system call is reported: a *net.OpError or *os.SyscallError that names
// the call, around an errno, on one line.
func wantOpError(t testing.TB, err error) {
	t.Helper()
	var op *net.OpError
	var call *os.SyscallError
	name := ""
	switch {
	case errors.As(err, &op):
		name = op.Op
	case errors.As(err, &call):
		name = call.Syscall
	default:
		t.Errorf("error %v is a %T: want a *net.OpError or an *os.SyscallError", err, err)
		return
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) || errno == 0 {
		t.Errorf("error %v (%T) has no errno inside", err, err)
		return
	}
	if name == "" || !strings.Contains(err.Error(), name) {
		t.Errorf("error %q does not name the call %q", err, name)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
}

func TestErrClosedIsTheErrorOfPackageNet(t *testing.T) {
	for _, err := range []error{reactor.ErrClosed, fmt.Errorf("wrapped: %w", reactor.ErrClosed)} {
		for _, want := range []error{reactor.ErrClosed, net.ErrClosed, os.ErrClosed} {
			if !errors.Is(err, want) {
				t.Errorf("errors.Is(%v, %v) does not hold", err, want)
			}
		}
	}
}

func TestErrWouldBlockIsTheErrnoOfTheSystem(t *testing.T) {
	for _, err := range []error{reactor.ErrWouldBlock, fmt.Errorf("wrapped: %w", reactor.ErrWouldBlock)} {
		if !errors.Is(err, errnoAgain) {
			t.Errorf("errors.Is(%v, %v) does not hold", err, error(errnoAgain))
		}
		for _, other := range []error{errnoReset, errnoPipe, net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled} {
			if errors.Is(err, other) {
				t.Errorf("errors.Is(%v, %v) holds", err, other)
			}
		}
	}
}

func TestSentinelErrorsDiffer(t *testing.T) {
	all := []error{reactor.ErrWouldBlock, reactor.ErrClosed, reactor.ErrRegistered, reactor.ErrNotRegistered, reactor.ErrBusy}
	texts := map[string]bool{}
	for i, a := range all {
		for j, b := range all {
			if (i == j) != errors.Is(a, b) {
				t.Errorf("errors.Is(%v, %v) = %v", a, b, i != j)
			}
		}
		if texts[a.Error()] || a.Error() == "" {
			t.Errorf("text %q is empty or another's", a)
		}
		texts[a.Error()] = true
	}
}

func TestFailedSystemCallsNameTheCallAndCarryTheErrno(t *testing.T) {
	t.Run("Listen on a port in use", func(t *testing.T) {
		l := listenTCP(t, "tcp4")
		_, err := reactor.Listen("tcp4", l.Addr().String())
		wantErr(t, "Listen", err, errnoInUse)
		wantOpError(t, err)
		if !strings.Contains(err.Error(), l.Addr().String()) {
			t.Errorf("error %q does not name the address", err)
		}
	})
	t.Run("ListenPacket on a port in use", func(t *testing.T) {
		c := listenUDP(t, "udp4")
		_, err := reactor.ListenPacket("udp4", c.LocalAddr().String())
		wantErr(t, "ListenPacket", err, errnoInUse)
		wantOpError(t, err)
	})
	t.Run("Listen on another's address", func(t *testing.T) {
		_, err := reactor.Listen("tcp4", "198.51.100.1:0") // kept for documentation: no machine's
		if err == nil {
			t.Fatal("no error")
		}
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("no TCP listener on this system: %v", err)
		}
		wantOpError(t, err)
	})
	t.Run("Listen on a missing directory", func(t *testing.T) {
		_, err := reactor.Listen("unix", socketDir(t)+"/missing/s")
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("no Unix listener on this system: %v", err)
		}
		wantErr(t, "Listen", err, fs.ErrNotExist)
		wantOpError(t, err)
	})
	t.Run("Write to a pipe without a reader", func(t *testing.T) {
		r, w, err := reactor.Pipe()
		supported(t, "pipe", err)
		closeLater(t, w)
		check(t, "Close", r.Close())
		_, err = w.Write([]byte("x"))
		wantErr(t, "Write", err, errnoPipe)
		wantOpError(t, err)
	})
	t.Run("an option that the socket lacks", func(t *testing.T) {
		a, _ := connPair(t, "pair")
		err := a.SetNoDelay(true)
		if err == nil {
			t.Fatal("no error")
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			wantOpError(t, err)
		}
	})
}
