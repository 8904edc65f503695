package reactor_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// A modelSource is what the model knows of one source: enough to say which events it must give and
// which it may not.
type modelSource struct {
	end, peer duplex // peer is nil once it is closed, end once it is closed too
	stream    bool
	pending   int // bytes, or datagrams of one byte, to read
	left      bool

	poll     int // where it is registered, or -1
	token    reactor.Token
	mode     reactor.Mode
	interest reactor.Interest
	// armed are the directions whose readiness must give an event; what sleeps has none.
	armed reactor.Interest
	// stirred says that something happened since the last event: without it an Edge may give none.
	stirred bool
	// told says that an event said ReadClosed: a short Read is not the end of it then.
	told bool
	// was is what the source was ready for at some time since the last Wait that gave all there was: an event
	// may be for what somebody has read in the meantime.
	was reactor.Interest
}

// ready gives the directions of interest that are ready now. Nothing here ever fills up.
func (s *modelSource) ready() reactor.Interest {
	var now reactor.Interest
	if s.pending > 0 || s.left && s.stream {
		now |= reactor.Readable
	}
	return (now | reactor.Writable) & s.interest
}

func (s *modelSource) stir() {
	s.stirred = true
	s.was |= s.ready()
}

// due gives the directions that the next Wait with room must name, or none.
func (s *modelSource) due() reactor.Interest {
	if s.poll < 0 {
		return 0
	}
	switch now := s.ready(); {
	case s.mode == reactor.Edge:
		return now & s.armed
	case s.mode == reactor.Oneshot && s.armed == 0:
		return 0
	default:
		return now
	}
}

// A model runs a sequence of calls against the package and against what it says of itself.
type model struct {
	t       testing.TB
	polls   [2]*reactor.Poll
	wakers  [2]*reactor.Waker
	woken   [2]bool
	sources [4]*modelSource
	last    reactor.Token
	log     []string
}

func (m *model) logf(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	for _, line := range m.log {
		m.t.Log(line)
	}
	m.t.Fatalf(format, args...)
}

// want fails unless err is that error.
func (m *model) want(what string, err, want error) bool {
	m.t.Helper()
	m.logf("%s: %v", what, err)
	if err != want {
		m.fatalf("%s gave %v, want %v", what, err, want)
	}
	return err == nil
}

func (m *model) openPoll(i int) {
	p, err := reactor.NewPoll()
	supported(m.t, "a Poll", err)
	w, err := reactor.NewWaker(p, m.token())
	check(m.t, "NewWaker", err)
	m.polls[i], m.wakers[i], m.woken[i] = p, w, false
	for _, s := range m.sources {
		if s != nil && s.poll == i {
			s.poll, s.armed = -1, 0
		}
	}
}

// token gives one that was never used: an event cannot be taken for another's.
func (m *model) token() reactor.Token {
	m.last++
	return m.last
}

func (m *model) openSource(i int) {
	s := &modelSource{poll: -1, stream: i%2 == 0}
	if s.stream {
		a, b, err := reactor.Pair()
		if errors.Is(err, errors.ErrUnsupported) {
			s.stream = false
		} else {
			check(m.t, "Pair", err)
			s.end, s.peer = a, b
		}
	}
	if !s.stream {
		a, b, err := stressPair(1)
		supported(m.t, "datagram sockets", err)
		s.end, s.peer = a, b
	}
	m.sources[i] = s
}

// close gives everything back.
func (m *model) close() {
	for _, s := range m.sources {
		for _, c := range []duplex{s.end, s.peer} {
			if c != nil {
				check(m.t, "Close", c.Close())
			}
		}
	}
	for i := range m.polls {
		check(m.t, "Waker.Close", m.wakers[i].Close())
		check(m.t, "Poll.Close", m.polls[i].Close())
	}
}

// run does what the bytes say, from nothing to nothing.
func (m *model) run(ops []byte) {
	for i := range m.polls {
		m.openPoll(i)
	}
	for i := range m.sources {
		m.openSource(i)
	}
	for ; len(ops) >= 3; ops = ops[3:] {
		m.step(ops[0], ops[1], ops[2])
	}
	for j := range m.polls {
		m.wait(j, len(m.sources)+2)
	}
	m.close()
}

