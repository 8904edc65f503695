// The conformance suite: every promise of the package's documentation by name, in terms of the
// public API alone, so that each backend runs it unchanged. What a system cannot do is skipped by
// trying it, never by its name. This file holds the frame that the other files share.
package reactor_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// watchdog ends a test that hangs; nothing is expected to take this long.
const watchdog = 20 * time.Second

// silence is how long an assertion of absence looks. It can only miss a fault, never see a false one.
const silence = 10 * time.Millisecond

// readSource and writeSource are the two ends of anything that carries bytes or datagrams.
type readSource interface {
	reactor.Source
	syscall.Conn
	io.ReadCloser
}

type writeSource interface {
	reactor.Source
	syscall.Conn
	io.WriteCloser
}

// newPoll gives a Poll that the test's end closes.
func newPoll(t testing.TB) *reactor.Poll {
	t.Helper()
	p, err := reactor.NewPoll()
	supported(t, "a Poll", err)
	t.Cleanup(func() {
		if err := p.Close(); err != nil && !errors.Is(err, reactor.ErrClosed) {
			t.Errorf("Poll.Close: %v", err)
		}
	})
	return p
}

// supported skips the test when the system lacks what it needs, and fails it on any other error.
func supported(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errors.ErrUnsupported):
		t.Skipf("no %s on this system: %v", what, err)
	default:
		t.Fatalf("%s: %v", what, err)
	}
}

// check fails the test on an error.
func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// wantErr fails the test unless errors.Is(err, want).
func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: error %v, want %v", what, err, want)
	}
}

// closeLater closes c at the test's end, unless the test has done it.
func closeLater(t testing.TB, c io.Closer) {
	t.Helper()
	t.Cleanup(func() {
		if err := c.Close(); err != nil && !errors.Is(err, reactor.ErrClosed) {
			t.Errorf("closing %T: %v", c, err)
		}
	})
}

// loopback gives a listening address of the network on port 0, and skips where package net cannot
// listen there either: a machine without IPv6.
func loopback(t testing.TB, network string) string {
	t.Helper()
	switch network {
	case "tcp", "tcp4", "udp", "udp4":
		return "127.0.0.1:0"
	case "tcp6", "udp6":
		if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
			t.Skipf("no IPv6 on this machine: %v", err)
		} else if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		return "[::1]:0"
	}
	t.Fatalf("loopback: network %q", network)
	return ""
}

// listenTCP gives a listener on a loopback port that the system chose; the test's end closes it.
func listenTCP(t testing.TB, network string) *reactor.Listener {
	t.Helper()
	l, err := reactor.Listen(network, loopback(t, network))
	supported(t, "listener on "+network, err)
	closeLater(t, l)
	return l
}

// listenUDP gives a datagram socket on a loopback port; the test's end closes it.
func listenUDP(t testing.TB, network string) *reactor.PacketConn {
	t.Helper()
	c, err := reactor.ListenPacket(network, loopback(t, network))
	supported(t, "datagram socket on "+network, err)
	closeLater(t, c)
	return c
}

// socketDir gives a folder for Unix sockets. Its path is short: systems take little more than a hundred bytes, and t.TempDir
// makes much of the test's name.
func socketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "r")
	check(t, "MkdirTemp", err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("RemoveAll: %v", err)
		}
	})
	return dir
}

// connPair gives two connected streams: "tcp4", "tcp6", "unix" (dialled and accepted) or "pair".
func connPair(t testing.TB, network string) (a, b *reactor.Conn) {
	t.Helper()
	switch network {
	case "pair":
		a, b, err := reactor.Pair()
		supported(t, "Unix stream pair", err)
		closeLater(t, a)
		closeLater(t, b)
		return a, b
	case "unix":
		l, err := reactor.Listen("unix", filepath.Join(socketDir(t), "s"))
		supported(t, "Unix listener", err)
		closeLater(t, l)
		return dialAccept(t, "unix", l)
	default:
		return dialAccept(t, network, listenTCP(t, network))
	}
}

