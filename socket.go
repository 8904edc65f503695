package reactor

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// What the socket types share: names, options, shutdown, and the ways from and to package net.

// An option is one of the socket options whose level and name depend on the system and the address family.
type option uint8

const (
	optReuseAddr option = iota
	optReusePort
	optV6Only
	optNoDelay
	optTTL
	optMulticastTTL
	optMulticastLoop
	optBroadcast
	optReadBuffer
	optWriteBuffer
)

func (d *descriptor) protocol() protocol {
	switch {
	case d.kind == kindPacket && d.family == familyUnix:
		return protoUnixgram
	case d.kind == kindPacket:
		return protoUDP
	case d.family == familyUnix:
		return protoUnix
	}
	return protoTCP
}

// opError says of which socket's operation err is the failure.
func (d *descriptor) opError(op string, err error) error {
	switch err {
	case nil, ErrWouldBlock, ErrClosed, io.EOF:
		return err
	}
	local, remote := d.localAddr(), d.remoteAddr()
	if remote == (Addr{}) && d.kind != kindPacket {
		// Alone, the local address would read as the peer's; of a listener it is what package net shows.
		remote, local = local, Addr{}
		if d.kind != kindListener {
			remote = Addr{}
		}
	}
	return opError(op, d.protocol().String(), local, remote, err)
}

func (d *descriptor) localAddr() Addr {
	if !d.acquire() {
		return Addr{}
	}
	defer d.release()
	return d.localName()
}

func (d *descriptor) remoteAddr() Addr {
	if !d.acquire() {
		return Addr{}
	}
	defer d.release()
	return d.peerName()
}

// configure runs f, which changes an option, with the descriptor kept open.
func (d *descriptor) configure(op string, f func() error) error {
	if !d.acquire() {
		return ErrClosed
	}
	err := f()
	d.release()
	return d.opError(op, err)
}

func (d *descriptor) intOption(op string, o option) (v int, err error) {
	err = d.configure(op, func() error {
		v, err = d.getOption(o)
		return err
	})
	return v, err
}

func (d *descriptor) setIntOption(op string, o option, v int) error {
	return d.configure(op, func() error { return d.setOption(o, v) })
}

func (d *descriptor) boolOption(op string, o option) (bool, error) {
	v, err := d.intOption(op, o)
	return v != 0, err
}

func (d *descriptor) setBoolOption(op string, o option, on bool) error {
	v := 0
	if on {
		v = 1
	}
	return d.setIntOption(op, o, v)
}

func (d *descriptor) takeError() error {
	if !d.acquire() {
		return ErrClosed
	}
	errno, err := d.pendingError()
	if err == nil && errno != 0 {
		err = pendingError(errno)
	}
	d.release()
	return d.opError("getsockopt", err)
}

func (d *descriptor) closeRead() error {
	return d.configure("close", func() error {
		err := d.shutdown(Readable)
		if err == nil {
			d.state.Or(stateReadShut)
		}
		return err
	})
}

func (d *descriptor) closeWrite() error {
	return d.configure("close", func() error { return d.shutdown(Writable) })
}

func (d *descriptor) syscallConn() (syscall.RawConn, error) {
	if d.has(stateClosed) || d.kind == kindNone {
		return nil, ErrClosed
	}
	return rawConn{d}, nil
}

// duplicate makes one of this package's types of a duplicate of c's descriptor.
func duplicate[T any](c any, take func(fd uintptr) (*T, error)) (*T, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, invalid("a value without a descriptor (no syscall.Conn)")
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd uintptr
	if cerr := rc.Control(func(orig uintptr) { fd, err = duplicateFD(orig) }); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		return nil, err
	}
	t, err := take(fd)
	if err != nil {
		_ = closeFD(fd)
		return nil, err
	}
	return t, nil
}

// errCannotDetach is what package net's part of handOver fails with on a system that cannot do it, if there is such an error.
var errCannotDetach error

// handOver makes a value of package net of d's socket, and closes d by the means given.
func handOver[T any](d *descriptor, file func(*os.File) (T, error), closeOurs func() error) (T, error) {
	var none T
	if !d.acquire() {
		return none, ErrClosed
	}
	fd, err := duplicateFD(uintptr(d.fd))
	d.release()
	if err != nil {
		return none, d.opError("dup", err)
	}
	f := os.NewFile(fd, d.protocol().String()+":"+strconv.Itoa(int(fd)))
	t, err := file(f)
	if err != nil && errors.Is(err, errCannotDetach) {
		err = unsupported("handing sockets over to package net")
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return none, err
	}
	if err := closeOurs(); err != nil {
		if c, ok := any(t).(io.Closer); ok {
			_ = c.Close()
		}
		return none, err
	}
	return t, nil
}

// sendTarget says where a datagram for to goes: nil is the connected peer. The errors hold copies, lest the caller's messages
// escape to the heap.
func sendTarget(d *descriptor, to, peer *Addr) (*Addr, error) {
	switch {
	case *to == Addr{}:
		if peer == nil {
			return nil, &net.AddrError{Err: "missing address: the socket is not connected"}
		}
		return nil, nil
	case peer != nil:
		if *to != *peer {
			return nil, &net.AddrError{Err: "not the connected peer's address", Addr: strings.Clone(to.String())}
		}
		return nil, nil
	case to.proto != d.protocol():
		return nil, &net.AddrError{Err: "address of the network " + to.Network() + " for a socket of " + d.protocol().String(), Addr: strings.Clone(to.String())}
	case to.family == familyUnix && to.path == "":
		return nil, &net.AddrError{Err: "an unnamed socket cannot be written to"}
	}
	return to, nil
}
