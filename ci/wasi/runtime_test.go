package wasi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// watchdog ends a test that hangs; nothing is expected to take this long, on a machine with other work either.
const watchdog = 2 * time.Minute

// A wasiRuntime is a way to run a module with a listener.
type wasiRuntime struct {
	name    string
	command []string
	// listen gives the options that open a listener.
	listen func(address string) []string
	// exact says that it knows when there is room to write and a connection to accept.
	exact bool
}

// eachRuntime runs f for each runtime that the environment names.
func eachRuntime(t *testing.T, f func(t *testing.T, r wasiRuntime)) {
	t.Helper()
	for _, r := range []struct {
		wasiRuntime
		variable string
	}{
		{wasiRuntime{name: "wasmtime", exact: true, listen: func(address string) []string {
			return []string{"-S", "preview2=n", "-S", "tcplisten=" + address}
		}}, "WASMTIME"},
		{wasiRuntime{name: "wazero", listen: func(address string) []string {
			return []string{"-listen", address}
		}}, "WAZERO"},
	} {
		t.Run(r.name, func(t *testing.T) {
			r.command = strings.Fields(os.Getenv(r.variable))
			if len(r.command) == 0 {
				t.Skipf("%s names no command", r.variable)
			}
			f(t, r.wasiRuntime)
		})
	}
}

var modules struct {
	sync.Mutex
	dir   string
	built map[string]error
}

func TestMain(m *testing.M) {
	status := 1
	var err error
	if modules.dir, err = os.MkdirTemp("", "reactor-wasi"); err == nil {
		modules.built = map[string]error{}
		status = m.Run()
		err = os.RemoveAll(modules.dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// module gives the file of a program compiled for WASI.
func module(t *testing.T, pkg string) string {
	t.Helper()
	modules.Lock()
	defer modules.Unlock()
	file := filepath.Join(modules.dir, filepath.Base(pkg)+".wasm")
	if _, ok := modules.built[pkg]; !ok {
		build := exec.Command("go", "build", "-o", file, pkg)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if out, err := build.CombinedOutput(); err != nil {
			modules.built[pkg] = fmt.Errorf("go build %s: %w\n%s", pkg, err, out)
		} else {
			modules.built[pkg] = nil
		}
	}
	if err := modules.built[pkg]; err != nil {
		t.Fatal(err)
	}
	return file
}

// A program is a module that runs.
type program struct {
	addr   string
	output *output
	done   chan error
	stop   func()
}

// An output keeps what a program prints, and tells who waits for a line that says something.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// freeAddress gives an address that nobody listens on. Another process may take it; then the runtime says so and start tries
// again.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a module with a listener, and waits until it prints ready. The test's end ends it.
func (r wasiRuntime) start(t *testing.T, pkg, ready string, env, args []string) *program {
	t.Helper()
	file := module(t, pkg)
	for try := 0; ; try++ {
		p := r.launch(t, file, env, args)
		deadline := time.After(watchdog)
		for {
			if strings.Contains(p.output.String(), ready) {
				return p
			}
			select {
			case <-p.output.more:
				continue
			case err := <-p.done:
				if try < 3 && strings.Contains(p.output.String(), "in use") {
					break
				}
				t.Fatalf("%s ended before it was ready: %v\n%s", file, err, p.output)
			case <-deadline:
				t.Fatalf("%s is not ready in %v\n%s", file, watchdog, p.output)
			}
			break
		}
	}
}

// run gives the words that run a module, but for the command itself.
func (r wasiRuntime) run() []string {
	words := append(append([]string{}, r.command[1:]...), "run")
	if r.name == "wazero" {
		words = append(words, "-cachedir", filepath.Join(modules.dir, "cache"))
	}
	return words
}

func (r wasiRuntime) launch(t *testing.T, file string, env, args []string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{addr: freeAddress(t), output: &output{more: make(chan struct{}, 1)}, done: make(chan error, 1)}
	words := append(r.run(), r.listen(p.addr)...)
	for _, variable := range env {
		if r.name == "wazero" {
			words = append(words, "-env", variable)
		} else {
			words = append(words, "--env", variable)
		}
	}
	words = append(append(words, file), args...)
	cmd := exec.CommandContext(ctx, r.command[0], words...)
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		p.done <- cmd.Wait()
		close(ended)
	}()
	p.stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", filepath.Base(file), p.output)
		}
	})
	return p
}

