package reactor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/goreactor/reactor"
)

var pipeNames atomic.Int64

// pipeName gives a name that nobody else has.
func pipeName() string {
	return fmt.Sprintf(`\\.\pipe\reactor-test-%d-%d`, os.Getpid(), pipeNames.Add(1))
}

func listenPipe(t testing.TB, name string) *reactor.NamedPipe {
	t.Helper()
	p, err := reactor.ListenNamedPipe(name)
	check(t, "ListenNamedPipe", err)
	closeLater(t, p)
	return p
}

func dialPipe(t testing.TB, name string) *reactor.NamedPipe {
	t.Helper()
	p, err := reactor.DialNamedPipe(name)
	check(t, "DialNamedPipe", err)
	closeLater(t, p)
	return p
}

// openPipe gives a client's end by package os, which blocks.
func openPipe(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	check(t, "OpenFile", err)
	t.Cleanup(func() {
		// The test may have closed it.
		_ = f.Close()
	})
	return f
}

const (
	serverToken reactor.Token = 1
	clientToken reactor.Token = 2
)

// pipePair gives a connected pipe, both ends registered for both directions.
func pipePair(t testing.TB, p *reactor.Poll, mode reactor.Mode) (server, client *reactor.NamedPipe) {
	t.Helper()
	name := pipeName()
	server = listenPipe(t, name)
	check(t, "Register", p.Register(server, serverToken, bothWays, mode))
	if err := server.Connect(); err != reactor.ErrWouldBlock {
		t.Fatalf("Connect before there is a client: %v", err)
	}
	client = dialPipe(t, name)
	check(t, "Register", p.Register(client, clientToken, bothWays, mode))
	connectPipe(t, p, server)
	return server, client
}

// connectPipe waits until a server's end has a client.
func connectPipe(t testing.TB, p *reactor.Poll, server *reactor.NamedPipe) {
	t.Helper()
	deadline := time.Now().Add(watchdog)
	for {
		switch err := server.Connect(); err {
		case nil:
			return
		case reactor.ErrWouldBlock:
			pause(t, p, deadline, "connecting")
		default:
			t.Fatalf("Connect: %v", err)
		}
	}
}

func TestNamedPipeConnectsBeforeTheClientComes(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := listenPipe(t, name)
	check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
	for range 2 {
		if err := server.Connect(); err != reactor.ErrWouldBlock {
			t.Fatalf("Connect before there is a client: %v", err)
		}
	}
	quiet(t, p)
	client := dialPipe(t, name)
	e := oneEvent(t, p, serverToken, reactor.ReadyWritable)
	if e.Readable() {
		t.Errorf("%+v of a client that wrote nothing", e)
	}
	check(t, "Connect", server.Connect())
	check(t, "Connect again", server.Connect())
	check(t, "Connect of a client's end", client.Connect())
}

func TestNamedPipeConnectsAfterTheClientCame(t *testing.T) {
	for _, registered := range []bool{true, false} {
		t.Run(fmt.Sprintf("registered=%v", registered), func(t *testing.T) {
			p, name := newPoll(t), pipeName()
			server := listenPipe(t, name)
			client := openPipe(t, name)
			if registered {
				check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
				quiet(t, p)
			}
			check(t, "Connect", server.Connect())
			if !registered {
				check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
			}
			oneEvent(t, p, serverToken, reactor.ReadyWritable)
			_, err := client.WriteString("hello")
			check(t, "the client's Write", err)
			if got := readFull(t, p, server, 5); string(got) != "hello" {
				t.Errorf("read %q", got)
			}
		})
	}
}

func TestNamedPipeThatWantedAClientBeforeItWasRegisteredGetsIt(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := listenPipe(t, name)
	if err := server.Connect(); err != reactor.ErrWouldBlock {
		t.Fatalf("Connect before there is a client: %v", err)
	}
	check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
	quiet(t, p)
	openPipe(t, name)
	oneEvent(t, p, serverToken, reactor.ReadyWritable)
	check(t, "Connect", server.Connect())
}

