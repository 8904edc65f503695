//go:build unix

package reactor_test

import (
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goreactor/reactor"
)

// stormed runs f while kill sends signals many times a millisecond.
func stormed(t *testing.T, kill func() error, f func()) {
	t.Helper()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGUSR1)
	defer signal.Stop(caught)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			case <-time.After(50 * time.Microsecond):
			}
			if err := kill(); err != nil {
				done <- err
				return
			}
		}
	}()
	<-caught // the storm has begun
	f()
	close(stop)
	check(t, "sending a signal", <-done)
}

func TestSignalsDoNotEndWait(t *testing.T) {
	p := newPoll(t)
	src, peer := anySource(t)
	check(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge))
	// A signal to the process tends to end up with another thread than the one that waits: aim.
	aimSignals(t, func(kill func() error) {
		stormed(t, kill, func() {
			for _, timeout := range append(shortTimeouts, 200*time.Millisecond) {
				notEarly(t, p, timeout)
			}
			greet(t, peer)
			oneEvent(t, p, 1, reactor.ReadyReadable)
			readUntilWouldBlock(t, src)
		})
	})
	// And in another goroutine, whatever thread that has.
	stormed(t, func() error { return unix.Kill(os.Getpid(), unix.SIGUSR1) }, func() {
		for range 20 {
			result := waitInBackground(t, p)
			goesOn(t, result)
			greet(t, peer)
			one(t, result, 1, reactor.ReadyReadable)
			readUntilWouldBlock(t, src)
		}
	})
}
