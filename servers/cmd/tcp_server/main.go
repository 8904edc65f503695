// Tcp_server sends back what TCP clients send.
package main

import (
	"context"
	"log/slog"

	"github.com/goreactor/reactor/servers"
	"github.com/goreactor/reactor/servers/internal/cli"
)

func main() {
	s := servers.TCP{Addr: servers.DefaultAddr}
	cli.Main(cli.Program{
		Name:  "tcp_server",
		About: "sends back what TCP clients send",
		Flags: func(f *cli.Flags) {
			f.Addr(&s.Addr)
			f.Loops(&s.Loops)
			f.MaxConns(&s.MaxConns)
		},
		Run: func(ctx context.Context, log *slog.Logger) error {
			s.Logger = log
			return s.Run(ctx)
		},
	})
}
