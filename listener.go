package reactor

import (
	"net"
	"runtime"
	"syscall"
)

// A Listener accepts stream connections without blocking. With [Edge], accept until [ErrWouldBlock].
//
// All methods may be called from any goroutine. After Close every method gives [ErrClosed]. A Listener must be
// closed by its owner; there is no finalizer.
type Listener struct {
	descriptor
	path string // what Close unlinks
}

var (
	_ Source       = (*Listener)(nil)
	_ syscall.Conn = (*Listener)(nil)
)

// A ListenConfig holds options for [ListenConfig.Listen] and [ListenConfig.ListenPacket]. The zero value is
// what [Listen] and [ListenPacket] use.
type ListenConfig struct {
	// Backlog is how many connections may wait to be accepted. 0 is the system's maximum, as in package net.
	Backlog int
	// ReusePort lets several sockets share the port, if all ask for it: SO_REUSEPORT. Linux, FreeBSD and DragonFly
	// BSD spread the connections over them. The error is errors.ErrUnsupported where there is none.
	ReusePort bool
	// V6Only keeps IPv4 away from an IPv6 socket: IPV6_V6ONLY. The networks tcp6 and udp6 imply it.
	V6Only bool
	// Control is called with the socket before it is bound. network is "tcp4", "tcp6", "udp4", "udp6", "unix"
	// or "unixgram", whichever the socket is.
	Control func(network, address string, c syscall.RawConn) error
}

// Listen listens on a numeric address (see [ParseAddr]) of the network tcp, tcp4, tcp6 or unix. ":9000" and
// "[::]:9000" take IPv6 and IPv4 connections where the system can, "0.0.0.0:9000" IPv4 ones; port 0 lets the system
// choose. A Unix path must not exist; Close removes it.
func Listen(network, address string) (*Listener, error) {
	return new(ListenConfig).Listen(network, address)
}

// Listen is [Listen] with options.
func (lc *ListenConfig) Listen(network, address string) (*Listener, error) {
	if lc.Backlog < 0 {
		return nil, &net.OpError{Op: "listen", Net: network, Err: invalid("negative backlog")}
	}
	l := new(Listener)
	addr, err := lc.bind(&l.descriptor, kindListener, network, address)
	if err != nil {
		return nil, err
	}
	if addr.proto == protoUnix && addr.path[0] != '@' {
		l.path = addr.path
		l.state.Or(stateUnlink)
	}
	if err := l.listen(lc.Backlog); err != nil {
		// The failure to be told is the first.
		_ = l.Close()
		return nil, opError("listen", network, addr, Addr{}, err)
	}
	return l, nil
}

// dualStack says that a socket may serve both families. These systems keep them apart: ip6(4) there.
const dualStack = runtime.GOOS != "openbsd" && runtime.GOOS != "dragonfly"

