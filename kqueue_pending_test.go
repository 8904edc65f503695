//go:build (darwin || dragonfly || freebsd || linux || netbsd || openbsd) && !reactor_poll

package reactor

import (
	"slices"
	"testing"
)

func TestKqueueFiltersOfARegistration(t *testing.T) {
	for _, c := range []struct {
		stream           bool
		interest         Interest
		mode             Mode
		needed, optional kqueueFilter
	}{
		{true, Readable, Edge, filterRead, filterExcept},
		{true, Readable, Level, filterRead, 0},
		{true, Readable, Oneshot, filterRead, 0},
		{false, Readable, Edge, filterRead, 0},
		{true, Writable, Edge, filterWrite, 0},
		{true, Readable | Writable, Edge, filterRead | filterWrite, filterExcept},
		{true, Readable | Priority, Edge, filterRead | filterExcept, 0},
		{false, Priority, Oneshot, filterExcept, 0},
	} {
		if needed, optional := kqueueFilters(c.stream, c.interest, c.mode); needed != c.needed || optional != c.optional {
			t.Errorf("stream %v, %v, %v: filters %b and %b, want %b and %b", c.stream, c.interest, c.mode, needed, optional, c.needed, c.optional)
		}
	}
}

func TestKqueueReadyOfAFilter(t *testing.T) {
	for _, c := range []struct {
		filter      kqueueFilter
		eof, failed bool
		want        Ready
	}{
		{filterRead, false, false, ReadyReadable},
		{filterRead, true, false, ReadyReadable | ReadyReadClosed},
		{filterRead, true, true, ReadyReadable | ReadyReadClosed | ReadyError},
		{filterWrite, false, false, ReadyWritable},
		{filterWrite, true, false, ReadyWritable | ReadyWriteClosed},
		{filterWrite, true, true, ReadyWritable | ReadyWriteClosed | ReadyError},
		{filterExcept, false, false, ReadyPriority},
		{filterAIO, true, true, ReadyAIO},
		{filterLIO, false, false, ReadyLIO},
		{0, true, false, 0},
	} {
		if got := kqueueReady(c.filter, c.eof, c.failed); got != c.want {
			t.Errorf("filter %b, EOF %v, error %v: %v, want %v", c.filter, c.eof, c.failed, got, c.want)
		}
	}
}

func TestKqueueEventHasWhatIsOfInterest(t *testing.T) {
	const everything = ReadyReadable | ReadyReadClosed | ReadyWritable | ReadyWriteClosed | ReadyError | ReadyPriority
	for _, c := range []struct {
		ready    Ready
		interest Interest
		want     Ready
	}{
		{everything, Readable | Writable, everything},
		{everything, Readable, ReadyReadable | ReadyReadClosed | ReadyError | ReadyPriority},
		{everything, Writable, ReadyWritable | ReadyWriteClosed | ReadyError},
		{everything, Priority, ReadyError | ReadyPriority},
		{ReadyReadable, Writable, 0},
		{ReadyError | ReadyReadable, Readable | Writable, ReadyError | ReadyReadable | ReadyWritable},
		{ReadyError | ReadyWritable, Writable | Priority, ReadyError | ReadyWritable},
	} {
		if got := kqueueEvent(c.ready, c.interest); got != c.want {
			t.Errorf("%v of interest %v: %v, want %v", c.ready, c.interest, got, c.want)
		}
	}
}

// withSlots gives a table with n registrations, whose tokens count from 100, and their ids.
func withSlots(n int, interest Interest, mode Mode) (*slotTable, []slotID) {
	slots := new(slotTable)
	slots.init()
	var ids []slotID
	for i := range n {
		ids = append(ids, slots.add(Token(100+i), interest, mode))
	}
	return slots, ids
}

func TestKqueueUdataCarriesSlotAndGeneration(t *testing.T) {
	for _, bits := range []int{32, 64} {
		slots, ids := withSlots(700, Readable, Edge)
		for range 3 {
			slots.remove(ids[600].index())
			ids[600] = slots.add(1, Readable, Edge)
		}
		for _, id := range []slotID{ids[0], ids[600], ids[699]} {
			udata, ok := packUdata(id, bits)
			if !ok || bits == 32 && udata > 1<<32-1 {
				t.Fatalf("%d bits: id %#x is packed as %#x, %v", bits, id, udata, ok)
			}
			if got := unpackUdata(udata, bits, slots); got != id {
				t.Errorf("%d bits: id %#x came back as %#x", bits, id, got)
			}
			slots.remove(id.index())
			if _, _, _, found := slots.find(unpackUdata(udata, bits, slots)); found {
				t.Errorf("%d bits: id %#x finds a registration after its own is gone", bits, id)
			}
		}
	}
	if _, ok := packUdata(slotID(1<<udataIndexBits), 32); ok {
		t.Error("a slot that does not fit is packed")
	}
	slots, _ := withSlots(1, Readable, Edge)
	if _, _, _, found := slots.find(unpackUdata(1<<udataIndexBits-2, 32, slots)); found {
		t.Error("udata of no slot finds a registration")
	}
}

