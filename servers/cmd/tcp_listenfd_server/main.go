// Tcp_listenfd_server sends back what clients send, on listening sockets that its parent opened: a service manager,
// systemd-socket-activate or a WASI runtime.
package main

import (
	"context"
	"log/slog"

	"github.com/goreactor/reactor/servers"
	"github.com/goreactor/reactor/servers/internal/cli"
)

func main() {
	var s servers.ListenFD
	cli.Main(cli.Program{
		Name:  "tcp_listenfd_server",
		About: "sends back what clients send, on inherited listening sockets (LISTEN_FDS)",
		Flags: func(f *cli.Flags) {
			f.Loops(&s.Loops)
			f.MaxConns(&s.MaxConns)
		},
		Run: func(ctx context.Context, log *slog.Logger) error {
			s.Logger = log
			return s.Run(ctx)
		},
	})
}
