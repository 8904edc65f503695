package wasi

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

var modes = []string{"edge", "level", "oneshot"}

func eachMode(t *testing.T, f func(t *testing.T, g *guest, mode string)) {
	t.Helper()
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		for _, mode := range modes {
			t.Run(mode, func(t *testing.T) { f(t, startGuest(t, r), mode) })
		}
	})
}

func TestTheBackendIsPollOneoff(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) { startGuest(t, r).want("ok poll_oneoff", "backend") })
}

// Runtimes report idle descriptors beside a ready one.
func TestIdleConnectionsAreNeverReported(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		const many = 100
		g.connect(many)
		for i := 1; i <= many; i++ {
			g.want("ok", "register %d r %s", i, mode)
		}
		g.quiet()
		for _, active := range []int{1, 50, many, 7} {
			g.send(active, "hello")
			g.one(active, "Readable")
			g.want("ok 5", "read %d 64", active)
			if mode == "oneshot" {
				g.want("ok", "reregister %d r oneshot", active)
			}
			g.quiet()
		}
	})
}

func TestEdgeOnAConnection(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.connect(1)
		g.want("ok", "register 1 r edge")
		g.quiet()
		for range 3 {
			g.send(1, "hello")
			g.one(1, "Readable")
			g.quiet()
			// A whole buffer full says nothing about what is left; the short Read does.
			g.want("ok 4", "read 1 4")
			g.quiet()
			g.want("ok 1", "read 1 4")
			g.quiet()
			g.send(1, "hello")
			g.one(1, "Readable")
			g.want("ok 5", "read 1 5")
			g.quiet()
			g.want("wouldblock 0", "read 1 5")
			g.quiet()
		}
		g.send(1, "hello")
		g.one(1, "Readable")
		for range 3 {
			g.want("ok", "reregister 1 r edge")
			g.one(1, "Readable")
			g.quiet()
		}
	})
}

func TestLevelOnAConnection(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.connect(2)
		g.want("ok", "register 1 r level")
		g.want("ok", "register 2 r edge")
		for range 3 {
			g.quiet()
			g.send(1, "hello")
			for range 5 {
				g.one(1, "Readable")
			}
			g.want("ok 5", "read 1 64")
		}
		g.quiet()
	})
}

func TestOneshotOnAConnection(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.connect(1)
		g.want("ok", "register 1 r oneshot")
		g.quiet()
		for range 3 {
			g.send(1, "hello")
			g.one(1, "Readable")
			g.quiet()
			g.want("ok 5", "read 1 64")
			g.want("wouldblock 0", "read 1 64")
			g.send(1, "hello")
			g.quiet()
			g.want("ok", "reregister 1 r oneshot")
			g.one(1, "Readable")
			g.quiet()
			g.want("ok 5", "read 1 64")
			g.want("ok", "reregister 1 r oneshot")
			g.quiet()
		}
		check(t, g.peers[1].Close())
		g.one(1, "Readable|ReadClosed")
		g.quiet()
	})
}

func TestBothDirectionsComeInOneEvent(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		g.connect(1)
		g.send(1, "hello")
		g.want("ok", "register 1 rw %s", mode)
		g.one(1, "Readable|Writable")
		if mode != "level" {
			g.quiet()
		}
	})
}

// Who is slow to read leaves no room to write; reading makes room, and an event.
func TestRoomToWriteIsAnEvent(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.connect(1)
		g.want("ok", "register 1 w edge")
		g.one(1, "Writable")
		g.quiet()
		sent := 0
		for {
			status, n := g.write(1, 1<<20)
			sent += n
			if status == "wouldblock" {
				break
			}
		}
		if r.exact {
			g.quiet()
		}
		got := make([]byte, sent)
		for read := 0; read < sent; {
			n, err := g.peers[1].Read(got)
			check(t, err)
			read += n
		}
		g.one(1, "Writable")
	})
}

// write has the guest write n bytes to connection i.
func (g *guest) write(i, n int) (status string, written int) {
	g.t.Helper()
	answer := g.do("write %d %d", i, n)
	if _, err := fmt.Sscan(answer, &status, &written); err != nil || status != "ok" && status != "wouldblock" {
		g.t.Fatalf("write: %q", answer)
	}
	return status, written
}

func TestHalfCloseIsReadClosed(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		g.connect(1)
		g.want("ok", "register 1 r %s", mode)
		check(t, g.peers[1].CloseWrite())
		g.one(1, "Readable|ReadClosed")
		g.want("eof 0", "read 1 64")
		if mode == "level" {
			g.one(1, "Readable|ReadClosed")
		} else {
			g.quiet()
		}
		g.want("ok 5", "write 1 5")
		g.want("ok", "closewrite 1")
		buf := make([]byte, 6)
		if n, err := g.peers[1].Read(buf); n != 5 || err != nil {
			t.Fatalf("the other direction gave %d bytes, %v", n, err)
		}
	})
}

