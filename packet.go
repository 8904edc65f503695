package reactor

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// A PacketConn is a non-blocking datagram socket: UDP, or a Unix datagram socket. Each read takes one datagram, each
// write sends one, whole or not at all. With [Edge], read until [ErrWouldBlock] or until a [PacketConn.ReadBatch] comes
// back short.
//
// All methods may be called from any goroutine. After Close every method gives [ErrClosed]. A PacketConn must be
// closed by its owner; there is no finalizer.
type PacketConn struct {
	descriptor
	peer atomic.Pointer[Addr] // where the socket is connected to
	// paths are those of the Unix peers that sent before.
	paths pathCache
}

var (
	_ Source       = (*PacketConn)(nil)
	_ io.Reader    = (*PacketConn)(nil)
	_ io.Writer    = (*PacketConn)(nil)
	_ syscall.Conn = (*PacketConn)(nil)
)

// A Message is one datagram of a batch.
type Message struct {
	// Buf is where ReadBatch puts the datagram, and what WriteBatch sends the first N bytes of.
	Buf []byte
	// N is the datagram's length: set by ReadBatch, and to be set for WriteBatch. BEWARE: with N forgotten, and
	// so zero, WriteBatch sends an empty datagram.
	N int
	// Addr is the sender (ReadBatch) or where to send (WriteBatch). The zero Addr is the connected peer.
	Addr Addr
}

// ListenPacket opens a datagram socket bound to a numeric address (see [ParseAddr]) of the network udp, udp4, udp6 or
// unixgram. ":9000" and "[::]:9000" take IPv6 and IPv4 where the system can; port 0 lets the system choose. A socket for
// a multicast address is bound to all addresses, with the port shared, and joins no group by itself. A Unix path must
// not exist and is, as in package net, not removed by Close.
func ListenPacket(network, address string) (*PacketConn, error) {
	return new(ListenConfig).ListenPacket(network, address)
}

// ListenPacket is the function [ListenPacket] with options. Backlog does not matter.
func (lc *ListenConfig) ListenPacket(network, address string) (*PacketConn, error) {
	c := new(PacketConn)
	if _, err := lc.bind(&c.descriptor, kindPacket, network, address); err != nil {
		return nil, err
	}
	return c, nil
}

// DialPacket opens a datagram socket that is connected to a numeric address of the network udp, udp4, udp6 or unixgram: it
// receives from there alone, and Write sends there.
func DialPacket(network, address string) (*PacketConn, error) {
	addr, err := dialAddr(network, address, protoUDP, protoUnixgram)
	if err != nil {
		return nil, err
	}
	c := new(PacketConn)
	if err := c.open(addr.family, addr.proto, kindPacket); err != nil {
		return nil, opError("dial", network, Addr{}, addr, err)
	}
	if err := c.Connect(addr); err != nil {
		// The failure to be told is the first.
		_ = c.close()
		return nil, err
	}
	return c, nil
}

// PacketPair makes two connected Unix datagram sockets, as socketpair(2). The error is [errors.ErrUnsupported] where there are
// none.
func PacketPair() (*PacketConn, *PacketConn, error) {
	a, b := new(PacketConn), new(PacketConn)
	if err := openPair(&a.descriptor, &b.descriptor, kindPacket); err != nil {
		return nil, nil, opError("socketpair", "unixgram", Addr{}, Addr{}, err)
	}
	unnamed := Addr{proto: protoUnixgram, family: familyUnix}
	a.peer.Store(&unnamed)
	b.peer.Store(&unnamed)
	return a, b, nil
}

// NewPacketConn takes over a descriptor (a SOCKET on Windows): a datagram socket. On success it belongs to the
// PacketConn, is non-blocking and close-on-exec; on failure it stays the caller's, as it was.
func NewPacketConn(fd uintptr) (*PacketConn, error) {
	c := new(PacketConn)
	if err := c.adopt(fd, kindPacket); err != nil {
		return nil, opError("adopt", "", Addr{}, Addr{}, err)
	}
	if connected, _ := c.hasPeer(); connected {
		peer := c.peerName()
		c.peer.Store(&peer)
	}
	return c, nil
}

// FromNetPacketConn makes a PacketConn of a duplicate of c's descriptor. c stays open and is the caller's; a datagram goes
// to whichever of the two reads it. c must be a [syscall.Conn], as [*net.UDPConn] and [*net.UnixConn] are.
func FromNetPacketConn(c net.PacketConn) (*PacketConn, error) {
	return duplicate(c, NewPacketConn)
}

// NetPacketConn hands the socket over to package net. The PacketConn is deregistered and closed. On failure it
// stays as it was.
func (c *PacketConn) NetPacketConn() (net.PacketConn, error) {
	return handOver(&c.descriptor, net.FilePacketConn, c.Close)
}

