package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/goreactor/reactor"
)

// patience is how long the load generator waits for a server that sends nothing any more.
const patience = 10 * time.Second

// loadOptions are the load generator's flags.
type loadOptions struct {
	network, addr         string
	conns, size, inFlight int
	duration, warmUp      time.Duration
	pid                   int  // the server's, 0: do not measure it
	spin                  bool // look at the sockets without ever sleeping
	idle                  bool // hold connections and measure memory
}

// A result is what the load generator found. What JSON cannot say, NaN, its methods say.
type result struct {
	Requests  uint64  // whose echo came back whole while measuring
	Seconds   float64 // measured
	P50, P99  float64 // from the time a message could be sent to its echo's last byte, in µs
	Lost      uint64  // datagrams that did not come back in time
	Busy      float64 // the part of the time in which there was something to do; 0: not known
	HaveUsage bool    // the next three are known
	CPU       float64 // the server's CPU seconds
	Switches  uint64  // the server's context switches
	Others    float64 // how many CPUs the rest of the machine took
	HaveRSS   bool    // the next two are known
	IdleBytes float64 // growth of the server's memory by an idle connection
	UsedBytes float64 // the same after one echo on each
}

func (r result) rate() float64 { return float64(r.Requests) / r.Seconds }

func (r result) cpuPerMillion() float64 {
	if !r.HaveUsage {
		return math.NaN()
	}
	return r.CPU / float64(r.Requests) * 1e6
}

func (r result) switchesPerRequest() float64 {
	if !r.HaveUsage {
		return math.NaN()
	}
	return float64(r.Switches) / float64(r.Requests)
}