// dial connects to the program.
func (p *program) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test may have closed it.
		_ = c.Close()
	})
	check(t, c.SetDeadline(time.Now().Add(watchdog)))
	return c.(*net.TCPConn)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A guest is the guest program with the connection that commands it.
type guest struct {
	*program
	t       *testing.T
	r       wasiRuntime
	control *net.TCPConn
	answers *bufio.Reader
	peers   []*net.TCPConn // by the guest's number, from 1 on
}

func startGuest(t *testing.T, r wasiRuntime) *guest {
	t.Helper()
	g := &guest{program: r.start(t, "./guest", "ready\n", nil, nil), t: t, r: r, peers: []*net.TCPConn{nil}}
	g.control = g.dial(t)
	g.answers = bufio.NewReader(g.control)
	return g
}

// do has a command obeyed and gives the answer.
func (g *guest) do(format string, args ...any) string {
	g.t.Helper()
	command := fmt.Sprintf(format, args...)
	if _, err := io.WriteString(g.control, command+"\n"); err != nil {
		g.t.Fatalf("%s: %v", command, err)
	}
	answer, err := g.answers.ReadString('\n')
	if err != nil {
		g.t.Fatalf("%s: %v\n%s", command, err, g.output)
	}
	return strings.TrimSuffix(answer, "\n")
}

// want has a command obeyed, whose answer is known.
func (g *guest) want(answer, format string, args ...any) {
	g.t.Helper()
	if got := g.do(format, args...); got != answer {
		g.t.Fatalf("%s: %q, want %q", fmt.Sprintf(format, args...), got, answer)
	}
}

// connect gives the guest n more connections and returns the number of the first.
func (g *guest) connect(n int) int {
	g.t.Helper()
	first := len(g.peers)
	deadline := time.Now().Add(watchdog)
	for accepted := 0; accepted < n; {
		// No more at a time than a short backlog holds.
		if some := min(n, accepted+50); first+some > len(g.peers) {
			g.peers = append(g.peers, g.dial(g.t))
			continue
		}
		var more int
		if _, err := fmt.Sscanf(g.do("accept"), "ok %d", &more); err != nil {
			g.t.Fatalf("accept: %v", err)
		}
		if accepted += more; time.Now().After(deadline) {
			g.t.Fatalf("%d of %d connections were accepted", accepted, n)
		}
	}
	return first
}

// arrived waits, by Peek, until connection i has bytes to read.
func (g *guest) arrived(i int) {
	g.t.Helper()
	for deadline := time.Now().Add(watchdog); g.do("peek %d 1", i) == "wouldblock 0"; {
		if time.Now().After(deadline) {
			g.t.Fatalf("nothing arrives at connection %d", i)
		}
	}
}

// send writes to connection i from outside, and returns when it is there.
func (g *guest) send(i int, text string) {
	g.t.Helper()
	_, err := io.WriteString(g.peers[i], text)
	check(g.t, err)
	g.arrived(i)
}

// events is one Wait: what it gave, by token.
func (g *guest) events(room, milliseconds int) map[int]string {
	g.t.Helper()
	words := strings.Fields(g.do("wait %d %d", room, milliseconds))
	if len(words) < 2 || words[0] != "ok" {
		g.t.Fatalf("wait: %q", words)
	}
	events := map[int]string{}
	for _, word := range words[2:] {
		var token int
		name, ready, _ := strings.Cut(word, ":")
		if _, err := fmt.Sscan(name, &token); err != nil {
			g.t.Fatalf("wait: %q: %v", word, err)
		}
		if events[token] != "" {
			g.t.Fatalf("two events for one registration in one Wait: %q", words)
		}
		events[token] = ready
	}
	if len(events) > room {
		g.t.Fatalf("Wait with room for %d gave %q", room, words)
	}
	return events
}

// silence is how many milliseconds an assertion of absence looks.
const silence = 30

func (g *guest) quiet() {
	g.t.Helper()
	if events := g.events(64, silence); len(events) > 0 {
		g.t.Fatalf("events where none may come: %v", events)
	}
}

// one asserts that the next event is for the token alone, and says this.
func (g *guest) one(token int, ready string) {
	g.t.Helper()
	events := g.events(64, int(watchdog.Milliseconds()))
	if len(events) != 1 || events[token] != ready {
		g.t.Fatalf("events %v, want %s for %d", events, ready, token)
	}
}
