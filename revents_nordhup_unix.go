//go:build aix || solaris || (reactor_poll && unix && !linux && !freebsd)

package reactor

// pollRDHUP is nothing where poll(2) has no word for a peer that has closed its sending side: the descriptor is readable, and a
// read tells.
const pollRDHUP = 0
