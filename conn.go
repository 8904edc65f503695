package reactor

import (
	"io"
	"net"
	"syscall"
)

// A Conn is a non-blocking stream connection: TCP, or a Unix stream socket. No method blocks: what cannot be done
// now gives [ErrWouldBlock], and the [Poll] where the Conn is registered tells when to try again.
//
// All methods may be called from any goroutine; reads, and writes, from several at once are in no order. After
// Close every method gives [ErrClosed]. A Conn must be closed by its owner; there is no finalizer.
type Conn struct{ descriptor }

var (
	_ Source       = (*Conn)(nil)
	_ io.Reader    = (*Conn)(nil)
	_ io.Writer    = (*Conn)(nil)
	_ syscall.Conn = (*Conn)(nil)
)

// Dial begins to connect to a numeric address (see [ParseAddr]) on the network tcp, tcp4, tcp6 or unix, and returns at
// once. Register the Conn with [Writable] and call [Conn.FinishConnect] when its event comes. Without a host, or with
// 0.0.0.0 or [::], it connects to this host.
//
// A refusal may come from Dial or later from FinishConnect. On a Unix socket whose backlog is full Dial gives
// nil, [ErrWouldBlock]: nothing is connecting, try later. See connect(2).
func Dial(network, address string) (*Conn, error) {
	addr, err := dialAddr(network, address, protoTCP, protoUnix)
	if err != nil {
		return nil, err
	}
	c := new(Conn)
	if err := c.open(addr.family, addr.proto, kindStream); err != nil {
		return nil, opError("dial", network, Addr{}, addr, err)
	}
	if addr.proto == protoTCP {
		err = c.setOption(optNoDelay, 1)
	}
	if err == nil {
		err = c.connect(addr)
	}
	if err != nil {
		// The failure to be told is the first.
		_ = c.close()
		return nil, opError("dial", network, Addr{}, addr, err)
	}
	return c, nil
}

