package servers

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

	"github.com/goreactor/reactor"
)

const (
	defaultQueueLimit = 1 << 20
	maxQueueLimit     = 1 << 30
)

// UDP is a server that sends each datagram back to where it came from, up to the largest that IP carries:
// 65,507 bytes over IPv4.
//
// A datagram that cannot be sent now waits in a queue. One that finds the queue full, or that the system
// refuses to send, is dropped and counted; the log tells of it, at most once a second. What the system itself
// drops because the server is slow to read, it does not say.
//
// The fields must not change while Run runs.
type UDP struct {
	// Network is "udp", "udp4" or "udp6". Empty means "udp".
	Network string
	// Addr is the address to listen on, a numeric IP address and port. Port 0 lets the system choose.
	// Empty means DefaultAddr.
	Addr string
	// Loops is the number of reactors, each with its own goroutine and socket. 0 means 1. It takes a system
	// that spreads datagrams over the sockets of one address (SO_REUSEPORT on Linux, FreeBSD and DragonFly);
	// on others the server says so in the log and runs one.
	Loops int
	// QueueLimit is the number of bytes that may wait to be sent, for each loop. 0 means 1 MiB.
	QueueLimit int
	// Logger gets what the server has to say; nil means slog.Default().
	Logger *slog.Logger
	// Listening, if not nil, is called with the address once datagrams are served.
	Listening func(net.Addr)
}

// Run serves until ctx is done; it then logs how many datagrams came, went and were dropped, and returns nil. It
// returns an error when it cannot listen, or when a loop fails for a reason that waiting does not mend.
func (s *UDP) Run(ctx context.Context) error {
	loops, err := countOrDefault("Loops", s.Loops, 1, MaxLoops)
	if err != nil {
		return err
	}
	limit, err := countOrDefault("QueueLimit", s.QueueLimit, defaultQueueLimit, maxQueueLimit)
	if err != nil {
		return err
	}
	log := s.Logger
	if log == nil {
		log = slog.Default()
	}
	sockets, err := listenPacketEach(orDefault(s.Network, "udp"), orDefault(s.Addr, DefaultAddr), loops)
	if err != nil {
		return err
	}
	defer closeSockets(sockets)
	if len(sockets) < loops {
		log.Warn("one loop only: this system does not spread datagrams over the sockets of an address", "loops", loops)
	}

	running := make([]*udpLoop, len(sockets))
	for i, sock := range sockets {
		l, err := newUDPLoop(sock, limit, log)
		if err != nil {
			return err
		}
		defer l.close()
		running[i] = l
	}
	addr := sockets[0].LocalAddr()
	log.Info("listening", "addr", addr.String(), "network", addr.Network(), "loops", len(running))
	if s.Listening != nil {
		s.Listening(addr)
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make([]error, len(running))
	var wg sync.WaitGroup
	for i, l := range running {
		wg.Go(func() {
			// A loop that cannot go on takes the others with it.
			if failed[i] = l.run(ctx); failed[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	var sum udpCounts
	for _, l := range running {
		sum.add(l.udpCounts)
	}
	log.Info("stopped", "received", sum.received, "sent", sum.sent, "dropped", sum.dropped)
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// closeSockets is for the end, or for an error that says more than one of Close could.
func closeSockets(sockets []*reactor.PacketConn) {
	for _, sock := range sockets {
		_ = sock.Close()
	}
}

// listenPacketEach opens one socket for each loop where the kernel spreads datagrams over them, and a single one
// elsewhere.
func listenPacketEach(network, addr string, loops int) ([]*reactor.PacketConn, error) {
	if loops == 1 || !reusePortBalances {
		sock, err := reactor.ListenPacket(network, addr)
		if err != nil {
			return nil, err
		}
		return []*reactor.PacketConn{sock}, nil
	}
	lc := reactor.ListenConfig{ReusePort: true}
	sockets := make([]*reactor.PacketConn, 0, loops)
	for range loops {
		sock, err := lc.ListenPacket(network, addr)
		if err != nil {
			closeSockets(sockets)
			if len(sockets) == 0 && errors.Is(err, errors.ErrUnsupported) {
				return listenPacketEach(network, addr, 1)
			}
			return nil, err
		}
		sockets = append(sockets, sock)
		addr = sock.LocalAddr().String() // port 0 became a real one, which the others share
	}
	return sockets, nil
}
