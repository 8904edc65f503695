//go:build linux || freebsd || netbsd || dragonfly

package reactor

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The socket calls of systems that are entered by number.

const (
	callBind        = unix.SYS_BIND
	callConnect     = unix.SYS_CONNECT
	callGetpeername = unix.SYS_GETPEERNAME
	callGetsockname = unix.SYS_GETSOCKNAME
	callRead        = unix.SYS_READ
	callWrite       = unix.SYS_WRITE
	callRecvmsg     = unix.SYS_RECVMSG
	callSendmsg     = unix.SYS_SENDMSG
)

// giveAddress is bind(2) and connect(2).
func giveAddress(call uintptr, fd sysFD, sa *unix.RawSockaddrAny, length uint32) syscall.Errno {
	_, _, errno := syscall.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(length))
	return errno
}

// takeAddress is getsockname(2) and getpeername(2).
func takeAddress(call uintptr, fd sysFD, sa *unix.RawSockaddrAny, length *uint32) syscall.Errno {
	_, _, errno := syscall.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
	return errno
}

// acceptBy is accept4(2) and its kin with one argument more. A descriptor that others share may block: the scheduler has to know.
func (d *descriptor) acceptBy(call uintptr, sa *unix.RawSockaddrAny, length *uint32, a4, a5 uintptr) (sysFD, syscall.Errno) {
	var fd uintptr
	var errno syscall.Errno
	if d.shared {
		fd, _, errno = syscall.Syscall6(call, uintptr(d.fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)), a4, a5, 0)
	} else {
		fd, _, errno = syscall.RawSyscall6(call, uintptr(d.fd), uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)), a4, a5, 0)
	}
	return sysFD(fd), errno
}

// recvfrom is recv(2) and recvfrom(2). It never blocks, whatever others do with a shared socket's O_NONBLOCK.
func (d *descriptor) recvfrom(p []byte, flags int, sa *unix.RawSockaddrAny, length *uint32) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawLimit {
			n, _, errno = syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags)|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags)|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(sa)), uintptr(unsafe.Pointer(length)))
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

// sendto is send(2) and sendto(2), without SIGPIPE and never blocking.
func (d *descriptor) sendto(p []byte, sa *unix.RawSockaddrAny, length uint32) (int, syscall.Errno) {
	if raceEnabled {
		raceRelease()
	}
	for {
		var n uintptr
		var errno syscall.Errno
		if len(p) <= rawLimit {
			n, _, errno = syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendFlags, uintptr(unsafe.Pointer(sa)), uintptr(length))
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_SENDTO, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), sendFlags, uintptr(unsafe.Pointer(sa)), uintptr(length))
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

// transfer is read(2) or write(2). What copies much, and what others may have made blocking, the scheduler has to know.
func (d *descriptor) transfer(call uintptr, p []byte) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if len(p) <= rawLimit && !d.shared {
		n, _, errno = syscall.RawSyscall(call, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	} else {
		n, _, errno = syscall.Syscall(call, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// message is recvmsg(2) and sendmsg(2).
//
//go:nosplit
func message(call uintptr, fd sysFD, hdr *unix.Msghdr, flags uintptr, raw bool) (int, syscall.Errno) {
	var n uintptr
	var errno syscall.Errno
	if raw {
		n, _, errno = syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(hdr)), flags)
	} else {
		n, _, errno = syscall.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(hdr)), flags)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