func TestNamedPipeIsOfNoUseBeforeItIsRegistered(t *testing.T) {
	name := pipeName()
	listenPipe(t, name)
	client := dialPipe(t, name)
	n, err := client.Write([]byte("x"))
	wantResult(t, "Write", n, err, 0, reactor.ErrWouldBlock)
	n, err = client.Read(make([]byte, 1))
	wantResult(t, "Read", n, err, 0, reactor.ErrWouldBlock)
}

func TestNamedPipeCarriesBytesBothWays(t *testing.T) {
	for _, size := range []int{1, 5, 32 << 10, 32<<10 + 1, 64<<10 + 1, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			p := newPoll(t)
			server, client := pipePair(t, p, reactor.Edge)
			data := pattern(size)
			for _, way := range []struct{ w, r *reactor.NamedPipe }{{client, server}, {server, client}} {
				deadline := time.Now().Add(watchdog)
				buf, got, sent := make([]byte, 40000), []byte(nil), 0
				for len(got) < size {
					m, err := way.w.Write(data[sent:])
					sent += m
					if err != nil && err != reactor.ErrWouldBlock {
						t.Fatalf("Write after %d: %v", sent, err)
					}
					m, err = way.r.Read(buf)
					got = append(got, buf[:m]...)
					if err == reactor.ErrWouldBlock {
						pause(t, p, deadline, fmt.Sprintf("%d of %d sent, %d came", sent, size, len(got)))
					} else if err != nil {
						t.Fatalf("Read after %d: %v", len(got), err)
					}
				}
				if !bytes.Equal(got, data) {
					t.Errorf("other bytes came than were sent")
				}
			}
		})
	}
}

func TestNamedPipeWriteThatTakesPartGivesItsCountAndErrWouldBlock(t *testing.T) {
	p := newPoll(t)
	server, _ := pipePair(t, p, reactor.Edge)
	n, err := server.Write(make([]byte, 1<<20))
	if n <= 0 || n >= 1<<20 || err != reactor.ErrWouldBlock {
		t.Fatalf("Write of 1 MiB = %d, %v", n, err)
	}
	n, err = server.Write([]byte("x"))
	wantResult(t, "Write while another is under way", n, err, 0, reactor.ErrWouldBlock)
}

// messagePipe gives a server's end of a pipe of messages, read as messages: what is longer than a read's buffer makes the
// system say that there is more.
func messagePipe(t *testing.T, name string) *reactor.NamedPipe {
	t.Helper()
	path, err := windows.UTF16PtrFromString(name)
	check(t, "UTF16PtrFromString", err)
	h, err := windows.CreateNamedPipe(path, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED,
		windows.PIPE_TYPE_MESSAGE|windows.PIPE_READMODE_MESSAGE, 1, 4096, 4096, 0, nil)
	check(t, "CreateNamedPipe", err)
	server, err := reactor.NewNamedPipe(uintptr(h))
	check(t, "NewNamedPipe", err)
	closeLater(t, server)
	return server
}

func TestNamedPipeReadsMessagesLargerThanItsBuffer(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := messagePipe(t, name)
	client := openPipe(t, name)
	check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
	connectPipe(t, p, server)
	data := pattern(200_000)
	wrote := make(chan error, 1)
	go func() {
		_, err := client.Write(data)
		wrote <- err
	}()
	if got := readFull(t, p, server, len(data)); !bytes.Equal(got, data) {
		t.Error("other bytes came than were sent")
	}
	check(t, "the client's Write", <-wrote)
}