func TestResetIsAnErrorOrTheEnd(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		g.connect(2)
		g.want("ok", "register 1 r %s", mode)
		g.want("ok", "register 2 r %s", mode)
		check(t, g.peers[1].SetLinger(0))
		check(t, g.peers[1].Close())
		events := g.events(64, int(watchdog.Milliseconds()))
		if len(events) != 1 || !strings.HasPrefix(events[1], "Readable|") || !strings.Contains(events[1], "ReadClosed") {
			t.Fatalf("events %v", events)
		}
		if answer := g.do("read 1 64"); !strings.HasPrefix(answer, "error: ") && answer != "eof 0" {
			t.Fatalf("read: %q", answer)
		}
		g.want("ok", "close 1")
		g.quiet()
		g.send(2, "hello")
		g.one(2, "Readable")
	})
}

func TestListenerIsReadableWhenAClientComes(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		g.want("ok", "register 0 r %s", mode)
		if g.r.exact {
			g.quiet()
		}
		for range 3 {
			c := g.dial(t)
			g.peers = append(g.peers, c)
			for accepted := 0; accepted == 0; {
				// A runtime that cannot test a listener may tell of one falsely.
				if events := g.events(64, int(watchdog.Milliseconds())); events[0] != "Readable" {
					t.Fatalf("events %v", events)
				}
				answer := g.do("accept")
				n, err := strconv.Atoi(strings.TrimPrefix(answer, "ok "))
				check(t, err)
				if accepted = n; n == 0 && g.r.exact {
					t.Fatal("the listener was told of falsely")
				}
				if mode == "oneshot" {
					g.want("ok", "reregister 0 r oneshot")
				}
			}
			if g.r.exact {
				g.quiet()
			}
		}
	})
}

func TestDeregisterAndCloseAreFinal(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		g.connect(3)
		for i := 1; i <= 3; i++ {
			g.send(i, "hello")
			g.want("ok", "register %d r %s", i, mode)
		}
		g.want("ok", "deregister 1")
		g.want("ok", "close 2")
		g.one(3, "Readable")
		g.want("ok", "deregister 3")
		g.quiet()
		g.want("ok", "register 1 r %s", mode)
		g.one(1, "Readable")
	})
}

func TestEverySourceGetsItsTurnWithLittleRoom(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		const many = 10
		g := startGuest(t, r)
		g.connect(many)
		for i := 1; i <= many; i++ {
			g.send(i, "hello")
			g.want("ok", "register %d r level", i)
		}
		seen := map[int]bool{}
		for range 2 * many {
			for token := range g.events(1, 1000) {
				seen[token] = true
			}
		}
		if len(seen) != many {
			t.Fatalf("only %v of %d had a turn", seen, many)
		}
	})
}

func TestRawSourceIsExactInLevelAndOneshot(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.connect(3)
		for i := 1; i <= 3; i++ {
			g.want("ok", "raw %d", i)
			g.want("ok", "register %d r %s", i, modes[i-1])
			if answer := g.do("register %d r level", i); !strings.Contains(answer, "already registered") {
				t.Fatalf("second Register: %q", answer)
			}
		}
		g.quiet()
		g.send(1, "hello")
		g.one(1, "Readable")
		g.quiet()
		g.want("ok 5", "read 1 64")
		g.want("ok", "reregister 1 r edge")
		g.quiet()
		g.send(2, "hello")
		g.one(2, "Readable")
		g.one(2, "Readable")
		g.want("ok 5", "read 2 64")
		g.quiet()
		g.send(3, "hello")
		g.one(3, "Readable")
		g.quiet()
		g.want("ok", "reregister 3 r oneshot")
		g.one(3, "Readable")
		g.quiet()
	})
}

// A runtime may refuse the whole poll for one closed descriptor.
func TestADescriptorClosedBehindOurBackIsToldToItsRegistrationAlone(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		g.connect(3)
		for i := 1; i <= 3; i++ {
			g.want("ok", "raw %d", i)
			g.want("ok", "register %d r %s", i, mode)
		}
		g.quiet()
		g.want("ok", "closebehind 2")
		g.one(2, "Readable|ReadClosed|WriteClosed|Error")
		g.quiet()
		g.send(3, "hello")
		g.one(3, "Readable")
	})
}

func TestPriorityIsUnsupported(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.connect(1)
		g.want("unsupported", "register 1 rp edge")
		g.want("ok", "register 1 r edge")
	})
}