// dialAccept connects to a listener that has no other clients and is not registered.
func dialAccept(t testing.TB, network string, l *reactor.Listener) (dialled, accepted *reactor.Conn) {
	t.Helper()
	p, err := reactor.NewPoll()
	supported(t, "a Poll", err)
	defer p.Close()
	dialled, err = reactor.Dial(network, l.Addr().String())
	supported(t, "Dial on "+network, err)
	closeLater(t, dialled)
	check(t, "Register", p.Register(dialled, 1, reactor.Writable, reactor.Level))
	check(t, "Register", p.Register(l, 2, reactor.Readable, reactor.Level))
	connected := false
	await(t, p, func(map[reactor.Token]reactor.Ready) bool {
		if !connected {
			switch err := dialled.FinishConnect(); err {
			case nil:
				connected = true
				check(t, "Deregister", p.Deregister(dialled))
			case reactor.ErrWouldBlock:
			default:
				t.Fatalf("FinishConnect: %v", err)
			}
		}
		if accepted == nil {
			c, _, err := l.Accept()
			switch err {
			case nil:
				accepted = c
				closeLater(t, c)
				check(t, "Deregister", p.Deregister(l))
			case reactor.ErrWouldBlock:
			default:
				t.Fatalf("Accept: %v", err)
			}
		}
		return connected && accepted != nil
	})
	return dialled, accepted
}

// packetPair gives two datagram sockets connected to each other: "udp4", "udp6", "unixgram" (with
// names in the file system) or "pair".
func packetPair(t testing.TB, network string) (a, b *reactor.PacketConn) {
	t.Helper()
	switch network {
	case "pair":
		a, b, err := reactor.PacketPair()
		supported(t, "Unix datagram pair", err)
		closeLater(t, a)
		closeLater(t, b)
		return a, b
	case "unixgram":
		dir := socketDir(t)
		for i, c := range []**reactor.PacketConn{&a, &b} {
			var err error
			*c, err = reactor.ListenPacket("unixgram", filepath.Join(dir, fmt.Sprint(i)))
			supported(t, "Unix datagram socket", err)
			closeLater(t, *c)
		}
	default:
		a, b = listenUDP(t, network), listenUDP(t, network)
	}
	supported(t, "Connect on "+network, a.Connect(b.LocalAddr()))
	supported(t, "Connect on "+network, b.Connect(a.LocalAddr()))
	return a, b
}

// await waits and collects events until want holds, which it also asks before the first Wait. The
// map joins what each token's events named.
func await(t testing.TB, p *reactor.Poll, want func(seen map[reactor.Token]reactor.Ready) bool) map[reactor.Token]reactor.Ready {
	t.Helper()
	seen := map[reactor.Token]reactor.Ready{}
	deadline := time.Now().Add(watchdog)
	events := make([]reactor.Event, 64)
	for !want(seen) {
		left := time.Until(deadline)
		if left <= 0 {
			t.Fatalf("what was waited for did not come in %v; seen: %v", watchdog, seen)
		}
		n, err := p.Wait(events, left)
		check(t, "Wait", err)
		for _, e := range events[:n] {
			seen[e.Token] |= e.Ready
		}
	}
	return seen
}

// awaitReady waits until the token's events have named all of ready, and fails on any other token.
func awaitReady(t testing.TB, p *reactor.Poll, token reactor.Token, ready reactor.Ready) reactor.Ready {
	t.Helper()
	seen := await(t, p, func(seen map[reactor.Token]reactor.Ready) bool {
		return seen[token]&ready == ready
	})
	if len(seen) != 1 {
		t.Fatalf("events for tokens other than %d: %v", token, seen)
	}
	return seen[token]
}

// waitOnce is one Wait with room for so many events, whose result it checks.
func waitOnce(t testing.TB, p *reactor.Poll, room int, timeout time.Duration) []reactor.Event {
	t.Helper()
	events := make([]reactor.Event, room)
	n, err := p.Wait(events, timeout)
	check(t, "Wait", err)
	if n < 0 || n > room {
		t.Fatalf("Wait with room for %d gave %d", room, n)
	}
	for _, e := range events[:n] {
		if e.Ready == 0 {
			t.Fatalf("an event that names nothing: %+v", e)
		}
	}
	return events[:n]
}

// quiet asserts that there is no event.
func quiet(t testing.TB, p *reactor.Poll) {
	t.Helper()
	if events := waitOnce(t, p, 64, silence); len(events) > 0 {
		t.Fatalf("events where none may come: %+v", events)
	}
}

// onPoll gives the Poll to wait on for src, and the end of its use: p itself, where src is registered
// with it in Edge or Level, or where p is nil one of its own.
func onPoll(t testing.TB, p *reactor.Poll, src reactor.Source, interest reactor.Interest) (*reactor.Poll, func()) {
	t.Helper()
	if p != nil {
		return p, func() {}
	}
	own, err := reactor.NewPoll()
	supported(t, "a Poll", err)
	check(t, "Register", own.Register(src, 0, interest, reactor.Level))
	return own, func() {
		t.Helper()
		check(t, "Poll.Close", own.Close())
	}
}

