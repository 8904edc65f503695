//go:build unix

package reactor

import (
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// rawLimit is how much a system call may copy without telling the scheduler. Such a call costs less, and keeps
	// its P: it must not block, nor last.
	rawLimit = 64 << 10
	// ioLimit is how much one system call is asked to move; the kernel's own limit is near 2 GiB.
	ioLimit = 1 << 30
)

// recv fills p from a stream. It goes on past the limit of one call, and on a Unix socket until the kernel says that
// nothing is left: that stops at passed descriptors too, and what comes after them makes no edge. So it does at a TCP urgent mark where no event tells
// of one.
func (d *descriptor) recv(p []byte) (n int, err error) {
	for {
		want := p[n:min(len(p), n+ioLimit)]
		m, errno := d.recvfrom(want, 0, nil, nil)
		n += m
		if errno != 0 {
			if n > 0 && errno == unix.EAGAIN {
				return n, nil
			}
			return n, failed("recvfrom", errno)
		}
		if m == 0 || n == len(p) || m < len(want) && !urgentUntold && d.family != familyUnix {
			return n, nil
		}
	}
}

// peek reads what stays in the socket.
func (d *descriptor) peek(p []byte) (int, error) {
	n, errno := d.recvfrom(p[:min(len(p), ioLimit)], unix.MSG_PEEK, nil, nil)
	return n, failed("recvfrom", errno)
}

// send writes p to a stream until it is done or the kernel says that there is no room: only then is an edge owed.
func (d *descriptor) send(p []byte) (n int, err error) {
	for {
		m, errno := d.sendto(p[n:min(len(p), n+ioLimit)], nil, 0)
		n += m
		if errno != 0 || n == len(p) {
			return n, failed("sendto", errno)
		}
	}
}

// recvFrom takes a datagram, or looks at it, and tells its sender.
func (d *descriptor) recvFrom(p []byte, peek bool, paths *pathCache) (int, Addr, error) {
	var sa unix.RawSockaddrAny
	length := uint32(unix.SizeofSockaddrAny)
	flags := 0
	if peek {
		flags = unix.MSG_PEEK
	}
	n, errno := d.recvfrom(p, flags, &sa, &length)
	if errno != 0 {
		return 0, Addr{}, failed("recvfrom", errno)
	}
	return n, decode(&sa, length, d.protocol(), paths), nil
}

// recvPacket takes a datagram without its sender.
func (d *descriptor) recvPacket(p []byte) (int, error) {
	n, errno := d.recvfrom(p, 0, nil, nil)
	return n, failed("recvfrom", errno)
}

// sendTo sends a datagram; a nil address is the connected peer.
func (d *descriptor) sendTo(p []byte, to *Addr) (int, error) {
	if to == nil {
		n, errno := d.sendto(p, nil, 0)
		return n, failed("sendto", errno)
	}
	var sa unix.RawSockaddrAny
	length, err := to.encode(&sa, d.family)
	if err != nil {
		return 0, err
	}
	n, errno := d.sendto(p, &sa, length)
	return n, failed("sendto", errno)
}

// read fills p from a pipe.
func (d *descriptor) read(p []byte) (n int, err error) {
	for {
		want := p[n:min(len(p), n+ioLimit)]
		m, errno := d.transfer(callRead, want)
		n += m
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN && n > 0:
			return n, nil
		case errno != 0:
			return n, failed("read", errno)
		}
		if raceEnabled {
			raceWrite(want[:m])
		}
		if m < len(want) || n == len(p) {
			return n, nil
		}
	}
}

// write writes p to a pipe until it is done or the kernel says that there is no room.
func (d *descriptor) write(p []byte) (n int, err error) {
	if raceEnabled {
		raceRelease()
	}
	for {
		m, errno := d.transfer(callWrite, p[n:min(len(p), n+ioLimit)])
		if raceEnabled {
			raceRead(p[n : n+m])
		}
		n += m
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 || n == len(p) {
			return n, failed("write", errno)
		}
	}
}

// checkMessage reports what is wrong with a message that is to be sent.
func checkMessage(m *Message) error {
	if m.N < 0 || m.N > len(m.Buf) {
		return invalid("message of N = " + strconv.Itoa(m.N) + " with a buffer of " + strconv.Itoa(len(m.Buf)) + " bytes")
	}
	return nil
}

// openPipe makes a pipe.
func openPipe(r, w *descriptor) error {
	var fds [2]int
	if err := pipe(&fds); err != nil {
		return err
	}
	r.fd, r.kind = sysFD(fds[0]), kindPipe
	w.fd, w.kind = sysFD(fds[1]), kindPipe
	return nil
}
