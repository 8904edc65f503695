//go:build unix && !solaris && !aix

package reactor

import (
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A buffer is struct iovec with its pointer as a number, so that what it points to does not escape to the heap: callers
// may read into buffers on their stacks.
//
// This is safe because only nosplit functions make these numbers and pass them to the kernel: a stack moves when a function
// that is not nosplit is entered, and the garbage collector neither moves the heap nor shrinks the stack of a
// goroutine that is in a system call or was stopped between two safe points. Callers keep the buffers alive until the
// call has returned.
type buffer struct {
	base uintptr
	len  uintptr
}

const _ = unsafe.Sizeof(buffer{}) - unsafe.Sizeof(unix.Iovec{}) // the same layout

// maxVector is IOV_MAX, the most buffers that one call takes.
const maxVector = 1024

// A vector is the argument of one readv or writev, done by recvmsg(2) and sendmsg(2) for their flags.
type vector struct {
	hdr  unix.Msghdr
	bufs [maxVector]buffer
}

var vectors = sync.Pool{New: func() any {
	v := new(vector)
	v.hdr.Iov = (*unix.Iovec)(unsafe.Pointer(&v.bufs[0]))
	return v
}}

// transfer moves as much of bufs, without the first skip bytes of the first one, as one call takes. It gives how much was
// moved, and how much was asked for.
//
//go:nosplit
func (v *vector) transfer(call uintptr, fd sysFD, bufs [][]byte, skip int, flags uintptr) (n, want int, errno syscall.Errno) {
	count := 0
	for i := range bufs {
		b := bufs[i]
		size := len(b) - skip
		if size > 0 {
			if count == maxVector || want == ioLimit {
				break
			}
			if size > ioLimit-want {
				size = ioLimit - want
			}
			v.bufs[count] = buffer{uintptr(unsafe.Pointer(unsafe.SliceData(b))) + uintptr(skip), uintptr(size)}
			want += size
			count++
		}
		skip = 0
	}
	v.hdr.SetIovlen(count)
	n, errno = message(call, fd, &v.hdr, flags, want <= rawLimit)
	return n, want, errno
}

// vectored moves bufs until all is done, the call comes up short, or it fails.
func (d *descriptor) vectored(call uintptr, bufs [][]byte, flags uintptr, done func(m, want, n, total int) bool) (n int, errno syscall.Errno) {
	v := vectors.Get().(*vector)
	total, skip := size(bufs), 0
	for rest := bufs; ; {
		m, want, e := v.transfer(call, d.fd, rest, skip, flags)
		runtime.KeepAlive(bufs)
		if e == unix.EINTR {
			continue
		}
		n += m
		if e != 0 || done(m, want, n, total) {
			errno = e
			break
		}
		for skip += m; len(rest) > 0 && skip >= len(rest[0]); rest = rest[1:] {
			skip -= len(rest[0])
		}
	}
	vectors.Put(v)
	return n, errno
}

// recvv is recv into many buffers.
func (d *descriptor) recvv(bufs [][]byte) (int, error) {
	done := recvDone
	if d.family == familyUnix || urgentUntold {
		done = recvAgain
	}
	n, errno := d.vectored(callRecvmsg, bufs, recvFlags, done)
	if raceEnabled {
		eachMoved(bufs, n, raceWrite)
	}
	if n > 0 && errno == unix.EAGAIN {
		return n, nil
	}
	return n, failed("recvmsg", errno)
}

func recvDone(m, want, n, total int) bool  { return m < want || n == total }
func recvAgain(m, want, n, total int) bool { return m == 0 || n == total }
func sendDone(m, want, n, total int) bool  { return n == total }

// sendv is send of many buffers.
func (d *descriptor) sendv(bufs [][]byte) (int, error) {
	if raceEnabled {
		raceRelease()
	}
	n, errno := d.vectored(callSendmsg, bufs, sendFlags, sendDone)
	if raceEnabled {
		eachMoved(bufs, n, raceRead)
	}
	return n, failed("sendmsg", errno)
}

// eachMoved calls f with the parts of bufs that n bytes went through.
func eachMoved(bufs [][]byte, n int, f func([]byte)) {
	for _, b := range bufs {
		b = b[:min(n, len(b))]
		f(b)
		n -= len(b)
	}
}