func TestNamedPipeWritesAMessageWhole(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := messagePipe(t, name)
	client := openPipe(t, name)
	var mode uint32 = windows.PIPE_READMODE_MESSAGE
	check(t, "SetNamedPipeHandleState", windows.SetNamedPipeHandleState(windows.Handle(client.Fd()), &mode, nil, nil))
	check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
	connectPipe(t, p, server)
	data := pattern(200_000)
	n, err := server.Write(data)
	wantResult(t, "Write", n, err, len(data), nil)
	got := make([]byte, len(data)+1)
	m, err := client.Read(got)
	if m != len(data) || err != nil || !bytes.Equal(got[:m], data) {
		t.Errorf("the client read a message of %d bytes, %v; %d were written at once", m, err, len(data))
	}
}

// A message of no bytes is no end of the stream.
func TestNamedPipeReadsOnAfterAnEmptyMessage(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := messagePipe(t, name)
	client := openPipe(t, name)
	check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
	connectPipe(t, p, server)
	for _, message := range []string{"", "a", "", "", "b"} {
		var n uint32
		check(t, "WriteFile", windows.WriteFile(windows.Handle(client.Fd()), []byte(message), &n, nil))
	}
	if got := readFull(t, p, server, 2); string(got) != "ab" {
		t.Errorf("read %q", got)
	}
}

func TestNamedPipeThatWasClosedIsReadToItsEnd(t *testing.T) {
	p := newPoll(t)
	server, client := pipePair(t, p, reactor.Edge)
	n, err := client.Write([]byte("last words"))
	wantResult(t, "Write", n, err, 10, nil)
	// The write must have reached the system.
	check(t, "Reregister", p.Reregister(client, clientToken, reactor.Writable, reactor.Level))
	await(t, p, func(seen map[reactor.Token]reactor.Ready) bool { return seen[clientToken]&reactor.ReadyWritable != 0 })
	check(t, "Close", client.Close())
	if got := readAll(t, p, server); string(got) != "last words" {
		t.Errorf("read %q", got)
	}
	for range 3 {
		n, err := server.Read(make([]byte, 4))
		wantResult(t, "Read at the end", n, err, 0, io.EOF)
	}
}

func TestNamedPipeTellsThatThePeerIsGone(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			p := newPoll(t)
			server, client := pipePair(t, p, mode)
			check(t, "Close", client.Close())
			seen := reactor.Ready(0)
			for !(seen&reactor.ReadyReadClosed != 0 && seen&reactor.ReadyReadable != 0) {
				if mode == reactor.Oneshot {
					check(t, "Reregister", p.Reregister(server, serverToken, bothWays, mode))
				}
				for _, e := range waitOnce(t, p, 8, watchdog) {
					if e.Token == serverToken {
						seen |= e.Ready
					}
				}
			}
			n, err := server.Read(make([]byte, 4))
			wantResult(t, "Read", n, err, 0, io.EOF)
		})
	}
}

func TestNamedPipeWriteToAClientThatIsGoneFails(t *testing.T) {
	p := newPoll(t)
	server, client := pipePair(t, p, reactor.Edge)
	check(t, "Close", client.Close())
	await(t, p, func(seen map[reactor.Token]reactor.Ready) bool { return seen[serverToken]&reactor.ReadyReadClosed != 0 })
	deadline := time.Now().Add(watchdog)
	for {
		_, err := server.Write([]byte("anyone?"))
		if err == nil || err == reactor.ErrWouldBlock {
			pause(t, p, deadline, "a write to nobody")
			continue
		}
		var call *os.SyscallError
		if !errors.As(err, &call) || call.Syscall != "WriteFile" {
			t.Errorf("Write: %v, want the failure of WriteFile", err)
		}
		return
	}
}

