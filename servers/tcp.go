package servers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/goreactor/reactor"
)

// DefaultAddr is the address that [TCP] and [UDP] serve when they are given none.
const DefaultAddr = "127.0.0.1:9000"

// TCP is a server that sends back what its clients send, until they close their sending side.
// The fields must not change while Run runs.
type TCP struct {
	// Network is "tcp", "tcp4", "tcp6" or "unix". Empty means "tcp".
	Network string
	// Addr is the address to listen on, as [reactor.ListenConfig.Listen] takes it: a numeric IP address and
	// port, or a path. Port 0 lets the system choose. Empty means DefaultAddr.
	Addr string
	// Loops is the number of reactors, each with its own goroutine. 0 means 1. With more than one the kernel
	// spreads the connections where it can (SO_REUSEPORT); elsewhere the first loop accepts for all.
	Loops int
	// MaxConns is the number of connections, over all loops, at which the server stops accepting until one
	// leaves. 0 means 65,536, or what the process's limit of descriptors leaves if that is less.
	MaxConns int
	// PendingLimit is the number of bytes of output that a client may be slow to take before the server
	// stops reading from it. 0 means 64 KiB, which is also the most.
	PendingLimit int
	// Logger gets what the server has to say; nil means slog.Default().
	Logger *slog.Logger
	// Listening, if not nil, is called with the address once connections are accepted.
	Listening func(net.Addr)
}

// Run listens and serves until ctx is done; it then closes everything and returns nil. It returns an error
// when it cannot listen, or when a loop fails for a reason that waiting does not mend.
func (s *TCP) Run(ctx context.Context) error {
	o := streamOptions{
		loops:        s.Loops,
		maxConns:     s.MaxConns,
		pendingLimit: s.PendingLimit,
		log:          s.Logger,
		listening:    s.Listening,
	}
	if err := o.complete(); err != nil {
		return err
	}
	network, addr := orDefault(s.Network, "tcp"), orDefault(s.Addr, DefaultAddr)
	listeners, err := listenEach(network, addr, o.loops)
	if err != nil {
		return err
	}
	if len(listeners) == 1 {
		return serveStreams(ctx, o, listeners, handedOut)
	}
	return serveStreams(ctx, o, listeners, onePerLoop)
}

// listenEach opens one listener for each loop where the kernel spreads connections over them, and a single
// one elsewhere.
func listenEach(network, addr string, loops int) ([]namedListener, error) {
	if loops == 1 || !reusePortBalances || network == "unix" {
		ln, err := reactor.Listen(network, addr)
		if err != nil {
			return nil, err
		}
		return []namedListener{{Listener: ln}}, nil
	}
	lc := reactor.ListenConfig{ReusePort: true}
	listeners := make([]namedListener, 0, loops)
	for range loops {
		ln, err := lc.Listen(network, addr)
		if err != nil {
			closeAll(listeners)
			if len(listeners) == 0 && errors.Is(err, errors.ErrUnsupported) {
				return listenEach(network, addr, 1)
			}
			return nil, err
		}
		listeners = append(listeners, namedListener{Listener: ln})
		addr = ln.Addr().String() // port 0 became a real one, which the others share
	}
	return listeners, nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// countOrDefault gives n, or otherwise for 0. It refuses what is not within 1 and most.
func countOrDefault(field string, n, otherwise, most int) (int, error) {
	if n == 0 {
		return otherwise, nil
	}
	if n < 1 || n > most {
		return 0, fmt.Errorf("servers: %s is %d: it must be between 1 and %d", field, n, most)
	}
	return n, nil
}
