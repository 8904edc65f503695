//go:build !reactor_poll

package reactor

// kqueue(2)'s numbers that not every system has, and that package unix does not have for this one: <sys/event.h> of NetBSD 10.
const (
	evfiltUser   = 8 // since NetBSD 10
	evfiltExcept = noFilter
	noteOOB      = 0
	evReceipt    = 0x40
	noteTrigger  = 0x01000000
	evfiltAIO    = noFilter
	evfiltLIO    = noFilter
)
