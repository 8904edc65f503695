package reactor_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// A stress is one Poll with a goroutine that waits and many that do everything else at once. Each
// connection has a number, which is its token and all that is ever written to it.
type stress struct {
	p    *reactor.Poll
	end  time.Time
	next atomic.Uint64 // the last number given out

	// wait counts the Waits. A token that is over may come from no Wait that started after it was
	// over: over holds the count at that time.
	wait atomic.Uint64
	over sync.Map // reactor.Token: uint64

	events, reads, conns atomic.Int64

	mu    sync.Mutex
	fault error
}

func (s *stress) failed(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = fmt.Errorf(format, args...)
		s.end = time.Time{}
	}
}

func (s *stress) running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.end)
}

// finish says that no Wait from now on may give an event for the token.
func (s *stress) finish(token reactor.Token) { s.over.Store(token, s.wait.Load()) }

const stressWaker = ^reactor.Token(0)

// waiter waits until a Wait fails.
func (s *stress) waiter() error {
	oneshots := map[reactor.Token]bool{}
	var events [16]reactor.Event
	for room := 1; ; room = room%len(events) + 1 {
		count := s.wait.Add(1)
		n, err := s.p.Wait(events[:room], -1)
		if err != nil {
			return err
		}
		s.events.Add(int64(n))
		for _, e := range events[:n] {
			if last, ok := s.over.Load(e.Token); ok && count > last.(uint64) {
				s.failed("Wait %d gave %+v, which was over at Wait %d", count, e, last)
			}
			if e.Token != stressWaker && uint64(e.Token)>>8 > s.next.Load() {
				s.failed("a token that nobody gave: %+v", e)
			}
			if e.Token&stressOneshot != 0 && e.Token != stressWaker {
				if oneshots[e.Token] {
					s.failed("a second event of a oneshot: %+v", e)
				}
				oneshots[e.Token] = true
			}
		}
	}
}

// A token is a connection's number above, and below this mark for those that are armed for one event,
// and a count of armings, so that each of them has a token of its own.
const stressOneshot = 0x80

// stressPair gives two connected ends of whatever kind the system has that is quick to make.
func stressPair(kind int) (a, b duplex, err error) {
	if kind%2 == 0 {
		a, b, err := reactor.Pair()
		if err == nil || !errors.Is(err, errors.ErrUnsupported) {
			return a, b, err
		}
	}
	c, err := reactor.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	d, err := reactor.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	if err := errors.Join(c.Connect(d.LocalAddr()), d.Connect(c.LocalAddr())); err != nil {
		return nil, nil, errors.Join(err, c.Close(), d.Close())
	}
	return c, d, nil
}

// connections makes connections, uses each from four goroutines at once and closes it under their hands.
func (s *stress) connections(kind int) {
	for s.running() {
		a, b, err := stressPair(kind)
		if err != nil {
			s.failed("making a pair: %w", err)
			return
		}
		number := s.next.Add(1)
		s.conns.Add(1)
		mark := []byte(fmt.Sprintf("%016x", number))
		var wg sync.WaitGroup
		var last reactor.Token
		wg.Go(func() { last = s.register(a, reactor.Token(number)<<8) })
		wg.Go(func() { s.read(a, mark) })
		wg.Go(func() { s.write(b, mark) })
		for range rand.IntN(8) {
			runtime.Gosched()
		}
		if err := a.Close(); err != nil {
			s.failed("Close: %w", err)
		}
		if err := b.Close(); err != nil {
			s.failed("Close: %w", err)
		}
		wg.Wait()
		s.finish(reactor.Token(number) << 8)
		s.finish(last)
	}
}

