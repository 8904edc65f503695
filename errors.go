package reactor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// The errors that a program is expected to compare with. They are returned bare, so that == holds as
// well as [errors.Is].
//
// Every other failure says which call failed: a failed system call is a [*net.OpError] (sockets) or an
// [*os.SyscallError] (the poller, pipes) around the errno; a bad address is a [*net.OpError] around a
// [*net.AddrError] or a [net.UnknownNetworkError]; another bad argument wraps [os.ErrInvalid]; what the
// system lacks wraps [errors.ErrUnsupported].
var (
	// ErrWouldBlock says that nothing can be read, written or accepted now. Wait for the next event.
	// errors.Is(ErrWouldBlock, syscall.EAGAIN) holds on Unix and WASI, WSAEWOULDBLOCK on Windows.
	ErrWouldBlock error = wouldBlockError{}

	// ErrClosed says that the thing was closed, perhaps by another goroutine.
	// errors.Is(ErrClosed, net.ErrClosed) holds, and so does os.ErrClosed.
	ErrClosed error = closedError{}

	// ErrRegistered says that the source is registered already, in this Poll or in another.
	ErrRegistered = errors.New("reactor: source is already registered")

	// ErrNotRegistered says that the source is not registered in this Poll.
	ErrNotRegistered = errors.New("reactor: source is not registered")

	// ErrBusy says that another goroutine is inside Wait: a Poll serves one at a time.
	ErrBusy = errors.New("reactor: another goroutine is waiting on this Poll")
)

type wouldBlockError struct{}

func (wouldBlockError) Error() string { return "reactor: operation would block" }

// Is makes the errno that the system gives in this case an equal of ErrWouldBlock.
func (wouldBlockError) Is(target error) bool { return isWouldBlock(target) }

// Temporary follows package net's convention for a failure that a later call may not meet.
func (wouldBlockError) Temporary() bool { return true }

type closedError struct{}

func (closedError) Error() string { return "reactor: use of closed object" }

func (closedError) Is(target error) bool { return target == net.ErrClosed || target == fs.ErrClosed }

// unsupported says that the system lacks what.
func unsupported(what string) error {
	return fmt.Errorf("reactor: %s: %w on %s", what, errors.ErrUnsupported, systemName)
}

// invalid says that the argument of a call is of no use, whatever the system.
func invalid(what string) error {
	return fmt.Errorf("reactor: %s: %w", what, os.ErrInvalid)
}

// opError dresses the failure of a socket's operation as package net does. The sentinels and what
// already is an OpError stay as they are.
func opError(op, network string, source, addr Addr, err error) error {
	switch err {
	case nil, ErrWouldBlock, ErrClosed, ErrRegistered, ErrNotRegistered:
		return err
	}
	if _, dressed := err.(*net.OpError); dressed {
		return err
	}
	e := &net.OpError{Op: op, Net: network, Err: err}
	if source != (Addr{}) {
		e.Source = source
	}
	if addr != (Addr{}) {
		e.Addr = addr
	}
	return e
}
