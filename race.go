//go:build race

package reactor

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what the kernel does with memory in system calls made here. It is told, and as in
// package syscall what was written before a send is taken as known to whoever receives.

const raceEnabled = true

var ioOrder byte

// raceRelease comes before a send.
func raceRelease() { runtime.RaceReleaseMerge(unsafe.Pointer(&ioOrder)) }

// raceRead says that the kernel has read p.
func raceRead(p []byte) {
	if len(p) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}

// raceWrite says that the kernel has written p, which came from some send.
func raceWrite(p []byte) {
	if len(p) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
	runtime.RaceAcquire(unsafe.Pointer(&ioOrder))
}
