package reactor_test

import "syscall"

// Winsock's numbers for what the suite expects: package syscall's names are other numbers on Windows.
const (
	errnoRefused = syscall.Errno(10061) // WSAECONNREFUSED
	errnoReset   = syscall.Errno(10054) // WSAECONNRESET
	errnoPipe    = syscall.Errno(10058) // WSAESHUTDOWN
	errnoInUse   = syscall.Errno(10048) // WSAEADDRINUSE
	errnoTooLong = syscall.Errno(10040) // WSAEMSGSIZE
	errnoAgain   = syscall.Errno(10035) // WSAEWOULDBLOCK
	errnoNoBufs  = syscall.Errno(10055) // WSAENOBUFS
)
