//go:build aix || linux || solaris || (reactor_poll && unix)

package reactor

import "golang.org/x/sys/unix"

// pollReady translates what poll(2) reports, and epoll(7) with the same bits.
func pollReady(e uint32, interest Interest) Ready {
	var r Ready
	if e&unix.POLLIN != 0 {
		r |= ReadyReadable
	}
	if e&unix.POLLOUT != 0 {
		r |= ReadyWritable
	}
	if e&unix.POLLPRI != 0 {
		r |= ReadyPriority
	}
	const closing = pollRDHUP | unix.POLLHUP | unix.POLLERR
	if e&closing == 0 {
		return r
	}
	if e&(pollRDHUP|unix.POLLHUP) != 0 {
		r |= ReadyReadClosed
	}
	// An error alone is how a pipe tells its writer that the readers are gone.
	if e&unix.POLLHUP != 0 || e&unix.POLLERR != 0 && (e&unix.POLLOUT != 0 || e&^unix.POLLERR == 0) {
		r |= ReadyWriteClosed
	}
	if e&unix.POLLERR != 0 {
		r |= ReadyError
	}
	if interest&Readable != 0 && r&(ReadyReadClosed|ReadyError) != 0 {
		r |= ReadyReadable
	}
	if interest&Writable != 0 && r&(ReadyWriteClosed|ReadyError) != 0 {
		r |= ReadyWritable
	}
	return r
}
