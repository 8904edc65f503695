//go:build !windows

package reactor_test

import "syscall"

// The system's numbers for what the suite expects.
const (
	errnoRefused = syscall.ECONNREFUSED
	errnoReset   = syscall.ECONNRESET
	errnoPipe    = syscall.EPIPE
	errnoInUse   = syscall.EADDRINUSE
	errnoTooLong = syscall.EMSGSIZE
	errnoAgain   = syscall.EAGAIN
	errnoNoBufs  = syscall.ENOBUFS
)
