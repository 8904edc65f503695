package main

import (
	"errors"
	"log"
	"net"
)

// serveNetTCP echoes with package net as most programs use it: a goroutine and a buffer for each connection.
func serveNetTCP(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 16<<10)
			for {
				n, err := c.Read(buf)
				if n > 0 {
					if _, err := c.Write(buf[:n]); err != nil {
						return // the client is gone: the load generator reports what it misses
					}
				}
				if err != nil {
					return
				}
			}
		}()
	}
}

// serveNetUDP echoes with one goroutine.
func serveNetUDP(c *net.UDPConn) error {
	buf := make([]byte, 65535)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		if _, err := c.WriteToUDPAddrPort(buf[:n], from); errors.Is(err, net.ErrClosed) {
			return err
		} else if err != nil {
			log.Print(err)
		}
	}
}

// runNet is the server process "net".
func runNet(network, addr string) error {
	if network == "udp" {
		a, err := net.ResolveUDPAddr(network, addr)
		if err != nil {
			return err
		}
		c, err := net.ListenUDP(network, a)
		if err != nil {
			return err
		}
		return serveNetUDP(c)
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return err
	}
	return serveNetTCP(l)
}
