package main

import (
	"errors"
	"fmt"
	"slices"
	"structs"
	"syscall"
	"time"

	"github.com/goreactor/reactor"
)

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func pollOneoff(in *subscription, out *event, n uint32, got *uint32) uint32

type subscription struct {
	_                  structs.HostLayout
	userdata           uint64
	tag                uint64
	id                 uint64
	timeout, precision uint64
	flags              uint64
}

type event struct {
	_    structs.HostLayout
	rest [4]uint64
}

// cost measures Wait, with all connections registered and something to read in the active one, against the bare poll_oneoff with
// as many subscriptions, alternating. It gives the medians in nanoseconds.
func (g *guest) cost(rounds, active int, mode reactor.Mode) (string, error) {
	set := []subscription{{id: 1, timeout: uint64(10 * time.Millisecond), precision: 1}}
	for i, c := range g.conns[1:] {
		rc, err := c.SyscallConn()
		if err != nil {
			return "", err
		}
		if err := rc.Control(func(fd uintptr) {
			set = append(set, subscription{userdata: uint64(i), tag: 1, id: uint64(fd)})
		}); err != nil {
			return "", err
		}
	}
	out := make([]event, len(set))
	events := make([]reactor.Event, 64)
	var wait, bare []time.Duration
	for range rounds {
		start := time.Now()
		n, err := g.poll.Wait(events, -1)
		wait = append(wait, time.Since(start))
		if err != nil {
			return "", err
		}
		if n != 1 {
			return "", fmt.Errorf("%d events", n)
		}
		if err := g.poll.Reregister(g.sources[active], reactor.Token(active), reactor.Readable, mode); err != nil {
			return "", err
		}
		start = time.Now()
		var got uint32
		errno := pollOneoff(&set[0], &out[0], uint32(len(set)), &got)
		bare = append(bare, time.Since(start))
		if errno != 0 {
			return "", syscall.Errno(errno)
		}
		if got == 0 {
			return "", errors.New("poll_oneoff reports nothing")
		}
	}
	slices.Sort(wait)
	slices.Sort(bare)
	return fmt.Sprintf("%d %d", wait[rounds/2].Nanoseconds(), bare[rounds/2].Nanoseconds()), nil
}
