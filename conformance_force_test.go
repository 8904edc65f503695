//go:build !linux

package reactor_test

import (
	"testing"

	"github.com/goreactor/reactor"
)

// forceReadBuffer does nothing: only Linux has a way past the limit of SetReadBuffer.
func forceReadBuffer(testing.TB, *reactor.PacketConn, int) {}