// step does what the three bytes say.
func (m *model) step(op, which, arg byte) {
	i, j := int(which)%len(m.sources), int(which>>4)%len(m.polls)
	s, p := m.sources[i], m.polls[j]
	mode := reactor.Mode(arg % 3)
	interest := reactor.Interest(1 + arg/3%3)
	closed := s.end == nil
	switch op % 12 {
	case 0, 1:
		what := fmt.Sprintf("poll %d Register source %d as %d for %v, %v", j, i, m.last+1, interest, mode)
		token := m.token()
		want := error(nil)
		if closed {
			return
		} else if s.poll >= 0 {
			want = reactor.ErrRegistered
		}
		if m.want(what, p.Register(s.end, token, interest, mode), want) {
			s.poll, s.token, s.mode, s.interest, s.armed, s.was, s.told = j, token, mode, interest, interest, 0, false
			s.stir()
		}
	case 2, 3:
		what := fmt.Sprintf("poll %d Reregister source %d as %d for %v, %v", j, i, m.last+1, interest, mode)
		token := m.token()
		want := error(nil)
		if closed {
			return
		} else if s.poll != j {
			want = reactor.ErrNotRegistered
		}
		if m.want(what, p.Reregister(s.end, token, interest, mode), want) {
			s.token, s.mode, s.interest, s.armed, s.was, s.told = token, mode, interest, interest, 0, false
			s.stir()
		}
	case 4:
		want := error(nil)
		if closed {
			return
		} else if s.poll != j {
			want = reactor.ErrNotRegistered
		}
		if m.want(fmt.Sprintf("poll %d Deregister source %d", j, i), p.Deregister(s.end), want) {
			s.poll, s.armed = -1, 0
		}
	case 5, 6:
		if s.peer == nil || closed || s.pending > 50 {
			return
		}
		n, err := s.peer.Write([]byte{arg})
		m.want(fmt.Sprintf("the peer of source %d Write", i), err, nil)
		s.pending += n
		s.arrives(m)
		s.stir()
	case 7:
		if !closed {
			m.read(i, s, 1+int(arg)%8)
		}
	case 8:
		if s.peer == nil {
			return
		}
		m.want(fmt.Sprintf("the peer of source %d Close", i), s.peer.Close(), nil)
		s.peer, s.left = nil, true
		s.stir()
	case 9:
		switch arg % 8 {
		case 0:
			m.want(fmt.Sprintf("poll %d Close", j), p.Close(), nil)
			m.want("its waker's Wake", m.wakers[j].Wake(), reactor.ErrClosed)
			m.want("its waker's Close", m.wakers[j].Close(), nil)
			m.openPoll(j)
		case 1, 2, 3:
			if !closed {
				m.want(fmt.Sprintf("source %d Close", i), s.end.Close(), nil)
				m.want("Register of it", p.Register(s.end, 0, reactor.Readable, mode), reactor.ErrClosed)
				m.want("Deregister of it", p.Deregister(s.end), reactor.ErrClosed)
			}
			if s.peer != nil {
				m.want(fmt.Sprintf("the peer of source %d Close", i), s.peer.Close(), nil)
			}
			m.openSource(i)
		default:
			m.want(fmt.Sprintf("poll %d Wake", j), m.wakers[j].Wake(), nil)
			m.woken[j] = true
		}
	default:
		m.wait(j, 1+int(arg)%8)
	}
}

// arrives waits until what the peer sent is there: the model knows of no bytes on their way.
func (s *modelSource) arrives(m *model) {
	until(m.t, "the arrival of what was sent", func() bool {
		var buf [64]byte
		n, err := s.end.(interface{ Peek([]byte) (int, error) }).Peek(buf[:])
		return err != reactor.ErrWouldBlock && (n == s.pending || !s.stream)
	})
}

func (m *model) read(i int, s *modelSource, size int) {
	what := fmt.Sprintf("source %d Read of %d, where %d are", i, size, s.pending)
	n, err := s.end.Read(make([]byte, size))
	m.logf("%s: %d, %v", what, n, err)
	want, short := min(s.pending, size), false
	if !s.stream {
		want = min(s.pending, 1)
	} else {
		short = n < size
	}
	switch {
	case want > 0:
		if n != want || err != nil {
			m.fatalf("%s gave %d, %v", what, n, err)
		}
		s.pending -= n
		if short && !s.told && s.poll >= 0 && s.mode == reactor.Edge {
			s.armed |= reactor.Readable & s.interest
		}
	case s.left && s.stream:
		if n != 0 || err == nil || err == reactor.ErrWouldBlock {
			m.fatalf("%s at the end gave %d, %v", what, n, err)
		}
	default:
		if n != 0 || err == nil {
			m.fatalf("%s of nothing gave %d, %v", what, n, err)
		}
		if err == reactor.ErrWouldBlock && s.poll >= 0 && s.mode == reactor.Edge {
			s.armed |= reactor.Readable & s.interest
		}
	}
}