// runLoad is the sub-command load.
func runLoad(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var o loadOptions
	f := flag.NewFlagSet("bench load", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.network, "net", "tcp", "tcp or udp")
	f.StringVar(&o.addr, "addr", "127.0.0.1:9000", "the server's numeric `host:port`")
	f.IntVar(&o.conns, "c", 1, "connections, or UDP sockets")
	f.IntVar(&o.size, "s", 64, "size of a message in bytes")
	f.IntVar(&o.inFlight, "p", 1, "messages in flight on each connection")
	f.DurationVar(&o.duration, "d", time.Second, "how long to measure")
	f.DurationVar(&o.warmUp, "w", 300*time.Millisecond, "how long to run before measuring")
	f.IntVar(&o.pid, "pid", 0, "the server's process, whose CPU time and memory are measured as well")
	f.BoolVar(&o.spin, "spin", false, "never sleep: for a load generator with a CPU of its own")
	f.BoolVar(&o.idle, "idle", false, "hold idle connections and measure the memory of -pid")
	asJSON := f.Bool("json", false, "print the result as JSON")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if err := o.check(); err != nil {
		fmt.Fprintln(stderr, "bench load:", err)
		return exitUsage
	}
	if _, err := raiseDescriptorLimit(); err != nil {
		fmt.Fprintln(stderr, "bench load:", err)
		return exitFailed
	}
	r, err := o.run(ctx)
	if err == nil {
		if *asJSON {
			err = json.NewEncoder(stdout).Encode(r)
		} else {
			err = o.print(stdout, r)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench load:", err)
		return exitFailed
	}
	return exitOK
}

func (o loadOptions) check() error {
	switch {
	case o.network != "tcp" && o.network != "udp":
		return fmt.Errorf("-net %q: it must be tcp or udp", o.network)
	case o.network == "udp" && o.idle:
		return errors.New("-idle is for tcp")
	case o.idle && o.pid == 0:
		return errors.New("-idle needs -pid")
	case o.conns < 1 || o.inFlight < 1 || o.size < 1:
		return errors.New("-c, -p and -s must be at least 1")
	case o.network == "udp" && (o.size < datagramHeader || o.size > maxDatagram):
		return fmt.Errorf("-s must be from %d to %d for udp", datagramHeader, maxDatagram)
	case o.duration <= 0 || o.warmUp < 0:
		return errors.New("-d must be above 0 and -w not below")
	}
	return nil
}

func (o loadOptions) print(w io.Writer, r result) error {
	if o.idle {
		_, err := fmt.Fprintf(w, "%.0f bytes a connection, %.0f after an echo\n", r.IdleBytes, r.UsedBytes)
		return err
	}
	_, err := fmt.Fprintf(w, "%.0f requests/s, p50 %.1f µs, p99 %.1f µs, CPU %.3f s/M, %.3f switches/request, %d lost\n",
		r.rate(), r.P50, r.P99, r.cpuPerMillion(), r.switchesPerRequest(), r.Lost)
	return err
}

// run is the load generator itself. An echo that is not what was sent, and a connection that breaks, is an error.
func (o loadOptions) run(ctx context.Context) (result, error) {
	poll, err := reactor.NewPoll()
	if err != nil {
		return result{}, err
	}
	defer poll.Close()
	l := &load{loadOptions: o, ctx: ctx, poll: poll, events: make([]reactor.Event, 1024), began: time.Now()}
	if o.network == "udp" {
		return runDatagrams(l)
	}
	return runStreams(l)
}

// A load is what both kinds of load have in common: the loop and the clock.
type load struct {
	loadOptions
	ctx     context.Context
	poll    *reactor.Poll
	events  []reactor.Event
	began   time.Time
	latency histogram
	lost    uint64
	moved   uint64 // counts whatever comes in, to notice when nothing does
}

// now is the monotonic time in nanoseconds.
func (l *load) now() int64 { return int64(time.Since(l.began)) }

// loop waits and hands events to handle until done says so. It gives up when nothing moves for long.
func (l *load) loop(handle func(reactor.Event) error, done func(events int, now int64) (bool, error)) error {
	timeout := 10 * time.Millisecond
	if l.spin {
		timeout = 0
	}
	moved, movedAt := l.moved, l.now()
	for {
		n, err := l.poll.Wait(l.events, timeout)
		if err != nil {
			return err
		}
		for _, e := range l.events[:n] {
			if err := handle(e); err != nil {
				return err
			}
		}
		now := l.now()
		if end, err := done(n, now); end || err != nil {
			return err
		}
		if moved != l.moved {
			moved, movedAt = l.moved, now
		} else if now-movedAt > int64(patience) {
			return fmt.Errorf("nothing came back for %v", patience)
		}
		if l.ctx.Err() != nil {
			return l.ctx.Err()
		}
	}
}

// measure runs the loop through the warm-up and the time to be measured, which does not end before a request did.
func (l *load) measure(handle func(reactor.Event) error, tick func(now int64) error) (result, error) {
	var (
		r             result
		before        usages
		measuring     bool
		start, idling int64
		last          = l.now()
		warm          = last + int64(l.warmUp)
	)
	err := l.loop(handle, func(events int, now int64) (bool, error) {
		if events == 0 {
			idling += now - last
		}
		last = now
		if err := tick(now); err != nil {
			return false, err
		}
		if !measuring && now >= warm {
			var err error
			if before, err = l.usages(); err != nil {
				return false, err
			}
			l.latency.reset()
			l.lost, idling, measuring = 0, 0, true
			start = l.now()
			last = start
			return false, nil
		}
		return measuring && now-start >= int64(l.duration) && l.latency.total > 0, nil
	})
	if err != nil {
		return r, err
	}
	after, err := l.usages()
	if err != nil {
		return r, err
	}
	r.Requests = l.latency.total
	r.Seconds = float64(last-start) / 1e9
	r.P50, r.P99 = l.latency.quantile(.50)/1e3, l.latency.quantile(.99)/1e3
	r.Lost = l.lost
	if l.spin {
		r.Busy = 1 - float64(idling)/float64(last-start)
	}
	if r.HaveUsage = after.have; after.have {
		cpu := after.server.cpu - before.server.cpu
		others := after.server.machine - before.server.machine - cpu - (after.load.cpu - before.load.cpu)
		r.CPU = cpu.Seconds()
		r.Switches = after.server.switches - before.server.switches
		r.Others = max(0, others.Seconds()/r.Seconds)
	}
	return r, nil
}

type usages struct {
	server, load usage
	have         bool // there is a server to measure, and a way
}

func (l *load) usages() (usages, error) {
	var u usages
	if l.pid == 0 {
		return u, nil
	}
	var err error
	if u.server, err = readUsage(l.pid); err == nil {
		u.load, err = readUsage(os.Getpid())
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return u, nil
	}
	u.have = err == nil
	return u, err
}

const patternLen = 1 << 20

// pattern is what all messages are cut from: patternLen random bytes, twice, so that a slice may begin anywhere.
var pattern = func() []byte {
	p := make([]byte, 2*patternLen)
	// It never fails. The seed is fixed: every server gets the same bytes.
	_, _ = rand.NewChaCha8([32]byte{}).Read(p[:patternLen])
	copy(p[patternLen:], p)
	return p
}()
