//go:build !reactor_poll

package reactor

import "golang.org/x/sys/unix"

// kqueue(2)'s numbers that not every system has.
const (
	evfiltUser   = unix.EVFILT_USER
	evfiltExcept = noFilter
	noteOOB      = 0
	evReceipt    = unix.EV_RECEIPT
	noteTrigger  = unix.NOTE_TRIGGER
	evfiltAIO    = unix.EVFILT_AIO
	evfiltLIO    = unix.EVFILT_LIO
)