func TestKqueuePendingMergesTheFiltersOfARegistration(t *testing.T) {
	slots, ids := withSlots(3, Readable|Writable, Edge)
	var p kqueuePending
	for _, id := range ids {
		p.add(id, ReadyWritable)
	}
	p.add(ids[2], ReadyReadable)
	p.add(ids[0], ReadyReadable|ReadyReadClosed)
	events := make([]Event, 8)
	n := p.deliver(events, slots)
	want := []Event{{100, ReadyReadable | ReadyReadClosed | ReadyWritable}, {101, ReadyWritable}, {102, ReadyReadable | ReadyWritable}}
	if got := events[:n]; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := p.deliver(events, slots); n != 0 {
		t.Errorf("%d events are delivered again", n)
	}
}

func TestKqueuePendingKeepsWhatDoesNotFit(t *testing.T) {
	slots, ids := withSlots(5, Readable|Writable, Edge)
	var p kqueuePending
	for _, id := range ids {
		p.add(id, ReadyReadable)
	}
	var got []Event
	for range ids {
		if !p.refresh(slots) {
			t.Fatal("edges that are left over are not certain")
		}
		p.add(ids[4], ReadyWritable)
		var one [1]Event
		got = append(got, one[:p.deliver(one[:], slots)]...)
	}
	want := []Event{{100, ReadyReadable}, {101, ReadyReadable}, {102, ReadyReadable}, {103, ReadyReadable}, {104, ReadyReadable | ReadyWritable}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestKqueuePendingLevelsTakeTurnsAndEnd(t *testing.T) {
	slots, ids := withSlots(3, Readable, Level)
	var p kqueuePending
	var got []Token
	ready := ids
	for i := range 8 {
		if i == 6 {
			ready = nil // everything has been read
		}
		if p.refresh(slots) {
			t.Fatal("what is left over of a level is taken for certain")
		}
		for _, id := range ready {
			p.add(id, ReadyReadable)
		}
		var one [1]Event
		for _, e := range one[:p.deliver(one[:], slots)] {
			got = append(got, e.Token)
		}
	}
	if !slices.Equal(got, []Token{100, 101, 102, 100, 101, 102}) {
		t.Errorf("got %v, want %v", got, []Token{100, 101, 102, 100, 101, 102})
	}
}

func TestKqueuePendingOneshotSleepsUntilItIsSetAgain(t *testing.T) {
	slots, ids := withSlots(1, Readable|Writable, Oneshot)
	var p kqueuePending
	events := make([]Event, 4)
	p.add(ids[0], ReadyWritable)
	p.add(ids[0], ReadyReadable)
	if n := p.deliver(events, slots); n != 1 || events[0] != (Event{100, ReadyReadable | ReadyWritable}) {
		t.Fatalf("events %v", events[:n])
	}
	p.add(ids[0], ReadyWritable)
	if n := p.deliver(events, slots); n != 0 {
		t.Fatalf("events %v while it sleeps", events[:n])
	}
	slots.set(ids[0], 7, Readable, Oneshot)
	p.add(ids[0], ReadyWritable)
	if n := p.deliver(events, slots); n != 0 {
		t.Fatalf("events %v of no interest", events[:n])
	}
	p.add(ids[0], ReadyReadable)
	if n := p.deliver(events, slots); n != 1 || events[0] != (Event{7, ReadyReadable}) {
		t.Fatalf("events %v", events[:n])
	}
}

func TestKqueuePendingDropsWhatIsDeregistered(t *testing.T) {
	slots, ids := withSlots(2, Readable, Edge)
	var p kqueuePending
	p.add(ids[0], ReadyReadable)
	p.add(ids[1], ReadyReadable)
	slots.remove(ids[0].index())
	next := slots.add(200, Writable, Edge)
	if next.index() != ids[0].index() {
		t.Fatal("the slot is not used again")
	}
	events := make([]Event, 4)
	if n := p.deliver(events, slots); n != 1 || events[0].Token != 101 {
		t.Fatalf("events %v", events[:n])
	}
	p.add(ids[0], ReadyReadable)
	p.add(next, ReadyWritable)
	if n := p.deliver(events, slots); n != 1 || events[0] != (Event{200, ReadyWritable}) {
		t.Fatalf("events %v", events[:n])
	}
}

func TestKqueuePendingTellsOfAnAsynchronousOperationOnce(t *testing.T) {
	slots, ids := withSlots(1, Readable, Edge)
	var p kqueuePending
	p.addToken(uint64(ids[0]), ReadyAIO)
	p.addToken(uint64(ids[0]), ReadyAIO)
	p.addToken(uint64(ids[0]), ReadyLIO)
	p.add(ids[0], ReadyReadable)
	if !p.refresh(slots) {
		t.Error("completions are not certain")
	}
	var got []Event
	for range 4 {
		var one [1]Event
		got = append(got, one[:p.deliver(one[:], slots)]...)
	}
	want := []Event{{Token(ids[0]), ReadyAIO}, {Token(ids[0]), ReadyLIO}, {100, ReadyReadable}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
