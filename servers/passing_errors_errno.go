//go:build unix || wasip1 || js

package servers

import (
	"errors"
	"syscall"
)

// isAborted reports whether accept failed for the one connection that it was about to give: accept(2)
// passes on what already happened to it.
func isAborted(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EINTR,
		syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENOPROTOOPT, syscall.ETIMEDOUT:
		return true
	}
	return isAbortedHere(errno)
}

// isExhausted reports whether a call failed for want of descriptors or memory, which others may give back.
func isExhausted(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		return true
	}
	return false
}

// isLate reports whether a read of a datagram socket failed for what became of a datagram sent before.
func isLate(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return false
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
		syscall.EMSGSIZE, syscall.EPROTO, syscall.EINTR:
		return true
	}
	return false
}