// dialAddr reads the address of a peer for one of two protocols.
func dialAddr(network, address string, inet, local protocol) (Addr, error) {
	addr, err := parseAddr(network, address)
	if err == nil && addr.proto != inet && addr.proto != local {
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return Addr{}, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return addr.loopback(), nil
}

// Pair makes two connected Unix stream sockets, as socketpair(2). The error is [errors.ErrUnsupported] where there are none.
func Pair() (*Conn, *Conn, error) {
	a, b := new(Conn), new(Conn)
	if err := openPair(&a.descriptor, &b.descriptor, kindStream); err != nil {
		return nil, nil, opError("socketpair", "unix", Addr{}, Addr{}, err)
	}
	return a, b, nil
}

// NewConn takes over a descriptor (a SOCKET on Windows): a stream socket that does not listen. On success it
// belongs to the Conn, is non-blocking and close-on-exec; on failure it stays the caller's, as it was.
// Its options are left alone.
func NewConn(fd uintptr) (*Conn, error) {
	c := new(Conn)
	if err := c.adopt(fd, kindStream); err != nil {
		return nil, opError("adopt", "", Addr{}, Addr{}, err)
	}
	return c, nil
}

// FromNetConn makes a Conn of a duplicate of c's descriptor. c stays open and is the caller's; both are the
// same connection. It takes [*net.TCPConn], [*net.UnixConn] and what else is a stream socket and a [syscall.Conn].
func FromNetConn(c net.Conn) (*Conn, error) {
	return duplicate(c, NewConn)
}

// NetConn hands the connection over to package net. The Conn is deregistered and closed. On failure it stays as
// it was.
func (c *Conn) NetConn() (net.Conn, error) {
	return handOver(&c.descriptor, net.FileConn, c.Close)
}

// FinishConnect tells how the connection that [Dial] began has come out: nil when it is made, [ErrWouldBlock] when
// that is not known yet, else why it failed: the same error each time. For other Conns it gives nil.
func (c *Conn) FinishConnect() error {
	if !c.acquire() {
		return ErrClosed
	}
	defer c.release()
	if !c.has(stateConnecting) {
		return nil
	}
	err := c.connected()
	if err == ErrWouldBlock {
		c.rearm(Writable)
	}
	return c.opError("connect", err)
}

// connected asks the system for the outcome of a connect that is under way.
func (c *Conn) connected() error {
	if errno, err := c.pendingError(); err != nil {
		return err
	} else if errno != 0 {
		c.connectFailed(errno)
	}
	if errno := c.connectErr.Load(); errno != 0 {
		return connectError(errno)
	}
	established, err := c.hasPeer()
	if err != nil {
		return err
	}
	if !established {
		// The failure may have come, and been taken by another goroutine's call, since the look above.
		if errno := c.connectErr.Load(); errno != 0 {
			return connectError(errno)
		}
		return ErrWouldBlock
	}
	c.state.And(^uint32(stateConnecting))
	return nil
}

// connectFailed keeps the reason that the system tells only once. The first one counts.
func (c *Conn) connectFailed(errno uint32) { c.connectErr.CompareAndSwap(0, errno) }

// ended looks at a failed operation of a socket that was connecting: before the connection is made, being
// unconnected is no error, and an error is the connection's.
func (c *Conn) ended(err error) error {
	if !c.has(stateConnecting) {
		return err
	}
	errno, ok := errnoOf(err)
	if !ok {
		return err
	}
	if isNotConnected(errno) {
		if c.connectErr.Load() == 0 {
			return ErrWouldBlock
		}
		return err
	}
	if established, _ := c.hasPeer(); !established {
		c.connectFailed(errno)
	}
	return err
}

// TakeError gives the error that is pending on the socket, and clears it: SO_ERROR of socket(7). nil: there is none.
func (c *Conn) TakeError() error {
	if !c.acquire() {
		return ErrClosed
	}
	defer c.release()
	errno, err := c.pendingError()
	if err == nil && errno != 0 {
		err = pendingError(errno)
		if c.has(stateConnecting) {
			c.connectFailed(errno)
		}
	}
	return c.opError("getsockopt", err)
}

// Read reads into p. It gives 0, [io.EOF] at the end of the stream and 0, [ErrWouldBlock] when nothing is there.
//
// A short read drains a stream: after 0 < n < len(p) it is safe to wait for the next event, unless the last event said
// ReadClosed or Priority: then read on to io.EOF or ErrWouldBlock. (The kernel stops short at a TCP urgent mark too;
// that is what Priority tells.) See recv(2).
func (c *Conn) Read(p []byte) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	n, err := 0, error(nil)
	if c.has(stateReadShut) {
		err = io.EOF
	} else if len(p) > 0 {
		if n, err = c.recv(p); n < len(p) {
			err = c.readEnd(n, err)
		}
	}
	c.release()
	return n, err
}

// readEnd tells what a short read means.
func (c *Conn) readEnd(n int, err error) error {
	switch {
	case err == ErrWouldBlock || err == nil && n > 0:
		c.rearm(Readable)
		return err
	case err == nil:
		return io.EOF
	}
	return c.opError("read", c.ended(err))
}

// Peek reads into p and leaves what it read in the socket: a Read gives it again. Otherwise it is as Read, save that a
// short Peek drains nothing.
func (c *Conn) Peek(p []byte) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	n, err := 0, error(nil)
	if c.has(stateReadShut) {
		err = io.EOF
	} else if len(p) > 0 {
		if n, err = c.peek(p); n == 0 {
			err = c.readEnd(n, err)
		}
	}
	c.release()
	return n, err
}

// Readv reads into all of bufs, in order, as one Read. See readv(2).
func (c *Conn) Readv(bufs [][]byte) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	n, err := 0, error(nil)
	if total := size(bufs); c.has(stateReadShut) {
		err = io.EOF
	} else if total > 0 {
		if n, err = c.recvv(bufs); n < total {
			err = c.readEnd(n, err)
		}
	}
	c.release()
	return n, err
}

// Write writes p. If the socket takes only a part it gives n, [ErrWouldBlock]: wait for [Writable] and write the
// rest. It raises no SIGPIPE. See send(2).
func (c *Conn) Write(p []byte) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	n, err := 0, error(nil)
	if len(p) > 0 {
		if n, err = c.send(p); err != nil {
			err = c.writeEnd(err)
		}
	}
	c.release()
	return n, err
}

