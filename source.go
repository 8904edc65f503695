package reactor

import "syscall"

// A Source is what can be registered in a [Poll]: the sockets and pipes of this package, [Raw]
// descriptors, and what [FromSyscallConn] makes of the types of packages net and os. Other packages
// cannot implement it.
type Source interface {
	// owned gives the descriptor if this package owns it, else nil.
	owned() *descriptor
	// borrow calls f with a descriptor that somebody else owns.
	borrow(f func(fd uintptr) error) error
}

// borrow is not called where owned gives a descriptor.
func (d *descriptor) borrow(func(fd uintptr) error) error { return nil }

// Raw makes a Source of a descriptor (Unix, WASI) or a SOCKET (Windows) that the caller owns. The caller
// keeps it open while it is registered and deregisters it before closing it.
//
// A Raw source is its descriptor: two Raw(fd) of the same number are one registration. Keep the Source where
// it is used often: making one allocates.
//
// Oneshot and Level mean the same for it on every system. So does Edge where the kernel has edges (epoll,
// kqueue); elsewhere this package does not see the reads and writes that use up readiness: there an Edge
// event is the last one until Reregister.
//
// If the owner closes the descriptor behind our back and the system hands out the number again, Register
// of the new one replaces the dead registration wherever the kernel shows that it is dead.
func Raw(fd uintptr) Source { return rawSource(fd) }

type rawSource uintptr

func (s rawSource) owned() *descriptor                    { return nil }
func (s rawSource) borrow(f func(fd uintptr) error) error { return f(uintptr(s)) }

// FromSyscallConn makes a Source of a thing that has a descriptor: a [*net.TCPConn], a [*net.UDPConn], an
// [*os.File] and the like. The thing stays with its owner, who deregisters it before closing it; as for [Raw],
// the registration is that of the descriptor.
//
// The types of package net keep their descriptors non-blocking and have a poller of their own. Both pollers
// see each event; only one of the two should do the reading.
func FromSyscallConn(c syscall.Conn) (Source, error) {
	if c == nil {
		return nil, invalid("FromSyscallConn of nil")
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &syscallSource{rc}, nil
}

type syscallSource struct{ rc syscall.RawConn }

func (s *syscallSource) owned() *descriptor { return nil }

func (s *syscallSource) borrow(f func(fd uintptr) error) error {
	var err error
	if cerr := s.rc.Control(func(fd uintptr) { err = f(fd) }); cerr != nil {
		return cerr
	}
	return err
}
