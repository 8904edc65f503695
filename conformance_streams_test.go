package reactor_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// A streamKind is one way to move data: open gives an end that reads and the end that writes to it,
// connected, empty and unregistered.
type streamKind struct {
	name   string
	stream bool // bytes with an end; else datagrams
	fills  bool // Write comes to ErrWouldBlock when nobody reads
	duplex bool // each end also does what the other does
	open   func(t testing.TB) (readSource, writeSource)
}

var streams = []streamKind{
	{"tcp4", true, true, true, connKind("tcp4")},
	{"tcp6", true, true, true, connKind("tcp6")},
	{"unix", true, true, true, connKind("unix")},
	{"pair", true, true, true, connKind("pair")},
	{"pipe", true, true, false, func(t testing.TB) (readSource, writeSource) {
		r, w, err := reactor.Pipe()
		supported(t, "pipe", err)
		closeLater(t, r)
		closeLater(t, w)
		return r, w
	}},
	{"udp4", false, false, true, packetKind("udp4")},
	{"udp6", false, false, true, packetKind("udp6")},
	{"unixgram", false, true, true, packetKind("unixgram")},
	{"packetpair", false, true, true, packetKind("pair")},
}

var modes = []reactor.Mode{reactor.Edge, reactor.Level, reactor.Oneshot}

func connKind(network string) func(testing.TB) (readSource, writeSource) {
	return func(t testing.TB) (readSource, writeSource) {
		a, b := connPair(t, network)
		return a, b
	}
}

func packetKind(network string) func(testing.TB) (readSource, writeSource) {
	return func(t testing.TB) (readSource, writeSource) {
		a, b := packetPair(t, network)
		return a, b
	}
}

// A subject is a source under test in one direction, not ready at first, with its last call in
// that direction at ErrWouldBlock.
type subject struct {
	src      reactor.Source
	interest reactor.Interest
	ready    reactor.Ready
	arouse   func()                      // the peer makes the direction ready
	exhaust  func()                      // calls in this direction until ErrWouldBlock
	progress func() int                  // one such call: the bytes it moved, 0 at ErrWouldBlock
	short    func()                      // a call that is short and leaves nothing ready; nil for datagrams
	leave    func()                      // closes the peer
	peek     func(p []byte) (int, error) // nil: there is nothing to peek at
}

// A direction makes a subject of a kind of stream.
type direction struct {
	name string
	open func(t testing.TB, k streamKind) *subject
}

var directions = []direction{
	{"readable", readableSubject},
	{"writable", writableSubject},
}

// eachSubject runs f for each kind of stream in each direction.
func eachSubject(t *testing.T, f func(t *testing.T, s *subject)) {
	t.Helper()
	for _, k := range streams {
		for _, d := range directions {
			t.Run(k.name+"/"+d.name, func(t *testing.T) { f(t, d.open(t, k)) })
		}
	}
}

// eachStream runs f for each kind of stream.
func eachStream(t *testing.T, f func(t *testing.T, k streamKind, r readSource, w writeSource)) {
	t.Helper()
	for _, k := range streams {
		t.Run(k.name, func(t *testing.T) {
			r, w := k.open(t)
			f(t, k, r, w)
		})
	}
}

func readableSubject(t testing.TB, k streamKind) *subject {
	r, w := k.open(t)
	sent, got := 0, 0
	s := &subject{src: r, interest: reactor.Readable, ready: reactor.ReadyReadable}
	s.arouse = func() {
		t.Helper()
		n, err := w.Write([]byte("hello"))
		check(t, "the peer's Write", err)
		sent += n
	}
	s.progress = func() int {
		t.Helper()
		var buf [64]byte
		n, err := r.Read(buf[:])
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("Read: %v", err)
		}
		got += n
		return n
	}
	s.exhaust = func() {
		t.Helper()
		until(t, "reading what was sent", func() bool {
			return s.progress() == 0 && got == sent
		})
	}
	if k.stream {
		s.short = func() {
			t.Helper()
			until(t, "reading what was sent", func() bool {
				s.progress()
				return got == sent
			})
		}
	}
	s.leave = func() {
		t.Helper()
		check(t, "the peer's Close", w.Close())
	}
	if c, ok := r.(interface{ Peek([]byte) (int, error) }); ok {
		s.peek = c.Peek
	}
	s.exhaust()
	return s
}

