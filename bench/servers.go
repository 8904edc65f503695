package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// A server is a command to which "-addr HOST:PORT" is appended.
type server struct {
	name string
	argv []string
}

// reactorPrograms are the servers under test, by network.
var reactorPrograms = map[string]string{"tcp": "tcp_server", "udp": "udp_server"}

// buildReactor builds the reactor's servers into dir.
func buildReactor(ctx context.Context, dir string, networks map[string]bool) error {
	for network, program := range reactorPrograms {
		if !networks[network] {
			continue
		}
		pkg := "github.com/goreactor/reactor/servers/cmd/" + program
		out, err := exec.CommandContext(ctx, "go", "build", "-o", reactorPath(dir, network), pkg).CombinedOutput()
		if err != nil {
			return fmt.Errorf("go build %s (in the folder bench): %w\n%s", pkg, err, out)
		}
	}
	return nil
}

func reactorPath(dir, network string) string {
	path := filepath.Join(dir, reactorPrograms[network])
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	return path
}

// builtinServers gives the reactor's server first, for ratios are to the first one, and then the peers, which are this
// program (self) with another first argument.
func builtinServers(dir, self, network string, loops int) []server {
	n := strconv.Itoa(loops)
	servers := []server{
		{"reactor", []string{reactorPath(dir, network), "-log", "error", "-loops", n}},
		{"net", []string{self, "serve", "net", "-net", network}},
	}
	if haveGnet {
		servers = append(servers, server{"gnet", []string{self, "serve", "gnet", "-net", network, "-loops", n}})
	}
	return servers
}

// A serverFlag collects -server name='command'. The command is split at blanks and started without a shell.
type serverFlag []server

func (f *serverFlag) String() string { return "" }

func (f *serverFlag) Set(s string) error {
	name, command, _ := strings.Cut(s, "=")
	argv := strings.Fields(command)
	if name == "" || len(argv) == 0 {
		return errors.New("it must be name='command'")
	}
	*f = append(*f, server{name, argv})
	return nil
}

// chooseServers keeps those that a list names, in its order, or all.
func chooseServers(all []server, list string) []server {
	if list == "" {
		return all
	}
	var chosen []server
	for name := range strings.SplitSeq(list, ",") {
		for _, s := range all {
			if s.name == name {
				chosen = append(chosen, s)
			}
		}
	}
	return chosen
}
