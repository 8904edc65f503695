//go:build (unix && !linux) || wasip1 || js

package servers

import "syscall"

func isAbortedHere(syscall.Errno) bool { return false }
