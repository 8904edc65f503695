package servers_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goreactor/reactor/servers"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// serveLibrary runs a servers.TCP while f runs, and expects it to end without an error.
func serveLibrary(t *testing.T, network, addr string, f func(net.Addr)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	at := make(chan net.Addr, 1)
	s := servers.TCP{Network: network, Addr: addr, Loops: 2, Logger: quiet, Listening: func(a net.Addr) { at <- a }}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	select {
	case a := <-at:
		f(a)
	case err := <-ended:
		if errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("not on this system: %v", err)
		}
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("Run ended with %v", err)
		}
	case <-time.After(hang):
		t.Error("Run does not end with its context")
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	serveLibrary(t, "tcp", "127.0.0.1:0", func(addr net.Addr) {
		serveMany(t, "tcp", addr.String(), 8)
		mustRoundTrip(t, dial(t, "tcp", addr.String()), "this one is there until the end")
	})
}

func TestRunAgainOnTheSameAddress(t *testing.T) {
	var addr string
	serveLibrary(t, "tcp", "127.0.0.1:0", func(a net.Addr) { addr = a.String() })
	serveLibrary(t, "tcp", addr, func(a net.Addr) {
		if a.String() != addr {
			t.Errorf("it listens on %v, not %v", a, addr)
		}
	})
}

func TestRunWithContextThatIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, run := range map[string]func(context.Context) error{
		"TCP": (&servers.TCP{Addr: "127.0.0.1:0", Logger: quiet}).Run,
		"UDP": (&servers.UDP{Addr: "127.0.0.1:0", Logger: quiet}).Run,
	} {
		if err := run(ctx); errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("not on this system: %v", err)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadFieldsAreErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(context.Context) error
		want string
	}{
		{"loops", (&servers.TCP{Loops: -1}).Run, "Loops is -1"},
		{"too many loops", (&servers.TCP{Loops: servers.MaxLoops + 1}).Run, "Loops is 1025"},
		{"conns", (&servers.TCP{MaxConns: -5}).Run, "MaxConns is -5"},
		{"pending", (&servers.TCP{PendingLimit: 1 << 20}).Run, "PendingLimit is 1048576"},
		{"listenfd loops", (&servers.ListenFD{Loops: -1}).Run, "Loops is -1"},
		{"udp loops", (&servers.UDP{Loops: -1}).Run, "Loops is -1"},
		{"udp queue", (&servers.UDP{QueueLimit: -1}).Run, "QueueLimit is -1"},
	} {
		if err := c.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, and not %q", c.name, err, c.want)
		}
	}
}