// wait is one Wait, whose events it judges; where there was room for more, all that was due must have come.
func (m *model) wait(j, room int) {
	due := 0
	if m.woken[j] {
		due++
	}
	for _, s := range m.sources {
		if s.poll == j && s.due() != 0 {
			due++
		}
	}
	// What is due may wait for the system to tell it; the rest is only looked for.
	timeout := time.Duration(0)
	if due > 0 {
		timeout = watchdog
	}
	events := make([]reactor.Event, room)
	n, err := m.polls[j].Wait(events, timeout)
	events = events[:n]
	m.want(fmt.Sprintf("poll %d Wait with room for %d gave %+v", j, room, events), err, nil)
	if due > 0 && n == 0 {
		m.fatalf("no event came of %d that were due", due)
	}
	wokenToken := false
	for k, e := range events {
		for _, other := range events[:k] {
			if e.Token == other.Token {
				m.fatalf("two events for one registration")
			}
		}
		known := false
		for i, s := range m.sources {
			if s.poll == j && s.token == e.Token {
				m.judge(i, s, e)
				known = true
			}
		}
		if !known {
			if !m.woken[j] || wokenToken || e.Ready != reactor.ReadyReadable {
				m.fatalf("a foreign event: %+v", e)
			}
			wokenToken = true
		}
	}
	if wokenToken {
		m.woken[j] = false
	}
	if n == room {
		return
	}
	if m.woken[j] {
		m.fatalf("a wake is missing")
	}
	for i, s := range m.sources {
		if s.poll != j {
			continue
		}
		came := false
		for _, e := range events {
			came = came || e.Token == s.token
		}
		if d := s.due(); d != 0 && !came {
			m.fatalf("source %d has no event; due were %v", i, d)
		}
		s.was = s.ready()
	}
}

// judge looks whether an event may be, and names what it must.
func (m *model) judge(i int, s *modelSource, e reactor.Event) {
	coherent(m.t, e, s.interest)
	named := reactor.Interest(0)
	if e.Readable() {
		named |= reactor.Readable
	}
	if e.Writable() {
		named |= reactor.Writable
	}
	due := s.due()
	switch {
	case named&^(s.was|s.ready()) != 0:
		m.fatalf("source %d is ready for %v: %+v", i, s.ready(), e)
	case due&^named != 0:
		m.fatalf("source %d must name %v: %+v", i, due, e)
	case s.mode == reactor.Edge && !s.stirred:
		m.fatalf("source %d had an event and nothing happened since: %+v", i, e)
	case s.mode == reactor.Oneshot && s.armed == 0:
		m.fatalf("source %d sleeps: %+v", i, e)
	case s.left && s.stream && named&reactor.Readable != 0 && !e.ReadClosed():
		m.fatalf("the peer of source %d closed: %+v", i, e)
	}
	s.stirred, s.told = false, s.told || e.ReadClosed()
	switch s.mode {
	case reactor.Edge:
		s.armed &^= named
	case reactor.Oneshot:
		s.armed = 0
	}
}

// FuzzModel runs sequences of calls, three bytes each, against a model of which events are due and which
// are legal.
func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 0, 0, 5, 0, 1, 10, 0, 7, 7, 0, 7, 10, 0, 7, 8, 0, 0, 10, 0, 7})
	f.Add([]byte{0, 0, 2, 5, 0, 1, 10, 0, 7, 5, 0, 1, 10, 0, 7, 2, 0, 2, 10, 0, 7, 9, 0, 1, 10, 0, 7})
	f.Add([]byte{0, 0, 1, 0, 1, 1, 0, 2, 1, 0, 3, 1, 5, 0, 0, 5, 1, 0, 5, 2, 0, 5, 3, 0, 9, 0, 7, 10, 0, 0, 10, 0, 0, 10, 0, 0})
	f.Add([]byte{0, 0, 6, 10, 0, 7, 5, 0, 1, 10, 0, 7, 9, 0, 0, 0, 16, 6, 10, 16, 7, 4, 16, 0, 10, 16, 7})
	f.Add([]byte{0, 0, 8, 0, 1, 8, 5, 0, 0, 8, 0, 0, 5, 1, 0, 10, 0, 0, 9, 1, 1, 0, 1, 5, 10, 0, 0, 10, 0, 7})
	f.Fuzz(func(t *testing.T, ops []byte) {
		(&model{t: t}).run(ops)
	})
}

// The model against sequences drawn at random, for where the fuzzer does not run.
func TestRandomSequencesOfCallsKeepToTheModel(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for seed := range uint64(rounds) {
		ops := make([]byte, 300)
		_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(ops) // it never fails
		m := &model{t: t}
		m.logf("sequence %d", seed)
		m.run(ops)
	}
}