// ReadFrom takes one datagram and its sender's address, which is the zero path for an unnamed Unix socket. It gives
// [ErrWouldBlock] when none waits. A datagram longer than p is cut, without an error; an empty one is 0, nil. See
// recvfrom(2).
func (c *PacketConn) ReadFrom(p []byte) (n int, from Addr, err error) {
	return c.receive(p, false)
}

// PeekFrom is ReadFrom that leaves the datagram in the socket.
func (c *PacketConn) PeekFrom(p []byte) (n int, from Addr, err error) {
	return c.receive(p, true)
}

func (c *PacketConn) receive(p []byte, peek bool) (n int, from Addr, err error) {
	if !c.acquire() {
		return 0, Addr{}, ErrClosed
	}
	if len(p) > 0 {
		if c.has(stateReadShut) {
			err = io.EOF
		} else if n, from, err = c.recvFrom(p, peek, &c.paths); err != nil {
			err = c.readEnd(err)
		}
	}
	c.release()
	return n, from, err
}

// readEnd tells what a read that took nothing means.
func (c *PacketConn) readEnd(err error) error {
	if err == ErrWouldBlock {
		c.rearm(Readable)
		return err
	}
	return c.opError("read", err)
}

// Read takes one datagram, from the connected peer or, on a socket that is not connected, from anyone.
func (c *PacketConn) Read(p []byte) (int, error) { return c.take(p, false) }

// Peek is Read that leaves the datagram in the socket.
func (c *PacketConn) Peek(p []byte) (int, error) { return c.take(p, true) }

func (c *PacketConn) take(p []byte, peek bool) (n int, err error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	if len(p) > 0 {
		if c.has(stateReadShut) {
			err = io.EOF
		} else {
			if peek {
				n, err = c.peek(p)
			} else {
				n, err = c.recvPacket(p)
			}
			if err != nil {
				err = c.readEnd(err)
			}
		}
	}
	c.release()
	return n, err
}

// WriteTo sends p as one datagram. It gives [ErrWouldBlock] when the socket takes none now. On a connected socket, to must be
// the peer or the zero Addr. An empty p is an empty datagram. See sendto(2).
func (c *PacketConn) WriteTo(p []byte, to Addr) (int, error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	n := 0
	target, err := sendTarget(&c.descriptor, &to, c.peer.Load())
	if err == nil {
		n, err = c.sendTo(p, target)
	}
	if err != nil {
		err = c.writeEnd(err)
	}
	c.release()
	return n, err
}

// Write sends p as one datagram to the connected peer.
func (c *PacketConn) Write(p []byte) (int, error) { return c.WriteTo(p, Addr{}) }

func (c *PacketConn) writeEnd(err error) error {
	if err == ErrWouldBlock {
		c.rearm(Writable)
		return err
	}
	return c.opError("write", err)
}

// Connect sets the peer: the socket receives from there alone, and Write sends there. The zero Addr ends that. See connect(2).
func (c *PacketConn) Connect(to Addr) error {
	if !c.acquire() {
		return ErrClosed
	}
	defer c.release()
	err := error(nil)
	switch {
	case to == Addr{}:
		err = c.disconnect()
	case to.proto != c.protocol() || to.family == familyUnix && to.path == "":
		err = &net.AddrError{Err: "not an address to connect a socket of " + c.protocol().String() + " to", Addr: to.String()}
	default:
		err = c.connect(to)
	}
	if err != nil {
		return opError("connect", c.protocol().String(), Addr{}, to, err)
	}
	if to == (Addr{}) {
		c.peer.Store(nil)
		return nil
	}
	// What the system made of the address: the unspecified one has become this host's.
	if peer := c.peerName(); peer != (Addr{}) {
		to = peer
	}
	c.peer.Store(&to)
	return nil
}

// ReadBatch takes as many datagrams as there are, at most len(ms), and sets N and Addr of each. Fewer than len(ms) says
// that the socket is drained; with none there it gives 0, [ErrWouldBlock]. An error after some datagrams comes with their
// number. It is one system call where there is recvmmsg(2).
func (c *PacketConn) ReadBatch(ms []Message) (n int, err error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	if len(ms) > 0 {
		if c.has(stateReadShut) {
			err = io.EOF
		} else {
			if n, err = c.recvBatch(ms, c.peer.Load() != nil, &c.paths); n < len(ms) && err == nil {
				c.rearm(Readable)
			}
			if err != nil {
				err = c.readEnd(err)
			}
		}
	}
	c.release()
	return n, err
}

// WriteBatch sends Buf[:N] of each message to its Addr, so that what ReadBatch gave can be written back as it is, and
// gives how many were sent. Fewer than all comes with the reason: [ErrWouldBlock], or what is wrong with ms[n]. It is
// one system call where there is sendmmsg(2).
//
// BEWARE: a message whose N was forgotten is an empty datagram.
func (c *PacketConn) WriteBatch(ms []Message) (n int, err error) {
	if !c.acquire() {
		return 0, ErrClosed
	}
	if len(ms) > 0 {
		if n, err = c.sendBatch(ms, c.peer.Load()); err != nil {
			err = c.writeEnd(err)
		}
	}
	c.release()
	return n, err
}

