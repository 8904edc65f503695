// The guest runs inside a WASI runtime and does what it is told, call by call, so that a test outside can hold each promise
// of the package to what it knows of the other ends. It takes the first listener that it finds among its
// descriptors. The first connection gives the commands, one a line, and gets one line of answer each; the others are
// what the commands are about, numbered from 1 on.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/goreactor/reactor"
)

func main() {
	g, err := newGuest()
	if err == nil {
		err = g.serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

type guest struct {
	listener *reactor.Listener
	poll     *reactor.Poll // under test
	sources  []reactor.Source
	conns    []*reactor.Conn // by number; 0 is the commander
	wakers   map[reactor.Token]*reactor.Waker
	ticks    atomic.Int64
	buf      []byte
}

func newGuest() (*guest, error) {
	poll, err := reactor.NewPoll()
	if err != nil {
		return nil, err
	}
	g := &guest{poll: poll, wakers: map[reactor.Token]*reactor.Waker{}, buf: make([]byte, 1<<20)}
	for fd := uintptr(3); ; fd++ {
		g.listener, err = reactor.NewListener(fd)
		if err == nil {
			return g, nil
		}
		if errors.Is(err, syscall.EBADF) {
			return nil, fmt.Errorf("no listener among the descriptors below %d", fd)
		}
	}
}

// A commander reads lines and writes answers, with a Poll of its own.
type commander struct {
	c    *reactor.Conn
	poll *reactor.Poll
}

func (c commander) wait() error {
	_, err := c.poll.Wait(make([]reactor.Event, 1), -1)
	return err
}

func (c commander) Read(p []byte) (int, error) {
	for {
		n, err := c.c.Read(p)
		if err != reactor.ErrWouldBlock {
			return n, err
		}
		if err := c.wait(); err != nil {
			return 0, err
		}
	}
}

func (g *guest) serve() error {
	poll, err := reactor.NewPoll()
	if err != nil {
		return err
	}
	if err := poll.Register(g.listener, 0, reactor.Readable, reactor.Edge); err != nil {
		return err
	}
	fmt.Println("ready")
	first := commander{poll: poll}
	for first.c == nil {
		if first.c, _, err = g.listener.Accept(); err == reactor.ErrWouldBlock {
			err = first.wait()
		}
		if err != nil {
			return err
		}
	}
	if err := poll.Deregister(g.listener); err != nil {
		return err
	}
	if err := poll.Register(first.c, 0, reactor.Readable, reactor.Edge); err != nil {
		return err
	}
	g.conns, g.sources = []*reactor.Conn{first.c}, []reactor.Source{g.listener}
	lines := bufio.NewScanner(first)
	for lines.Scan() {
		answer := g.do(strings.Fields(lines.Text())) + "\n"
		for sent := 0; sent < len(answer); {
			n, err := first.c.Write([]byte(answer[sent:]))
			sent += n
			if err == reactor.ErrWouldBlock {
				// Answers are short: there is room soon.
				time.Sleep(time.Millisecond)
			} else if err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

// do obeys one command. Sources are numbers: 0 is the listener.
func (g *guest) do(words []string) string {
	if len(words) == 0 {
		return "error: no command"
	}
	answer, err := g.call(words[0], words[1:])
	switch {
	case err == nil:
		return strings.TrimSpace("ok " + answer)
	case err == reactor.ErrWouldBlock:
		return strings.TrimSpace("wouldblock " + answer)
	case err == io.EOF:
		return strings.TrimSpace("eof " + answer)
	case errors.Is(err, errors.ErrUnsupported):
		return "unsupported"
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	}
	return "error: " + err.Error()
}

func (g *guest) call(command string, args []string) (string, error) {
	n := make([]int, len(args))
	for i, arg := range args {
		n[i], _ = strconv.Atoi(arg)
	}
	switch command {
	case "backend":
		return g.poll.Backend(), nil
	case "accept":
		return g.accept()
	case "raw":
		// From here on the source is the descriptor of connection n[0], as somebody else's.
		rc, err := g.conns[n[0]].SyscallConn()
		if err != nil {
			return "", err
		}
		return "", rc.Control(func(fd uintptr) { g.sources[n[0]] = reactor.Raw(fd) })
	case "register":
		return "", g.poll.Register(g.sources[n[0]], reactor.Token(n[0]), interest(args[1]), mode(args[2]))
	case "reregister":
		return "", g.poll.Reregister(g.sources[n[0]], reactor.Token(n[0]), interest(args[1]), mode(args[2]))
	case "deregister":
		return "", g.poll.Deregister(g.sources[n[0]])
	case "wait":
		return g.wait(n[0], time.Duration(n[1])*time.Millisecond)
	case "waitcontext":
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n[0])*time.Millisecond)
		defer cancel()
		_, err := g.poll.WaitContext(ctx, make([]reactor.Event, 64), -1)
		return "", err
	case "read":
		m, err := g.conns[n[0]].Read(g.buf[:n[1]])
		return strconv.Itoa(m), err
	case "peek":
		m, err := g.conns[n[0]].Peek(g.buf[:n[1]])
		return strconv.Itoa(m), err
	case "write":
		m, err := g.conns[n[0]].Write(g.buf[:n[1]])
		return strconv.Itoa(m), err
	case "closeread":
		return "", g.conns[n[0]].CloseRead()
	case "closewrite":
		return "", g.conns[n[0]].CloseWrite()
	case "close":
		return "", g.conns[n[0]].Close()
	case "closebehind":
		// As an owner does who forgets to deregister first.
		rc, err := g.conns[n[0]].SyscallConn()
		if err != nil {
			return "", err
		}
		return "", rc.Control(func(fd uintptr) { _ = syscall.Close(int(fd)) })
	case "wake":
		return "", g.wake(reactor.Token(n[0]), time.Duration(n[1])*time.Millisecond)
	case "tick":
		go func() {
			for {
				time.Sleep(time.Duration(n[0]) * time.Millisecond)
				g.ticks.Add(1)
			}
		}()
		return "", nil
	case "ticks":
		return strconv.FormatInt(g.ticks.Swap(0), 10), nil
	case "allocations":
		return g.allocations(n[0], n[1], mode(args[2]))
	case "cost":
		return g.cost(n[0], n[1], mode(args[2]))
	}
	return "", errors.New("unknown command " + command)
}

func (g *guest) accept() (string, error) {
	count := 0
	for {
		c, _, err := g.listener.Accept()
		if err == reactor.ErrWouldBlock {
			return strconv.Itoa(count), nil
		}
		if err != nil {
			return "", err
		}
		g.conns = append(g.conns, c)
		g.sources = append(g.sources, c)
		count++
	}
}

// wait gives the events as TOKEN:READY, and how many milliseconds it took first.
func (g *guest) wait(room int, timeout time.Duration) (string, error) {
	events := make([]reactor.Event, room)
	start := time.Now()
	n, err := g.poll.Wait(events, timeout)
	answer := strconv.FormatInt(time.Since(start).Milliseconds(), 10)
	for _, e := range events[:n] {
		answer += fmt.Sprintf(" %d:%v", e.Token, e.Ready)
	}
	return answer, err
}

// wake wakes the Poll under token later, from another goroutine.
func (g *guest) wake(token reactor.Token, after time.Duration) error {
	w := g.wakers[token]
	if w == nil {
		var err error
		if w, err = reactor.NewWaker(g.poll, token); err != nil {
			return err
		}
		g.wakers[token] = w
	}
	go func() {
		time.Sleep(after)
		if err := w.Wake(); err != nil {
			fmt.Fprintln(os.Stderr, "guest: Wake:", err)
		}
	}()
	return nil
}

// allocations counts those of so many rounds of Wait, Peek, Read and Write on a connection, which has the bytes to read. A Read
// that fills its buffer arms nothing: Reregister does.
func (g *guest) allocations(conn, rounds int, mode reactor.Mode) (string, error) {
	c := g.conns[conn]
	round := func() error {
		var events [16]reactor.Event
		var buf [1]byte
		if n, err := g.poll.Wait(events[:], -1); n == 0 || err != nil {
			return fmt.Errorf("wait gave %d events: %w", n, err)
		}
		if _, err := c.Peek(buf[:]); err != nil {
			return err
		}
		if _, err := c.Read(buf[:]); err != nil {
			return err
		}
		if _, err := c.Write(buf[:]); err != nil {
			return err
		}
		return g.poll.Reregister(g.sources[conn], reactor.Token(conn), reactor.Readable, mode)
	}
	for range 10 {
		if err := round(); err != nil {
			return "", err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		if err := round(); err != nil {
			return "", err
		}
	}
	runtime.ReadMemStats(&after)
	return strconv.FormatUint(after.Mallocs-before.Mallocs, 10), nil
}

func interest(names string) (i reactor.Interest) {
	for _, c := range names {
		switch c {
		case 'r':
			i |= reactor.Readable
		case 'w':
			i |= reactor.Writable
		case 'p':
			i |= reactor.Priority
		}
	}
	return i
}

func mode(name string) reactor.Mode {
	switch name {
	case "level":
		return reactor.Level
	case "oneshot":
		return reactor.Oneshot
	}
	return reactor.Edge
}
