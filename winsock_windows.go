package reactor

import (
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// How data goes through sockets: the non-overlapped calls of Winsock, on sockets that do not block. Overlapped ones would
// have to own the caller's buffers.

var (
	modws2_32 = windows.NewLazySystemDLL("ws2_32.dll")

	procAccept      = modws2_32.NewProc("accept")
	procBind        = modws2_32.NewProc("bind")
	procConnect     = modws2_32.NewProc("connect")
	procGetpeername = modws2_32.NewProc("getpeername")
	procGetsockname = modws2_32.NewProc("getsockname")
	procIoctlsocket = modws2_32.NewProc("ioctlsocket")
	procRecv        = modws2_32.NewProc("recv")
	procRecvfrom    = modws2_32.NewProc("recvfrom")
	procSend        = modws2_32.NewProc("send")
	procSendto      = modws2_32.NewProc("sendto")
	procWSARecv     = modws2_32.NewProc("WSARecv")
	procWSASend     = modws2_32.NewProc("WSASend")
)

const (
	msgPeek = 2
	// ioLimit is how much one call is asked to receive: lengths are an int of 32 bits.
	ioLimit = 1 << 30
	// sendLimit is how much one call is asked to send. Where there is room for one byte Winsock takes all that it is given, however
	// much that is, and keeps it in memory.
	sendLimit = 64 << 10
)

// recvfrom is recv and recvfrom.
func (d *descriptor) recvfrom(p []byte, flags uintptr, sa *sockaddr, length *int32) (int, syscall.Errno) {
	var r uintptr
	var errno syscall.Errno
	if sa == nil {
		r, _, errno = syscall.SyscallN(procRecv.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags)
	} else {
		r, _, errno = syscall.SyscallN(procRecvfrom.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
	}
	if int32(r) < 0 {
		return 0, orInvalid(errno)
	}
	if raceEnabled {
		raceWrite(p[:r])
	}
	return int(int32(r)), 0
}

// recvDatagram is recvfrom for datagrams: one that was longer than p is cut, which Winsock takes for an error.
func (d *descriptor) recvDatagram(p []byte, flags uintptr, sa *sockaddr, length *int32) (int, syscall.Errno) {
	n, errno := d.recvfrom(p, flags, sa, length)
	if errno == windows.WSAEMSGSIZE {
		return len(p), 0
	}
	return n, errno
}

// sendto is send and sendto.
func (d *descriptor) sendto(p []byte, sa *sockaddr, length uintptr) (int, syscall.Errno) {
	if raceEnabled {
		raceRelease()
		raceRead(p)
	}
	var r uintptr
	var errno syscall.Errno
	if sa == nil {
		r, _, errno = syscall.SyscallN(procSend.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0)
	} else {
		r, _, errno = syscall.SyscallN(procSendto.Addr(), uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, uintptr(unsafe.Pointer(sa)), length)
	}
	if int32(r) < 0 {
		return 0, orInvalid(errno)
	}
	return int(int32(r)), 0
}

// orInvalid makes sure that a call that failed has an error to show.
func orInvalid(errno syscall.Errno) syscall.Errno {
	if errno == 0 {
		return windows.WSAEINVAL
	}
	return errno
}

// recv fills p from a stream. It goes on past the limit of one call.
func (d *descriptor) recv(p []byte) (n int, err error) {
	if err := d.settled(); err != nil {
		return 0, err
	}
	for {
		want := p[n:min(len(p), n+ioLimit)]
		m, errno := d.recvfrom(want, 0, nil, nil)
		n += m
		if errno != 0 {
			if n > 0 && errno == windows.WSAEWOULDBLOCK {
				return n, nil
			}
			return n, failed("recv", errno)
		}
		if n == 0 {
			return 0, failed("recv", d.endedBy())
		}
		if m < len(want) || n == len(p) {
			return n, nil
		}
	}
}

// endedBy tells a stream's end, 0, from a reset. Wine takes a reset that comes while a read is under way for the end, but knows
// better when it is asked again.
func (d *descriptor) endedBy() syscall.Errno {
	var b [1]byte
	_, errno := d.recvfrom(b[:], msgPeek, nil, nil)
	if errno == windows.WSAEWOULDBLOCK {
		return 0
	}
	return errno
}

// peek reads what stays in the socket.
func (d *descriptor) peek(p []byte) (int, error) {
	p = p[:min(len(p), ioLimit)]
	if d.kind == kindPacket {
		n, errno := d.recvDatagram(p, msgPeek, nil, nil)
		return n, failed("recv", errno)
	}
	if err := d.settled(); err != nil {
		return 0, err
	}
	n, errno := d.recvfrom(p, msgPeek, nil, nil)
	if n == 0 && errno == 0 {
		errno = d.endedBy()
	}
	return n, failed("recv", errno)
}

// send writes p to a stream until it is done or the system says that there is no room.
func (d *descriptor) send(p []byte) (n int, err error) {
	if err := d.settled(); err != nil {
		return 0, err
	}
	for {
		m, errno := d.sendto(p[n:min(len(p), n+sendLimit)], nil, 0)
		n += m
		if errno != 0 || n == len(p) {
			return n, failed("send", errno)
		}
	}
}

// recvPacket takes a datagram without its sender.
func (d *descriptor) recvPacket(p []byte) (int, error) {
	n, errno := d.recvDatagram(p, 0, nil, nil)
	return n, failed("recv", errno)
}

// recvBatch takes datagrams one by one: Winsock has no call for many.
func (d *descriptor) recvBatch(ms []Message, _ bool, paths *pathCache) (n int, err error) {
	for n < len(ms) {
		m := &ms[n]
		m.N, m.Addr, err = d.recvFrom(m.Buf, false, paths)
		if err != nil {
			if err == ErrWouldBlock && n > 0 {
				return n, nil
			}
			return n, err
		}
		n++
	}
	return n, nil
}

// sendBatch sends datagrams one by one.
func (d *descriptor) sendBatch(ms []Message, peer *Addr) (n int, err error) {
	for i := range ms {
		m := &ms[i]
		if m.N < 0 || m.N > len(m.Buf) {
			return n, invalid("message of N = " + strconv.Itoa(m.N) + " with a buffer of " + strconv.Itoa(len(m.Buf)) + " bytes")
		}
		to, err := sendTarget(d, &m.Addr, peer)
		if err != nil {
			return n, err
		}
		if _, err := d.sendTo(m.Buf[:m.N], to); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// A buffer is a WSABUF with its pointer as a number, so that what it points to does not escape to the heap: callers may read
// into buffers on their stacks.
//
// This is safe because only nosplit functions make these numbers and pass them to the system: a stack moves when a function that
// is not nosplit is entered, and the garbage collector neither moves the heap nor shrinks the stack of a goroutine that is
// in a system call or was stopped between two safe points. Callers keep the buffers alive until the call has returned.
type buffer struct {
	len  uint32
	base uintptr
}

// The same layout.
const (
	_ = unsafe.Sizeof(buffer{}) - unsafe.Sizeof(windows.WSABuf{})
	_ = unsafe.Sizeof(windows.WSABuf{}) - unsafe.Sizeof(buffer{})
)

// maxVector is the most buffers that one call is given. Winsock documents no limit.
const maxVector = 64

// A vector is the argument of one WSARecv or WSASend.
type vector struct {
	bufs  [maxVector]buffer
	moved uint32
	flags uint32
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

// transfer moves as much of bufs, without the first skip bytes of the first one, as one call takes. It gives how much was
// moved, and how much was asked for. The call is WSARecv if receive is set, which wants the address of the flags.
//
//go:nosplit
func (v *vector) transfer(call uintptr, receive bool, fd sysFD, bufs [][]byte, skip, limit int) (n, want int, errno syscall.Errno) {
	count := 0
	for i := range bufs {
		b := bufs[i]
		size := len(b) - skip
		if size > 0 {
			if count == maxVector || want == limit {
				break
			}
			if size > limit-want {
				size = limit - want
			}
			v.bufs[count] = buffer{uint32(size), uintptr(unsafe.Pointer(unsafe.SliceData(b))) + uintptr(skip)}
			want += size
			count++
		}
		skip = 0
	}
	v.moved, v.flags = 0, 0
	flags := uintptr(0)
	if receive {
		flags = uintptr(unsafe.Pointer(&v.flags))
	}
	r, _, errno := syscall.SyscallN(call, uintptr(fd), uintptr(unsafe.Pointer(&v.bufs)), uintptr(count), uintptr(unsafe.Pointer(&v.moved)), flags, 0, 0)
	if r != 0 {
		if errno == 0 {
			errno = windows.WSAEINVAL
		}
		return 0, want, errno
	}
	return int(v.moved), want, 0
}

// vectored moves bufs until all is done, the call fails or, if it receives, comes up short.
func (d *descriptor) vectored(call uintptr, receive bool, bufs [][]byte) (n int, errno syscall.Errno) {
	limit := sendLimit
	if receive {
		limit = ioLimit
	}
	v := vectors.Get().(*vector)
	total, skip := size(bufs), 0
	for rest := bufs; ; {
		m, want, e := v.transfer(call, receive, d.fd, rest, skip, limit)
		runtime.KeepAlive(bufs)
		n += m
		if e != 0 || n == total || receive && m < want {
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
	if err := d.settled(); err != nil {
		return 0, err
	}
	n, errno := d.vectored(procWSARecv.Addr(), true, bufs)
	if raceEnabled {
		left := n
		for _, b := range bufs {
			raceWrite(b[:min(left, len(b))])
			left -= min(left, len(b))
		}
	}
	switch {
	case n > 0 && errno == windows.WSAEWOULDBLOCK:
		return n, nil
	case n == 0 && errno == 0:
		errno = d.endedBy()
	}
	return n, failed("WSARecv", errno)
}

// sendv is send of many buffers.
func (d *descriptor) sendv(bufs [][]byte) (int, error) {
	if err := d.settled(); err != nil {
		return 0, err
	}
	if raceEnabled {
		raceRelease()
		for _, b := range bufs {
			raceRead(b)
		}
	}
	n, errno := d.vectored(procWSASend.Addr(), false, bufs)
	return n, failed("WSASend", errno)
}
