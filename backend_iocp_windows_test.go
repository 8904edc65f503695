package reactor

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

const hang = 60 * time.Second

var procGetProcessHandleCount = modkernel32.NewProc("GetProcessHandleCount")

// openHandles gives the number of the process's handles.
func openHandles(t *testing.T) int {
	t.Helper()
	var n uint32
	if r, _, errno := syscall.SyscallN(procGetProcessHandleCount.Addr(), uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&n))); r == 0 {
		t.Fatalf("GetProcessHandleCount: %v", errno)
	}
	return int(n)
}

// collecting runs the garbage collector all the time until the test's end.
func collecting(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for garbage := []byte(nil); ; {
			select {
			case <-stop:
				return
			default:
				garbage = make([]byte, len(garbage)%4096+64)
				runtime.GC()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func udpSocket(t *testing.T) *PacketConn {
	t.Helper()
	c, err := ListenPacket("udp4", "127.0.0.1:0")
	must(t, "ListenPacket", err)
	return c
}

// busyPolls gives what is in flight, the watches that there are, and the helpers.
func (p *Poll) busyPolls() (inFlight, watches, helpers int) {
	p.be.mu.Lock()
	defer p.be.mu.Unlock()
	return p.be.watches.busy, len(p.be.watches.chunks) * watchChunkLen, len(p.be.helpers.all)
}

func TestTwoThousandSocketsAtOnceHaveTheirEvents(t *testing.T) {
	const count = 2000
	before := openHandles(t)
	p, err := NewPoll()
	must(t, "NewPoll", err)
	sender := udpSocket(t)
	sockets := make([]*PacketConn, count)
	for i := range sockets {
		sockets[i] = udpSocket(t)
		must(t, "Register", p.Register(sockets[i], Token(i), Readable, Edge))
	}
	if _, _, helpers := p.busyPolls(); helpers < count/helperRoom || helpers > count/helperRoom+1 {
		t.Errorf("%d sockets have %d helpers", count, helpers)
	}
	collecting(t)
	seen := make([]int, count)
	events := make([]Event, 100)
	for round := 1; round <= 2; round++ {
		for _, c := range sockets {
			_, err := sender.WriteTo([]byte("x"), c.LocalAddr())
			must(t, "WriteTo", err)
		}
		deadline := time.Now().Add(hang)
		for came := 0; came < count; {
			n, err := p.Wait(events, time.Until(deadline))
			must(t, "Wait", err)
			if n == 0 {
				t.Fatalf("round %d: %d events came of %d", round, came, count)
			}
			for _, e := range events[:n] {
				seen[e.Token]++
				c := sockets[e.Token]
				var b [8]byte
				if _, err := c.Read(b[:]); err != nil {
					t.Fatalf("Read of socket %d: %v", e.Token, err)
				}
				if _, err := c.Read(b[:]); err != ErrWouldBlock {
					t.Fatalf("Read of socket %d again: %v", e.Token, err)
				}
				came++
			}
		}
		for i, n := range seen {
			if n != round {
				t.Fatalf("round %d: socket %d has had %d events", round, i, n)
			}
		}
	}
	for _, c := range sockets {
		must(t, "Close", c.Close())
	}
	// One look takes the packets of all that was closed.
	for range count/len(events) + 1 {
		_, err := p.Wait(events, 0)
		must(t, "Wait", err)
	}
	if inFlight, _, helpers := p.busyPolls(); inFlight != 0 || helpers != 1 {
		t.Errorf("%d polls in flight and %d helpers when all is closed", inFlight, helpers)
	}
	must(t, "Close", sender.Close())
	must(t, "Poll.Close", p.Close())
	if after := openHandles(t); after > before+20 {
		t.Errorf("%d handles were open before, %d are now", before, after)
	}
}

// REACTOR_CYCLES says how often; a hundred thousand take some minutes where a system call is as dear as in Wine.
func TestRegisterAndDeregisterUnderGCLeakNothing(t *testing.T) {
	cycles := 10_000
	if s := os.Getenv("REACTOR_CYCLES"); s != "" {
		var err error
		cycles, err = strconv.Atoi(s)
		must(t, "REACTOR_CYCLES", err)
	}
	for _, waiting := range []bool{false, true} {
		name := "nobody waits"
		if waiting {
			name = "while another waits"
		}
		t.Run(name, func(t *testing.T) {
			p, err := NewPoll()
			must(t, "NewPoll", err)
			waited := make(chan error, 1)
			if waiting {
				go func() {
					var events [16]Event
					for {
						if _, err := p.Wait(events[:], -1); err != nil {
							waited <- err
							return
						}
					}
				}()
			}
			var sockets [4]*PacketConn
			for i := range sockets {
				sockets[i] = udpSocket(t)
			}
			// One of them is always ready.
			_, err = sockets[0].WriteTo([]byte("x"), sockets[1].LocalAddr())
			must(t, "WriteTo", err)
			before := openHandles(t)
			collecting(t)
			for i := range cycles / 2 {
				c := sockets[i%len(sockets)]
				must(t, "Register", p.Register(c, Token(i), Readable, Mode(i%3)))
				if i%7 == 0 {
					must(t, "Reregister", p.Reregister(c, Token(i), Readable|Writable, Mode(i%3)))
				}
				must(t, "Deregister", p.Deregister(c))
			}
			_, watches, helpers := p.busyPolls()
			if watches > 4*maxZombies || helpers > 4*maxZombies/helperRoom {
				t.Errorf("%d watches and %d helpers for %d sockets", watches, helpers, len(sockets))
			}
			if after := openHandles(t); after > before+4*maxZombies/helperRoom+20 {
				t.Errorf("%d handles were open before, %d are now", before, after)
			}
			must(t, "Poll.Close", p.Close())
			if waiting {
				select {
				case err := <-waited:
					if !errors.Is(err, ErrClosed) {
						t.Errorf("Wait: %v", err)
					}
				case <-time.After(hang):
					t.Fatal("Wait does not end")
				}
			}
			if inFlight, _, helpers := p.busyPolls(); inFlight != 0 || helpers != 0 {
				t.Errorf("%d polls in flight and %d helpers after Close", inFlight, helpers)
			}
			for _, c := range sockets {
				must(t, "Close", c.Close())
			}
		})
	}
}

// A Poll that its owner lost cannot be collected while the system may write to its memory.
func TestPollThatWasLostStaysInMemory(t *testing.T) {
	watchTables.Lock()
	before := len(watchTables.open)
	watchTables.Unlock()
	c := udpSocket(t)
	func() {
		p, err := NewPoll()
		must(t, "NewPoll", err)
		must(t, "Register", p.Register(c, 1, Readable, Level))
	}()
	must(t, "Close", c.Close())
	runtime.GC()
	runtime.GC()
	watchTables.Lock()
	after := len(watchTables.open)
	watchTables.Unlock()
	if after != before+1 {
		t.Errorf("%d tables of open Polls were kept before, %d are now", before, after)
	}
}

func TestSocketClosedByItsOwnerLeavesItsNumberFree(t *testing.T) {
	p, err := NewPoll()
	must(t, "NewPoll", err)
	defer p.Close()
	c := udpSocket(t)
	fd := uintptr(c.fd)
	must(t, "Register", p.Register(Raw(fd), 1, Readable, Level))
	if err := p.Register(Raw(fd), 2, Readable, Level); err != ErrRegistered {
		t.Fatalf("Register again: %v", err)
	}
	must(t, "Close", c.Close())
	var others []*PacketConn
	defer func() {
		for _, c := range others {
			must(t, "Close", c.Close())
		}
	}()
	for range 100 {
		again := udpSocket(t)
		others = append(others, again)
		if uintptr(again.fd) != fd {
			continue
		}
		must(t, "Register of another with the number", p.Register(again, 3, Readable, Level))
		_, err := again.WriteTo([]byte("x"), again.LocalAddr())
		must(t, "WriteTo", err)
		var events [4]Event
		n, err := p.Wait(events[:], hang)
		must(t, "Wait", err)
		if n != 1 || events[0].Token != 3 {
			t.Errorf("events %+v", events[:n])
		}
		return
	}
	t.Skip("the system did not give the number to another socket")
}
