package reactor_test

import (
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

func TestWaitWithoutRoomIsAnError(t *testing.T) {
	p := newPoll(t)
	for _, events := range [][]reactor.Event{nil, {}, make([]reactor.Event, 0, 8)} {
		n, err := p.Wait(events, 0)
		wantErr(t, "Wait", err, os.ErrInvalid)
		if n != 0 {
			t.Fatalf("Wait gave %d events", n)
		}
		_, err = p.WaitContext(t.Context(), events, -1)
		wantErr(t, "WaitContext", err, os.ErrInvalid)
	}
	quiet(t, p)
}

func TestWaitWithTimeoutZeroOnlyLooks(t *testing.T) {
	p := newPoll(t)
	if events := waitOnce(t, p, 8, 0); len(events) > 0 {
		t.Fatalf("events of nothing: %+v", events)
	}
	src, peer := anySource(t)
	check(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge))
	if events := waitOnce(t, p, 8, 0); len(events) > 0 {
		t.Fatalf("events of nothing: %+v", events)
	}
	greet(t, peer)
	until(t, "an event from looking", func() bool { return len(waitOnce(t, p, 8, 0)) == 1 })
	if events := waitOnce(t, p, 8, 0); len(events) > 0 {
		t.Fatalf("events of nothing: %+v", events)
	}
}

// notEarly asserts that a Wait which nothing ends takes its time.
func notEarly(t testing.TB, p *reactor.Poll, timeout time.Duration) {
	t.Helper()
	start := time.Now()
	events := waitOnce(t, p, 8, timeout)
	took := time.Since(start)
	if len(events) > 0 {
		t.Fatalf("events where none may come: %+v", events)
	}
	if took < timeout {
		t.Fatalf("Wait for %v gave up after %v", timeout, took)
	}
}

var shortTimeouts = []time.Duration{
	1, time.Microsecond, 100 * time.Microsecond, time.Millisecond, 1500 * time.Microsecond, 7*time.Millisecond + 1,
	20 * time.Millisecond, 51 * time.Millisecond,
}

func TestWaitNeverReturnsEarlyWithNothing(t *testing.T) {
	t.Run("nothing registered", func(t *testing.T) {
		p := newPoll(t)
		for _, timeout := range shortTimeouts {
			notEarly(t, p, timeout)
		}
	})
	t.Run("idle sources", func(t *testing.T) {
		p := newPoll(t)
		for i, mode := range modes {
			src, _ := anySource(t)
			check(t, "Register", p.Register(src, reactor.Token(i), reactor.Readable, mode))
		}
		for _, timeout := range shortTimeouts {
			notEarly(t, p, timeout)
		}
	})
	t.Run("a ready source that sleeps", func(t *testing.T) {
		p := newPoll(t)
		a, b := connPair(t, "tcp4")
		_, err := b.Write([]byte("hello"))
		check(t, "Write", err)
		check(t, "Close", b.Close())
		check(t, "Register", p.Register(a, 1, reactor.Readable, reactor.Oneshot))
		oneEvent(t, p, 1, reactor.ReadyReadable)
		for _, timeout := range shortTimeouts {
			notEarly(t, p, timeout)
		}
	})
	t.Run("a waker that was closed", func(t *testing.T) {
		p := newPoll(t)
		for _, timeout := range shortTimeouts {
			w, err := reactor.NewWaker(p, 1)
			check(t, "NewWaker", err)
			check(t, "Wake", w.Wake())
			check(t, "Close", w.Close())
			notEarly(t, p, timeout)
		}
	})
	t.Run("events of what was deregistered", func(t *testing.T) {
		p := newPoll(t)
		cs := readySockets(t, 8)
		for _, timeout := range shortTimeouts {
			for i, c := range cs {
				check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, reactor.Edge))
			}
			waitOnce(t, p, 1, watchdog)
			for _, c := range cs {
				check(t, "Deregister", p.Deregister(c))
			}
			notEarly(t, p, timeout)
		}
	})
	t.Run("registrations that come and go meanwhile", func(t *testing.T) {
		p := newPoll(t)
		src, _ := anySource(t)
		stop, done := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				case <-time.After(time.Millisecond):
				}
				if err := p.Register(src, 1, reactor.Readable, reactor.Edge); err != nil {
					done <- err
					return
				}
				if err := p.Deregister(src); err != nil {
					done <- err
					return
				}
			}
		}()
		for _, timeout := range shortTimeouts {
			notEarly(t, p, timeout)
		}
		close(stop)
		check(t, "Register and Deregister", <-done)
	})
}

func TestWaitWithATimeoutReturnsWithNothingInTheEnd(t *testing.T) {
	p := newPoll(t)
	src, _ := anySource(t)
	check(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Level))
	for range 50 {
		if events := waitOnce(t, p, 4, time.Millisecond); len(events) > 0 {
			t.Fatalf("events of nothing: %+v", events)
		}
	}
}

// A waitResult is what a Wait in another goroutine gave.
type waitResult struct {
	events []reactor.Event
	err    error
}

