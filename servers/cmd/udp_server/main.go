// Udp_server sends each datagram back to where it came from.
package main

import (
	"context"
	"log/slog"

	"github.com/goreactor/reactor/servers"
	"github.com/goreactor/reactor/servers/internal/cli"
)

func main() {
	s := servers.UDP{Addr: servers.DefaultAddr}
	cli.Main(cli.Program{
		Name:  "udp_server",
		About: "sends each UDP datagram back to where it came from",
		Flags: func(f *cli.Flags) {
			f.Addr(&s.Addr)
			f.Loops(&s.Loops)
		},
		Run: func(ctx context.Context, log *slog.Logger) error {
			s.Logger = log
			return s.Run(ctx)
		},
	})
}
