//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package reactor

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

const (
	maxBacklog = math.MaxInt32 // the kernel cuts it to its somaxconn: listen(2)
	recvFlags  = unix.MSG_DONTWAIT
	// inheritsNoDelay: not every BSD says whether an accepted socket has the listener's TCP_NODELAY.
	inheritsNoDelay = false
	abstractNames   = false
	// byteOptions: the multicast options of ip(4) are u_char.
	byteOptions = true
)

// setSockaddrLen fills in the length that a socket address begins with.
func setSockaddrLen(sa *unix.RawSockaddrAny, length uint32) { sa.Addr.Len = uint8(length) }

func duplicateFD(fd uintptr) (uintptr, error) {
	n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	return uintptr(n), os.NewSyscallError("fcntl", err)
}

// accept takes a connection.
func (d *descriptor) accept() (sysFD, Addr, error) {
	var sa unix.RawSockaddrAny
	for {
		length := uint32(unix.SizeofSockaddrAny)
		fd, errno := d.acceptOnce(&sa, &length)
		switch errno {
		case 0:
			return fd, decode(&sa, length, d.protocol(), nil), nil
		case unix.EINTR:
			continue
		}
		return 0, Addr{}, failed("accept", errno)
	}
}
