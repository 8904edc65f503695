package servers

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/goreactor/reactor"
)

// MaxLoops and MaxMaxConns are the largest values of the fields Loops and MaxConns.
const (
	MaxLoops    = 1024
	MaxMaxConns = 1 << 30
)

const (
	defaultMaxConns = 65536
	// readBufferLen is the size of a loop's one read buffer, unless clients may have less pending. The
	// reactor's calls of up to 64 KiB are its cheapest, and little is won by more.
	readBufferLen = 64 << 10
)

// streamOptions are the fields that the servers of stream sockets share.
type streamOptions struct {
	loops        int
	maxConns     int
	pendingLimit int
	log          *slog.Logger
	listening    func(net.Addr)
}

// complete checks the options and puts the defaults in.
func (o *streamOptions) complete() (err error) {
	if o.loops, err = countOrDefault("Loops", o.loops, 1, MaxLoops); err != nil {
		return err
	}
	if o.maxConns, err = countOrDefault("MaxConns", o.maxConns, connsWithin(descriptorLimit(), o.loops), MaxMaxConns); err != nil {
		return err
	}
	if o.pendingLimit, err = countOrDefault("PendingLimit", o.pendingLimit, readBufferLen, readBufferLen); err != nil {
		return err
	}
	if o.log == nil {
		o.log = slog.Default()
	}
	return nil
}

// connsWithin gives the number of connections that a limit of descriptors leaves: a few are in use by the
// runtime, and each loop has its own.
func connsWithin(limit, loops int) int {
	const used, perLoop = 16, 4
	return max(1, min(defaultMaxConns, limit-used-perLoop*loops))
}

// A namedListener is a listener with the name that whoever passed it gave it, if any.
type namedListener struct {
	*reactor.Listener
	name string
}

// closeAll is for the end, or for an error that says more than one of Close could.
func closeAll(listeners []namedListener) {
	for _, ln := range listeners {
		_ = ln.Close()
	}
}

// A spread says which loops accept connections.
type spread int

const (
	onePerLoop spread = iota // each loop has one listener
	handedOut                // the first loop has all listeners and hands out the connections
)

// serveStreams runs the loops on listeners, which it owns, until ctx is done or a loop fails.
func serveStreams(ctx context.Context, o streamOptions, listeners []namedListener, how spread) error {
	defer closeAll(listeners)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	share := &quota{max: o.maxConns}
	loops := make([]*loop, o.loops)
	for i := range loops {
		l, err := newLoop(o, share)
		if err != nil {
			return err
		}
		defer l.close()
		loops[i] = l
	}
	for i, ln := range listeners {
		l := loops[0]
		if how == onePerLoop {
			l = loops[i]
		}
		if err := l.listen(ln.Listener); err != nil {
			return err
		}
	}
	if how == handedOut {
		loops[0].recipients = loops
	}
	for i, ln := range listeners {
		if how == onePerLoop && i > 0 {
			break // all the same address
		}
		addr := ln.Addr()
		about := []any{"addr", addr.String(), "network", addr.Network(), "loops", o.loops, "max-conns", o.maxConns}
		if ln.name != "" {
			about = append(about, "name", ln.name)
		}
		o.log.Info("listening", about...)
		if o.listening != nil {
			o.listening(addr)
		}
	}

	failed := make([]error, len(loops))
	var running sync.WaitGroup
	for i, l := range loops {
		running.Go(func() {
			// A loop that cannot go on takes the others with it.
			if failed[i] = l.run(ctx); failed[i] != nil {
				cancel(failed[i])
			}
		})
	}
	running.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}
