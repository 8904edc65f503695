package reactor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// contextBackground starts a WaitContext in another goroutine, on a Poll with nothing ready.
func contextBackground(t testing.TB, ctx context.Context, p *reactor.Poll, timeout time.Duration) <-chan waitResult {
	t.Helper()
	return startWait(t, p, func(events []reactor.Event) (int, error) { return p.WaitContext(ctx, events, timeout) })
}

// endedBy asserts how a WaitContext in another goroutine ended.
func endedBy(t testing.TB, result <-chan waitResult, want error) {
	t.Helper()
	if r := ended(t, result); r.err != want || len(r.events) != 0 {
		t.Fatalf("WaitContext gave %+v, want %v", r, want)
	}
}

func TestWaitContextEndsWhenTheContextIsCancelled(t *testing.T) {
	for _, timeout := range []time.Duration{-1, time.Hour} {
		p := newPoll(t)
		for range 20 {
			ctx, cancel := context.WithCancel(context.Background())
			result := contextBackground(t, ctx, p, timeout)
			cancel()
			endedBy(t, result, context.Canceled)
		}
		// The Poll is none the worse for it.
		quiet(t, p)
		notEarly(t, p, 20*time.Millisecond)
	}
}

func TestWaitContextGoesOnWhileTheContextDoes(t *testing.T) {
	p := newPoll(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w, err := reactor.NewWaker(p, 3)
	check(t, "NewWaker", err)
	result := contextBackground(t, ctx, p, -1)
	goesOn(t, result)
	check(t, "Wake", w.Wake())
	one(t, result, 3, reactor.ReadyReadable)
}

func TestWaitContextOfACancelledContextGivesItsErrorAtOnce(t *testing.T) {
	p := newPoll(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, timeout := range []time.Duration{-1, 0, time.Hour} {
		for range 3 {
			n, err := p.WaitContext(ctx, make([]reactor.Event, 4), timeout)
			if n != 0 || err != context.Canceled {
				t.Fatalf("WaitContext gave %d, %v, want context.Canceled", n, err)
			}
		}
	}
	quiet(t, p)
}

func TestWaitContextGivesReadyEventsBeforeTheContextsError(t *testing.T) {
	p := newPoll(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	const many = 6
	for i, c := range readySockets(t, many) {
		check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, reactor.Edge))
	}
	w, err := reactor.NewWaker(p, many)
	check(t, "NewWaker", err)
	check(t, "Wake", w.Wake())
	seen := map[reactor.Token]bool{}
	for len(seen) <= many {
		events := make([]reactor.Event, 1)
		n, err := p.WaitContext(ctx, events, -1)
		if n != 1 || err != nil {
			t.Fatalf("WaitContext gave %d, %v after %d of %d events that are there", n, err, len(seen), many+1)
		}
		seen[events[0].Token] = true
	}
	n, err := p.WaitContext(ctx, make([]reactor.Event, 1), -1)
	if n != 0 || err != context.Canceled {
		t.Fatalf("WaitContext gave %d, %v, want context.Canceled", n, err)
	}
}

func TestWaitContextEndsAtTheContextsDeadline(t *testing.T) {
	p := newPoll(t)
	for range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		n, err := p.WaitContext(ctx, make([]reactor.Event, 4), -1)
		cancel()
		if n != 0 || err != context.DeadlineExceeded {
			t.Fatalf("WaitContext gave %d, %v, want context.DeadlineExceeded", n, err)
		}
	}
}

func TestWaitContextWithATimeoutNeverReturnsEarlyWithNothing(t *testing.T) {
	p := newPoll(t)
	long, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), long, context.WithValue(long, p, p), t.Context()} {
		for _, timeout := range shortTimeouts {
			start := time.Now()
			n, err := p.WaitContext(ctx, make([]reactor.Event, 4), timeout)
			took := time.Since(start)
			if n != 0 || err != nil || took < timeout {
				t.Fatalf("WaitContext for %v gave %d, %v after %v", timeout, n, err, took)
			}
		}
	}
}

