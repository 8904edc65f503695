package wasi

import (
	"fmt"
	"testing"
)

// The instance stands still in poll_oneoff: what else it does must go on all the same.

func TestTimersRunDuringWait(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		for _, conns := range []int{0, 1} {
			for i := range conns {
				g.want("ok", "register %d r edge", g.connect(1)+i)
			}
			if conns == 0 {
				g.want("ok", "tick 5")
			}
			g.do("ticks")
			g.quietFor(1000)
			var ticks int
			if _, err := fmt.Sscanf(g.do("ticks"), "ok %d", &ticks); err != nil {
				t.Fatal(err)
			}
			// 200 on a machine with nothing else to do; with a Wait that does not yield it would be one or two.
			if ticks < 10 {
				t.Errorf("%d ticks of 5 ms in a Wait of a second", ticks)
			}
		}
	})
}

// quietFor is a Wait of so many milliseconds that gives nothing, and not before its time.
func (g *guest) quietFor(milliseconds int) {
	g.t.Helper()
	answer := g.do("wait 64 %d", milliseconds)
	var took int
	if n, err := fmt.Sscanf(answer, "ok %d", &took); n != 1 || err != nil || took < milliseconds || answer != fmt.Sprintf("ok %d", took) {
		g.t.Fatalf("wait: %q", answer)
	}
}

func TestWakeComesThroughAWaitWithoutEnd(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		for i := range 3 {
			g.want("ok", "wake 77 20")
			if events := g.events(64, -1); len(events) != 1 || events[77] != "Readable" {
				t.Fatalf("events %v", events)
			}
			g.quiet()
			if i == 0 {
				g.want("ok", "register %d r edge", g.connect(1))
			}
		}
	})
}

func TestContextEndsAWaitWithoutEnd(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		g.want("deadline", "waitcontext 30")
		g.want("ok", "register %d r edge", g.connect(1))
		g.want("deadline", "waitcontext 30")
	})
}

func TestTimeoutsAreNotCutShort(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		g := startGuest(t, r)
		for range 2 {
			for _, milliseconds := range []int{0, 1, 9, 10, 11, 35} {
				g.quietFor(milliseconds)
			}
			g.want("ok", "register %d r level", g.connect(1))
		}
	})
}

func TestTheHotPathDoesNotAllocate(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		for _, mode := range modes {
			g := startGuest(t, r)
			g.connect(10)
			for i := 1; i <= 10; i++ {
				g.want("ok", "register %d r %s", i, mode)
			}
			const rounds = 200
			g.send(5, string(make([]byte, rounds+10)))
			g.want("ok 0", "allocations 5 %d %s", rounds, mode)
		}
	})
}

// With very many idle connections, the exact answer costs little more than the runtime's own.
func TestCostOfAWait(t *testing.T) {
	eachRuntime(t, func(t *testing.T, r wasiRuntime) {
		if !r.exact {
			t.Skip("there is no poll to compare with: it knows nothing of sockets")
		}
		for _, mode := range modes {
			for _, data := range []string{"hello", "1"} {
				t.Run(fmt.Sprintf("%s/%d bytes", mode, len(data)), func(t *testing.T) {
					const idle, rounds = 1000, 301
					g := startGuest(t, r)
					g.connect(idle + 1)
					for i := 1; i <= idle+1; i++ {
						g.want("ok", "register %d r %s", i, mode)
					}
					const active = idle / 2
					g.send(active, data)
					var wait, bare float64
					if _, err := fmt.Sscanf(g.do("cost %d %d %s", rounds, active, mode), "ok %f %f", &wait, &bare); err != nil {
						t.Fatal(err)
					}
					t.Logf("Wait %.0f µs, bare poll_oneoff %.0f µs: %.2f", wait/1000, bare/1000, wait/bare)
				})
			}
		}
	})
}

// One that becomes ready among very many that are idle is found, however busy another is.
func TestABusyConnectionDoesNotHideOthers(t *testing.T) {
	eachMode(t, func(t *testing.T, g *guest, mode string) {
		const many = 300
		g.connect(many)
		for i := 1; i <= many; i++ {
			g.want("ok", "register %d r %s", i, mode)
		}
		g.send(1, "hello")
		for _, room := range []int{1, 64} {
			for _, other := range []int{2, many / 2, many} {
				g.send(other, "1")
				for found, waits := false, 0; !found; waits++ {
					if waits == 100 {
						t.Fatalf("%d is not found in %d Waits with room for %d", other, waits, room)
					}
					g.want("ok", "reregister 1 r %s", mode)
					events := g.events(room, int(watchdog.Milliseconds()))
					found = events[other] != ""
					if delete(events, other); len(events) > 0 && events[1] == "" {
						t.Fatalf("events %v", events)
					}
				}
				g.want("ok 1", "read %d 2", other)
				g.want("ok", "reregister %d r %s", other, mode)
			}
		}
	})
}
