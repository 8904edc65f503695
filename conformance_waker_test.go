package reactor_test

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goreactor/reactor"
)

// newWaker gives a waker of p.
func newWaker(t testing.TB, p *reactor.Poll, token reactor.Token) *reactor.Waker {
	t.Helper()
	w, err := reactor.NewWaker(p, token)
	supported(t, "a Waker", err)
	closeLater(t, w)
	return w
}

func TestWakeEndsAWaitInAnotherGoroutine(t *testing.T) {
	p := newPoll(t)
	w := newWaker(t, p, 3)
	for range 100 {
		result := waitInBackground(t, p)
		check(t, "Wake", w.Wake())
		one(t, result, 3, reactor.ReadyReadable)
	}
	quiet(t, p)
}

func TestWakeFromAnotherGoroutineEndsWait(t *testing.T) {
	p := newPoll(t)
	w := newWaker(t, p, 3)
	for range 100 {
		woken := make(chan error, 1)
		go func() { woken <- w.Wake() }()
		oneEvent(t, p, 3, reactor.ReadyReadable)
		check(t, "Wake", <-woken)
	}
	quiet(t, p)
}

func TestAWakeBeforeWaitIsNotLost(t *testing.T) {
	p := newPoll(t)
	w := newWaker(t, p, 3)
	check(t, "Wake", w.Wake())
	if e := oneEvent(t, p, 3, reactor.ReadyReadable); e.Ready != reactor.ReadyReadable {
		t.Fatalf("a waker's event names %v", e.Ready)
	}
	quiet(t, p)
	check(t, "Wake", w.Wake())
	if events := waitOnce(t, p, 1, 0); len(events) != 1 || events[0].Token != 3 {
		t.Fatalf("a look after Wake gave %+v", events)
	}
	quiet(t, p)
}

func TestWakesBetweenTwoWaitsCoalesce(t *testing.T) {
	p := newPoll(t)
	w := newWaker(t, p, 3)
	for range 5 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 100 {
					if err := w.Wake(); err != nil {
						t.Errorf("Wake: %v", err)
					}
				}
			})
		}
		wg.Wait()
		oneEvent(t, p, 3, reactor.ReadyReadable)
		quiet(t, p)
	}
}

func TestManyWakersEachGiveTheirToken(t *testing.T) {
	p := newPoll(t)
	const many = 100
	ws := make([]*reactor.Waker, many)
	for i := range ws {
		ws[i] = newWaker(t, p, reactor.Token(i))
	}
	for _, room := range []int{1, 7, 64, 200} {
		t.Run(roomName(room), func(t *testing.T) {
			var wg sync.WaitGroup
			for _, w := range ws {
				wg.Go(func() {
					if err := w.Wake(); err != nil {
						t.Errorf("Wake: %v", err)
					}
				})
			}
			eachOnce(t, p, room, many, 0)
			wg.Wait()
			quiet(t, p)
		})
	}
}

func TestWakersThatDoNotFitAreKept(t *testing.T) {
	for _, room := range []int{1, 3} {
		t.Run(roomName(room), func(t *testing.T) {
			p := newPoll(t)
			const many = 64
			for i := range many {
				check(t, "Wake", newWaker(t, p, reactor.Token(i)).Wake())
			}
			eachOnce(t, p, room, many, 0)
			quiet(t, p)
		})
	}
}

// Neither may starve the other, whatever comes first.
func TestWakersAndSourcesEachGetTheirTurnWithLittleRoom(t *testing.T) {
	for _, room := range []int{1, 2, 3} {
		for _, mode := range []reactor.Mode{reactor.Level, reactor.Edge} {
			t.Run(roomName(room)+"/"+mode.String(), func(t *testing.T) {
				p := newPoll(t)
				const sources, wakers = 5, 4
				for i, c := range readySockets(t, sources) {
					check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, mode))
				}
				ws := make([]*reactor.Waker, wakers)
				for i := range ws {
					ws[i] = newWaker(t, p, reactor.Token(sources+i))
				}
				seen := map[reactor.Token]bool{}
				const waits = 10 * (sources + wakers)
				for range waits {
					// Each waker is woken before each Wait: there is always something of either sort.
					for _, w := range ws {
						check(t, "Wake", w.Wake())
					}
					for _, e := range waitOnce(t, p, room, watchdog) {
						seen[e.Token] = true
					}
				}
				if len(seen) != sources+wakers {
					t.Fatalf("in %d Waits only %d of %d had a turn: %v", waits, len(seen), sources+wakers, seen)
				}
			})
		}
	}
}