// pause is one Wait, in which anything may come; a deadline ends the test.
func pause(t testing.TB, p *reactor.Poll, deadline time.Time, what string) {
	t.Helper()
	left := time.Until(deadline)
	if left <= 0 {
		t.Fatalf("%s: not done in %v", what, watchdog)
	}
	var events [64]reactor.Event
	_, err := p.Wait(events[:], left)
	check(t, "Wait", err)
}

// readFull reads n bytes, waiting on p, where r is registered in Edge or Level, or, when p is nil, on
// a Poll of its own.
func readFull(t testing.TB, p *reactor.Poll, r readSource, n int) []byte {
	t.Helper()
	p, done := onPoll(t, p, r, reactor.Readable)
	defer done()
	deadline := time.Now().Add(watchdog)
	buf := make([]byte, n)
	for got := 0; got < n; {
		m, err := r.Read(buf[got:])
		got += m
		switch {
		case err == reactor.ErrWouldBlock:
			pause(t, p, deadline, fmt.Sprintf("reading %d bytes, %d came", n, got))
		case err != nil:
			t.Fatalf("Read after %d of %d bytes: %v", got, n, err)
		}
	}
	return buf
}

// readAll reads to the end of the stream, as readFull.
func readAll(t testing.TB, p *reactor.Poll, r readSource) []byte {
	t.Helper()
	p, done := onPoll(t, p, r, reactor.Readable)
	defer done()
	deadline := time.Now().Add(watchdog)
	var all []byte
	buf := make([]byte, 32<<10)
	for {
		m, err := r.Read(buf)
		all = append(all, buf[:m]...)
		switch {
		case err == io.EOF:
			return all
		case err == reactor.ErrWouldBlock:
			pause(t, p, deadline, fmt.Sprintf("reading to the end, %d bytes came", len(all)))
		case err != nil:
			t.Fatalf("Read after %d bytes: %v", len(all), err)
		}
	}
}

// writeFull writes all of data, waiting as readFull. The peer must have room or be read meanwhile.
func writeFull(t testing.TB, p *reactor.Poll, w writeSource, data []byte) {
	t.Helper()
	p, done := onPoll(t, p, w, reactor.Writable)
	defer done()
	deadline := time.Now().Add(watchdog)
	for sent := 0; sent < len(data); {
		m, err := w.Write(data[sent:])
		sent += m
		switch {
		case err == reactor.ErrWouldBlock:
			pause(t, p, deadline, fmt.Sprintf("writing %d bytes, %d sent", len(data), sent))
		case err != nil:
			t.Fatalf("Write after %d of %d bytes: %v", sent, len(data), err)
		}
	}
}

// transfer writes data to w while it reads r, and gives what came; neither may be registered.
func transfer(t testing.TB, w writeSource, r readSource, data []byte) []byte {
	t.Helper()
	p, err := reactor.NewPoll()
	supported(t, "a Poll", err)
	defer p.Close()
	check(t, "Register", p.Register(w, 0, reactor.Writable, reactor.Edge))
	check(t, "Register", p.Register(r, 1, reactor.Readable, reactor.Edge))
	deadline := time.Now().Add(watchdog)
	sent, got, buf := 0, make([]byte, 0, len(data)), make([]byte, 64<<10)
	for len(got) < len(data) {
		m, err := w.Write(data[sent:])
		sent += m
		if err != nil && err != reactor.ErrWouldBlock {
			t.Fatalf("Write after %d bytes: %v", sent, err)
		}
		m, err = r.Read(buf)
		got = append(got, buf[:m]...)
		switch {
		case err == reactor.ErrWouldBlock:
			pause(t, p, deadline, fmt.Sprintf("%d bytes of %d sent, %d came", sent, len(data), len(got)))
		case err != nil:
			t.Fatalf("Read after %d bytes: %v", len(got), err)
		}
	}
	check(t, "Deregister", p.Deregister(w))
	check(t, "Deregister", p.Deregister(r))
	return got
}

// until repeats try, passing through the scheduler, until it gives true. It stands for waiting where
// the Poll under test must not be asked.
func until(t testing.TB, what string, try func() bool) {
	t.Helper()
	for deadline := time.Now().Add(watchdog); !try(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in %v", what, watchdog)
		}
	}
}

// fdOf gives the descriptor behind a source or a connection of package net, which stays its owner's.
func fdOf(t testing.TB, c syscall.Conn) uintptr {
	t.Helper()
	rc, err := c.SyscallConn()
	supported(t, "SyscallConn", err)
	var fd uintptr
	check(t, "RawConn.Control", rc.Control(func(d uintptr) { fd = d }))
	return fd
}