// register registers, changes and takes out src until it is closed. It gives the token that the last
// registration had, which is over when Close has returned.
func (s *stress) register(src reactor.Source, base reactor.Token) reactor.Token {
	armings := reactor.Token(0)
	// arm draws a mode and the token for it. Each arming of a oneshot has one of its own.
	arm := func() (reactor.Token, reactor.Mode) {
		if mode := reactor.Mode(rand.IntN(4)); mode < reactor.Oneshot {
			return base, mode
		}
		if armings == stressOneshot {
			return base, reactor.Edge
		}
		armings++
		return base | stressOneshot | (armings - 1), reactor.Oneshot
	}
	interests := []reactor.Interest{reactor.Readable, reactor.Writable, bothWays}
	for {
		token, mode := arm()
		if err := s.p.Register(src, token, interests[rand.IntN(3)], mode); err != nil {
			return s.ends("Register", src, err, token)
		}
		for range rand.IntN(8) {
			if rand.IntN(2) == 0 {
				runtime.Gosched()
			}
			next, mode := arm()
			if err := s.p.Reregister(src, next, interests[rand.IntN(3)], mode); err != nil {
				return s.ends("Reregister", src, err, token)
			}
			s.replaced(token, base)
			token = next
		}
		runtime.Gosched()
		if err := s.p.Deregister(src); err != nil {
			return s.ends("Deregister", src, err, token)
		}
		s.replaced(token, base)
	}
}

// replaced finishes a oneshot's token; base may be used again.
func (s *stress) replaced(token, base reactor.Token) {
	if token != base {
		s.finish(token)
	}
}

// ends judges why a call on src failed: src is being closed.
func (s *stress) ends(call string, src reactor.Source, err error, token reactor.Token) reactor.Token {
	if err == reactor.ErrNotRegistered {
		// The call had begun before Close, which deregisters first. The next call is told so.
		err = s.p.Reregister(src, token, reactor.Readable, reactor.Edge)
	}
	if err != reactor.ErrClosed {
		s.failed("%s: %w", call, err)
	}
	return token
}

// read reads until the connection ends, and looks whose data come.
func (s *stress) read(c io.Reader, mark []byte) {
	buf := make([]byte, 64*len(mark))
	at := 0 // in the mark: a stream may cut it
	for {
		n, err := c.Read(buf)
		for _, b := range buf[:n] {
			if b != mark[at] {
				s.failed("connection %s reads the data of another: %.40q", mark, buf[:n])
				return
			}
			at = (at + 1) % len(mark)
		}
		if n > 0 {
			s.reads.Add(1)
		}
		if err != reactor.ErrWouldBlock && s.ended(err) {
			return
		}
		runtime.Gosched()
	}
}

// write writes until the connection ends.
func (s *stress) write(c io.Writer, mark []byte) {
	rest := mark
	for {
		n, err := c.Write(rest)
		if rest = rest[n:]; len(rest) == 0 {
			rest = mark
		}
		if err != reactor.ErrWouldBlock && s.ended(err) {
			return
		}
		runtime.Gosched()
	}
}

// ended reports whether err ends a connection, and takes offence at one that tells of a descriptor that is
// another's or nobody's.
func (s *stress) ended(err error) bool {
	if err != nil && badDescriptor(err) {
		s.failed("a descriptor was used after its close: %w", err)
	}
	return err != nil
}

// churn opens and closes sockets that have something to read as fast as it can, so that numbers are used
// again: events and data that belong to them are poison.
func (s *stress) churn(kind int) {
	for s.running() {
		a, b, err := stressPair(kind)
		if err != nil {
			s.failed("making a pair: %w", err)
			return
		}
		for _, c := range []duplex{a, b} {
			if _, err := c.Write([]byte("poison")); err != nil {
				s.failed("Write: %w", err)
			}
		}
		runtime.Gosched()
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			s.failed("Close: %w", err)
		}
	}
}

// wake makes wakers, wakes and closes them.
func (s *stress) wake() {
	for s.running() {
		w, err := reactor.NewWaker(s.p, stressWaker)
		if err != nil {
			s.failed("NewWaker: %w", err)
			return
		}
		for range 10 {
			if err := w.Wake(); err != nil {
				s.failed("Wake: %w", err)
			}
			runtime.Gosched()
		}
		if err := w.Close(); err != nil {
			s.failed("Waker.Close: %w", err)
		}
	}
}

// badDescriptor reports whether a call met a number that is no socket's, or nobody's.
func badDescriptor(err error) bool {
	const wsaENotSock = 10038 // winsock's number for it
	var errno syscall.Errno
	return errors.As(err, &errno) && (errno == syscall.EBADF || errno == syscall.ENOTSOCK || errno == wsaENotSock)
}

