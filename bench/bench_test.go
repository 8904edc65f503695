package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the processes that it starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "load", "serve":
			os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
		case "corrupt":
			corrupt(os.Args[3])
		case "stubborn":
			stubborn(os.Args[2])
		}
	}
	os.Exit(m.Run())
}

// corrupt is an echo server that sends back a wrong byte after 1,000 right ones.
func corrupt(addr string) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		go func() {
			defer c.Close()
			if _, err := io.CopyN(struct{ io.Writer }{c}, c, 1000); err != nil {
				return
			}
			c.Write([]byte("?"))
			io.Copy(io.Discard, c)
		}()
	}
}

// stubborn is a process that ignores what may be ignored. It says so by connecting to addr, and is killed by the other
// side, or ends with it.
func stubborn(addr string) {
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	io.Copy(io.Discard, c)
	os.Exit(0)
}

func startStubborn(t *testing.T, ctx context.Context) *process {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p, err := startProcess(ctx, []string{self, "stubborn", l.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := p.running(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAProcessThatIgnoresSignalsIsEnded(t *testing.T) {
	p := startStubborn(t, t.Context())
	p.stop()
	if p.running() == nil {
		t.Error("it runs after stop")
	}
}

func TestProcessesEndWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := startStubborn(t, ctx)
	cancel()
	<-p.ended
}

func TestAnInterruptedBenchmarkEndsItsServer(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := benchmark{self: self, rounds: 1, duration: forMinutes, progress: io.Discard}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil { // the server is there
			cancel()
			io.Copy(io.Discard, c) // until it is not
			c.Close()
		}
	}()
	servers := []server{{"stubborn", []string{self, "stubborn", l.Addr().String()}}}
	if _, err := b.run(ctx, scenarios[0], servers); err != context.Canceled {
		t.Errorf("the error is %v, want %v", err, context.Canceled)
	}
}

func TestTheBenchmarkRunsEveryServer(t *testing.T) {
	var out, progress bytes.Buffer
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-quick", "-idle", "100", "-scenarios", "tcp-100,tcp-idle,udp-64",
		"-server", "own=" + self + " serve net", "-udp-server", "own=" + self + " serve net -net udp"}
	if status := run(t.Context(), args, &out, &progress); status != exitOK {
		t.Fatalf("status %d\n%s\n%s", status, &progress, &out)
	}
	names := []string{"reactor", "net", "own"}
	if haveGnet {
		names = append(names, "gnet")
	}
	for _, name := range names {
		if n := strings.Count(out.String(), "\n| "+name+" |"); n != 3 {
			t.Errorf("%s is in %d tables of 3", name, n)
		}
	}
	if runtime.GOOS == "linux" && strings.Contains(out.String(), "| – |") {
		t.Error("a figure is missing")
	}
	if t.Failed() {
		t.Logf("%s\n%s", &progress, &out)
	}
}

func TestTheBenchmarkReportsAServerThatEchoesWrongly(t *testing.T) {
	var out, progress bytes.Buffer
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-quick", "-scenarios", "tcp-1", "-servers", "net,corrupt", "-server", "corrupt=" + self + " corrupt"}
	if status := run(t.Context(), args, &out, &progress); status != exitFailed {
		t.Errorf("status %d, want %d", status, exitFailed)
	}
	if !strings.Contains(out.String(), "FAILED: corrupt, round 1: load: exit status 1: bench load: connection 0: byte 1000 came back wrong") {
		t.Errorf("the failure is not in:\n%s\n%s", &progress, &out)
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-no-such-flag"}, {"argument"}, {"-scenarios", "tcp-100,other"}, {"-rounds", "0"}, {"-idle", "0"}, {"-dur", "0s"},
		{"-warm", "-1s"}, {"-loops", "0"}, {"-server", "name"}, {"-server", "=command"}, {"-udp-server", "name= "},
		{"serve"}, {"serve", "other"}, {"load", "-c", "0"},
	} {
		if status := run(t.Context(), args, io.Discard, io.Discard); status != exitUsage {
			t.Errorf("%q: status %d, want %d", args, status, exitUsage)
		}
	}
}

func TestUsageOfAProcessGrows(t *testing.T) {
	before, err := readUsage(os.Getpid())
	if err != nil {
		t.Skipf("cannot be measured here: %v", err)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		now, err := readUsage(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now.cpu > before.cpu && now.machine > before.machine {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute of work %+v is %+v", before, now)
		}
	}
	if rss, err := readRSS(os.Getpid()); err != nil || rss < 1<<20 {
		t.Errorf("this process has %d bytes of memory, error %v", rss, err)
	}
}