// one takes the result of a Wait in another goroutine, which must be one event for the token.
func one(t testing.TB, result <-chan waitResult, token reactor.Token, ready reactor.Ready) {
	t.Helper()
	r := ended(t, result)
	if r.err != nil || len(r.events) != 1 || r.events[0].Token != token || r.events[0].Ready&ready != ready {
		t.Fatalf("Wait gave %+v, want one event for token %d with %v", r, token, ready)
	}
}

// startWait starts a Wait in another goroutine, on a Poll with nothing ready.
func startWait(t testing.TB, p *reactor.Poll, wait func(events []reactor.Event) (int, error)) <-chan waitResult {
	t.Helper()
	result := make(chan waitResult, 1)
	start := func() {
		go func() {
			events := make([]reactor.Event, 64)
			n, err := wait(events)
			result <- waitResult{events[:n], err}
		}()
	}
	start()
	// ErrBusy tells that it is inside. Our own look may be what keeps it out: then it is started again.
	until(t, "the other goroutine's Wait", func() bool {
		n, err := p.Wait(make([]reactor.Event, 1), 0)
		if err == reactor.ErrBusy {
			return true
		}
		if n != 0 || err != nil {
			t.Fatalf("Wait: %d, %v", n, err)
		}
		select {
		case r := <-result:
			if r.err != reactor.ErrBusy {
				t.Fatalf("Wait in another goroutine ended by itself: %+v", r)
			}
			start()
		default:
		}
		return false
	})
	return result
}

// goesOn asserts that a Wait in another goroutine has not ended.
func goesOn(t testing.TB, result <-chan waitResult) {
	t.Helper()
	select {
	case r := <-result:
		t.Fatalf("Wait ended by itself: %+v", r)
	case <-time.After(silence):
	}
}

// ended takes the result of a Wait in another goroutine.
func ended(t testing.TB, result <-chan waitResult) waitResult {
	t.Helper()
	select {
	case r := <-result:
		return r
	case <-time.After(watchdog):
		t.Fatalf("the Wait in another goroutine did not end in %v", watchdog)
		return waitResult{}
	}
}

func TestWaitWithALongOrNoTimeoutGoesOnUntilSomethingHappens(t *testing.T) {
	const day = 24 * time.Hour
	timeouts := []time.Duration{
		-1, -time.Hour, math.MinInt64, // for ever
		math.MaxInt32*time.Millisecond - 1, math.MaxInt32 * time.Millisecond, math.MaxInt32*time.Millisecond + 1,
		(math.MaxUint32 + 1) * time.Millisecond, (math.MaxUint32 + 1) * time.Microsecond,
		25 * day, 50 * day, 100 * 365 * day, math.MaxInt64 - 1, math.MaxInt64,
	}
	for _, timeout := range timeouts {
		t.Run(fmt.Sprint(timeout), func(t *testing.T) {
			p := newPoll(t)
			w, err := reactor.NewWaker(p, 3)
			check(t, "NewWaker", err)
			result := startWait(t, p, func(events []reactor.Event) (int, error) { return p.Wait(events, timeout) })
			goesOn(t, result)
			check(t, "Wake", w.Wake())
			one(t, result, 3, reactor.ReadyReadable)
		})
	}
}

func TestASecondWaiterGetsErrBusy(t *testing.T) {
	p := newPoll(t)
	w, err := reactor.NewWaker(p, 3)
	check(t, "NewWaker", err)
	result := waitInBackground(t, p)
	for range 10 {
		_, err = p.Wait(make([]reactor.Event, 1), -1)
		wantErr(t, "second Wait", err, reactor.ErrBusy)
		_, err = p.WaitContext(t.Context(), make([]reactor.Event, 1), 0)
		wantErr(t, "second WaitContext", err, reactor.ErrBusy)
	}
	goesOn(t, result)
	check(t, "Wake", w.Wake())
	one(t, result, 3, reactor.ReadyReadable)
	quiet(t, p)
}

func TestCloseEndsAWaitInAnotherGoroutine(t *testing.T) {
	for range 50 {
		p := newPoll(t)
		src, _ := anySource(t)
		check(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge))
		result := waitInBackground(t, p)
		check(t, "Close", p.Close())
		if r := ended(t, result); r.err != reactor.ErrClosed || len(r.events) != 0 {
			t.Fatalf("Wait gave %+v, want ErrClosed", r)
		}
		wantErr(t, "second Close", p.Close(), reactor.ErrClosed)
		// The source is free at once.
		q := newPoll(t)
		check(t, "Register", q.Register(src, 1, reactor.Readable, reactor.Edge))
		check(t, "Close", src.Close())
	}
}

