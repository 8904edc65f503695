package reactor_test

import (
	"testing"

	"github.com/goreactor/reactor"
)

func TestOneshotGivesOneEventAndThenSleeps(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Oneshot))
		s.rests(t, p)
		check(t, "Reregister", p.Reregister(s.src, 7, s.interest, reactor.Oneshot))
		s.arouse()
		oneEvent(t, p, 7, s.ready)
		quiet(t, p)
		s.exhaust()
		s.arouse()
		quiet(t, p)
	})
}

func TestOneshotGivesAnEventWhenRearmedReady(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		s.arouse()
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Oneshot))
		oneEvent(t, p, 7, s.ready)
		for i := range reactor.Token(3) {
			check(t, "Reregister", p.Reregister(s.src, 8+i, s.interest, reactor.Oneshot))
			oneEvent(t, p, 8+i, s.ready)
			quiet(t, p)
		}
	})
}

func TestOneshotGivesAnEventWhenReadyAfterRearming(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		s.arouse()
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Oneshot))
		oneEvent(t, p, 7, s.ready)
		s.exhaust()
		check(t, "Reregister", p.Reregister(s.src, 8, s.interest, reactor.Oneshot))
		s.rests(t, p)
		check(t, "Reregister", p.Reregister(s.src, 9, s.interest, reactor.Oneshot))
		s.arouse()
		oneEvent(t, p, 9, s.ready)
		quiet(t, p)
	})
}

func TestOneshotStaysAsleepWhenThePeerCloses(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		s.arouse()
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Oneshot))
		oneEvent(t, p, 7, s.ready)
		s.leave()
		quiet(t, p)
		quiet(t, p)
		check(t, "Reregister", p.Reregister(s.src, 8, s.interest, reactor.Oneshot))
		oneEvent(t, p, 8, s.ready)
	})
}

const bothWays = reactor.Readable | reactor.Writable
const readyBothWays = reactor.ReadyReadable | reactor.ReadyWritable

func TestOneshotNamesAllReadyDirectionsInItsOneEvent(t *testing.T) {
	eachDuplex(t, func(t *testing.T, k streamKind, a, b duplex) {
		sendAndSettle(t, b, a, "hello")
		p := newPoll(t)
		check(t, "Register", p.Register(a, 7, bothWays, reactor.Oneshot))
		oneEvent(t, p, 7, readyBothWays)
		quiet(t, p)
		for i := range reactor.Token(3) {
			check(t, "Reregister", p.Reregister(a, 8+i, bothWays, reactor.Oneshot))
			oneEvent(t, p, 8+i, readyBothWays)
			quiet(t, p)
		}
	})
}

func TestOneshotSleepsInBothDirectionsUntilReregister(t *testing.T) {
	eachDuplex(t, func(t *testing.T, k streamKind, a, b duplex) {
		p := newPoll(t)
		check(t, "Register", p.Register(a, 7, bothWays, reactor.Oneshot))
		if e := oneEvent(t, p, 7, reactor.ReadyWritable); e.Readable() {
			t.Fatalf("nothing is there to read: %+v", e)
		}
		// The event named one direction; the other sleeps as well.
		sendAndSettle(t, b, a, "hello")
		quiet(t, p)
		if got := readUntilWouldBlock(t, a); got != "hello" {
			t.Fatalf("read %q", got)
		}
		sendAndSettle(t, b, a, "again")
		quiet(t, p)
		check(t, "the peer's Close", b.Close())
		quiet(t, p)
		check(t, "Reregister", p.Reregister(a, 8, reactor.Readable, reactor.Oneshot))
		oneEvent(t, p, 8, reactor.ReadyReadable)
		quiet(t, p)
	})
}

func TestOneshotRearmedForOneDirectionIsSilentAboutTheOther(t *testing.T) {
	eachDuplex(t, func(t *testing.T, k streamKind, a, b duplex) {
		p := newPoll(t)
		check(t, "Register", p.Register(a, 7, bothWays, reactor.Oneshot))
		oneEvent(t, p, 7, reactor.ReadyWritable)
		check(t, "Reregister", p.Reregister(a, 8, reactor.Readable, reactor.Oneshot))
		quiet(t, p)
		sendAndSettle(t, b, a, "hello")
		if e := oneEvent(t, p, 8, reactor.ReadyReadable); e.Writable() {
			t.Fatalf("writability is not of interest: %+v", e)
		}
		quiet(t, p)
	})
}

func TestOneshotThatSleepsCanBeDeregisteredAndRegistered(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		s.arouse()
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Oneshot))
		oneEvent(t, p, 7, s.ready)
		wantErr(t, "Register of what sleeps", p.Register(s.src, 8, s.interest, reactor.Oneshot), reactor.ErrRegistered)
		quiet(t, p)
		check(t, "Deregister", p.Deregister(s.src))
		quiet(t, p)
		check(t, "Register", p.Register(s.src, 9, s.interest, reactor.Oneshot))
		oneEvent(t, p, 9, s.ready)
		quiet(t, p)
	})
}

// Sources that share a Wait: each gives its one event, whatever the room.
func TestOneshotOfManySourcesGivesEachItsOneEvent(t *testing.T) {
	for _, room := range []int{1, 5, 64} {
		t.Run(roomName(room), func(t *testing.T) {
			const many = 40
			p := newPoll(t)
			cs := readySockets(t, many)
			for round := range reactor.Token(3) {
				for i, c := range cs {
					register := p.Reregister
					if round == 0 {
						register = p.Register
					}
					check(t, "arming", register(c, reactor.Token(i)+1000*round, reactor.Readable, reactor.Oneshot))
				}
				eachOnce(t, p, room, many, 1000*round)
				quiet(t, p)
			}
		})
	}
}