func TestNamedPipeServesOneClientAfterAnother(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := listenPipe(t, name)
	check(t, "Register", p.Register(server, serverToken, bothWays, reactor.Edge))
	for round := range 20 {
		if err := server.Connect(); err != reactor.ErrWouldBlock {
			t.Fatalf("round %d: Connect before there is a client: %v", round, err)
		}
		client := openPipe(t, name)
		connectPipe(t, p, server)
		said := fmt.Sprintf("round %d", round)
		_, err := client.WriteString(said)
		check(t, "the client's Write", err)
		if got := readFull(t, p, server, len(said)); string(got) != said {
			t.Fatalf("read %q, want %q", got, said)
		}
		if round%2 == 0 {
			// What this client says is not the next one's.
			_, err := client.WriteString("unread")
			check(t, "the client's Write", err)
		}
		writeFull(t, p, server, []byte(said))
		got := make([]byte, len(said))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != said {
			t.Fatalf("the client read %q, %v", got, err)
		}
		check(t, "Disconnect", server.Disconnect())
		if n, err := client.Read(got); n != 0 || err == nil {
			t.Fatalf("the client read %d after Disconnect, %v", n, err)
		}
		check(t, "the client's Close", client.Close())
	}
}

func TestNamedPipeDialWithoutAFreeInstance(t *testing.T) {
	name := pipeName()
	_, err := reactor.DialNamedPipe(name)
	wantErr(t, "DialNamedPipe of nobody's name", err, os.ErrNotExist)
	// A server's instance that has its client.
	listenPipe(t, name)
	dialPipe(t, name)
	if c, err := reactor.DialNamedPipe(name); err != reactor.ErrWouldBlock {
		if err == nil {
			closeLater(t, c)
		}
		t.Errorf("DialNamedPipe while the only instance is taken: %v", err)
	}
	listenPipe(t, name)
	dialPipe(t, name)
}

func TestNamedPipeStaysWithItsFirstPoll(t *testing.T) {
	p, other := newPoll(t), newPoll(t)
	server, client := pipePair(t, p, reactor.Edge)
	wantErr(t, "Register again", p.Register(server, 3, bothWays, reactor.Edge), reactor.ErrRegistered)
	wantErr(t, "Register elsewhere", other.Register(server, 3, bothWays, reactor.Edge), reactor.ErrRegistered)
	wantErr(t, "Reregister elsewhere", other.Reregister(server, 3, bothWays, reactor.Edge), reactor.ErrNotRegistered)
	wantErr(t, "Deregister elsewhere", other.Deregister(server), reactor.ErrNotRegistered)
	check(t, "Deregister", p.Deregister(server))
	wantErr(t, "Deregister again", p.Deregister(server), reactor.ErrNotRegistered)
	wantErr(t, "Register elsewhere", other.Register(server, 3, bothWays, reactor.Edge), reactor.ErrRegistered)
	_, err := client.Write([]byte("x"))
	check(t, "Write", err)
	if events := waitOnce(t, p, 8, silence); len(events) > 1 || len(events) == 1 && events[0].Token != clientToken {
		t.Errorf("events of a pipe that was deregistered: %+v", events)
	}
	check(t, "Register at its Poll", p.Register(server, 4, reactor.Readable, reactor.Level))
	await(t, p, func(seen map[reactor.Token]reactor.Ready) bool { return seen[4]&reactor.ReadyReadable != 0 })
	check(t, "Poll.Close", p.Close())
	wantErr(t, "Register after its Poll was closed", other.Register(server, 5, bothWays, reactor.Edge), reactor.ErrRegistered)
	_, err = client.Write([]byte("x"))
	wantErr(t, "Write after its Poll was closed", err, reactor.ErrClosed)
	check(t, "Close", server.Close())
}

