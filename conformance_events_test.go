package reactor_test

import (
	"fmt"
	"testing"

	"github.com/goreactor/reactor"
)

func roomName(room int) string { return fmt.Sprint("room ", room) }

// eachOnce waits, with room for so many events, until each of the tokens first, first+1 … has had an
// event, and asserts that none has had two and no other token any.
func eachOnce(t testing.TB, p *reactor.Poll, room, many int, first reactor.Token) {
	t.Helper()
	seen := map[reactor.Token]bool{}
	for len(seen) < many {
		events := waitOnce(t, p, room, watchdog)
		if len(events) == 0 {
			t.Fatalf("only %d of %d have had their event: %v", len(seen), many, seen)
		}
		for _, e := range events {
			if e.Token < first || e.Token >= first+reactor.Token(many) {
				t.Fatalf("an event for token %d", e.Token)
			}
			if seen[e.Token] {
				t.Fatalf("a second event for token %d", e.Token)
			}
			seen[e.Token] = true
		}
	}
}

func TestEventsThatDoNotFitAreKept(t *testing.T) {
	for _, room := range []int{1, 3, 7} {
		t.Run(roomName(room), func(t *testing.T) {
			p := newPoll(t)
			for i, c := range readySockets(t, 64) {
				check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, reactor.Edge))
			}
			eachOnce(t, p, room, 64, 0)
			quiet(t, p)
		})
	}
}

func TestKeptEventOfADeregisteredSourceIsNotDelivered(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			cs := readySockets(t, 16)
			for i, c := range cs {
				check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, mode))
			}
			waitOnce(t, p, 1, watchdog)
			for i, c := range cs {
				if i%2 == 0 {
					check(t, "Deregister", p.Deregister(c))
				} else {
					check(t, "Close", c.Close())
				}
			}
			quiet(t, p)
		})
	}
}

func TestKeptEventIsNotDeliveredUnderATokenOfThePast(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			cs := readySockets(t, 16)
			for i, c := range cs {
				check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, mode))
			}
			waitOnce(t, p, 1, watchdog)
			for i, c := range cs {
				check(t, "Reregister", p.Reregister(c, reactor.Token(100+i), reactor.Readable, reactor.Oneshot))
			}
			eachOnce(t, p, 1, len(cs), 100)
			quiet(t, p)
		})
	}
}

func TestAWaitGivesAtMostOneEventARegistration(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			eachDuplex(t, func(t *testing.T, k streamKind, a, b duplex) {
				p := newPoll(t)
				check(t, "Register", p.Register(a, 7, bothWays, mode))
				for range 3 {
					sendAndSettle(t, b, a, "hello")
					for _, room := range []int{64, 1, 64} {
						if events := waitOnce(t, p, room, silence); len(events) > 1 {
							t.Fatalf("events %+v", events)
						}
					}
					check(t, "Reregister", p.Reregister(a, 7, bothWays, mode))
					oneEvent(t, p, 7, readyBothWays)
					if got := readUntilWouldBlock(t, a); got != "hello" {
						t.Fatalf("read %q", got)
					}
				}
			})
		})
	}
}

// A change of mode takes hold at once: the table walks each pair of modes.
func TestReregisterChangesTheMode(t *testing.T) {
	for _, from := range modes {
		for _, to := range modes {
			t.Run(fmt.Sprintf("%v to %v", from, to), func(t *testing.T) {
				eachSubject(t, func(t *testing.T, s *subject) {
					p := newPoll(t)
					check(t, "Register", p.Register(s.src, 7, s.interest, from))
					s.arouse()
					oneEvent(t, p, 7, s.ready)
					check(t, "Reregister", p.Reregister(s.src, 8, s.interest, to))
					oneEvent(t, p, 8, s.ready)
					switch to {
					case reactor.Level:
						oneEvent(t, p, 8, s.ready)
						oneEvent(t, p, 8, s.ready)
					case reactor.Edge:
						quiet(t, p)
						s.exhaust()
						s.arouse()
						awaitReady(t, p, 8, s.ready)
					case reactor.Oneshot:
						quiet(t, p)
						s.exhaust()
						s.arouse()
						quiet(t, p)
					}
				})
			})
		}
	}
}

func TestReregisterTakesInterestsAwayAndGivesThem(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			eachDuplex(t, func(t *testing.T, k streamKind, a, b duplex) {
				p := newPoll(t)
				check(t, "Register", p.Register(a, 7, bothWays, mode))
				oneEvent(t, p, 7, reactor.ReadyWritable)
				check(t, "Reregister", p.Reregister(a, 8, reactor.Readable, mode))
				quiet(t, p)
				sendAndSettle(t, b, a, "hello")
				if e := oneEvent(t, p, 8, reactor.ReadyReadable); e.Writable() {
					t.Fatalf("writability is not of interest: %+v", e)
				}
				check(t, "Reregister", p.Reregister(a, 9, reactor.Writable, mode))
				if e := oneEvent(t, p, 9, reactor.ReadyWritable); e.Readable() {
					t.Fatalf("readability is not of interest: %+v", e)
				}
				check(t, "Reregister", p.Reregister(a, 10, bothWays, mode))
				oneEvent(t, p, 10, readyBothWays)
			})
		})
	}
}