func TestWaitContextOfTheBackgroundIsWait(t *testing.T) {
	p := newPoll(t)
	w, err := reactor.NewWaker(p, 3)
	check(t, "NewWaker", err)
	for _, ctx := range []context.Context{context.Background(), context.WithValue(context.Background(), p, 1)} {
		result := contextBackground(t, ctx, p, -1)
		goesOn(t, result)
		check(t, "Wake", w.Wake())
		one(t, result, 3, reactor.ReadyReadable)
	}
}

func TestWaitContextIsNotEndedByTheContextOfAnEarlierCall(t *testing.T) {
	p := newPoll(t)
	w, err := reactor.NewWaker(p, 3)
	check(t, "NewWaker", err)
	old, cancelOld := context.WithCancel(context.Background())
	defer cancelOld()
	n, err := p.WaitContext(old, make([]reactor.Event, 4), 0)
	if n != 0 || err != nil {
		t.Fatalf("WaitContext gave %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := contextBackground(t, ctx, p, -1)
	cancelOld()
	goesOn(t, result)
	cancel()
	endedBy(t, result, context.Canceled)

	// Nor is Wait, and one Poll can go to and fro between contexts.
	next, cancelNext := context.WithCancel(context.Background())
	n, err = p.WaitContext(next, make([]reactor.Event, 4), 0)
	if n != 0 || err != nil {
		t.Fatalf("WaitContext gave %d, %v", n, err)
	}
	result = waitInBackground(t, p)
	cancelNext()
	goesOn(t, result)
	check(t, "Wake", w.Wake())
	one(t, result, 3, reactor.ReadyReadable)

	a, cancelA := context.WithCancel(context.Background())
	b, cancelB := context.WithCancel(context.Background())
	defer cancelB()
	for range 10 {
		for _, ctx := range []context.Context{a, b} {
			if n, err := p.WaitContext(ctx, make([]reactor.Event, 4), 1); n != 0 || err != nil {
				t.Fatalf("WaitContext gave %d, %v", n, err)
			}
		}
	}
	result = contextBackground(t, a, p, -1)
	cancelA()
	endedBy(t, result, context.Canceled)
}

// A sliceContext cannot be compared: == of two panics.
type sliceContext struct {
	context.Context
	_ []int
}

func TestWaitContextTakesContextsThatCannotBeCompared(t *testing.T) {
	p := newPoll(t)
	for range 3 {
		inner, cancel := context.WithCancel(context.Background())
		ctx := sliceContext{Context: inner}
		for range 3 {
			if n, err := p.WaitContext(ctx, make([]reactor.Event, 4), time.Millisecond); n != 0 || err != nil {
				t.Fatalf("WaitContext gave %d, %v", n, err)
			}
		}
		result := contextBackground(t, ctx, p, -1)
		cancel()
		endedBy(t, result, context.Canceled)
	}
}

// An ownContext is one that package context knows nothing of.
type ownContext struct {
	context.Context
	done chan struct{}
}

var errOwn = errors.New("own")

func (c ownContext) Done() <-chan struct{} { return c.done }

func (c ownContext) Err() error {
	select {
	case <-c.done:
		return errOwn
	default:
		return nil
	}
}

func TestWaitContextGivesTheErrorOfAnyContext(t *testing.T) {
	p := newPoll(t)
	ctx := ownContext{context.Background(), make(chan struct{})}
	result := contextBackground(t, ctx, p, -1)
	goesOn(t, result)
	close(ctx.done)
	endedBy(t, result, errOwn)
}

func TestCloseEndsAWaitContextInAnotherGoroutine(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p := newPoll(t)
	result := contextBackground(t, ctx, p, -1)
	check(t, "Close", p.Close())
	endedBy(t, result, reactor.ErrClosed)
}

func TestACancellationAfterCloseHarmsNothing(t *testing.T) {
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		p := newPoll(t)
		if n, err := p.WaitContext(ctx, make([]reactor.Event, 1), 0); n != 0 || err != nil {
			t.Fatalf("WaitContext gave %d, %v", n, err)
		}
		done := make(chan struct{})
		go func() {
			cancel()
			close(done)
		}()
		check(t, "Close", p.Close())
		// Whatever has the Poll's descriptor numbers now must not see a wake.
		q := newPoll(t)
		<-done
		if events := waitOnce(t, q, 8, 0); len(events) > 0 {
			t.Fatalf("events %+v", events)
		}
		check(t, "Close", q.Close())
	}
}