func writableSubject(t testing.TB, k streamKind) *subject {
	if !k.fills {
		t.Skipf("a %s socket is always writable: datagrams that find no room are dropped", k.name)
	}
	r, w := k.open(t)
	chunk := make([]byte, 64<<10)
	if !k.stream {
		chunk = chunk[:1<<10]
	}
	into := make([]byte, len(chunk))
	sent, got := 0, 0
	s := &subject{src: w, interest: reactor.Writable, ready: reactor.ReadyWritable}
	s.progress = func() int {
		t.Helper()
		n, err := w.Write(chunk)
		switch {
		case err == nil || err == reactor.ErrWouldBlock:
		case errors.Is(err, errnoNoBufs):
			t.Skipf("a full %s socket gives an error and stays writable: %v", k.name, err)
		default:
			t.Fatalf("Write: %v", err)
		}
		sent += n
		return n
	}
	// Room may still arise by itself for a while, as the peer's system acknowledges what it took. A
	// test that sees an event in spite of this asks progress whether it was true: rests does.
	s.exhaust = func() {
		t.Helper()
		until(t, "filling the buffers", func() bool { return s.progress() == 0 })
	}
	if k.stream {
		s.short = s.exhaust // the last but one Write takes a part
	}
	s.arouse = func() {
		t.Helper()
		until(t, "the peer's reading what was sent", func() bool {
			n, err := r.Read(into)
			if err != nil && err != reactor.ErrWouldBlock {
				t.Fatalf("the peer's Read: %v", err)
			}
			got += n
			return got == sent
		})
	}
	s.leave = func() {
		t.Helper()
		check(t, "the peer's Close", r.Close())
	}
	s.exhaust()
	return s
}

// rests asserts that no event comes for an exhausted subject, which p may have registered in any mode.
// An event that the direction's next call proves true is none of the package's faults.
func (s *subject) rests(t testing.TB, p *reactor.Poll) {
	t.Helper()
	for deadline := time.Now().Add(watchdog); time.Now().Before(deadline); {
		events := waitOnce(t, p, 64, silence)
		if len(events) == 0 {
			return
		}
		if s.interest != reactor.Writable || s.progress() == 0 {
			t.Fatalf("events where none may come: %+v", events)
		}
		s.exhaust()
	}
	t.Fatal("the subject does not come to rest")
}

// A duplex is an end that reads and writes.
type duplex interface {
	readSource
	io.Writer
}

// eachDuplex runs f for each kind of stream that goes both ways.
func eachDuplex(t *testing.T, f func(t *testing.T, k streamKind, a, b duplex)) {
	t.Helper()
	for _, k := range streams {
		if k.duplex {
			t.Run(k.name, func(t *testing.T) {
				a, b := k.open(t)
				f(t, k, a.(duplex), b.(duplex))
			})
		}
	}
}

// sendAndSettle sends what one call carries, and returns when the other end can read all of it, which is
// not registered.
func sendAndSettle(t testing.TB, from, to duplex, data string) {
	t.Helper()
	n, err := from.Write([]byte(data))
	if n != len(data) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	peekAll(t, to, data)
}

// peekAll waits until all of data is there to be read.
func peekAll(t testing.TB, c duplex, data string) {
	t.Helper()
	buf := make([]byte, len(data)+1)
	until(t, "the arrival of what was sent", func() bool {
		n, err := c.(interface{ Peek([]byte) (int, error) }).Peek(buf)
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("Peek: %v", err)
		}
		return string(buf[:n]) == data
	})
}
