package servers

import "syscall"

// isAbortedHere adds what accept(2) names for Linux, which tells the errors of the new connection where others
// keep them.
func isAbortedHere(errno syscall.Errno) bool {
	return errno == syscall.EHOSTDOWN || errno == syscall.ENONET || errno == syscall.EOPNOTSUPP
}
