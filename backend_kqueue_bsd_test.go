//go:build (darwin || dragonfly || freebsd || netbsd || openbsd) && !reactor_poll

package reactor

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keventOf is a kevent as the kernel writes it.
func keventOf(ident, filter, flags int, fflags uint32, data int64, udata uintptr) (k kevent) {
	unix.SetKevent(k.view(), ident, filter, flags)
	k.view().Fflags = fflags
	k.view().Data = data
	*k.udata() = udata
	return k
}

func TestKeventHasTheLayoutOfTheSystem(t *testing.T) {
	if unsafe.Sizeof(kevent{}) != unsafe.Sizeof(unix.Kevent_t{}) {
		t.Fatalf("size %d, want %d", unsafe.Sizeof(kevent{}), unsafe.Sizeof(unix.Kevent_t{}))
	}
	if unsafe.Sizeof(unix.Kevent_t{}.Udata) != unsafe.Sizeof(uintptr(0)) {
		t.Fatal("udata is not a word")
	}
	list := []kevent{keventOf(1, unix.EVFILT_READ, 2, 3, -4, 5), keventOf(6, unix.EVFILT_WRITE, 7, 8, 9, ^uintptr(0))}
	views := kevents(list)
	if len(views) != 2 || views[1].Ident != 6 || views[1].Flags != 7 || views[1].Fflags != 8 || views[1].Data != 9 || views[0].Data != -4 {
		t.Errorf("fields are lost")
	}
	if *list[0].udata() != 5 || *list[1].udata() != ^uintptr(0) {
		t.Errorf("udata is lost: %#x, %#x", *list[0].udata(), *list[1].udata())
	}
	if kevents(nil) != nil {
		t.Error("no events are some")
	}
}

func TestKeventToReady(t *testing.T) {
	type row struct {
		k    kevent
		want Ready
	}
	rows := []row{
		{keventOf(3, unix.EVFILT_READ, unix.EV_CLEAR, 0, 10, 0), ReadyReadable},
		{keventOf(3, unix.EVFILT_READ, unix.EV_CLEAR|unix.EV_EOF, 0, 0, 0), ReadyReadable | ReadyReadClosed},
		{keventOf(3, unix.EVFILT_READ, unix.EV_EOF, uint32(unix.ECONNRESET), 0, 0), ReadyReadable | ReadyReadClosed | ReadyError},
		{keventOf(3, unix.EVFILT_WRITE, unix.EV_ONESHOT, 0, 4096, 0), ReadyWritable},
		{keventOf(3, unix.EVFILT_WRITE, unix.EV_EOF, 0, 0, 0), ReadyWritable | ReadyWriteClosed},
		{keventOf(3, unix.EVFILT_WRITE, unix.EV_EOF, uint32(unix.ECONNREFUSED), 0, 0), ReadyWritable | ReadyWriteClosed | ReadyError},
		{keventOf(3, unix.EVFILT_READ, unix.EV_ERROR, 0, int64(unix.EIO), 0), ReadyReadable | ReadyError},
		{keventOf(3, unix.EVFILT_VNODE, 0, 0, 0, 0), 0},
	}
	if evfiltExcept != noFilter {
		rows = append(rows,
			row{keventOf(3, evfiltExcept, unix.EV_CLEAR, noteOOB, 1, 0), ReadyPriority},
			row{keventOf(3, evfiltExcept, unix.EV_EOF, 0, 0, 0), 0},
			row{keventOf(3, evfiltExcept, unix.EV_EOF, noteOOB, 0, 0), ReadyPriority})
	}
	if evfiltAIO != noFilter {
		rows = append(rows,
			row{keventOf(3, evfiltAIO, 0, 0, 0, 0), ReadyAIO},
			row{keventOf(3, evfiltLIO, 0, 0, 0, 0), ReadyLIO})
	}
	for i := range rows {
		r := &rows[i]
		if got := r.k.ready(); got != r.want {
			v := r.k.view()
			t.Errorf("filter %d, flags %#x, fflags %#x: %v, want %v", v.Filter, v.Flags, v.Fflags, got, r.want)
		}
	}
	user := keventOf(0, evfiltUser, unix.EV_CLEAR, 0, 0, 0)
	if user.filter() != filterUser {
		t.Error("a user event is not one")
	}
}

func TestKeventChangesOfARegistration(t *testing.T) {
	type change struct {
		filter kqueueFilter
		flags  int
	}
	both := filterRead | filterWrite
	for _, c := range []struct {
		name         string
		old, filters kqueueFilter
		mode         Mode
		want         []change
	}{
		{"new edge", 0, both, Edge, []change{{filterRead, unix.EV_ADD | unix.EV_CLEAR}, {filterWrite, unix.EV_ADD | unix.EV_CLEAR}}},
		{"new level", 0, filterRead, Level, []change{{filterRead, unix.EV_ADD}}},
		{"new oneshot", 0, filterWrite, Oneshot, []change{{filterWrite, unix.EV_ADD | unix.EV_ONESHOT}}},
		{"fewer interests", both, filterRead, Level, []change{{filterRead, unix.EV_DELETE}, {filterWrite, unix.EV_DELETE}, {filterRead, unix.EV_ADD}}},
		{"the same again", filterRead, filterRead, Edge, []change{{filterRead, unix.EV_DELETE}, {filterRead, unix.EV_ADD | unix.EV_CLEAR}}},
		{"none", both, 0, Edge, []change{{filterRead, unix.EV_DELETE}, {filterWrite, unix.EV_DELETE}}},
	} {
		var scratch [maxChanges]kevent
		list := changes(scratch[:0], 9, c.old, c.filters, c.mode, 77)
		if len(list) != len(c.want) {
			t.Errorf("%s: %d changes, want %d", c.name, len(list), len(c.want))
			continue
		}
		for i := range list {
			v := list[i].view()
			if v.Ident != 9 || *list[i].udata() != 77 || list[i].filter() != c.want[i].filter || int(v.Flags) != c.want[i].flags {
				t.Errorf("%s: change %d is of descriptor %d, filter %b, flags %#x, want %b, %#x", c.name, i, v.Ident, list[i].filter(), v.Flags, c.want[i].filter, c.want[i].flags)
			}
		}
	}
}

func TestKeventResultOfAChange(t *testing.T) {
	for _, c := range []struct {
		k      kevent
		errno  unix.Errno
		answer bool
	}{
		{keventOf(3, unix.EVFILT_READ, unix.EV_ERROR, 0, 0, 0), 0, true},
		{keventOf(3, unix.EVFILT_READ, unix.EV_ERROR, 0, int64(unix.ENOENT), 0), unix.ENOENT, true},
		{keventOf(3, unix.EVFILT_READ, unix.EV_CLEAR, 0, 0, 0), 0, false},
	} {
		if errno, answer := c.k.result(); errno != c.errno || answer != c.answer {
			t.Errorf("result %v, %v, want %v, %v", errno, answer, c.errno, c.answer)
		}
	}
}

func TestKeventTimeout(t *testing.T) {
	var ts unix.Timespec
	if keventTimeout(&ts, -1) != nil {
		t.Error("for ever has an end")
	}
	for timeout, want := range map[time.Duration]time.Duration{
		0:                  0,
		1:                  1,
		1500 * time.Second: 1500 * time.Second,
		time.Second + 1:    time.Second + 1,
		maxKeventTimeout:   maxKeventTimeout,
		math.MaxInt64:      maxKeventTimeout,
	} {
		if got := time.Duration(keventTimeout(&ts, timeout).Nano()); got != want {
			t.Errorf("a timeout of %v is %v", timeout, got)
		}
	}
}
