//go:build !reactor_poll

package reactor

import "golang.org/x/sys/unix"

// kqueue(2)'s numbers that not every system has.
const (
	evfiltUser   = -10 // <sys/event.h> since OpenBSD 7.8; package unix does not have it
	evfiltExcept = unix.EVFILT_EXCEPT
	noteOOB      = unix.NOTE_OOB
	evReceipt    = unix.EV_RECEIPT
	noteTrigger  = 0x01000000
	evfiltAIO    = noFilter
	evfiltLIO    = noFilter
)
