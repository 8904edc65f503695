package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a process may take to end after SIGTERM before it is killed.
const stopGrace = 2 * time.Second

// A process is one that this program started and will end.
type process struct {
	cmd    *exec.Cmd
	output tail
	ended  chan struct{}
	err    error // why it ended; to be read after ended is closed
}

// startProcess runs a command on the CPUs given. It is killed when ctx is done; stop ends it in an orderly way.
func startProcess(ctx context.Context, argv []string, cpus []int) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = stopGrace // for a child of its own that holds the output open
	if err := startOn(p.cmd, cpus); err != nil {
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running gives nil, or how the process ended.
func (p *process) running() error {
	select {
	case <-p.ended:
	default:
		return nil
	}
	err := p.err
	if err == nil {
		err = errors.New("exit status 0")
	}
	if said := p.output.String(); said != "" {
		return fmt.Errorf("the server ended: %w: %s", err, said)
	}
	return fmt.Errorf("the server ended: %w", err)
}

// stop ends the process and waits until it is gone.
func (p *process) stop() {
	if p.cmd.Process.Signal(syscall.SIGTERM) == nil { // Windows has no such signal
		select {
		case <-p.ended:
			return
		case <-time.After(stopGrace):
		}
	}
	// The only error is that it ended already.
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// A tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 1 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - most; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
