package servers

import (
	"context"
	"log/slog"
	"net"
)

// ListenFD is the server that [TCP] is, on listening sockets that the process inherited: TCP or Unix
// stream sockets, one or several.
//
// They are found by the protocol of sd_listen_fds(3): LISTEN_FDS is their number, and they are the descriptors
// from 3 on; LISTEN_PID, where it is set, must be this process; LISTEN_FDNAMES, where it is set, names each of
// them. Under WASI, where a runtime may pass listeners without setting LISTEN_FDS, the descriptors
// from 3 on are looked at instead. On Windows they are asked for by the protocol of systemfd: SYSTEMFD_SOCKET_SERVER is the
// address of who has them, SYSTEMFD_SOCKET_SECRET what it wants to hear. Run unsets the variables, so that children do not
// take them for theirs.
//
// The fields must not change while Run runs.
type ListenFD struct {
	// Loops is the number of reactors, each with its own goroutine. 0 means 1. The first one accepts
	// for all.
	Loops int
	// MaxConns, PendingLimit and Logger are as in [TCP].
	MaxConns     int
	PendingLimit int
	Logger       *slog.Logger
	// Listening, if not nil, is called with the address of each listener once its connections are accepted.
	Listening func(net.Addr)
}

// Run takes over the inherited listeners and serves until ctx is done; it then closes them and returns nil.
// It returns an error that names the fault when there is no listener to be found, or when a descriptor that the
// environment names is not one; descriptors that are no listeners it leaves as they are.
func (s *ListenFD) Run(ctx context.Context) error {
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
	inherited, err := inheritListeners()
	if err != nil {
		return err
	}
	return serveStreams(ctx, o, inherited, handedOut)
}
