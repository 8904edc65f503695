//go:build !race

package reactor_test

// raceEnabled says that the race detector's own allocations are counted too.
const raceEnabled = false
