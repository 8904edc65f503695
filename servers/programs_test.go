package servers_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// hang is how long anything may take before the test is taken for hung. Nothing else depends on it.
const hang = 30 * time.Second

var (
	programDir string // where the three programs are
	noPrograms string // why they are not there
)

// TestMain builds the three programs, as a user does. REACTOR_SERVERS_BIN names a directory that has them
// already, for hosts without the go command.
func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if programDir = os.Getenv("REACTOR_SERVERS_BIN"); programDir != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "reactor-servers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programDir = dir
	out, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...").CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	case err != nil:
		noPrograms = fmt.Sprintf("the servers' programs cannot be built here: %v", err)
	}
	return m.Run()
}

// program gives the path of one of the three.
func program(t *testing.T, name string) string {
	t.Helper()
	if noPrograms != "" {
		t.Skip(noPrograms)
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(programDir, name)
}

// A process is a running server. It ends with the test at the latest.
type process struct {
	cmd  *exec.Cmd
	addr string // what it listens on, the first if there are several

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed when there is another line, or the end
	ended   bool

	exited chan struct{}
	status int
}

// launch starts a command and collects its stderr.
func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, changed: make(chan struct{}), exited: make(chan struct{})}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		in := bufio.NewScanner(stderr)
		for in.Scan() {
			p.append(in.Text(), false)
		}
		p.append("", true)
		cmd.Wait()
		p.status = cmd.ProcessState.ExitCode()
		close(p.exited)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.exited
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(cmd.Path), p.tail(40))
		}
	})
	return p
}

func (p *process) append(line string, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if end {
		p.ended = true
	} else {
		p.lines = append(p.lines, line)
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *process) tail(n int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines[max(0, len(p.lines)-n):], "\n")
}

// said gives the lines that match, of those that were said so far.
func (p *process) said(pattern string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []string
	for _, line := range p.lines {
		if regexp.MustCompile(pattern).MatchString(line) {
			found = append(found, line)
		}
	}
	return found
}

// await gives the nth line that matches, once it is there, or "" if the process ends without it.
func (p *process) await(t *testing.T, pattern string, n int) string {
	t.Helper()
	deadline := time.After(hang)
	for {
		p.mu.Lock()
		changed, ended := p.changed, p.ended
		p.mu.Unlock()
		if found := p.said(pattern); len(found) >= n {
			return found[n-1]
		}
		if ended {
			return ""
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the server did not say %q for the %d. time; it said:\n%s", pattern, n, p.tail(40))
		}
	}
}

// wait gives the exit status.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.status
	case <-time.After(hang):
		t.Fatal("the server does not end")
		return 0
	}
}

var listeningAddr = regexp.MustCompile(`msg=listening addr=(\S+)`)

// listening waits until the server serves, and skips the test where the system cannot.
func (p *process) listening(t *testing.T) *process {
	t.Helper()
	line := p.await(t, `msg=listening`, 1)
	if line == "" {
		if why := p.tail(1); strings.Contains(why, errors.ErrUnsupported.Error()) {
			t.Skip("not on this system: " + why)
		}
		t.Fatalf("the server ended: %s", p.tail(40))
	}
	p.addr = listeningAddr.FindStringSubmatch(line)[1]
	return p
}

// start runs one of the programs and waits until it serves.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return launch(t, exec.Command(program(t, name), args...)).listening(t)
}

// startTCP runs tcp_server on a free port.
func startTCP(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, "tcp_server", append([]string{"-addr", "127.0.0.1:0"}, args...)...)
}

// runToEnd runs a program that is expected to end by itself.
func runToEnd(t *testing.T, cmd *exec.Cmd) (status int, stderr string) {
	t.Helper()
	var buf bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &buf
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hung := time.AfterFunc(hang, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !hung.Stop() {
		t.Fatalf("%s does not end; it said: %s", cmd, buf.String())
	}
	return cmd.ProcessState.ExitCode(), buf.String()
}