// newStress gives a stress that lasts a while.
func newStress(t *testing.T) *stress {
	t.Helper()
	d := 2 * time.Second
	if testing.Short() {
		d = 300 * time.Millisecond
	}
	return &stress{p: newPoll(t), end: time.Now().Add(d)}
}

func TestStressNoEventAndNoDataOfAnother(t *testing.T) {
	a, b, err := stressPair(0)
	supported(t, "pair", err)
	check(t, "Close", errors.Join(a.Close(), b.Close()))
	s := newStress(t)
	waited := make(chan error, 1)
	go func() { waited <- s.waiter() }()
	var wg sync.WaitGroup
	for kind := range 4 {
		wg.Go(func() { s.connections(kind) })
	}
	for kind := range 2 {
		wg.Go(func() { s.churn(kind) })
	}
	wg.Go(s.wake)
	wg.Wait()
	// Let everything that is over show itself, then end the waiter.
	w := newWaker(t, s.p, stressWaker)
	for count := s.wait.Load(); s.wait.Load() < count+3; runtime.Gosched() {
		check(t, "Wake", w.Wake())
	}
	check(t, "Poll.Close", s.p.Close())
	select {
	case err := <-waited:
		wantErr(t, "Wait", err, reactor.ErrClosed)
	case <-time.After(watchdog):
		t.Fatal("Wait does not end")
	}
	check(t, "under stress", s.fault)
	if s.events.Load() == 0 || s.reads.Load() == 0 {
		t.Errorf("%d connections gave %d events and %d reads", s.conns.Load(), s.events.Load(), s.reads.Load())
	}
	t.Logf("%d connections, %d events in %d Waits, %d reads", s.conns.Load(), s.events.Load(), s.wait.Load(), s.reads.Load())
}

// Polls close while sources come and go and others wait; the sources go on in the next one.
func TestStressPollsThatCloseUnderTheirUsers(t *testing.T) {
	a, b, err := stressPair(0)
	supported(t, "pair", err)
	closeLater(t, a)
	closeLater(t, b)
	s := newStress(t)
	var current atomic.Pointer[reactor.Poll]
	current.Store(s.p)
	allowed := func(call string, err error, also ...error) {
		for _, ok := range append(also, nil, reactor.ErrClosed) {
			if err == ok {
				return
			}
		}
		s.failed("%s: %w", call, err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for s.running() {
			var events [4]reactor.Event
			_, err := current.Load().Wait(events[:], 10*time.Millisecond)
			allowed("Wait", err)
		}
	})
	for _, src := range []duplex{a, b} {
		for range 2 {
			wg.Go(func() {
				for s.running() {
					p := current.Load()
					allowed("Register", p.Register(src, 1, bothWays, reactor.Mode(rand.IntN(3))), reactor.ErrRegistered)
					allowed("Reregister", p.Reregister(src, 2, reactor.Writable, reactor.Edge), reactor.ErrNotRegistered)
					_, err := src.Write([]byte("x"))
					allowed("Write", err, reactor.ErrWouldBlock)
					_, err = src.Read(make([]byte, 64))
					allowed("Read", err, reactor.ErrWouldBlock)
					allowed("Deregister", p.Deregister(src), reactor.ErrNotRegistered)
				}
			})
		}
	}
	wg.Go(func() {
		for s.running() {
			w, err := reactor.NewWaker(current.Load(), 9)
			allowed("NewWaker", err)
			if err == nil {
				allowed("Wake", w.Wake())
				allowed("Waker.Close", w.Close())
			}
		}
	})
	polls := 0
	for ; s.running(); polls++ {
		q, err := reactor.NewPoll()
		if err != nil {
			s.failed("NewPoll: %w", err)
			break
		}
		old := current.Swap(q)
		runtime.Gosched()
		if err := old.Close(); err != nil {
			s.failed("Poll.Close: %w", err)
		}
	}
	wg.Wait()
	check(t, "Poll.Close", current.Load().Close())
	check(t, "under stress", s.fault)
	t.Logf("%d Polls", polls)

	p := newPoll(t)
	check(t, "Register", p.Register(a, 1, reactor.Writable, reactor.Level))
	readUntilWouldBlock(t, b)
	awaitReady(t, p, 1, reactor.ReadyWritable)
}
