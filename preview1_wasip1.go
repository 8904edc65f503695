package reactor

import (
	"runtime"
	"structs"
	"syscall"
	"unsafe"
)

// The functions of WASI preview 1, module wasi_snapshot_preview1. Their numbers and layouts are those of its specification
// (github.com/WebAssembly/WASI, legacy/preview1). Errors are numbers of package syscall.

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func wasiPollOneoff(in *wasiSubscription, out *wasiEvent, n uint32, got *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_accept
//go:noescape
func wasiSockAccept(fd int32, flags uint32, accepted *int32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_recv
//go:noescape
func wasiSockRecv(fd int32, bufs *wasiBuffer, n uint32, flags uint32, got *uint32, out *uint16) uint32

//go:wasmimport wasi_snapshot_preview1 sock_send
//go:noescape
func wasiSockSend(fd int32, bufs *wasiBuffer, n uint32, flags uint32, sent *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 sock_shutdown
func wasiSockShutdown(fd int32, how uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_get
//go:noescape
func wasiFDStatGet(fd int32, stat *wasiFDStat) uint32

//go:wasmimport wasi_snapshot_preview1 fd_fdstat_set_flags
func wasiFDStatSetFlags(fd int32, flags uint32) uint32

//go:wasmimport wasi_snapshot_preview1 fd_close
func wasiFDClose(fd int32) uint32

const (
	wasiEventClock = 0
	wasiEventRead  = 1
	wasiEventWrite = 2

	wasiClockMonotonic = 1
	wasiHangUp         = 1 // flag of an event

	wasiNonblock     = 4 // flag of a descriptor
	wasiSocketDgram  = 5 // types of descriptors
	wasiSocketStream = 6

	wasiPeek = 1 // flag of sock_recv

	wasiShutRead  = 1
	wasiShutWrite = 2
)

// A wasiSubscription is what poll_oneoff is asked for: a clock, or one direction of a descriptor.
type wasiSubscription struct {
	_         structs.HostLayout
	userdata  uint64
	tag       uint8
	_         [7]byte
	id        uint32 // of the descriptor or the clock
	_         uint32
	timeout   uint64 // nanoseconds
	precision uint64
	flags     uint16
	_         [6]byte
}

type wasiEvent struct {
	_        structs.HostLayout
	userdata uint64
	errno    uint16
	tag      uint8
	_        [5]byte
	nbytes   uint64
	flags    uint16
	_        [6]byte
}

type wasiFDStat struct {
	_        structs.HostLayout
	filetype uint8
	_        uint8
	flags    uint16
	_        uint32
	rights   [2]uint64
}

// A wasiBuffer is an iovec. Its pointer is a number, which holds as long as no function is entered that may grow, and so move,
// the stack: only nosplit functions make one, and they go straight to the host.
type wasiBuffer struct {
	_    structs.HostLayout
	base uint32
	len  uint32
}

var (
	_ [48]byte = [unsafe.Sizeof(wasiSubscription{})]byte{}
	_ [32]byte = [unsafe.Sizeof(wasiEvent{})]byte{}
	_ [24]byte = [unsafe.Sizeof(wasiFDStat{})]byte{}
	_ [8]byte  = [unsafe.Sizeof(wasiBuffer{})]byte{}
)

//go:nosplit
func wasiRecv(fd int32, p []byte, flags uint32) (int, syscall.Errno) {
	buf := wasiBuffer{base: uint32(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), len: uint32(len(p))}
	var n uint32
	var out uint16
	errno := wasiSockRecv(fd, &buf, 1, flags, &n, &out)
	runtime.KeepAlive(p)
	return int(n), syscall.Errno(errno)
}

//go:nosplit
func wasiSend(fd int32, p []byte) (int, syscall.Errno) {
	buf := wasiBuffer{base: uint32(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), len: uint32(len(p))}
	var n uint32
	errno := wasiSockSend(fd, &buf, 1, 0, &n)
	runtime.KeepAlive(p)
	return int(n), syscall.Errno(errno)
}