// bind opens a socket and binds it to where network and address say.
func (lc *ListenConfig) bind(d *descriptor, kind descriptorKind, network, address string) (Addr, error) {
	addr, err := parseAddr(network, address)
	if err == nil && (addr.proto == protoTCP || addr.proto == protoUnix) != (kind == kindListener) {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return Addr{}, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	if addr.family != familyNone {
		err = lc.bindFamily(d, kind, addr, dualStack && addr.isWildcard() && network[len(network)-1] != '6')
	} else {
		// Both families by one socket, as package net does; else IPv4, or where there is none, IPv6.
		first, second := familyIPv6, familyIPv4
		if !dualStack {
			first, second = second, first
		}
		addr.family = first
		if err = lc.bindFamily(d, kind, addr, dualStack); lacksFamily(err) {
			addr.family = second
			err = lc.bindFamily(d, kind, addr, false)
		}
	}
	if err != nil {
		return Addr{}, opError("listen", network, addr, Addr{}, err)
	}
	return addr, nil
}

func (lc *ListenConfig) bindFamily(d *descriptor, kind descriptorKind, addr Addr, dual bool) error {
	if err := d.open(addr.family, addr.proto, kind); err != nil {
		return err
	}
	err := lc.prepare(d, addr, dual)
	if err == nil {
		if kind == kindPacket && addr.isMulticast() {
			// One socket may join several groups: package net, too, binds it to all of them.
			addr.ip = [16]byte{}
		}
		err = d.bind(addr)
	}
	if err != nil {
		// The failure to be told is the first.
		_ = d.sysClose()
	}
	return err
}

// prepare sets what must be set before bind.
func (lc *ListenConfig) prepare(d *descriptor, addr Addr, dual bool) error {
	if addr.family == familyIPv6 {
		only := 1
		if dual && !lc.V6Only {
			only = 0
		}
		if err := d.setOption(optV6Only, only); err != nil {
			return err
		}
	}
	if reuseAddr && addr.proto == protoTCP || addr.proto == protoUDP && addr.isMulticast() {
		if err := d.setOption(optReuseAddr, 1); err != nil {
			return err
		}
	}
	if lc.ReusePort {
		if err := d.setOption(optReusePort, 1); err != nil {
			return err
		}
	}
	if addr.proto == protoTCP && inheritsNoDelay {
		if err := d.setOption(optNoDelay, 1); err != nil {
			return err
		}
	}
	if lc.Control == nil {
		return nil
	}
	network := addr.proto.String()
	switch addr.family {
	case familyIPv4:
		network += "4"
	case familyIPv6:
		network += "6"
	}
	return lc.Control(network, addr.String(), rawConn{d})
}

// NewListener takes over a descriptor (a SOCKET on Windows): a stream socket that listens, such as one that systemd
// passed on. On success it belongs to the Listener, is non-blocking and close-on-exec; on failure it stays the
// caller's, as it was. Close does not unlink its path.
func NewListener(fd uintptr) (*Listener, error) {
	l := new(Listener)
	if err := l.adopt(fd, kindListener); err != nil {
		return nil, opError("adopt", "", Addr{}, Addr{}, err)
	}
	return l, nil
}

// FromNetListener makes a Listener of a duplicate of l's descriptor. l stays open and is the caller's; a connection
// goes to whichever of the two accepts it. l must be a [syscall.Conn], as [*net.TCPListener] and [*net.UnixListener] are.
func FromNetListener(l net.Listener) (*Listener, error) {
	return duplicate(l, NewListener)
}

// NetListener hands the socket over to package net. The Listener is deregistered and closed; if it would have unlinked
// its path, the [*net.UnixListener] will. On failure it stays as it was.
func (l *Listener) NetListener() (net.Listener, error) {
	unlink := l.has(stateUnlink)
	nl, err := handOver(&l.descriptor, net.FileListener, func() error {
		l.state.And(^uint32(stateUnlink))
		return l.Close()
	})
	if err != nil {
		return nil, err
	}
	if ul, ok := nl.(interface{ SetUnlinkOnClose(bool) }); ok {
		ul.SetUnlinkOnClose(unlink)
	}
	return nl, nil
}

// Accept takes the next connection and its peer's address. It gives [ErrWouldBlock] when none waits. The Conn is
// non-blocking and close-on-exec from birth, and has NoDelay on if it is TCP. See accept(2).
//
// Other errors do not end the Listener: a connection may have been aborted (ECONNABORTED), or descriptors or memory may
// be short (EMFILE, ENFILE, ENOBUFS, ENOMEM); what waits then goes on waiting, without a new edge event.
func (l *Listener) Accept() (*Conn, Addr, error) {
	if !l.acquire() {
		return nil, Addr{}, ErrClosed
	}
	fd, peer, err := l.accept()
	if err != nil {
		if err == ErrWouldBlock {
			l.rearm(Readable)
		} else {
			err = l.opError("accept", err)
		}
		l.release()
		return nil, Addr{}, err
	}
	c := new(Conn)
	c.fd, c.family, c.kind = fd, l.family, kindStream
	if c.family != familyUnix && !inheritsNoDelay {
		// A peer that is gone by now makes this fail on some systems: the first read tells.
		_ = c.setOption(optNoDelay, 1)
	}
	l.release()
	return c, peer, nil
}

// Addr asks the system for the address that the socket is bound to. See getsockname(2).
func (l *Listener) Addr() Addr { return l.localAddr() }

// V6Only reports whether an IPv6 socket refuses IPv4: IPV6_V6ONLY of ipv6(7).
func (l *Listener) V6Only() (bool, error) { return l.boolOption("get V6 only", optV6Only) }

// TakeError gives the error that is pending on the socket, and clears it: SO_ERROR of socket(7). nil: there is none.
func (l *Listener) TakeError() error { return l.takeError() }

// TTL gives the time to live of packets sent by accepted connections, the hop limit on IPv6.
func (l *Listener) TTL() (int, error) { return l.intOption("get TTL", optTTL) }

// SetTTL sets the time to live, 1 to 255.
func (l *Listener) SetTTL(ttl int) error { return l.setIntOption("set TTL", optTTL, ttl) }

// Close deregisters and closes the socket. A Unix path that Listen made is unlinked first. Operations under way in
// other goroutines end first.
func (l *Listener) Close() error {
	// Unlinked before the socket is closed, for afterwards the path may be another's.
	if l.path != "" && l.acquire() {
		unlink := l.state.And(^uint32(stateUnlink))&stateUnlink != 0
		if unlink {
			_ = unlinkPath(l.path)
		}
		l.release()
	}
	return l.opError("close", l.close())
}

// SyscallConn gives access to the descriptor, as [Conn.SyscallConn].
func (l *Listener) SyscallConn() (syscall.RawConn, error) { return l.syscallConn() }
