package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"github.com/goreactor/reactor/servers"
)

// Flags are the flags of one program.
type Flags struct {
	set   *flag.FlagSet
	level slog.Level
	addr  *string
}

func (f *Flags) log() {
	f.level = slog.LevelInfo
	f.set.Func("log", "least `level` to log: debug, info, warn or error (default info)", func(s string) error {
		switch s {
		case "debug", "info", "warn", "error":
			return f.level.UnmarshalText([]byte(s))
		}
		return errors.New("it must be debug, info, warn or error")
	})
}

// Addr defines -addr, whose default is *addr. A host name is replaced by its address before the program runs.
func (f *Flags) Addr(addr *string) {
	f.addr = addr
	f.set.Func("addr", fmt.Sprintf("`host:port` to listen on; port 0 lets the system choose (default %s)", *addr), func(s string) error {
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return err
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("port %q is not a number between 0 and 65535", port)
		}
		*addr = s
		return nil
	})
}

// Loops defines -loops.
func (f *Flags) Loops(loops *int) {
	f.count(loops, servers.MaxLoops, "loops", "`number` of event loops (default 1)")
}

// MaxConns defines -max-conns.
func (f *Flags) MaxConns(conns *int) {
	f.count(conns, servers.MaxMaxConns, "max-conns", "`number` of connections at which to stop accepting (default 65536, or what the limit of descriptors leaves)")
}

// count defines a flag whose value, if it is given, is between 1 and most.
func (f *Flags) count(value *int, most int, name, usage string) {
	f.set.Func(name, usage, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return fmt.Errorf("it must be a number from 1 to %d", most)
		}
		*value = n
		return nil
	})
}

// resolve looks up the host of -addr if it is a name. Package reactor takes numeric addresses only, for a look-up
// blocks. As package net does, it prefers an IPv4 address.
func (f *Flags) resolve(ctx context.Context) error {
	if f.addr == nil {
		return nil
	}
	host, port, err := net.SplitHostPort(*f.addr)
	if err != nil || host == "" {
		return err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return err
	}
	if len(ips) == 0 {
		return &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	chosen := ips[0].Unmap()
	for _, ip := range ips {
		if ip = ip.Unmap(); ip.Is4() {
			chosen = ip
			break
		}
	}
	*f.addr = net.JoinHostPort(chosen.String(), port)
	return nil
}
