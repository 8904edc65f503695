//go:build aix || solaris || (reactor_poll && unix)

package reactor

import "golang.org/x/sys/unix"

// pollEvents translates directions to what poll(2) is asked for. A hang-up is not asked for: it is told always.
func pollEvents(i Interest) (events uint16) {
	if i&Readable != 0 {
		events |= unix.POLLIN | pollRDHUP
	}
	if i&Writable != 0 {
		events |= unix.POLLOUT
	}
	if i&Priority != 0 {
		events |= unix.POLLPRI
	}
	return events
}
