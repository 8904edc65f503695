package main

import (
	"fmt"
	"strconv"
	"strings"
)

// A scenario is one kind of load, and one table.
type scenario struct {
	name, about string
	network     string // "tcp" or "udp"
	conns       int
	size        int // of a message, in bytes
	inFlight    int // messages on each connection
	idle        bool
}

// scenarios are all; in those with idle set, conns is what -idle says.
var scenarios = []scenario{
	{name: "tcp-1", about: "1 connection, 64 B", network: "tcp", conns: 1, size: 64, inFlight: 1},
	{name: "tcp-100", about: "100 connections, 64 B", network: "tcp", conns: 100, size: 64, inFlight: 1},
	{name: "tcp-1000", about: "1,000 connections, 64 B", network: "tcp", conns: 1000, size: 64, inFlight: 1},
	{name: "tcp-pipe16", about: "100 connections, 64 B, 16 in flight on each", network: "tcp", conns: 100, size: 64, inFlight: 16},
	{name: "tcp-16k", about: "100 connections, 16 KiB", network: "tcp", conns: 100, size: 16 << 10, inFlight: 1},
	{name: "tcp-idle", about: "memory of idle connections", network: "tcp", size: 64, idle: true},
	{name: "udp-1", about: "1 socket, 64 B", network: "udp", conns: 1, size: 64, inFlight: 1},
	{name: "udp-64", about: "1 socket, 64 B, 64 in flight", network: "udp", conns: 1, size: 64, inFlight: 64},
	{name: "udp-64x1", about: "64 sockets, 64 B", network: "udp", conns: 64, size: 64, inFlight: 1},
}

// chooseScenarios picks by a list of names, all for an empty one; a name's first part ("tcp") picks all that begin so.
func chooseScenarios(list string) ([]scenario, error) {
	if list == "" {
		return scenarios, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(list, ",") {
		found := false
		for _, s := range scenarios {
			if s.name == name || strings.HasPrefix(s.name, name+"-") && s.network == name {
				chosen = append(chosen, s)
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("no scenario %q (see -list)", name)
		}
	}
	return chosen, nil
}

// loadArgs are the scenario's flags of the load generator.
func (s scenario) loadArgs() []string {
	args := []string{"-net", s.network, "-c", strconv.Itoa(s.conns), "-s", strconv.Itoa(s.size)}
	if s.idle {
		return append(args, "-idle")
	}
	return append(args, "-p", strconv.Itoa(s.inFlight))
}
