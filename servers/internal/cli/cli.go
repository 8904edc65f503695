// Package cli is what the servers' programs have in common: flags, log, signals and exit statuses.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // also: a second signal, while the server was stopping
	exitUsage  = 2
)

// A Program is a server with its flags.
type Program struct {
	// Name is the program's, About says in a sentence what it does.
	Name, About string
	// Flags defines the flags that the program has, beside -log.
	Flags func(*Flags)
	// Run serves until ctx is done.
	Run func(ctx context.Context, log *slog.Logger) error
}

// Main runs the program with the process's arguments, and ends the process.
//
// SIGINT and SIGTERM end ctx; when Run then returns, the status is 0. A second signal ends the process at once,
// with status 1. Bad flags give status 2, and what fails gives 1, each with one line on stderr that says what
// is wrong.
func Main(p Program) {
	os.Exit(p.main(os.Args[1:], os.Stderr))
}

func (p Program) main(args []string, stderr io.Writer) int {
	f := &Flags{set: flag.NewFlagSet(p.Name, flag.ContinueOnError)}
	f.set.SetOutput(io.Discard)
	f.log()
	p.Flags(f)
	if err := f.set.Parse(args); errors.Is(err, flag.ErrHelp) {
		p.usage(f, stderr)
		return exitOK
	} else if err != nil {
		return p.badUsage(err, stderr)
	}
	if f.set.NArg() > 0 {
		return p.badUsage(fmt.Errorf("unexpected argument %q", f.set.Arg(0)), stderr)
	}

	ignoreBrokenPipes()
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.level}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		log.Info("stopping", "signal", (<-signals).String())
		cancel()
		log.Error("stopped at once", "signal", (<-signals).String())
		os.Exit(exitFailed)
	}()

	err := f.resolve(ctx)
	if err == nil {
		err = p.Run(ctx, log)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "%s: %v%s\n", p.Name, err, hint(err))
		return exitFailed
	}
	return exitOK
}

func (p Program) badUsage(err error, stderr io.Writer) int {
	fmt.Fprintf(stderr, "%s: %v (%s -h tells the flags)\n", p.Name, err, p.Name)
	return exitUsage
}

func (p Program) usage(f *Flags, stderr io.Writer) {
	fmt.Fprintf(stderr, "%s %s.\n\nusage: %s [flags]\n\n", p.Name, p.About, p.Name)
	f.set.SetOutput(stderr)
	f.set.PrintDefaults()
}
