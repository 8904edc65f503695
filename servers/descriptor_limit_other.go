//go:build !unix

package servers

import "math"

// descriptorLimit gives the number of descriptors that the process may have: here the system does not tell.
func descriptorLimit() int { return math.MaxInt32 }
