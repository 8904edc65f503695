//go:build darwin || openbsd

package reactor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The socket calls of systems that are entered by their C library alone. Package unix has these calls too, but with a
// socket address that is allocated for each datagram, or without the count of what was sent. They are bound as it binds
// them, by the two functions of package syscall that are kept for it, and calls_libc_unix.s.

//go:linkname syscall6 syscall.syscall6
//go:linkname rawSyscall6 syscall.rawSyscall6

// syscall6 tells the scheduler, rawSyscall6 does not.

func syscall6(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)
func rawSyscall6(fn, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

// The addresses of the library's functions.
var callAccept, callBind, callConnect, callGetpeername, callGetsockname, callRecvfrom, callRecvmsg, callSendmsg, callSendto uintptr

// giveAddress is bind(2) and connect(2).
func giveAddress(call uintptr, fd sysFD, sa *unix.RawSockaddrAny, length uint32) syscall.Errno {
	_, _, errno := syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(length), 0, 0, 0)
	return errno
}

// takeAddress is getsockname(2) and getpeername(2).
func takeAddress(call uintptr, fd sysFD, sa *unix.RawSockaddrAny, length *uint32) syscall.Errno {
	_, _, errno := syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)), 0, 0, 0)
	return errno
}

// acceptBy is accept(2) or accept4(2). A descriptor that others share may block: the scheduler has to know.
func (d *descriptor) acceptBy(call uintptr, sa *unix.RawSockaddrAny, length *uint32, flags uintptr) (sysFD, syscall.Errno) {
	var fd uintptr
	var errno syscall.Errno
	if d.shared {
		fd, _, errno = syscall6(call, uintptr(d.fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)), flags, 0, 0)
	} else {
		fd, _, errno = rawSyscall6(call, uintptr(d.fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)), flags, 0, 0)
	}
	return sysFD(fd), errno
}

// recvfrom is recv(2) and recvfrom(2).
func (d *descriptor) recvfrom(p []byte, flags int, sa *unix.RawSockaddrAny, length *uint32) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawLimit && !d.shared {
			n, _, errno = rawSyscall6(callRecvfrom, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags)|recvFlags, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
		} else {
			n, _, errno = syscall6(callRecvfrom, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags)|recvFlags, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
		}
		switch errno {
		case 0:
			if raceEnabled {
				raceWrite(p[:n])
			}
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// sendto is send(2) and sendto(2), without SIGPIPE.
func (d *descriptor) sendto(p []byte, sa *unix.RawSockaddrAny, length uint32) (int, syscall.Errno) {
	if raceEnabled {
		raceRelease()
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawLimit && !d.shared {
			n, _, errno = rawSyscall6(callSendto, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendFlags, uintptr(unsafe.Pointer(sa)), uintptr(length))
		} else {
			n, _, errno = syscall6(callSendto, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendFlags, uintptr(unsafe.Pointer(sa)), uintptr(length))
		}
		switch errno {
		case 0:
			if raceEnabled {
				raceRead(p[:n])
			}
			return int(n), 0
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// message is recvmsg(2) and sendmsg(2).
//
//go:nosplit
func message(call uintptr, fd sysFD, hdr *unix.Msghdr, flags uintptr, raw bool) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if raw {
		n, _, errno = rawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(hdr)), flags, 0, 0, 0)
	} else {
		n, _, errno = syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(hdr)), flags, 0, 0, 0)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
