package reactor_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/goreactor/reactor"
)

// coherent asserts what holds for the event of any registration with that interest.
func coherent(t testing.TB, e reactor.Event, interest reactor.Interest) {
	t.Helper()
	if e.ReadClosed() && interest&reactor.Readable != 0 && !e.Readable() {
		t.Fatalf("ReadClosed without Readable: %+v", e)
	}
	if e.WriteClosed() && interest&reactor.Writable != 0 && !e.Writable() {
		t.Fatalf("WriteClosed without Writable: %+v", e)
	}
	if e.Readable() && interest&reactor.Readable == 0 || e.Writable() && interest&reactor.Writable == 0 {
		t.Fatalf("a direction that is not of interest: %+v, interest %v", e, interest)
	}
	if e.AIO() || e.LIO() {
		t.Fatalf("a source that knows no asynchronous I/O: %+v", e)
	}
	methods := reactor.Ready(0)
	for i, is := range []bool{e.Readable(), e.Writable(), e.ReadClosed(), e.WriteClosed(), e.Error(), e.Priority()} {
		if is {
			methods |= 1 << i
		}
	}
	if methods != e.Ready {
		t.Fatalf("the methods say %v of %+v", methods, e)
	}
}

// awaitCoherent waits until the events of token, each coherent, have named all of ready; rearm arms a
// Oneshot that has not yet told all of it.
func awaitCoherent(t testing.TB, p *reactor.Poll, token reactor.Token, interest reactor.Interest, ready reactor.Ready, rearm func()) {
	t.Helper()
	seen := reactor.Ready(0)
	for seen&ready != ready {
		events := waitOnce(t, p, 8, watchdog)
		if len(events) != 1 || events[0].Token != token {
			t.Fatalf("events %+v, want one for token %d; %v of %v came", events, token, seen, ready)
		}
		coherent(t, events[0], interest)
		seen |= events[0].Ready
		rearm()
	}
}

// eachInterest runs f for each mode and each set of directions.
func eachInterest(t *testing.T, f func(t *testing.T, mode reactor.Mode, interest reactor.Interest)) {
	t.Helper()
	for _, mode := range modes {
		for _, interest := range []reactor.Interest{reactor.Readable, reactor.Writable, bothWays} {
			t.Run(fmt.Sprintf("%v/%v", mode, interest), func(t *testing.T) { f(t, mode, interest) })
		}
	}
}

func rearming(t testing.TB, p *reactor.Poll, src reactor.Source, token reactor.Token, interest reactor.Interest, mode reactor.Mode) func() {
	return func() {
		t.Helper()
		if mode == reactor.Oneshot {
			check(t, "Reregister", p.Reregister(src, token, interest, mode))
		}
	}
}

func TestReadClosedComesWithReadable(t *testing.T) {
	for _, k := range streams {
		if !k.stream {
			continue
		}
		for _, mode := range modes {
			for _, data := range []string{"", "last words"} {
				t.Run(fmt.Sprintf("%s/%v/%d bytes before", k.name, mode, len(data)), func(t *testing.T) {
					r, w := k.open(t)
					p := newPoll(t)
					check(t, "Register", p.Register(r, 7, reactor.Readable, mode))
					if data != "" {
						_, err := w.Write([]byte(data))
						check(t, "Write", err)
					}
					check(t, "Close", w.Close())
					// Some systems tell the end only once what comes before it was read: Wine.
					buf := make([]byte, 64)
					rearm := rearming(t, p, r, 7, reactor.Readable, mode)
					seen, got := reactor.Ready(0), ""
					for seen&reactor.ReadyReadClosed == 0 {
						e := oneEvent(t, p, 7, reactor.ReadyReadable)
						coherent(t, e, reactor.Readable)
						if seen |= e.Ready; seen&reactor.ReadyReadClosed == 0 {
							n, err := r.Read(buf)
							if got += string(buf[:n]); err != nil {
								t.Fatalf("Read gave %q, %v", buf[:n], err)
							}
							rearm()
						}
					}
					if got != data {
						if n, err := r.Read(buf); got+string(buf[:n]) != data || err != nil {
							t.Fatalf("Read gave %q after %q, %v", buf[:n], got, err)
						}
					}
					for range 3 {
						if n, err := r.Read(buf); n != 0 || err != io.EOF {
							t.Fatalf("Read at the end gave %d, %v", n, err)
						}
					}
				})
			}
		}
	}
}

