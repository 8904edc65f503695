//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly || windows)

package main

import "errors"

// gnet does not build for this system.
const haveGnet = false

func runGnet(network, addr string, loops int) error { return errors.ErrUnsupported }