// writeEnd tells what a write that did not take all means.
func (c *Conn) writeEnd(err error) error {
	if err != ErrWouldBlock {
		err = c.opError("write", c.ended(err))
	}
	if err == ErrWouldBlock {
		c.rearm(Writable)
	}
	return err
}

// Writev writes all of bufs, in order, as one Write. See writev(2).
func (c *Conn) Writev(bufs [][]byte) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	n, err := 0, error(nil)
	if size(bufs) > 0 {
		if n, err = c.sendv(bufs); err != nil {
			err = c.writeEnd(err)
		}
	}
	c.release()
	return n, err
}

func size(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// CloseRead shuts the receiving side: Read gives io.EOF from here on. See shutdown(2).
func (c *Conn) CloseRead() error { return c.closeRead() }

// CloseWrite shuts the sending side: the peer reads to its end of the stream (a half-close). See shutdown(2).
func (c *Conn) CloseWrite() error { return c.closeWrite() }

// LocalAddr asks the system for the socket's own address: the zero Addr if there is none. See getsockname(2).
func (c *Conn) LocalAddr() Addr { return c.localAddr() }

// RemoteAddr asks the system for the peer's address: the zero Addr while there is none and after a disconnect. Keep
// the one that Accept gave if it is needed later. See getpeername(2).
func (c *Conn) RemoteAddr() Addr { return c.remoteAddr() }

// NoDelay reports whether small writes are sent at once: TCP_NODELAY of tcp(7). It is on for every TCP Conn that
// Dial and Accept made, as in package net.
func (c *Conn) NoDelay() (bool, error) { return c.boolOption("get no delay", optNoDelay) }

// SetNoDelay turns Nagle's algorithm off (true) or on.
func (c *Conn) SetNoDelay(on bool) error { return c.setBoolOption("set no delay", optNoDelay, on) }

// TTL gives the time to live of packets sent, the hop limit on IPv6.
func (c *Conn) TTL() (int, error) { return c.intOption("get TTL", optTTL) }

// SetTTL sets the time to live, 1 to 255.
func (c *Conn) SetTTL(ttl int) error { return c.setIntOption("set TTL", optTTL, ttl) }

// SetKeepAliveConfig turns TCP keep-alive probes on or off. Idle and Interval are rounded up to seconds; as in package
// net, zero stands for 15 seconds and 9 probes, and a negative value leaves the system's as it is. Keep-alive is off
// until it is turned on here.
func (c *Conn) SetKeepAliveConfig(cfg net.KeepAliveConfig) error {
	return c.configure("set keep alive", func() error { return c.keepAlive(cfg) })
}

// SetLinger says what Close does with data that is not sent yet, as [net.TCPConn.SetLinger]: below zero, the system goes on
// sending; zero discards it and resets the connection; else the system tries for sec seconds.
func (c *Conn) SetLinger(sec int) error {
	return c.configure("set linger", func() error { return c.linger(sec) })
}

// ReadBuffer gives the size of the receive buffer in bytes: SO_RCVBUF. Linux tells the double of what was set.
func (c *Conn) ReadBuffer() (int, error) { return c.intOption("get read buffer", optReadBuffer) }

// SetReadBuffer sets the size of the receive buffer in bytes, within the system's limits.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.setIntOption("set read buffer", optReadBuffer, bytes)
}

// WriteBuffer gives the size of the send buffer in bytes: SO_SNDBUF. Linux tells the double of what was set.
func (c *Conn) WriteBuffer() (int, error) { return c.intOption("get write buffer", optWriteBuffer) }

// SetWriteBuffer sets the size of the send buffer in bytes, within the system's limits.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.setIntOption("set write buffer", optWriteBuffer, bytes)
}

// Close deregisters and closes the connection. Operations under way in other goroutines end first. See close(2).
func (c *Conn) Close() error { return c.opError("close", c.close()) }

// SyscallConn gives access to the descriptor. Control, Read and Write of the [syscall.RawConn] call their function once, with
// the descriptor kept open meanwhile; when the function given to Read or Write returns false, which says that it met
// EAGAIN, they give [ErrWouldBlock].
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return c.syscallConn() }
