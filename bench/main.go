// Bench runs the reactor's echo servers beside servers on Go's net and on gnet, and prints how they compare.
//
//	go run .                 the benchmark; -h tells its flags
//	go run . load …          the load generator alone; -h tells its flags
//	go run . serve net …     a peer alone: net or gnet
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		switch args[0] {
		case "load":
			return runLoad(ctx, args[1:], stdout, stderr)
		case "serve":
			return runServe(args[1:], stderr)
		}
	}
	return runBench(ctx, args, stdout, stderr)
}

// runServe is the sub-command serve: a peer, until the process is ended.
func runServe(args []string, stderr io.Writer) int {
	f := flag.NewFlagSet("bench serve net|gnet", flag.ContinueOnError)
	f.SetOutput(stderr)
	network := f.String("net", "tcp", "tcp or udp")
	addr := f.String("addr", "127.0.0.1:9000", "`host:port` to listen on")
	loops := f.Int("loops", 1, "event loops of gnet")
	var kind string
	if len(args) > 0 {
		kind, args = args[0], args[1:]
	}
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	signal.Reset(os.Interrupt, syscall.SIGTERM) // they end it at once
	var err error
	switch kind {
	case "net":
		err = runNet(*network, *addr)
	case "gnet":
		err = runGnet(*network, *addr, *loops)
	default:
		fmt.Fprintf(stderr, "bench serve: %q: it must be net or gnet\n", kind)
		return exitUsage
	}
	fmt.Fprintln(stderr, "bench serve:", err)
	return exitFailed
}

func runBench(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	b := benchmark{progress: stderr}
	added := map[string]*serverFlag{"tcp": {}, "udp": {}}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	names := f.String("scenarios", "", "only these, e.g. `tcp-100,udp` (default all)")
	only := f.String("servers", "", "only these, e.g. `reactor,net`; ratios are to the first (default all)")
	f.IntVar(&b.rounds, "rounds", 5, "times that each server runs")
	f.DurationVar(&b.duration, "dur", time.Second, "how long each run measures")
	f.DurationVar(&b.warmUp, "warm", 300*time.Millisecond, "how long each run warms up")
	idle := f.Int("idle", 10000, "idle connections, within the limit of descriptors")
	loops := f.Int("loops", 1, "event loops of each server, and CPUs for it")
	f.Float64Var(&b.calm, "calm", 0, "run again, a few times, while other processes take more than this many `CPUs`, e.g. 0.1")
	quick := f.Bool("quick", false, "one short round with fewer idle connections: to see that it works, not to compare")
	list := f.Bool("list", false, "list scenarios and servers")
	f.Var(added["tcp"], "server", "another TCP server: `name='command'`, to which -addr HOST:PORT is appended")
	f.Var(added["udp"], "udp-server", "another UDP server, likewise: `name='command'`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if *quick {
		b.rounds, b.duration, b.warmUp, *idle = 1, 200*time.Millisecond, 100*time.Millisecond, min(*idle, 1000)
	}
	chosen, err := chooseScenarios(*names)
	switch {
	case err != nil:
	case f.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
	case b.rounds < 1 || *idle < 1 || *loops < 1:
		err = errors.New("-rounds, -idle and -loops must be at least 1")
	case b.duration <= 0 || b.warmUp < 0:
		err = errors.New("-dur must be above 0 and -warm not below")
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitUsage
	}
	if err := b.main(ctx, chosen, *idle, *loops, *only, added, *list, stdout); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitOK
}

func (b *benchmark) main(ctx context.Context, chosen []scenario, idle, loops int, only string, added map[string]*serverFlag, list bool, stdout io.Writer) error {
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "reactor-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	servers := map[string][]server{}
	for _, network := range []string{"tcp", "udp"} {
		all := append(builtinServers(dir, b.self, network, loops), *added[network]...)
		servers[network] = chooseServers(all, only)
	}
	if list {
		return writeList(stdout, servers)
	}
	needed := map[string]bool{}
	for _, sc := range chosen {
		for _, s := range servers[sc.network] {
			needed[sc.network] = needed[sc.network] || s.name == "reactor"
		}
	}
	if err := buildReactor(ctx, dir, needed); err != nil {
		return err
	}
	limit, err := raiseDescriptorLimit()
	if err != nil {
		return err
	}
	const spared = 200 // for what a server holds beside its connections
	if uint64(idle)+spared > limit {
		idle = max(1, int(limit)-spared)
		fmt.Fprintf(b.progress, "only %d idle connections: the limit of descriptors is %d\n", idle, limit)
	}
	if _, err := fmt.Fprintln(stdout, b.place(loops)); err != nil {
		return err
	}
	failed := 0
	for _, sc := range chosen {
		if sc.idle {
			sc.conns = idle
			sc.about = fmt.Sprintf("%d idle connections", idle)
		}
		if len(servers[sc.network]) == 0 {
			continue
		}
		samples, err := b.run(ctx, sc, servers[sc.network])
		if err != nil {
			return err
		}
		n, err := writeTable(stdout, sc, servers[sc.network], samples)
		if err != nil {
			return err
		}
		failed += n
	}
	if failed > 0 {
		return fmt.Errorf("%d runs failed", failed)
	}
	return nil
}

// place shares out the CPUs, and says how.
func (b *benchmark) place(loops int) string {
	how := fmt.Sprintf("%s/%s, %s, %d rounds of %v after %v, medians (least–greatest)",
		runtime.GOOS, runtime.GOARCH, runtime.Version(), b.rounds, b.duration, b.warmUp)
	cpus, err := allowedCPUs()
	switch {
	case err != nil:
		b.spin = runtime.NumCPU() > loops
		return how + "; not pinned to CPUs: " + err.Error()
	case len(cpus) <= loops:
		return how + fmt.Sprintf("; not pinned: %d CPUs for %d loops and the load generator", len(cpus), loops)
	}
	b.serverCPUs, b.loadCPUs, b.spin = cpus[:loops], cpus[loops:], true
	return how + fmt.Sprintf("; servers on CPUs %v, load generator on %v", b.serverCPUs, b.loadCPUs)
}

func writeList(w io.Writer, servers map[string][]server) error {
	for _, sc := range scenarios {
		if _, err := fmt.Fprintf(w, "scenario %-10s  %s\n", sc.name, sc.about); err != nil {
			return err
		}
	}
	for _, network := range []string{"tcp", "udp"} {
		for _, s := range servers[network] {
			if _, err := fmt.Fprintf(w, "%s server %s: %q -addr HOST:PORT\n", network, s.name, s.argv); err != nil {
				return err
			}
		}
	}
	return nil
}
