//go:build unix

package servers

import (
	"math"

	"golang.org/x/sys/unix"
)

// descriptorLimit gives the number of descriptors that the process may have. The runtime has raised the soft
// limit to the hard one at the start.
func descriptorLimit() int {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return math.MaxInt32 // not known: accept finds out
	}
	return int(min(uint64(lim.Cur), math.MaxInt32))
}
