package servers

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isAborted reports whether accept failed for the one connection that it was about to give.
func isAborted(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED)
}

// isExhausted reports whether a call failed for want of handles or memory, which others may give back.
func isExhausted(err error) bool {
	return errors.Is(err, windows.WSAEMFILE) || errors.Is(err, windows.WSAENOBUFS)
}

// isLate reports whether a read of a datagram socket failed for what became of a datagram sent before.
func isLate(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAENETRESET)
}