func TestHalfCloseLeavesTheOtherDirectionOpen(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix", "pair"} {
		for _, mode := range []reactor.Mode{reactor.Edge, reactor.Level} {
			t.Run(network+"/"+mode.String(), func(t *testing.T) {
				a, b := connPair(t, network)
				p := newPoll(t)
				check(t, "Register", p.Register(a, 1, reactor.Readable, mode))
				check(t, "Register", p.Register(b, 2, reactor.Readable, mode))
				_, err := a.Write([]byte("question"))
				check(t, "Write", err)
				check(t, "CloseWrite", a.CloseWrite())
				question := ""
				await(t, p, func(seen map[reactor.Token]reactor.Ready) bool {
					if seen[1] != 0 {
						t.Fatalf("closing one's own writing side is no readability: %v", seen)
					}
					if seen[2] != 0 && seen[2]&reactor.ReadyReadClosed == 0 && question == "" {
						// Some systems tell the end only once what comes before it was read: Wine.
						question = string(readFull(t, p, b, len("question")))
						_, err := b.Read(make([]byte, 1))
						if err != reactor.ErrWouldBlock && err != io.EOF {
							t.Fatalf("Read after the question: %v", err)
						}
						return err == io.EOF
					}
					return seen[2]&reactor.ReadyReadClosed != 0
				})
				if got := question + string(readAll(t, p, b)); got != "question" {
					t.Fatalf("read %q", got)
				}
				if _, err := a.Write([]byte("more")); err == nil || err == reactor.ErrWouldBlock {
					t.Fatalf("Write after CloseWrite: %v", err)
				}
				check(t, "Deregister", p.Deregister(b))
				_, err = b.Write([]byte("answer"))
				check(t, "Write", err)
				if got := string(readFull(t, p, a, 6)); got != "answer" {
					t.Fatalf("read %q", got)
				}
				check(t, "CloseWrite", b.CloseWrite())
				if got := readAll(t, p, a); len(got) != 0 {
					t.Fatalf("read %q", got)
				}
			})
		}
	}
}

// A peer that is gone for good closes both directions.
func TestHangUpComesWithTheDirectionsOfInterest(t *testing.T) {
	gone := []struct {
		name string
		open func(t *testing.T) (src reactor.Source, leave func())
	}{
		{"tcp4 reset", reset("tcp4")},
		{"tcp6 reset", reset("tcp6")},
		{"unix closed", closed("unix")},
		{"pair closed", closed("pair")},
	}
	for _, g := range gone {
		t.Run(g.name, func(t *testing.T) {
			eachInterest(t, func(t *testing.T, mode reactor.Mode, interest reactor.Interest) {
				src, leave := g.open(t)
				p := newPoll(t)
				check(t, "Register", p.Register(src, 7, interest, mode))
				rearm := rearming(t, p, src, 7, interest, mode)
				if interest&reactor.Writable != 0 {
					awaitCoherent(t, p, 7, interest, reactor.ReadyWritable, rearm)
				}
				leave()
				want := reactor.Ready(0)
				if interest&reactor.Readable != 0 {
					want |= reactor.ReadyReadable | reactor.ReadyReadClosed
				}
				if interest&reactor.Writable != 0 {
					want |= reactor.ReadyWritable | reactor.ReadyWriteClosed
				}
				awaitCoherent(t, p, 7, interest, want, rearm)
			})
		})
	}
}

func reset(network string) func(t *testing.T) (reactor.Source, func()) {
	return func(t *testing.T) (reactor.Source, func()) {
		a, b := connPair(t, network)
		return a, func() {
			check(t, "SetLinger", b.SetLinger(0))
			check(t, "Close", b.Close())
		}
	}
}

func closed(network string) func(t *testing.T) (reactor.Source, func()) {
	return func(t *testing.T) (reactor.Source, func()) {
		a, b := connPair(t, network)
		return a, func() { check(t, "Close", b.Close()) }
	}
}