func TestAPendingWakeOfAClosedWakerIsNotDelivered(t *testing.T) {
	p := newPoll(t)
	for range 20 {
		w, other := newWaker(t, p, 3), newWaker(t, p, 4)
		check(t, "Wake", w.Wake())
		check(t, "Close", w.Close())
		quietNow(t, p)
		check(t, "Wake", other.Wake())
		oneEvent(t, p, 4, reactor.ReadyReadable)
	}
	// Nor when it waits among others for room.
	var ws []*reactor.Waker
	for i := range reactor.Token(16) {
		ws = append(ws, newWaker(t, p, i))
		check(t, "Wake", ws[i].Wake())
	}
	first := waitOnce(t, p, 1, watchdog)
	for i, w := range ws {
		if i%2 == 0 {
			check(t, "Close", w.Close())
		}
	}
	for {
		events := waitOnce(t, p, 1, silence)
		if len(events) == 0 {
			break
		}
		if events[0].Token%2 == 0 {
			t.Fatalf("event %+v of a closed waker; the first was %+v", events[0], first)
		}
	}
}

// quietNow asserts that a look finds no event.
func quietNow(t testing.TB, p *reactor.Poll) {
	t.Helper()
	if events := waitOnce(t, p, 64, 0); len(events) > 0 {
		t.Fatalf("events where none may come: %+v", events)
	}
}

func TestAClosedWakerIsErrClosed(t *testing.T) {
	p := newPoll(t)
	w := newWaker(t, p, 3)
	check(t, "Close", w.Close())
	wantErr(t, "Wake", w.Wake(), reactor.ErrClosed)
	wantErr(t, "second Close", w.Close(), reactor.ErrClosed)
	quiet(t, p)
}

func TestAWakerOfAClosedPollIsErrClosed(t *testing.T) {
	p := newPoll(t)
	idle, woken := newWaker(t, p, 3), newWaker(t, p, 4)
	check(t, "Wake", woken.Wake())
	check(t, "Poll.Close", p.Close())
	for range 3 {
		wantErr(t, "Wake", idle.Wake(), reactor.ErrClosed)
		wantErr(t, "Wake", woken.Wake(), reactor.ErrClosed)
	}
	check(t, "Close", idle.Close())
	wantErr(t, "Wake", idle.Wake(), reactor.ErrClosed)
	wantErr(t, "second Close", idle.Close(), reactor.ErrClosed)
}

func TestNewWakerWithoutAPollIsAnError(t *testing.T) {
	_, err := reactor.NewWaker(nil, 3)
	wantErr(t, "NewWaker", err, os.ErrInvalid)
}

// What a goroutine did before its Wake is there for the one that gets the event: a number that only
// grows is handed over by nothing but wakes. A wake that is lost leaves the last number unseen.
func TestTheLastOfThousandsOfWakesIsAlwaysSeen(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	const goroutines, wakes = 16, 200
	for _, room := range []int{1, 64} {
		t.Run(roomName(room), func(t *testing.T) {
			p := newPoll(t)
			var given [goroutines]atomic.Int64
			var ws [goroutines]*reactor.Waker
			for i := range ws {
				// Half of the goroutines share a waker with another.
				if ws[i] = newWaker(t, p, reactor.Token(i)); i%4 == 1 {
					ws[i] = ws[i-1]
				}
			}
			for range rounds {
				var wg sync.WaitGroup
				var taken [goroutines]int64
				for i := range given {
					given[i].Store(0)
					wg.Go(func() {
						for range wakes {
							given[i].Add(1)
							if err := ws[i].Wake(); err != nil {
								t.Errorf("Wake: %v", err)
							}
						}
					})
				}
				// A wake whose event has come is spent: only what was given before the event is taken for it.
				done := func() bool {
					for _, n := range taken {
						if n != wakes {
							return false
						}
					}
					return true
				}
				for !done() {
					events := waitOnce(t, p, room, watchdog)
					if len(events) == 0 {
						t.Fatalf("a wake was lost: %v of %d each were taken", taken, wakes)
					}
					for _, e := range events {
						taken[e.Token] = given[e.Token].Load()
						if e.Token%4 == 0 {
							taken[e.Token+1] = given[e.Token+1].Load()
						}
					}
				}
				wg.Wait()
				// The last wakes' events may be left over: what they told was taken already.
				for len(waitOnce(t, p, 64, 0)) > 0 {
				}
			}
		})
	}
}

func TestClosingWakersDuringWaitHarmsNoOther(t *testing.T) {
	p := newPoll(t)
	last := newWaker(t, p, 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				w, err := reactor.NewWaker(p, 1)
				if err == nil {
					err = w.Wake()
				}
				if err == nil {
					err = w.Close()
				}
				if err == nil {
					if werr := w.Wake(); !errors.Is(werr, reactor.ErrClosed) {
						t.Errorf("Wake of a closed waker: %v", werr)
					}
				}
				if err != nil {
					t.Errorf("a waker's life: %v", err)
				}
			}
		})
	}
	go func() {
		wg.Wait()
		if err := last.Wake(); err != nil {
			t.Errorf("Wake: %v", err)
		}
	}()
	await(t, p, func(seen map[reactor.Token]reactor.Ready) bool { return seen[0] != 0 })
}
