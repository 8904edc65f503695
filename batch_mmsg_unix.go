//go:build linux || netbsd

package reactor

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchLen is how many datagrams one recvmmsg(2) or sendmmsg(2) moves. The kernel takes up to 1,024; beyond some dozens
// the call's own cost is lost among the datagrams', and the headers would not stay in the cache.
const batchLen = 64

// A batch holds the headers of one call: pooled, for there may be very many sockets. Buffers are numbers, see [buffer].
type batch struct {
	hdrs  [batchLen]mmsghdr
	bufs  [batchLen]buffer
	names [batchLen]unix.RawSockaddrAny
}

var batches = sync.Pool{New: func() any {
	b := new(batch)
	for i := range b.hdrs {
		b.hdrs[i].Hdr.Iov = (*unix.Iovec)(unsafe.Pointer(&b.bufs[i]))
		b.hdrs[i].Hdr.SetIovlen(1)
	}
	return b
}}

// mmsghdr is what recvmmsg(2) takes.
type mmsghdr struct {
	Hdr unix.Msghdr
	Len uint32
}

// recv asks for at most batchLen datagrams.
//
//go:nosplit
func (b *batch) recv(fd sysFD, ms []Message) (int, syscall.Errno) {
	for i := range ms {
		p := ms[i].Buf
		b.bufs[i] = buffer{uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p))}
		b.hdrs[i].Hdr.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		b.hdrs[i].Hdr.Namelen = unix.SizeofSockaddrAny
	}
	r, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(ms)), recvFlags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// send sends at most batchLen datagrams, whose names are in place.
//
//go:nosplit
func (b *batch) send(fd sysFD, ms []Message) (int, syscall.Errno) {
	total := 0
	for i := range ms {
		b.bufs[i] = buffer{uintptr(unsafe.Pointer(unsafe.SliceData(ms[i].Buf))), uintptr(ms[i].N)}
		total += ms[i].N
	}
	var r uintptr
	var errno syscall.Errno
	if total <= rawLimit {
		r, _, errno = syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(ms)), sendFlags, 0, 0)
	} else {
		r, _, errno = syscall.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(ms)), sendFlags, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// recvBatch fills ms until it is full, or nothing is left. On a connected socket a call that comes up short may have met an
// error, which the next one tells: it is asked for, because no event would come for it.
func (d *descriptor) recvBatch(ms []Message, connected bool, paths *pathCache) (n int, err error) {
	b := batches.Get().(*batch)
	defer batches.Put(b)
	proto := d.protocol()
	for n < len(ms) {
		chunk := ms[n:min(len(ms), n+batchLen)]
		m, errno := b.recv(d.fd, chunk)
		runtime.KeepAlive(ms)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			if errno == unix.EAGAIN && n > 0 {
				return n, nil
			}
			return n, failed("recvmmsg", errno)
		}
		for i := range chunk[:m] {
			msg := &chunk[i]
			msg.N = int(b.hdrs[i].Len)
			msg.Addr = decode(&b.names[i], b.hdrs[i].Hdr.Namelen, proto, paths)
			if raceEnabled {
				raceWrite(msg.Buf[:msg.N])
			}
		}
		n += m
		if m < len(chunk) && !connected {
			return n, nil
		}
	}
	return n, nil
}

// sendBatch sends ms until all are sent or one cannot be.
func (d *descriptor) sendBatch(ms []Message, peer *Addr) (n int, err error) {
	b := batches.Get().(*batch)
	defer batches.Put(b)
	for n < len(ms) {
		chunk := ms[n:min(len(ms), n+batchLen)]
		var bad error
		for i := range chunk {
			if bad = b.address(i, d, &chunk[i], peer); bad != nil {
				chunk = chunk[:i]
				break
			}
			if raceEnabled {
				raceRelease()
				raceRead(chunk[i].Buf[:chunk[i].N])
			}
		}
		for sent := 0; sent < len(chunk); {
			// What is left of a chunk has its headers in the wrong places: they are few, and this is seldom.
			if sent > 0 {
				for i := range chunk[sent:] {
					if bad := b.address(i, d, &chunk[sent+i], peer); bad != nil {
						return n, bad
					}
				}
			}
			m, errno := b.send(d.fd, chunk[sent:])
			runtime.KeepAlive(ms)
			if errno == unix.EINTR {
				continue
			}
			if errno != 0 {
				return n, failed("sendmmsg", errno)
			}
			sent += m
			n += m
		}
		if bad != nil {
			return n, bad
		}
	}
	return n, nil
}

// address checks a message and puts its destination into header i.
func (b *batch) address(i int, d *descriptor, m *Message, peer *Addr) error {
	if err := checkMessage(m); err != nil {
		return err
	}
	hdr := &b.hdrs[i].Hdr
	to, err := sendTarget(d, &m.Addr, peer)
	if err != nil {
		return err
	}
	if to == nil {
		hdr.Name, hdr.Namelen = nil, 0
		return nil
	}
	hdr.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	hdr.Namelen, err = to.encode(&b.names[i], d.family)
	return err
}
