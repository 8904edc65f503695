//go:build unix && !linux

package reactor_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// aimSignals gives f what sends a signal to the process: x/sys cannot aim at a thread here.
func aimSignals(t *testing.T, f func(kill func() error)) {
	t.Helper()
	f(func() error { return unix.Kill(os.Getpid(), unix.SIGUSR1) })
}
