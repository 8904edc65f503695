//go:build unix || wasip1 || js

package servers

import (
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/goreactor/reactor"
)

func TestErrorsOfAcceptAreToldApart(t *testing.T) {
	const goesOn, waits, fatal = "goes on", "waits", "is fatal"
	for err, want := range map[error]string{
		syscall.ECONNABORTED: goesOn,
		syscall.ECONNRESET:   goesOn,
		syscall.EPROTO:       goesOn,
		syscall.EINTR:        goesOn,
		syscall.EMFILE:       waits,
		syscall.ENFILE:       waits,
		syscall.ENOBUFS:      waits,
		syscall.ENOMEM:       waits,
		syscall.EBADF:        fatal,
		syscall.EINVAL:       fatal,
		syscall.ENOTSOCK:     fatal,
		syscall.EPERM:        fatal,
		reactor.ErrClosed:    fatal,
	} {
		dressed := &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
		got := fatal
		if isAborted(dressed) {
			got = goesOn
		} else if isExhausted(dressed) {
			got = waits
		}
		if got != want {
			t.Errorf("after %v the server %s, and not %s", err, got, want)
		}
	}
}
