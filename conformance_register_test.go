package reactor_test

import (
	"errors"
	"os"
	"testing"

	"github.com/goreactor/reactor"
)

// anySource gives a source of a kind that the system has, with nothing to read, and an end that sends to it.
func anySource(t testing.TB) (src, peer *reactor.PacketConn) {
	t.Helper()
	return packetPair(t, "udp4")
}

// greet sends one datagram to the peer of c.
func greet(t testing.TB, c *reactor.PacketConn) {
	t.Helper()
	_, err := c.Write([]byte("hello"))
	check(t, "Write", err)
}

func TestRegisterTwiceIsErrRegistered(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind, r readSource, w writeSource) {
		p := newPoll(t)
		check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
		wantErr(t, "second Register", p.Register(r, 2, reactor.Readable, reactor.Level), reactor.ErrRegistered)
		_, err := w.Write([]byte("hello"))
		check(t, "Write", err)
		awaitReady(t, p, 1, reactor.ReadyReadable)
	})
}

func TestRegisterInASecondPollIsErrRegisteredAtOnce(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind, r readSource, w writeSource) {
		p, q := newPoll(t), newPoll(t)
		check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
		wantErr(t, "Register elsewhere", q.Register(r, 2, reactor.Readable, reactor.Edge), reactor.ErrRegistered)
		wantErr(t, "Reregister elsewhere", q.Reregister(r, 2, reactor.Readable, reactor.Edge), reactor.ErrNotRegistered)
		wantErr(t, "Deregister elsewhere", q.Deregister(r), reactor.ErrNotRegistered)
		check(t, "Deregister", p.Deregister(r))
		check(t, "Register elsewhere", q.Register(r, 2, reactor.Readable, reactor.Edge))
		_, err := w.Write([]byte("hello"))
		check(t, "Write", err)
		awaitReady(t, q, 2, reactor.ReadyReadable)
		quiet(t, p)
	})
}

func TestReregisterAndDeregisterOfAStrangerAreErrNotRegistered(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind, r readSource, w writeSource) {
		p := newPoll(t)
		wantErr(t, "Reregister", p.Reregister(r, 1, reactor.Readable, reactor.Edge), reactor.ErrNotRegistered)
		wantErr(t, "Deregister", p.Deregister(r), reactor.ErrNotRegistered)
		check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
		check(t, "Deregister", p.Deregister(r))
		wantErr(t, "Reregister", p.Reregister(r, 1, reactor.Readable, reactor.Edge), reactor.ErrNotRegistered)
		wantErr(t, "Deregister", p.Deregister(r), reactor.ErrNotRegistered)
	})
}

func TestRegisterWithABadArgumentIsAnErrorAndChangesNothing(t *testing.T) {
	src, peer := anySource(t)
	bad := []struct {
		name     string
		src      reactor.Source
		interest reactor.Interest
		mode     reactor.Mode
	}{
		{"no source", nil, reactor.Readable, reactor.Edge},
		{"no interest", src, 0, reactor.Edge},
		{"an unknown interest", src, reactor.Readable | 1<<7, reactor.Edge},
		{"only unknown interests", src, 1 << 5, reactor.Level},
		{"an unknown mode", src, reactor.Readable, reactor.Oneshot + 1},
		{"the last mode", src, reactor.Readable, 255},
	}
	p := newPoll(t)
	for _, b := range bad {
		if err := p.Register(b.src, 1, b.interest, b.mode); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("Register with %s: %v", b.name, err)
		}
	}
	wantErr(t, "Deregister", p.Deregister(src), reactor.ErrNotRegistered)
	check(t, "Register", p.Register(src, 2, reactor.Readable, reactor.Level))
	for _, b := range bad {
		if err := p.Reregister(b.src, 3, b.interest, b.mode); !errors.Is(err, os.ErrInvalid) {
			t.Errorf("Reregister with %s: %v", b.name, err)
		}
	}
	if err := p.Deregister(nil); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("Deregister of nil: %v", err)
	}
	greet(t, peer)
	oneEvent(t, p, 2, reactor.ReadyReadable)
}