func TestEverythingOnAClosedPollIsErrClosed(t *testing.T) {
	p := newPoll(t)
	registered, peer := anySource(t)
	w, err := reactor.NewWaker(p, 1)
	check(t, "NewWaker", err)
	raw := reactor.Raw(fdOf(t, peer))
	check(t, "Register", p.Register(registered, 1, reactor.Readable, reactor.Edge))
	check(t, "Close", p.Close())

	_, err = p.Wait(make([]reactor.Event, 1), 0)
	wantErr(t, "Wait", err, reactor.ErrClosed)
	_, err = p.Wait(make([]reactor.Event, 1), -1)
	wantErr(t, "Wait", err, reactor.ErrClosed)
	_, err = p.WaitContext(t.Context(), make([]reactor.Event, 1), -1)
	wantErr(t, "WaitContext", err, reactor.ErrClosed)
	for _, src := range []reactor.Source{registered, peer, raw} {
		wantErr(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge), reactor.ErrClosed)
		wantErr(t, "Reregister", p.Reregister(src, 1, reactor.Readable, reactor.Edge), reactor.ErrClosed)
		wantErr(t, "Deregister", p.Deregister(src), reactor.ErrClosed)
	}
	_, err = reactor.NewWaker(p, 2)
	wantErr(t, "NewWaker", err, reactor.ErrClosed)
	wantErr(t, "Wake", w.Wake(), reactor.ErrClosed)
	wantErr(t, "Close", p.Close(), reactor.ErrClosed)
	if fd := p.Fd(); fd != ^uintptr(0) {
		t.Errorf("Fd of a closed Poll is %d", fd)
	}
	check(t, "Waker.Close", w.Close())
}

func TestBackendNamesTheSystemsPoller(t *testing.T) {
	p := newPoll(t)
	switch name := p.Backend(); name {
	case "epoll", "kqueue", "iocp", "poll_oneoff", "eventport", "poll":
		check(t, "Close", p.Close())
		if again := p.Backend(); again != name {
			t.Errorf("Backend of a closed Poll is %q, was %q", again, name)
		}
	default:
		t.Errorf("Backend is %q", name)
	}
}

func TestFdDiffersBetweenPolls(t *testing.T) {
	p, q := newPoll(t), newPoll(t)
	if p.Fd() == ^uintptr(0) {
		t.Skipf("%s has no descriptor", p.Backend())
	}
	if p.Fd() == q.Fd() {
		t.Errorf("two Polls have the descriptor %d", p.Fd())
	}
}

// nest registers inner with a new Poll, where the system can.
func nest(t testing.TB, inner *reactor.Poll, mode reactor.Mode) *reactor.Poll {
	t.Helper()
	if inner.Fd() == ^uintptr(0) {
		t.Skipf("%s has no descriptor to nest", inner.Backend())
	}
	outer := newPoll(t)
	if err := outer.Register(reactor.Raw(inner.Fd()), 77, reactor.Readable, mode); err != nil {
		switch inner.Backend() {
		case "epoll", "kqueue", "eventport":
			t.Fatalf("Register of a Poll's descriptor: %v", err)
		}
		t.Skipf("%s does not nest: %v", inner.Backend(), err)
	}
	return outer
}

func TestAPollNestsInAnother(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			inner := newPoll(t)
			outer := nest(t, inner, mode)
			src, peer := anySource(t)
			check(t, "Register", inner.Register(src, 1, reactor.Readable, reactor.Edge))
			w, err := reactor.NewWaker(inner, 2)
			check(t, "NewWaker", err)
			arouse := []func(){
				func() { greet(t, peer) },
				func() { check(t, "Wake", w.Wake()) },
			}
			for i := range 6 {
				quiet(t, outer)
				arouse[i%2]()
				oneEvent(t, outer, 77, reactor.ReadyReadable)
				oneEvent(t, inner, reactor.Token(1+i%2), reactor.ReadyReadable)
				readUntilWouldBlock(t, src)
				quiet(t, inner)
				if mode == reactor.Oneshot {
					check(t, "Reregister", outer.Reregister(reactor.Raw(inner.Fd()), 77, reactor.Readable, mode))
				}
			}
		})
	}
}

func TestANestedPollIsReadyWhileItKeepsEventsThatDidNotFit(t *testing.T) {
	for _, many := range []struct{ sources, wakers int }{{8, 0}, {0, 8}, {6, 2}, {2, 6}} {
		t.Run(fmt.Sprintf("%d sources and %d wakers", many.sources, many.wakers), func(t *testing.T) {
			inner := newPoll(t)
			outer := nest(t, inner, reactor.Level)
			for i, c := range readySockets(t, many.sources) {
				check(t, "Register", inner.Register(c, reactor.Token(i), reactor.Readable, reactor.Edge))
			}
			for i := range many.wakers {
				check(t, "Wake", newWaker(t, inner, reactor.Token(many.sources+i)).Wake())
			}
			seen := map[reactor.Token]bool{}
			for len(seen) < many.sources+many.wakers {
				oneEvent(t, outer, 77, reactor.ReadyReadable)
				for _, e := range waitOnce(t, inner, 1, 0) {
					if seen[e.Token] {
						t.Fatalf("a second event for token %d", e.Token)
					}
					seen[e.Token] = true
				}
			}
			quiet(t, inner)
			quiet(t, outer)
		})
	}
}
