//go:build unix

package cli

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const hang = 30 * time.Second

// TestMain runs the test binary as a program that takes its time to stop, if the environment asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("REACTOR_CLI_TEST") == "slow to stop" {
		Main(Program{
			Name:  "slow",
			Flags: func(*Flags) {},
			Run: func(ctx context.Context, log *slog.Logger) error {
				fmt.Fprintln(os.Stderr, "running")
				<-ctx.Done()
				fmt.Fprintln(os.Stderr, "not yet")
				select {} // the signals' goroutine lives on
			},
		})
	}
	os.Exit(m.Run())
}

func TestSecondSignalEndsTheProgramAtOnceWithStatus1(t *testing.T) {
	for _, sigs := range [][2]syscall.Signal{{syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGINT, syscall.SIGTERM}} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "REACTOR_CLI_TEST=slow to stop")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		hung := time.AfterFunc(hang, func() { cmd.Process.Kill() })
		in := bufio.NewScanner(stderr)
		await := func(line string) {
			for in.Scan() {
				if strings.Contains(in.Text(), line) {
					return
				}
			}
			t.Fatalf("the program ended before %q", line)
		}
		await("running")
		cmd.Process.Signal(sigs[0])
		await("not yet")
		cmd.Process.Signal(sigs[1])
		await("stopped at once")
		cmd.Wait()
		if !hung.Stop() {
			t.Fatal("the second signal does not end the program")
		}
		if status := cmd.ProcessState.ExitCode(); status != 1 {
			t.Errorf("%v: status %d", sigs, status)
		}
	}
}