func TestRegisterForPriorityWorksOrIsUnsupported(t *testing.T) {
	a, _ := connPair(t, "tcp4")
	p := newPoll(t)
	supported(t, "Priority", p.Register(a, 1, reactor.Readable|reactor.Priority, reactor.Level))
	quiet(t, p)
}

func TestRegisterOfAClosedSourceIsErrClosed(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind, r readSource, w writeSource) {
		p := newPoll(t)
		check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
		check(t, "Close", r.Close())
		check(t, "Close", w.Close())
		for _, src := range []reactor.Source{r, w} {
			wantErr(t, "Register", p.Register(src, 1, reactor.Readable, reactor.Edge), reactor.ErrClosed)
			wantErr(t, "Reregister", p.Reregister(src, 1, reactor.Readable, reactor.Edge), reactor.ErrClosed)
			wantErr(t, "Deregister", p.Deregister(src), reactor.ErrClosed)
		}
		quiet(t, p)
	})
}

// Deregister and Close are final.

func TestNoEventAfterDeregister(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			eachSubject(t, func(t *testing.T, s *subject) {
				p := newPoll(t)
				for i := range reactor.Token(20) {
					check(t, "Register", p.Register(s.src, i, s.interest, mode))
					s.arouse()
					if i%2 == 1 {
						waitOnce(t, p, 1, 0)
					}
					check(t, "Deregister", p.Deregister(s.src))
					if events := waitOnce(t, p, 64, 0); len(events) > 0 {
						t.Fatalf("events after Deregister: %+v", events)
					}
					s.exhaust()
				}
				quiet(t, p)
			})
		})
	}
}

func TestNoEventAfterClose(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			for _, k := range streams {
				t.Run(k.name, func(t *testing.T) {
					p := newPoll(t)
					for i := range 5 {
						r, w := k.open(t)
						check(t, "Register", p.Register(r, 1, reactor.Readable, mode))
						check(t, "Register", p.Register(w, 2, reactor.Writable, mode))
						_, err := w.Write([]byte("hello"))
						check(t, "Write", err)
						if i%2 == 1 {
							waitOnce(t, p, 1, 0)
						}
						check(t, "Close", r.Close())
						check(t, "Close", w.Close())
						if events := waitOnce(t, p, 64, 0); len(events) > 0 {
							t.Fatalf("events after Close: %+v", events)
						}
					}
					quiet(t, p)
				})
			}
		})
	}
}

// A place that one registration left serves the next: neither's events become the other's.
func TestReusedRegistrationDoesNotInheritEvents(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			ready := readySockets(t, 8)
			idle := make([]*reactor.PacketConn, 8)
			for i := range idle {
				idle[i] = listenUDP(t, "udp4")
			}
			for round := range reactor.Token(10) {
				for i, c := range ready {
					check(t, "Register", p.Register(c, 100*round+reactor.Token(i), reactor.Readable, mode))
				}
				// Some of the events come out, the others are in flight or kept.
				waitOnce(t, p, 1+int(round)%3, watchdog)
				for _, c := range ready {
					check(t, "Deregister", p.Deregister(c))
				}
				for i, c := range idle {
					check(t, "Register", p.Register(c, 100*round+50+reactor.Token(i), reactor.Readable, mode))
				}
				if events := waitOnce(t, p, 64, 0); len(events) > 0 {
					t.Fatalf("round %d: idle sources had events: %+v", round, events)
				}
				for _, c := range idle {
					check(t, "Deregister", p.Deregister(c))
				}
			}
			quiet(t, p)
		})
	}
}

