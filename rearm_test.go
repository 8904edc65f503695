package reactor

import (
	"fmt"
	"testing"
)

// The states that an emulated edge, level or oneshot goes through, without a poller. What pollers make of them is the
// conformance suite's with the build tag reactor_poll.

var (
	streamTarget  = target{d: &descriptor{kind: kindStream}}
	pipeTarget    = target{d: &descriptor{kind: kindPipe}}
	foreignTarget = target{}
)

func armed(t target, interest Interest, mode Mode) (a arming) {
	a.set(t, interest, mode)
	return a
}

// directionsAsked leaves out what comes without being asked for.
func directionsAsked(a *arming) Interest { return a.asks() &^ (hangUp | Priority&^a.interest) }

func TestAnEdgeIsDisarmedByItsEventAndArmedByItsIO(t *testing.T) {
	for _, tgt := range []target{streamTarget, pipeTarget} {
		a := armed(tgt, Readable|Writable, Edge)
		if got := directionsAsked(&a); got != Readable|Writable {
			t.Fatalf("registered: asks for %v", got)
		}
		a.fired(ReadyWritable)
		if got := directionsAsked(&a); got != Readable {
			t.Fatalf("after a Writable event: asks for %v", got)
		}
		a.fired(ReadyReadable)
		if got := directionsAsked(&a); got != 0 {
			t.Fatalf("after both: asks for %v", got)
		}
		if !a.rearm(Readable) || a.rearm(Readable) {
			t.Fatal("arming again makes a difference the first time, and no other")
		}
		if got := directionsAsked(&a); got != Readable {
			t.Fatalf("after a Read that would block: asks for %v", got)
		}
	}
}

func TestIOArmsNothingThatIsNotOfInterest(t *testing.T) {
	a := armed(streamTarget, Writable, Edge)
	a.fired(ReadyWritable | ReadyReadClosed | ReadyWriteClosed)
	if a.rearm(Readable) || a.asks() != 0 {
		t.Fatalf("reading armed %v of a registration for %v", a.asks(), a.interest)
	}
}

func TestIOArmsNeitherForeignSourcesNorOtherModes(t *testing.T) {
	for _, c := range []struct {
		target target
		mode   Mode
	}{{foreignTarget, Edge}, {streamTarget, Oneshot}} {
		a := armed(c.target, Readable|Writable, c.mode)
		a.fired(ReadyReadable | ReadyWritable)
		if a.rearm(Readable) || a.rearm(Writable) || a.asks() != 0 {
			t.Errorf("%v, owned %v: I/O armed %v", c.mode, a.owned, a.asks())
		}
	}
}

func TestALevelStaysArmedAndAOneshotSleepsInBothDirections(t *testing.T) {
	level, oneshot := armed(streamTarget, Readable|Writable, Level), armed(streamTarget, Readable|Writable, Oneshot)
	level.fired(ReadyReadable | ReadyReadClosed)
	if level.asks() != Readable|Writable {
		t.Errorf("the level asks for %v", level.asks())
	}
	oneshot.fired(ReadyWritable)
	if oneshot.asks() != 0 {
		t.Errorf("the oneshot that slept asks for %v", oneshot.asks())
	}
}

// A poller reports a hang-up and an error for as long as the descriptor is in its set.
func TestNothingIsLeftArmedByAHangUpOrAnError(t *testing.T) {
	for _, tgt := range []target{streamTarget, pipeTarget, foreignTarget} {
		for interest := Interest(1); interest <= allInterests; interest++ {
			for _, told := range []Ready{0, ReadyReadable, ReadyWritable, ReadyPriority, ReadyReadable | ReadyWritable} {
				for _, end := range []Ready{ReadyReadClosed | ReadyWriteClosed, ReadyError, ReadyError | ReadyReadClosed | ReadyWriteClosed} {
					a := armed(tgt, interest, Edge)
					a.fired(told)
					// As every backend reports it: with the directions of interest.
					if interest&Readable != 0 {
						end |= ReadyReadable
					}
					if interest&Writable != 0 {
						end |= ReadyWritable
					}
					a.fired(end)
					if a.asks() != 0 {
						t.Errorf("interest %v, told %v, then %v: asks for %v", interest, told, end, a.asks())
					}
				}
			}
		}
	}
}

func TestTheEndOfAStreamIsToldOnce(t *testing.T) {
	a := armed(streamTarget, Readable, Edge)
	a.fired(ReadyReadable | ReadyReadClosed)
	if a.rearm(Readable) {
		t.Error("a short Read before the end that was told of armed the edge")
	}
	// A FIFO's readers can get another writer.
	a = armed(pipeTarget, Readable, Edge)
	a.fired(ReadyReadable | ReadyReadClosed)
	if !a.rearm(Readable) {
		t.Error("a Read of a pipe that would block does not arm the edge")
	}
}

func TestUrgentDataIsAskedForOnlyTogetherWithReads(t *testing.T) {
	a := armed(streamTarget, Readable, Edge)
	if a.asks()&Priority == 0 {
		t.Fatalf("a stream's edge asks for %v", a.asks())
	}
	a.fired(ReadyPriority)
	if a.asks()&Priority != 0 || a.asks()&Readable == 0 || !a.lacksPriority() {
		t.Fatalf("after the urgent data was told of: asks for %v", a.asks())
	}
	a = armed(streamTarget, Readable, Edge)
	a.fired(ReadyReadable)
	if a.asks()&Priority != 0 {
		t.Fatalf("with reads disarmed: asks for %v", a.asks())
	}
	for _, c := range []struct {
		target   target
		interest Interest
		mode     Mode
	}{{streamTarget, Writable, Edge}, {streamTarget, Readable, Level}, {pipeTarget, Readable, Edge}, {foreignTarget, Readable, Edge}} {
		if a := armed(c.target, c.interest, c.mode); a.asks()&Priority != 0 {
			t.Errorf("%v of interest %v asks for %v", c.mode, c.interest, a.asks())
		}
	}
}

func TestReregisterForgetsWhatWasTold(t *testing.T) {
	for _, mode := range []Mode{Edge, Level, Oneshot} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			a := armed(streamTarget, Readable, mode)
			a.fired(ReadyReadable | ReadyReadClosed | ReadyWriteClosed | ReadyError)
			a.set(streamTarget, Readable|Writable, mode)
			if got := directionsAsked(&a); got != Readable|Writable {
				t.Errorf("asks for %v", got)
			}
		})
	}
}
