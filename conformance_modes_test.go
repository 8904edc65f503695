package reactor_test

import (
	"fmt"
	"testing"

	"github.com/goreactor/reactor"
)

// oneEvent waits for the first event, and asserts that it is the only one of its Wait, for that token,
// and names all of ready.
func oneEvent(t testing.TB, p *reactor.Poll, token reactor.Token, ready reactor.Ready) reactor.Event {
	t.Helper()
	events := waitOnce(t, p, 64, watchdog)
	if len(events) != 1 || events[0].Token != token || events[0].Ready&ready != ready {
		t.Fatalf("events %+v, want one for token %d with %v", events, token, ready)
	}
	return events[0]
}

// Edge.

func TestEdgeGivesAnEventWhenReadinessArises(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		s.rests(t, p)
		s.arouse()
		awaitReady(t, p, 7, s.ready)
	})
}

func TestEdgeGivesAnEventWhenRegisteredReady(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		s.arouse()
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		awaitReady(t, p, 7, s.ready)
	})
}

func TestEdgeGivesNoFurtherEventWhileNothingHappens(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		s.arouse()
		awaitReady(t, p, 7, s.ready)
		quiet(t, p)
		quiet(t, p)
	})
}

func TestEdgeGivesAnEventAgainWhenReregisteredReady(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		s.arouse()
		awaitReady(t, p, 7, s.ready)
		for i := range reactor.Token(3) {
			check(t, "Reregister", p.Reregister(s.src, 8+i, s.interest, reactor.Edge))
			awaitReady(t, p, 8+i, s.ready)
			quiet(t, p)
		}
	})
}

func TestEdgeGivesAnEventAgainAfterWouldBlock(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		for range 5 {
			s.arouse()
			awaitReady(t, p, 7, s.ready)
			s.exhaust()
			s.rests(t, p)
		}
	})
}

func TestEdgeGivesAnEventAgainAfterAShortCall(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		if s.short == nil {
			t.Skip("datagrams are read to ErrWouldBlock: a Read of one says nothing about the next")
		}
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		for range 5 {
			s.arouse()
			awaitReady(t, p, 7, s.ready)
			s.short()
		}
	})
}

func TestEdgeGivesAnEventAgainAfterAPeekThatWouldBlock(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		if s.peek == nil {
			t.Skip("nothing to peek at in this direction of this kind")
		}
		p := newPoll(t)
		var buf [64]byte
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Edge))
		for range 5 {
			if n, err := s.peek(buf[:]); n != 0 || err != reactor.ErrWouldBlock {
				t.Fatalf("Peek of nothing: %d, %v, want ErrWouldBlock", n, err)
			}
			s.arouse()
			awaitReady(t, p, 7, s.ready)
			if n, err := s.peek(buf[:]); n == 0 || err != nil {
				t.Fatalf("Peek of what the event said: %d, %v", n, err)
			}
			quiet(t, p)
			s.exhaust()
		}
	})
}

func TestEdgeGivesAnEventAgainForAListenerDrainedByAccept(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			l := listenTCP(t, network)
			p := newPoll(t)
			check(t, "Register", p.Register(l, 7, reactor.Readable, reactor.Edge))
			for range 5 {
				c, err := reactor.Dial(network, l.Addr().String())
				supported(t, "Dial", err)
				closeLater(t, c)
				accepted := 0
				await(t, p, func(seen map[reactor.Token]reactor.Ready) bool {
					for seen[7]&reactor.ReadyReadable != 0 {
						a, _, err := l.Accept()
						if err == reactor.ErrWouldBlock {
							break
						}
						check(t, "Accept", err)
						closeLater(t, a)
						accepted++
					}
					return accepted == 1
				})
				if _, _, err := l.Accept(); err != reactor.ErrWouldBlock {
					t.Fatalf("Accept of nobody: %v", err)
				}
				quiet(t, p)
			}
		})
	}
}

// Both directions of one source take their edges apart: what happens in one does not use up the other.
func TestEdgeGivesEachDirectionItsEvents(t *testing.T) {
	for _, k := range streams {
		t.Run(k.name, func(t *testing.T) {
			if !k.duplex {
				t.Skipf("a %s has one direction", k.name)
			}
			r, w := k.open(t)
			p := newPoll(t)
			src := r.(interface {
				readSource
				writeSource
			})
			check(t, "Register", p.Register(src, 7, reactor.Readable|reactor.Writable, reactor.Edge))
			awaitReady(t, p, 7, reactor.ReadyWritable)
			for range 3 {
				_, err := w.Write([]byte("in"))
				check(t, "the peer's Write", err)
				awaitReady(t, p, 7, reactor.ReadyReadable)
				if got := readUntilWouldBlock(t, src); got != "in" {
					t.Fatalf("read %q", got)
				}
				_, err = src.Write([]byte("out"))
				check(t, "Write", err)
			}
		})
	}
}

// readUntilWouldBlock reads what is there.
func readUntilWouldBlock(t testing.TB, r readSource) string {
	t.Helper()
	var all []byte
	for {
		var buf [256]byte
		n, err := r.Read(buf[:])
		all = append(all, buf[:n]...)
		if err == reactor.ErrWouldBlock {
			return string(all)
		}
		check(t, "Read", err)
	}
}

// Level.

func TestLevelGivesAnEventFromEveryWaitWhileReady(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Level))
		s.rests(t, p)
		for range 3 {
			s.arouse()
			for range 5 {
				oneEvent(t, p, 7, s.ready)
			}
			for range 5 {
				if events := waitOnce(t, p, 4, 0); len(events) != 1 {
					t.Fatalf("a look at a ready source: %+v", events)
				}
			}
			s.exhaust()
			s.rests(t, p)
		}
	})
}

func TestLevelGivesAnEventWhenRegisteredReady(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		s.arouse()
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 7, s.interest, reactor.Level))
		oneEvent(t, p, 7, s.ready)
		oneEvent(t, p, 7, s.ready)
	})
}

// readySockets gives datagram sockets that each have something to read, unregistered.
func readySockets(t testing.TB, n int) []*reactor.PacketConn {
	t.Helper()
	p := newPoll(t)
	cs := make([]*reactor.PacketConn, n)
	for i := range cs {
		cs[i] = listenUDP(t, "udp4")
		_, err := cs[i].WriteTo([]byte{byte(i)}, cs[i].LocalAddr())
		check(t, "WriteTo", err)
		check(t, "Register", p.Register(cs[i], reactor.Token(i), reactor.Readable, reactor.Edge))
	}
	await(t, p, func(seen map[reactor.Token]reactor.Ready) bool { return len(seen) == n })
	check(t, "Poll.Close", p.Close())
	return cs
}

func TestLevelGivesEveryReadySourceItsTurnWithLittleRoom(t *testing.T) {
	for _, room := range []int{1, 3} {
		t.Run(fmt.Sprint("room ", room), func(t *testing.T) {
			const many = 20
			p := newPoll(t)
			for i, c := range readySockets(t, many) {
				check(t, "Register", p.Register(c, reactor.Token(i), reactor.Readable, reactor.Level))
			}
			for round := range 3 {
				seen := map[reactor.Token]bool{}
				for range 3 * many {
					events := waitOnce(t, p, room, watchdog)
					if len(events) == 0 {
						t.Fatal("no event from a Wait with ready sources")
					}
					for _, e := range events {
						seen[e.Token] = true
					}
				}
				if len(seen) != many {
					t.Fatalf("round %d: in %d Waits only %d of %d ready sources had a turn: %v", round, 3*many, len(seen), many, seen)
				}
			}
		})
	}
}