func TestReusedDescriptorNumberDoesNotInheritEvents(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			for round := range reactor.Token(20) {
				c := readySockets(t, 1)[0]
				check(t, "Register", p.Register(c, 1000+round, reactor.Readable, mode))
				if round%2 == 1 {
					waitOnce(t, p, 1, watchdog)
				}
				check(t, "Close", c.Close())
				// The system tends to give out the number that was free last.
				fresh := listenUDP(t, "udp4")
				check(t, "Register", p.Register(fresh, round, reactor.Readable, mode))
				if events := waitOnce(t, p, 64, 0); len(events) > 0 {
					t.Fatalf("round %d: events %+v", round, events)
				}
				_, err := fresh.WriteTo([]byte("x"), fresh.LocalAddr())
				check(t, "WriteTo", err)
				oneEvent(t, p, round, reactor.ReadyReadable)
				check(t, "Close", fresh.Close())
			}
			quiet(t, p)
		})
	}
}

func TestSourceIsUsableAfterDeregister(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind, r readSource, w writeSource) {
		p := newPoll(t)
		check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
		check(t, "Register", p.Register(w, 2, reactor.Writable, reactor.Level))
		check(t, "Deregister", p.Deregister(r))
		check(t, "Deregister", p.Deregister(w))
		writeFull(t, nil, w, []byte("hello"))
		if got := string(readFull(t, nil, r, 5)); got != "hello" {
			t.Fatalf("read %q", got)
		}
		quiet(t, p)
	})
}

func TestClosingAPollLeavesItsSourcesUsableAndRegistrable(t *testing.T) {
	eachStream(t, func(t *testing.T, k streamKind, r readSource, w writeSource) {
		for _, mode := range modes {
			p := newPoll(t)
			check(t, "Register", p.Register(r, 1, reactor.Readable, mode))
			check(t, "Register", p.Register(w, 2, reactor.Writable, mode))
			waitOnce(t, p, 1, silence)
			check(t, "Poll.Close", p.Close())
			_, err := w.Write([]byte("hello"))
			check(t, "Write", err)
			q := newPoll(t)
			check(t, "Register", q.Register(r, 3, reactor.Readable, mode))
			awaitReady(t, q, 3, reactor.ReadyReadable)
			check(t, "Poll.Close", q.Close())
			if got := string(readFull(t, nil, r, 5)); got != "hello" {
				t.Fatalf("read %q", got)
			}
		}
	})
}

func TestEveryTokenIsLegal(t *testing.T) {
	tokens := []reactor.Token{0, 1, ^reactor.Token(0), ^reactor.Token(0) - 1, ^reactor.Token(0) >> 1, 1 << 31, 1<<32 - 1}
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			cs := readySockets(t, len(tokens))
			for i, c := range cs {
				check(t, "Register", p.Register(c, tokens[i], reactor.Readable, mode))
			}
			await(t, p, func(seen map[reactor.Token]reactor.Ready) bool {
				for _, token := range tokens {
					if seen[token]&reactor.ReadyReadable == 0 {
						return false
					}
				}
				if len(seen) != len(tokens) {
					t.Fatalf("events for other tokens: %v", seen)
				}
				return true
			})
		})
	}
}

func TestTwoRegistrationsMayShareAToken(t *testing.T) {
	p := newPoll(t)
	for _, c := range readySockets(t, 2) {
		check(t, "Register", p.Register(c, 7, reactor.Readable, reactor.Edge))
	}
	n := 0
	for n < 2 {
		for _, e := range waitOnce(t, p, 64, watchdog) {
			if e.Token != 7 {
				t.Fatalf("event %+v", e)
			}
			n++
		}
	}
	quiet(t, p)
}

func TestReregisterChangesTheToken(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			src, peer := anySource(t)
			p := newPoll(t)
			check(t, "Register", p.Register(src, 1, reactor.Readable, mode))
			for i := range reactor.Token(10) {
				greet(t, peer)
				check(t, "Reregister", p.Reregister(src, 2+i, reactor.Readable, mode))
				oneEvent(t, p, 2+i, reactor.ReadyReadable)
			}
		})
	}
}

