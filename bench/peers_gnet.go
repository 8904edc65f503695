//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows

package main

import (
	"log"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"
)

const haveGnet = true

type gnetEcho struct{ gnet.BuiltinEventEngine }

func (*gnetEcho) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Next(-1)
	if err == nil {
		_, err = c.Write(b)
	}
	if err != nil {
		log.Print(err)
		return gnet.Close
	}
	return gnet.None
}

// runGnet is the server process "gnet", with gnet's own defaults but for the number of loops.
func runGnet(network, addr string, loops int) error {
	return gnet.Run(&gnetEcho{}, network+"://"+addr, gnet.WithNumEventLoop(loops), gnet.WithLogLevel(logging.ErrorLevel))
}