func TestAPipeWithoutAReaderIsWritableAndWriteClosed(t *testing.T) {
	for _, mode := range modes {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/full %v", mode, full), func(t *testing.T) {
				r, w, err := reactor.Pipe()
				supported(t, "pipe", err)
				closeLater(t, r)
				closeLater(t, w)
				chunk := make([]byte, 4096)
				for full {
					if _, err := w.Write(chunk); err == reactor.ErrWouldBlock {
						break
					}
					check(t, "Write", err)
				}
				p := newPoll(t)
				check(t, "Register", p.Register(w, 7, reactor.Writable, mode))
				rearm := rearming(t, p, w, 7, reactor.Writable, mode)
				if full {
					quiet(t, p)
				} else {
					awaitCoherent(t, p, 7, reactor.Writable, reactor.ReadyWritable, rearm)
				}
				check(t, "Close", r.Close())
				awaitCoherent(t, p, 7, reactor.Writable, reactor.ReadyWritable|reactor.ReadyWriteClosed, rearm)
				if _, err := w.Write(chunk); err == nil || err == reactor.ErrWouldBlock {
					t.Fatalf("Write to a pipe without a reader: %v", err)
				}
			})
		}
	}
}

// refused gives a connection whose making fails, unless Dial itself said so.
func refused(t testing.TB, network string) *reactor.Conn {
	t.Helper()
	l := listenTCP(t, network)
	addr := l.Addr().String()
	check(t, "Close", l.Close())
	c, err := reactor.Dial(network, addr)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("Dial itself tells the refusal here: %v", err)
	}
	supported(t, "Dial", err)
	closeLater(t, c)
	return c
}

func TestAFailedConnectGivesAnEventInEachDirection(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6"} {
		t.Run(network, func(t *testing.T) {
			eachInterest(t, func(t *testing.T, mode reactor.Mode, interest reactor.Interest) {
				c := refused(t, network)
				p := newPoll(t)
				check(t, "Register", p.Register(c, 7, interest, mode))
				want := reactor.Ready(0)
				if interest&reactor.Readable != 0 {
					want |= reactor.ReadyReadable
				}
				if interest&reactor.Writable != 0 {
					want |= reactor.ReadyWritable
				}
				awaitCoherent(t, p, 7, interest, want, rearming(t, p, c, 7, interest, mode))
				first := c.FinishConnect()
				if first == nil || first == reactor.ErrWouldBlock {
					t.Fatalf("FinishConnect of a refused connection: %v", first)
				}
				for range 3 {
					if again := c.FinishConnect(); again == nil || again.Error() != first.Error() {
						t.Fatalf("FinishConnect: first %v, then %v", first, again)
					}
				}
			})
		})
	}
}

func TestConnectingGivesWritableWhenItIsDone(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			l := listenTCP(t, "tcp4")
			c, err := reactor.Dial("tcp4", l.Addr().String())
			supported(t, "Dial", err)
			closeLater(t, c)
			p := newPoll(t)
			check(t, "Register", p.Register(c, 7, bothWays, mode))
			done := false
			for !done {
				oneEvent(t, p, 7, 0)
				switch err := c.FinishConnect(); err {
				case nil:
					done = true
				case reactor.ErrWouldBlock:
					rearming(t, p, c, 7, bothWays, mode)()
				default:
					t.Fatalf("FinishConnect: %v", err)
				}
			}
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatalf("Write: %v", err)
			}
		})
	}
}

// followShortReads reads as the documentation allows: until a Read is short, or, where the event said
// ReadClosed or Priority, until it would block or ends. r is registered as an Edge.
func followShortReads(t testing.TB, p *reactor.Poll, read func([]byte) (int, error), done func(got []byte) bool) []byte {
	t.Helper()
	var got []byte
	buf := make([]byte, 1000)
	for !done(got) {
		events := waitOnce(t, p, 1, watchdog)
		if len(events) == 0 {
			t.Fatalf("no event for what is left; %d bytes came: %.80q", len(got), got)
		}
		coherent(t, events[0], reactor.Readable)
		toTheEnd := events[0].ReadClosed() || events[0].Priority()
		for {
			n, err := read(buf)
			got = append(got, buf[:n]...)
			if err == io.EOF {
				return got
			}
			if err == reactor.ErrWouldBlock {
				break
			}
			check(t, "Read", err)
			if n < len(buf) && !toTheEnd {
				break
			}
		}
	}
	return got
}