// V6Only reports whether an IPv6 socket refuses IPv4: IPV6_V6ONLY of ipv6(7). It is set by [ListenConfig].
func (c *PacketConn) V6Only() (bool, error) { return c.boolOption("get V6 only", optV6Only) }

// Broadcast reports whether the socket may send to broadcast addresses: SO_BROADCAST. It is off until it is set.
func (c *PacketConn) Broadcast() (bool, error) { return c.boolOption("get broadcast", optBroadcast) }

// SetBroadcast lets the socket send to broadcast addresses.
func (c *PacketConn) SetBroadcast(on bool) error {
	return c.setBoolOption("set broadcast", optBroadcast, on)
}

// MulticastLoop reports whether what the socket sends to a group is received on this host too.
func (c *PacketConn) MulticastLoop() (bool, error) {
	return c.boolOption("get multicast loop", optMulticastLoop)
}

// SetMulticastLoop says whether what the socket sends to a group is received on this host too.
func (c *PacketConn) SetMulticastLoop(on bool) error {
	return c.setBoolOption("set multicast loop", optMulticastLoop, on)
}

// TTL gives the time to live of packets sent to one host, the hop limit on IPv6.
func (c *PacketConn) TTL() (int, error) { return c.intOption("get TTL", optTTL) }

// SetTTL sets the time to live, 1 to 255.
func (c *PacketConn) SetTTL(ttl int) error { return c.setIntOption("set TTL", optTTL, ttl) }

// MulticastTTL gives the time to live of packets sent to groups, the hop limit on IPv6.
func (c *PacketConn) MulticastTTL() (int, error) {
	return c.intOption("get multicast TTL", optMulticastTTL)
}

// SetMulticastTTL sets the time to live of packets sent to groups, 0 to 255.
func (c *PacketConn) SetMulticastTTL(ttl int) error {
	return c.setIntOption("set multicast TTL", optMulticastTTL, ttl)
}

// ReadBuffer gives the size of the receive buffer in bytes, as [Conn.ReadBuffer].
func (c *PacketConn) ReadBuffer() (int, error) { return c.intOption("get read buffer", optReadBuffer) }

// SetReadBuffer sets the size of the receive buffer in bytes, within the system's limits.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	return c.setIntOption("set read buffer", optReadBuffer, bytes)
}

// WriteBuffer gives the size of the send buffer in bytes, as [Conn.WriteBuffer].
func (c *PacketConn) WriteBuffer() (int, error) {
	return c.intOption("get write buffer", optWriteBuffer)
}

// SetWriteBuffer sets the size of the send buffer in bytes, within the system's limits.
func (c *PacketConn) SetWriteBuffer(bytes int) error {
	return c.setIntOption("set write buffer", optWriteBuffer, bytes)
}

// JoinGroup joins a multicast group on an interface; with nil, on one that the system chooses. See ip(7) and ipv6(7).
func (c *PacketConn) JoinGroup(ifi *net.Interface, group netip.Addr) error {
	return c.changeGroup("join group", true, ifi, group)
}

// LeaveGroup leaves a group that JoinGroup joined.
func (c *PacketConn) LeaveGroup(ifi *net.Interface, group netip.Addr) error {
	return c.changeGroup("leave group", false, ifi, group)
}

func (c *PacketConn) changeGroup(op string, join bool, ifi *net.Interface, group netip.Addr) error {
	return c.configure(op, func() error {
		group = group.Unmap()
		if c.family == familyUnix || !group.IsMulticast() || group.Is6() && c.family == familyIPv4 {
			return &net.AddrError{Err: "not a group that this socket can be in", Addr: group.String()}
		}
		index := 0
		if ifi != nil {
			index = ifi.Index
		}
		return c.membership(join, index, group)
	})
}

// LocalAddr asks the system for the socket's own address: the zero Addr if there is none. See getsockname(2).
func (c *PacketConn) LocalAddr() Addr { return c.localAddr() }

// RemoteAddr asks the system for the connected peer's address: the zero Addr if there is none. See getpeername(2).
func (c *PacketConn) RemoteAddr() Addr { return c.remoteAddr() }

// TakeError gives the error that is pending on the socket, and clears it: SO_ERROR of socket(7). nil: there is none.
func (c *PacketConn) TakeError() error { return c.takeError() }

// CloseRead shuts the receiving side of a connected socket: reads give io.EOF from here on. See shutdown(2).
func (c *PacketConn) CloseRead() error { return c.closeRead() }

// CloseWrite shuts the sending side of a connected socket. See shutdown(2).
func (c *PacketConn) CloseWrite() error { return c.closeWrite() }

// Close deregisters and closes the socket. Operations under way in other goroutines end first.
func (c *PacketConn) Close() error { return c.opError("close", c.close()) }

// SyscallConn gives access to the descriptor, as [Conn.SyscallConn].
func (c *PacketConn) SyscallConn() (syscall.RawConn, error) { return c.syscallConn() }
