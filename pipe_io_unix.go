//go:build aix || darwin || openbsd || solaris

package reactor

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	callRead uintptr = iota
	callWrite
)

// transfer is read(2) or write(2), by package unix.
func (d *descriptor) transfer(call uintptr, p []byte) (n int, _ syscall.Errno) {
	var err error
	if call == callWrite {
		n, err = unix.Write(int(d.fd), p)
	} else {
		n, err = unix.Read(int(d.fd), p)
	}
	return max(n, 0), asErrno(err)
}

// asErrno gives the number that package unix made an error of.
func asErrno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	return unix.EINVAL
}
