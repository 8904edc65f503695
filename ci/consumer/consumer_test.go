package consumer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const (
	path    = "github.com/goreactor/reactor"
	version = "v0.1.0"
	root    = "../.."
	// readmeAddress is where the README's program listens.
	readmeAddress = "127.0.0.1:9000"
)

func TestTheReadmesProgramWorksInAModuleThatGetsThisOne(t *testing.T) {
	address := freeAddress(t)
	dir := t.TempDir()
	program := strings.Replace(readmeProgram(t), readmeAddress, address, 1)
	write(t, filepath.Join(dir, "main.go"), program)
	env := consumerEnv(t, proxy(t))
	goCommand(t, dir, env, "mod", "init", "example.org/consumer")
	goCommand(t, dir, env, "get", path)

	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(sums)), "\n") {
		if !strings.HasPrefix(line, path+" ") && !strings.HasPrefix(line, "golang.org/x/sys ") {
			t.Errorf("go.sum has more than this module and golang.org/x/sys: %s", line)
		}
	}
	for _, system := range []string{"linux/amd64", "darwin/arm64", "windows/amd64", "freebsd/amd64", "wasip1/wasm"} {
		goos, goarch, _ := strings.Cut(system, "/")
		out := filepath.Join(t.TempDir(), "program")
		goCommand(t, dir, append(env, "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"), "build", "-o", out, ".")
	}
	if runtime.GOOS != "linux" {
		t.Logf("built, and not run on %s", runtime.GOOS)
		return
	}
	out := filepath.Join(t.TempDir(), "program")
	goCommand(t, dir, env, "build", "-o", out, ".")
	echo(t, out, address)
}

// proxy packs the module as the go command packs a version, and gives the folder of a file-system proxy that has it.
func proxy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := filepath.Join(dir, filepath.FromSlash(path), "@v")
	if err := os.MkdirAll(at, 0o777); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(at, "list"), version+"\n")
	write(t, filepath.Join(at, version+".info"), fmt.Sprintf(`{"Version":%q,"Time":%q}`, version, time.Now().UTC().Format(time.RFC3339)))
	write(t, filepath.Join(at, version+".mod"), string(mod))
	f, err := os.Create(filepath.Join(at, version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.CreateFromDir(f, module.Version{Path: path, Version: version}, root); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.ToSlash(dir)
}

// consumerEnv is the environment of somebody who has nothing of this tree: a module cache of its own, filled from the proxy
// with this module, and with others from what this host has, or else from where it gets them.
func consumerEnv(t *testing.T, proxy string) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOPROXY").Output()
	if err != nil {
		t.Fatalf("go env: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	have := "file://" + filepath.ToSlash(filepath.Join(strings.TrimSpace(lines[0]), "cache", "download"))
	return append(os.Environ(),
		"GOPROXY="+strings.Join([]string{proxy, have, strings.TrimSpace(lines[1])}, ","),
		"GOMODCACHE="+t.TempDir(), "GOFLAGS=-modcacherw", "GOWORK=off", "GONOSUMDB="+path, "GOOS=", "GOARCH=")
}

func goCommand(t *testing.T, dir string, env []string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// readmeProgram gives the README's program.
func readmeProgram(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(readme), "\r\n", "\n")
	for _, block := range strings.Split(text, "\n```go\n")[1:] {
		program, _, closed := strings.Cut(block, "\n```\n")
		if closed && strings.HasPrefix(program, "package main\n") {
			if !strings.Contains(program, readmeAddress) {
				t.Fatalf("the README's program does not listen on %s", readmeAddress)
			}
			return program
		}
	}
	t.Fatal("the README has no program")
	return ""
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// echo runs the program and has it echo.
func echo(t *testing.T, program, address string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(program)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		if err := cmd.Process.Kill(); err == nil {
			<-ended
		} else if !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	}()
	c := dial(t, address, ended, &said)
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	const text = "as users get it"
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("echoed %q, %v", got, err)
	}
}

// dial connects as soon as the program listens.
func dial(t *testing.T, address string, ended chan error, said *bytes.Buffer) net.Conn {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c
		}
		select {
		case status := <-ended:
			t.Fatalf("the program ended: %v\n%s", status, said.String())
		case <-deadline:
			t.Fatalf("the program does not listen: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
