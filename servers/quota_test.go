package servers

import (
	"log/slog"
	"testing"

	"github.com/goreactor/reactor"
)

func TestQuotaWakesWhomItRefused(t *testing.T) {
	var o streamOptions
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	o.log = slog.New(slog.DiscardHandler)
	q := &quota{max: 2}
	l, err := newLoop(o, q)
	if err != nil {
		t.Skipf("not on this system: %v", err)
	}
	defer l.close()
	woken := func() bool {
		n, err := l.poll.Wait(l.events, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n == 1 && l.events[0].Token == wakeToken
	}
	for range 2 {
		if !q.take(l) {
			t.Fatal("it refuses what it has")
		}
	}
	q.leave()
	if woken() {
		t.Error("it wakes a loop that it never refused")
	}
	if !q.take(l) {
		t.Fatal("it refuses what was given back")
	}
	for range 2 {
		if q.take(l) {
			t.Fatal("it gives what it has not")
		}
	}
	q.leave()
	if !woken() {
		t.Error("it does not wake the loop that it refused")
	}
	q.leave()
	if woken() {
		t.Error("it wakes the loop a second time")
	}
}

func TestDefaultMaxConnsLeavesDescriptorsForTheLoops(t *testing.T) {
	for _, c := range []struct{ limit, loops, want int }{
		{1 << 30, 1, defaultMaxConns},
		{20_000, 1, 19_980},
		{64, 1, 44},
		{64, 4, 32},
		{16, 1, 1},
		{0, 8, 1},
	} {
		if got := connsWithin(c.limit, c.loops); got != c.want {
			t.Errorf("limit %d, %d loops: %d connections, and not %d", c.limit, c.loops, got, c.want)
		}
	}
}

func TestListenersTokensComeBeforeTheClients(t *testing.T) {
	var o streamOptions
	if err := o.complete(); err != nil {
		t.Fatal(err)
	}
	o.log = slog.New(slog.DiscardHandler)
	l, err := newLoop(o, &quota{max: 10})
	if err != nil {
		t.Skipf("not on this system: %v", err)
	}
	defer l.close()
	for range 3 {
		ln, err := reactor.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Skipf("not on this system: %v", err)
		}
		defer ln.Close()
		if err := l.listen(ln); err != nil {
			t.Fatal(err)
		}
	}
	l.stop()
	if err := l.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := l.clients.add(nil); c.token != 3 {
		t.Errorf("the first client of a loop with listeners 0 to 2 has token %d", c.token)
	} else {
		l.clients.remove(c)
	}
}
