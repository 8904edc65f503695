//go:build linux || (freebsd && reactor_poll)

package reactor

import "golang.org/x/sys/unix"

// pollRDHUP tells of a peer that has closed its sending side.
const pollRDHUP = unix.POLLRDHUP