func TestAShortReadDrainsAStream(t *testing.T) {
	const total = 300_000
	for _, k := range streams {
		if !k.stream {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			r, w := k.open(t)
			reads := map[string]func([]byte) (int, error){"Read": r.Read}
			if c, ok := r.(*reactor.Conn); ok {
				reads["Readv"] = func(buf []byte) (int, error) {
					return c.Readv([][]byte{buf[:10], nil, buf[10:500], buf[500:]})
				}
			}
			for name, read := range reads {
				t.Run(name, func(t *testing.T) {
					p := newPoll(t)
					check(t, "Register", p.Register(r, 7, reactor.Readable, reactor.Edge))
					// The writer is as fast as it can be: its data arrive in the middle of the reading.
					failed := make(chan error, 1)
					go func() { failed <- writePattern(w, total) }()
					got := followShortReads(t, p, read, func(got []byte) bool { return len(got) >= total })
					check(t, "Write", <-failed)
					checkPattern(t, got, total)
					quiet(t, p)
					check(t, "Deregister", p.Deregister(r))
				})
			}
		})
	}
}

// writePattern writes so many bytes in pieces of varying length, from a goroutine of its own.
func writePattern(w writeSource, total int) error {
	p, err := reactor.NewPoll()
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.Register(w, 0, reactor.Writable, reactor.Level); err != nil {
		return err
	}
	piece := make([]byte, 2500)
	for sent, i := 0, 0; sent < total; i++ {
		n := min(1+i*i%2500, total-sent)
		for j := range piece[:n] {
			piece[j] = byte((sent + j) % 251)
		}
		for done := 0; done < n; {
			m, err := w.Write(piece[done:n])
			done += m
			if err == reactor.ErrWouldBlock {
				var events [1]reactor.Event
				if m, err := p.Wait(events[:], watchdog); err != nil {
					return err
				} else if m == 0 {
					return fmt.Errorf("after %d bytes the stream did not become writable in %v", sent+done, watchdog)
				}
			} else if err != nil {
				return err
			}
		}
		sent += n
	}
	return p.Deregister(w)
}

func checkPattern(t testing.TB, got []byte, total int) {
	t.Helper()
	if len(got) != total {
		t.Fatalf("%d bytes came of %d", len(got), total)
	}
	for i, b := range got {
		if b != byte(i%251) {
			t.Fatalf("byte %d is %d, want %d", i, b, byte(i%251))
		}
	}
}

func TestAShortReadAtTheEndOfAStreamIsFollowedByReadClosed(t *testing.T) {
	for _, k := range streams {
		if !k.stream {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			for range 20 {
				r, w := k.open(t)
				p := newPoll(t)
				check(t, "Register", p.Register(r, 7, reactor.Readable, reactor.Edge))
				failed := make(chan error, 1)
				go func() {
					err := writePattern(w, 3000)
					if err == nil {
						err = w.Close()
					}
					failed <- err
				}()
				got := followShortReads(t, p, r.Read, func([]byte) bool { return false })
				check(t, "Write and Close", <-failed)
				checkPattern(t, got, 3000)
				check(t, "Close", r.Close())
				check(t, "Poll.Close", p.Close())
			}
		})
	}
}

func TestAShortReadBatchDrainsASocket(t *testing.T) {
	for _, k := range streams {
		if k.stream {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			r, w := k.open(t)
			c := r.(*reactor.PacketConn)
			p := newPoll(t)
			check(t, "Register", p.Register(c, 7, reactor.Readable, reactor.Edge))
			ms := make([]reactor.Message, 8)
			for i := range ms {
				ms[i].Buf = make([]byte, 16)
			}
			for round := range 20 {
				want := 1 + round%5
				for range want {
					_, err := w.Write([]byte("hello"))
					check(t, "Write", err)
				}
				for got := 0; got < want; {
					oneEvent(t, p, 7, reactor.ReadyReadable)
					n, err := c.ReadBatch(ms)
					if err != nil && err != reactor.ErrWouldBlock || n == len(ms) {
						t.Fatalf("ReadBatch gave %d, %v", n, err)
					}
					got += n
				}
			}
			quiet(t, p)
		})
	}
}
