package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A benchmark is what the flags say.
type benchmark struct {
	self       string // this program's path
	serverCPUs []int  // none: not pinned
	loadCPUs   []int
	spin       bool // the load generator has a CPU of its own
	rounds     int
	duration   time.Duration
	warmUp     time.Duration
	calm       float64 // how many CPUs the rest of the machine may take; 0: any number
	progress   io.Writer
}

// A sample is one run of one server in one round.
type sample struct {
	result
	err error
}

// run measures the servers in rounds, A B C B C A …, and gives samples[server][round]. It stops early when ctx is done.
func (b *benchmark) run(ctx context.Context, sc scenario, servers []server) ([][]sample, error) {
	samples := make([][]sample, len(servers))
	for i := range samples {
		samples[i] = make([]sample, b.rounds)
	}
	for round := range b.rounds {
		for _, i := range rotated(len(servers), round) {
			r, err := b.measureCalmly(ctx, sc, servers[i])
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			samples[i][round] = sample{r, err}
			fmt.Fprintf(b.progress, "%s round %d %s: ", sc.name, round+1, servers[i].name)
			switch {
			case err != nil:
				fmt.Fprintln(b.progress, err)
			case sc.idle:
				fmt.Fprintf(b.progress, "%.0f bytes a connection, %.0f after an echo\n", r.IdleBytes, r.UsedBytes)
			default:
				fmt.Fprintf(b.progress, "%.0f requests/s, p50 %.1f µs, %.3f CPU s/M, load %.0f %% busy\n",
					r.rate(), r.P50, r.cpuPerMillion(), 100*r.Busy)
			}
		}
	}
	return samples, nil
}

// measureCalmly measures again while the rest of the machine disturbs, and gives the calmest run of those.
func (b *benchmark) measureCalmly(ctx context.Context, sc scenario, srv server) (result, error) {
	const tries = 5
	best, err := b.measure(ctx, sc, srv)
	for try := 1; try < tries && err == nil && b.calm > 0 && best.Others > b.calm; try++ {
		var r result
		if r, err = b.measure(ctx, sc, srv); r.Others < best.Others {
			best = r
		}
	}
	return best, err
}

// measure starts a server, waits until it echoes, lets the load generator at it, and ends it.
func (b *benchmark) measure(ctx context.Context, sc scenario, srv server) (result, error) {
	addr, err := freeAddr(sc.network)
	if err != nil {
		return result{}, err
	}
	p, err := startProcess(ctx, append(append([]string(nil), srv.argv...), "-addr", addr), b.serverCPUs)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	if err := waitForEcho(ctx, p, sc.network, addr); err != nil {
		return result{}, err
	}
	args := append([]string{"load", "-addr", addr, "-json", "-pid", strconv.Itoa(p.pid()), "-d", b.duration.String(),
		"-w", b.warmUp.String(), "-spin=" + strconv.FormatBool(b.spin)}, sc.loadArgs()...)
	load := exec.CommandContext(ctx, b.self, args...)
	var out, errs bytes.Buffer
	load.Stdout, load.Stderr = &out, &errs
	if err = startOn(load, b.loadCPUs); err == nil {
		err = load.Wait()
	}
	if dead := p.running(); dead != nil {
		return result{}, dead
	}
	if err != nil {
		return result{}, fmt.Errorf("load: %w: %s", err, strings.TrimSpace(errs.String()))
	}
	var r result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return result{}, fmt.Errorf("what the load generator says: %w", err)
	}
	return r, nil
}

// freeAddr gives a loopback address whose port nobody had a moment ago.
func freeAddr(network string) (string, error) {
	const any = "127.0.0.1:0"
	if network == "udp" {
		c, err := net.ListenPacket(network, any)
		if err != nil {
			return "", err
		}
		defer c.Close()
		return c.LocalAddr().String(), nil
	}
	l, err := net.Listen(network, any)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// waitForEcho returns when the server has echoed something.
func waitForEcho(ctx context.Context, p *process, network, addr string) error {
	const (
		patience = 15 * time.Second
		again    = 20 * time.Millisecond
	)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := echoOnce(ctx, network, addr)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return p.running()
		case <-ctx.Done():
			return fmt.Errorf("the server does not echo on %s: %w", addr, err)
		case <-time.After(again):
		}
	}
}

func echoOnce(ctx context.Context, network, addr string) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	const greeting = "anybody there?"
	if _, err := c.Write([]byte(greeting)); err != nil {
		return err
	}
	back := make([]byte, len(greeting))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if string(back) != greeting {
		return errors.New("it answers something else")
	}
	return nil
}
