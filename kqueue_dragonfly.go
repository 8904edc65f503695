//go:build !reactor_poll

package reactor

import "golang.org/x/sys/unix"

// kqueue(2)'s numbers that not every system has.
const (
	evfiltUser   = unix.EVFILT_USER
	evfiltExcept = unix.EVFILT_EXCEPT
	noteOOB      = unix.NOTE_OOB
	evReceipt    = unix.EV_RECEIPT
	noteTrigger  = unix.NOTE_TRIGGER
	evfiltAIO    = noFilter
	evfiltLIO    = noFilter
)
