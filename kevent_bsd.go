//go:build (darwin || dragonfly || freebsd || netbsd || openbsd) && !reactor_poll

package reactor

import (
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kevent is a struct kevent in words. Package unix's has a pointer for udata on most systems, and the garbage
// collector ends a program that keeps numbers in pointers.
type kevent [unsafe.Sizeof(unix.Kevent_t{}) / unsafe.Sizeof(uintptr(0))]uintptr

// view gives the fields. Udata is not to be touched by it.
func (k *kevent) view() *unix.Kevent_t { return (*unix.Kevent_t)(unsafe.Pointer(k)) }

// udata gives the field of that name, which has a word everywhere.
func (k *kevent) udata() *uintptr {
	return (*uintptr)(unsafe.Add(unsafe.Pointer(k), unsafe.Offsetof(unix.Kevent_t{}.Udata)))
}

const (
	// noFilter stands for a filter that a system lacks.
	noFilter = 0x7fff
	// The flags that make a filter of that mode.
	evEdge    = unix.EV_CLEAR
	evOneshot = unix.EV_ONESHOT

	wordBits = int(unsafe.Sizeof(uintptr(0))) * 8
)

// change makes k the change of one filter.
func (k *kevent) change(ident int, filter kqueueFilter, flags int, udata uintptr) {
	*k = kevent{}
	number := unix.EVFILT_READ
	switch filter {
	case filterWrite:
		number = unix.EVFILT_WRITE
	case filterExcept:
		number = evfiltExcept
		k.view().Fflags = noteOOB
	case filterUser:
		number = evfiltUser
	}
	unix.SetKevent(k.view(), ident, number, flags)
	*k.udata() = udata
}

// changes appends what takes a registration from its old filters to the new ones. What stays is deleted too: the kernel keeps the
// mode of what it has, and a new filter reports what is there already.
func changes(list []kevent, fd int, old, filters kqueueFilter, mode Mode, udata uintptr) []kevent {
	for f := filterRead; f <= filterExcept; f <<= 1 {
		if old&f != 0 {
			list = list[:len(list)+1]
			list[len(list)-1].change(fd, f, unix.EV_DELETE, udata)
		}
	}
	flags := unix.EV_ADD
	switch mode {
	case Edge:
		flags |= evEdge
	case Oneshot:
		flags |= evOneshot
	}
	for f := filterRead; f <= filterExcept; f <<= 1 {
		if filters&f != 0 {
			list = list[:len(list)+1]
			list[len(list)-1].change(fd, f, flags, udata)
		}
	}
	return list
}

// filter gives the filter of an event; zero is one that the backend did not ask for.
func (k *kevent) filter() kqueueFilter {
	// The sizes differ: the bits that all have tell the numbers apart, but for the sign.
	number := uint16(k.view().Filter)
	switch number {
	case uint16(unix.EVFILT_READ & 0xffff):
		return filterRead
	case uint16(unix.EVFILT_WRITE & 0xffff):
		return filterWrite
	case uint16(evfiltUser & 0xffff):
		return filterUser
	}
	switch {
	case evfiltExcept != noFilter && number == uint16(evfiltExcept&0xffff):
		return filterExcept
	case evfiltAIO != noFilter && number == uint16(evfiltAIO&0xffff):
		return filterAIO
	case evfiltLIO != noFilter && number == uint16(evfiltLIO&0xffff):
		return filterLIO
	}
	return 0
}

// ready translates an event.
func (k *kevent) ready() Ready {
	v := k.view()
	filter := k.filter()
	if filter == filterExcept && v.Fflags&noteOOB == 0 {
		return 0
	}
	eof := v.Flags&unix.EV_EOF != 0
	return kqueueReady(filter, eof, v.Flags&unix.EV_ERROR != 0 || eof && filter != filterExcept && v.Fflags != 0)
}

// result gives the answer to a change, and whether k is one.
func (k *kevent) result() (syscall.Errno, bool) {
	v := k.view()
	return syscall.Errno(v.Data), v.Flags&unix.EV_ERROR != 0
}

// maxKeventTimeout is how long one call waits at most: systems take a year to three, or call it an error.
const maxKeventTimeout = 24 * time.Hour

// keventTimeout gives the timeout of one call in ts; nil is for ever.
func keventTimeout(ts *unix.Timespec, timeout time.Duration) *unix.Timespec {
	if timeout < 0 {
		return nil
	}
	*ts = unix.NsecToTimespec(int64(min(timeout, maxKeventTimeout)))
	return ts
}

// callKevent is kevent(2).
func callKevent(kq int, changes, events []kevent, timeout *unix.Timespec) (int, syscall.Errno) {
	n, err := unix.Kevent(kq, kevents(changes), kevents(events), timeout)
	if err == nil {
		return n, 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return 0, errno
	}
	return 0, unix.EINVAL
}

func kevents(list []kevent) []unix.Kevent_t {
	if len(list) == 0 {
		return nil
	}
	return unsafe.Slice(list[0].view(), len(list))
}
