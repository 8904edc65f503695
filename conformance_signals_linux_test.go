package reactor_test

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// aimSignals gives f what sends a signal to the thread that f runs on.
func aimSignals(t *testing.T, f func(kill func() error)) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread := unix.Gettid()
	f(func() error { return unix.Tgkill(os.Getpid(), thread, unix.SIGUSR1) })
}
