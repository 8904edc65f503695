package reactor

import (
	"strconv"
	"strings"
)

// A Token names a registration in its events. The program chooses it: an index, a number that counts up,
// or anything else that fits. All values are legal and two registrations may share one. A Token must not be
// the only thing that refers to memory: the garbage collector does not see it as a pointer.
type Token uintptr

// An Interest says which kinds of readiness a registration asks for: a set of bits.
type Interest uint8

const (
	// Readable asks for events when a read, a peek or an accept would give something: data, the end of the
	// stream, a connection, or an error.
	Readable Interest = 1 << iota
	// Writable asks for events when a write would take something, and when a connection that [Dial] began is
	// made or has failed.
	Writable
	// Priority asks for events when there is out-of-band data, as POLLPRI of poll(2): TCP urgent data, a
	// change of some files below /proc and /sys. Not every system has it: Register says so.
	Priority
)

const allInterests = Readable | Writable | Priority

// String gives the names of the bits, such as "Readable|Writable".
func (i Interest) String() string {
	return bitNames(uint(i), []string{"Readable", "Writable", "Priority"})
}

// A Mode says when a registration's events come. The three mean the same on every system; see the package
// documentation for the exact promise.
type Mode uint8

const (
	// Edge gives an event when readiness arises, and when a source is registered or re-registered ready.
	// The next event of a direction is certain only after an operation in it gave [ErrWouldBlock], or a
	// short count.
	Edge Mode = iota
	// Level gives an event from every Wait for as long as the source is ready.
	Level
	// Oneshot gives one event that names all directions that are ready; then the registration sleeps until
	// Reregister.
	Oneshot
)

// String gives the name of the mode: "Edge", "Level" or "Oneshot".
func (m Mode) String() string {
	switch m {
	case Edge:
		return "Edge"
	case Level:
		return "Level"
	case Oneshot:
		return "Oneshot"
	}
	return "Mode(" + strconv.Itoa(int(m)) + ")"
}

// Ready says what happened to a source: a set of bits. It is a hint: somebody may have read the data in
// the meantime.
type Ready uint16

const (
	// ReadyReadable: a read, a peek or an accept is worth trying.
	ReadyReadable Ready = 1 << iota
	// ReadyWritable: a write, or [Conn.FinishConnect], is worth trying.
	ReadyWritable
	// ReadyReadClosed: the peer closed its sending side, or the connection is gone: read on to io.EOF, or to
	// the error. Comes with ReadyReadable where that is of interest.
	ReadyReadClosed
	// ReadyWriteClosed: the peer does not take any more. Comes with ReadyWritable where that is of interest.
	ReadyWriteClosed
	// ReadyError: an error is pending; the next operation, or TakeError, tells which. Comes with the directions
	// of interest, for the operation that meets the error does not block.
	ReadyError
	// ReadyPriority: there is out-of-band data, as POLLPRI of poll(2). It may come without having been asked
	// for: a short read of a stream stops at a TCP urgent mark, too, and this bit tells it.
	ReadyPriority
	// ReadyAIO: an asynchronous operation completed (FreeBSD, EVFILT_AIO). The token is the one in its sigevent.
	ReadyAIO
	// ReadyLIO: a list of asynchronous operations completed (FreeBSD, EVFILT_LIO).
	ReadyLIO
)

// String gives the names of the bits, such as "Readable|ReadClosed".
func (r Ready) String() string {
	return bitNames(uint(r), []string{"Readable", "Writable", "ReadClosed", "WriteClosed", "Error", "Priority", "AIO", "LIO"})
}

// An Event says what happened to the registration that Token names.
type Event struct {
	Token Token
	Ready Ready
}

// Readable reports whether ReadyReadable is set; the others likewise.
func (e Event) Readable() bool { return e.Ready&ReadyReadable != 0 }

// Writable reports whether ReadyWritable is set.
func (e Event) Writable() bool { return e.Ready&ReadyWritable != 0 }

// ReadClosed reports whether ReadyReadClosed is set.
func (e Event) ReadClosed() bool { return e.Ready&ReadyReadClosed != 0 }

// WriteClosed reports whether ReadyWriteClosed is set.
func (e Event) WriteClosed() bool { return e.Ready&ReadyWriteClosed != 0 }

// Error reports whether ReadyError is set.
func (e Event) Error() bool { return e.Ready&ReadyError != 0 }

// Priority reports whether ReadyPriority is set.
func (e Event) Priority() bool { return e.Ready&ReadyPriority != 0 }

// AIO reports whether ReadyAIO is set.
func (e Event) AIO() bool { return e.Ready&ReadyAIO != 0 }

// LIO reports whether ReadyLIO is set.
func (e Event) LIO() bool { return e.Ready&ReadyLIO != 0 }

// bitNames joins the names of the bits of v; bits without a name are given as one number.
func bitNames(v uint, names []string) string {
	var set []string
	for i, name := range names {
		if v&(1<<i) != 0 {
			set = append(set, name)
			v &^= 1 << i
		}
	}
	if v != 0 || len(set) == 0 {
		set = append(set, "0x"+strconv.FormatUint(uint64(v), 16))
	}
	return strings.Join(set, "|")
}