func TestNamedPipeModes(t *testing.T) {
	p, name := newPoll(t), pipeName()
	server := listenPipe(t, name)
	client := openPipe(t, name)
	say := func() {
		t.Helper()
		_, err := client.WriteString("hello")
		check(t, "the client's Write", err)
	}
	check(t, "Register", p.Register(server, 9, reactor.Readable, reactor.Oneshot))
	connectPipe(t, p, server)
	quiet(t, p)
	say()
	oneEvent(t, p, 9, reactor.ReadyReadable)
	quiet(t, p)
	for i := range reactor.Token(3) {
		check(t, "Reregister", p.Reregister(server, 10+i, bothWays, reactor.Oneshot))
		oneEvent(t, p, 10+i, readyBothWays)
		quiet(t, p)
	}
	check(t, "Reregister", p.Reregister(server, 20, reactor.Readable, reactor.Level))
	for range 3 {
		oneEvent(t, p, 20, reactor.ReadyReadable)
	}
	check(t, "Reregister", p.Reregister(server, 30, reactor.Readable, reactor.Edge))
	oneEvent(t, p, 30, reactor.ReadyReadable)
	quiet(t, p)
	var buf [16]byte
	n, err := server.Read(buf[:])
	wantResult(t, "Read", n, err, 5, nil)
	quiet(t, p)
	for range 3 {
		say()
		oneEvent(t, p, 30, reactor.ReadyReadable)
		n, err := server.Read(buf[:])
		wantResult(t, "Read", n, err, 5, nil)
		quiet(t, p)
	}
	if err := p.Reregister(server, 40, reactor.Priority, reactor.Edge); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Reregister for Priority: %v", err)
	}
}

func TestNamedPipeClosedWithOperationsInFlight(t *testing.T) {
	p := newPoll(t)
	for range 50 {
		server, client := pipePair(t, p, reactor.Level)
		_, err := server.Write(make([]byte, 1<<20))
		if err != reactor.ErrWouldBlock {
			t.Fatalf("Write of 1 MiB: %v", err)
		}
		check(t, "Close", server.Close())
		check(t, "Close", client.Close())
		runtime.GC()
		quiet(t, p)
		wantErr(t, "Close again", server.Close(), reactor.ErrClosed)
		_, err = server.Read(make([]byte, 1))
		wantErr(t, "Read", err, reactor.ErrClosed)
		wantErr(t, "Connect", server.Connect(), reactor.ErrClosed)
		wantErr(t, "Disconnect", server.Disconnect(), reactor.ErrClosed)
	}
	server, _ := pipePair(t, p, reactor.Level)
	_, err := server.Write(make([]byte, 1<<20))
	if err != reactor.ErrWouldBlock {
		t.Fatalf("Write of 1 MiB: %v", err)
	}
	check(t, "Poll.Close", p.Close())
}

func TestNewNamedPipeRejectsOtherHandles(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	check(t, "Create", err)
	defer f.Close()
	c, err := reactor.Listen("tcp4", "127.0.0.1:0")
	check(t, "Listen", err)
	defer c.Close()
	name := pipeName()
	listenPipe(t, name)
	path, err := windows.UTF16PtrFromString(name)
	check(t, "UTF16PtrFromString", err)
	blocking, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, 0, 0)
	check(t, "CreateFile", err)
	defer windows.CloseHandle(blocking)
	for what, h := range map[string]uintptr{"a file": f.Fd(), "a socket": fdOf(t, c), "no handle": ^uintptr(0), "a pipe that blocks": uintptr(blocking)} {
		if p, err := reactor.NewNamedPipe(h); err == nil {
			_ = p
			t.Errorf("NewNamedPipe of %s succeeds", what)
		}
	}
}

func TestNamedPipeCallsDoNotAllocate(t *testing.T) {
	p := newPoll(t)
	server, client := pipePair(t, p, reactor.Edge)
	noAllocs(t, "Write, Wait and Read", func() {
		var buf [64]byte
		var events [4]reactor.Event
		sent := false
		for {
			if !sent {
				n, err := client.Write(buf[:])
				sent = n > 0
				if err != nil && err != reactor.ErrWouldBlock {
					t.Fatal(err)
				}
			}
			n, err := server.Read(buf[:])
			if n > 0 {
				return
			}
			if err != reactor.ErrWouldBlock {
				t.Fatal(err)
			}
			if _, err := p.Wait(events[:], watchdog); err != nil {
				t.Fatal(err)
			}
		}
	})
}