// waitInBackground starts a Wait without end in another goroutine, on a Poll with nothing ready.
func waitInBackground(t testing.TB, p *reactor.Poll) <-chan waitResult {
	t.Helper()
	return startWait(t, p, func(events []reactor.Event) (int, error) { return p.Wait(events, -1) })
}

func TestRegisterDuringWaitTakesEffectAtOnce(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Run("ready", func(t *testing.T) {
				p := newPoll(t)
				c := readySockets(t, 1)[0]
				result := waitInBackground(t, p)
				check(t, "Register", p.Register(c, 5, reactor.Readable, mode))
				one(t, result, 5, reactor.ReadyReadable)
			})
			t.Run("ready later", func(t *testing.T) {
				src, peer := anySource(t)
				p := newPoll(t)
				result := waitInBackground(t, p)
				check(t, "Register", p.Register(src, 5, reactor.Readable, mode))
				greet(t, peer)
				one(t, result, 5, reactor.ReadyReadable)
			})
		})
	}
}

func TestReregisterDuringWaitTakesEffectAtOnce(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			src, _ := anySource(t)
			p := newPoll(t)
			check(t, "Register", p.Register(src, 5, reactor.Readable, mode))
			result := waitInBackground(t, p)
			check(t, "Reregister", p.Reregister(src, 6, reactor.Writable, mode))
			one(t, result, 6, reactor.ReadyWritable)
		})
	}
	t.Run("a sleeping Oneshot", func(t *testing.T) {
		p := newPoll(t)
		c := readySockets(t, 1)[0]
		check(t, "Register", p.Register(c, 5, reactor.Readable, reactor.Oneshot))
		oneEvent(t, p, 5, reactor.ReadyReadable)
		for i := range reactor.Token(10) {
			result := waitInBackground(t, p)
			check(t, "Reregister", p.Reregister(c, 6+i, reactor.Readable, reactor.Oneshot))
			one(t, result, 6+i, reactor.ReadyReadable)
		}
	})
}

// The reader is not the goroutine that waits: its Read that would block arms the edge under the Wait.
func TestReadingDuringWaitArmsTheEdgeAtOnce(t *testing.T) {
	eachSubject(t, func(t *testing.T, s *subject) {
		p := newPoll(t)
		check(t, "Register", p.Register(s.src, 5, s.interest, reactor.Edge))
		s.arouse()
		awaitReady(t, p, 5, s.ready)
		quiet(t, p)
		for range 5 {
			result := waitInBackground(t, p)
			s.exhaust()
			s.arouse()
			one(t, result, 5, s.ready)
			// Edges that a gradual arousal left behind.
			for len(waitOnce(t, p, 64, silence)) > 0 {
			}
		}
	})
}

// The Wait under way may still give an event of the source; the next may not.
func TestDeregisterAndCloseDuringWaitAreFinalForTheNext(t *testing.T) {
	ends := map[string]func(p *reactor.Poll, src *reactor.PacketConn) error{
		"Deregister": func(p *reactor.Poll, src *reactor.PacketConn) error { return p.Deregister(src) },
		"Close":      func(p *reactor.Poll, src *reactor.PacketConn) error { return src.Close() },
	}
	for name, end := range ends {
		for _, mode := range modes {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				src, peer := anySource(t)
				p := newPoll(t)
				wake, err := reactor.NewWaker(p, 99)
				check(t, "NewWaker", err)
				check(t, "Register", p.Register(src, 5, reactor.Readable, mode))
				result := waitInBackground(t, p)
				check(t, name, end(p, src))
				_, err = peer.Write([]byte("hello"))
				_ = err // nobody may be there any more: the system can say so at once
				check(t, "Wake", wake.Wake())
				r := ended(t, result)
				check(t, "Wait", r.err)
				woken := false
				for _, e := range r.events {
					woken = woken || e.Token == 99
				}
				if !woken {
					awaitReady(t, p, 99, reactor.ReadyReadable)
				}
				quiet(t, p)
			})
		}
	}
}
