//go:build !reactor_poll

package reactor

import "golang.org/x/sys/unix"

// kevent(2)'s numbers that not every system has.
const (
	evfiltUser   = unix.EVFILT_USER
	evfiltExcept = unix.EVFILT_EXCEPT
	noteOOB      = unix.NOTE_OOB
	evReceipt    = unix.EV_RECEIPT
	noteTrigger  = unix.NOTE_TRIGGER
	// kevent(2): asynchronous I/O cannot be aimed at a kqueue.
	evfiltAIO = noFilter
	evfiltLIO = noFilter
)
