package reactor

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The driver below Winsock, AFD, tells the readiness of sockets: IOCTL_AFD_POLL on a helper handle takes a socket's handle
// and a set of events, and completes once, when one of them holds. It is what select and WSAPoll are made of. Microsoft does not
// document it; libuv, wepoll and mio stand on it, so it stays.

var (
	modntdll    = windows.NewLazySystemDLL("ntdll.dll")
	modkernel32 = windows.NewLazySystemDLL("kernel32.dll")

	procNtCancelIoFileEx            = modntdll.NewProc("NtCancelIoFileEx")
	procNtDeviceIoControlFile       = modntdll.NewProc("NtDeviceIoControlFile")
	procGetQueuedCompletionStatusEx = modkernel32.NewProc("GetQueuedCompletionStatusEx")
)

const (
	ioctlAFDPoll = 0x00012024

	// AFD_POLL_…
	afdReceive          = 0x0001
	afdReceiveExpedited = 0x0002
	afdSend             = 0x0004
	afdDisconnect       = 0x0008 // the peer sends no more
	afdAbort            = 0x0010
	afdLocalClose       = 0x0020 // the handle was closed, asked for or not
	afdAccept           = 0x0080
	afdConnectFail      = 0x0100

	sioBaseHandle    = 0x48000022 // SIO_BASE_HANDLE
	sioBSPHandlePoll = 0x4800001d // SIO_BSP_HANDLE_POLL
)

// ioStatusBlock is IO_STATUS_BLOCK, whose status shares its place with a pointer.
type ioStatusBlock struct {
	status      uintptr
	information uintptr
}

// ntStatus gives the state of an operation that may be in flight: STATUS_PENDING until it is done.
func (s *ioStatusBlock) ntStatus() windows.NTStatus {
	return windows.NTStatus(uint32(atomic.LoadUintptr(&s.status)))
}

// afdPollInfo is AFD_POLL_INFO for one socket.
type afdPollInfo struct {
	timeout   int64 // in 100 ns, as NtDelayExecution: a great one is for ever
	count     uint32
	exclusive uint32
	socket    windows.Handle
	events    uint32
	status    int32
}

// overlappedEntry is OVERLAPPED_ENTRY.
type overlappedEntry struct {
	key        uintptr
	overlapped uintptr
	internal   uintptr
	bytes      uint32
}

// The sizes that the system expects, by pointer size: a constant that is negative does not compile.
const (
	ptr = unsafe.Sizeof(uintptr(0))

	_ = unsafe.Sizeof(ioStatusBlock{}) - 2*ptr
	_ = 2*ptr - unsafe.Sizeof(ioStatusBlock{})
	_ = unsafe.Sizeof(afdPollInfo{}) - (16 + ptr + 8)
	_ = 16 + ptr + 8 - unsafe.Sizeof(afdPollInfo{})
	_ = unsafe.Sizeof(overlappedEntry{}) - 4*ptr
	_ = 4*ptr - unsafe.Sizeof(overlappedEntry{})
	_ = unsafe.Offsetof(afdPollInfo{}.socket) - 16
	_ = 16 - unsafe.Offsetof(afdPollInfo{}.socket)
)

const forever = 1<<63 - 1

// openAFD opens a helper handle. Any name below the device will do.
func openAFD() (windows.Handle, error) {
	name, err := windows.NewNTUnicodeString(`\Device\Afd\Reactor`)
	if err != nil {
		return 0, err
	}
	attributes := &windows.OBJECT_ATTRIBUTES{ObjectName: name}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	var h windows.Handle
	var status windows.IO_STATUS_BLOCK
	err = windows.NtCreateFile(&h, windows.SYNCHRONIZE, attributes, &status, nil, 0, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE, windows.FILE_OPEN, 0, 0, 0)
	return h, ntError("NtCreateFile", err)
}

// ntError gives an NTSTATUS the number that package windows has names for.
func ntError(call string, err error) error {
	if status, ok := err.(windows.NTStatus); ok {
		err = status.Errno()
	}
	return os.NewSyscallError(call, err)
}

// baseHandle finds the handle that AFD knows behind what layered service providers made of a socket.
func baseHandle(fd uintptr) (windows.Handle, error) {
	s := windows.Handle(fd)
	base, err := baseHandleBy(s, sioBaseHandle)
	if err == nil || err == windows.WSAENOTSOCK {
		return base, os.NewSyscallError("WSAIoctl", err)
	}
	// Some providers hide the base handle but answer for the one that polls.
	if base, err := baseHandleBy(s, sioBSPHandlePoll); err == nil && base != s {
		return baseHandle(uintptr(base))
	}
	return 0, os.NewSyscallError("WSAIoctl", err)
}

func baseHandleBy(s windows.Handle, control uint32) (base windows.Handle, err error) {
	var n uint32
	err = windows.WSAIoctl(s, control, nil, 0, (*byte)(unsafe.Pointer(&base)), uint32(unsafe.Sizeof(base)), &n, nil, 0)
	return base, err
}

// afdPoll asks for the events in info. context comes back in the completion packet; with none there is no packet, but an event
// object that is set. The system writes to status and info until that has happened.
func afdPoll(helper, event windows.Handle, context uintptr, status *ioStatusBlock, info *afdPollInfo) windows.NTStatus {
	r, _, _ := syscall.SyscallN(procNtDeviceIoControlFile.Addr(), uintptr(helper), uintptr(event), 0, context, uintptr(unsafe.Pointer(status)), ioctlAFDPoll,
		uintptr(unsafe.Pointer(info)), unsafe.Sizeof(*info), uintptr(unsafe.Pointer(info)), unsafe.Sizeof(*info))
	return windows.NTStatus(uint32(r))
}

// cancelIO ends the operation whose status block that is, or with nil all of a handle's. Their packets follow. It is no
// fault if there is none any more.
func cancelIO(h windows.Handle, operation *ioStatusBlock) windows.NTStatus {
	var status ioStatusBlock
	r, _, _ := syscall.SyscallN(procNtCancelIoFileEx.Addr(), uintptr(h), uintptr(unsafe.Pointer(operation)), uintptr(unsafe.Pointer(&status)))
	if s := windows.NTStatus(uint32(r)); s != windows.STATUS_NOT_FOUND {
		return s
	}
	return 0
}

// dequeue takes what completed from a port.
func dequeue(port windows.Handle, entries []overlappedEntry, timeout int) (n uint32, errno syscall.Errno) {
	r, _, errno := syscall.SyscallN(procGetQueuedCompletionStatusEx.Addr(), uintptr(port), uintptr(unsafe.Pointer(unsafe.SliceData(entries))), uintptr(len(entries)),
		uintptr(unsafe.Pointer(&n)), uintptr(uint32(timeout)), 0)
	switch {
	case r != 0:
		return n, 0
	case errno == syscall.Errno(windows.WAIT_TIMEOUT):
		return 0, 0
	}
	return 0, orInvalid(errno)
}

// afdEvents translates directions to what AFD is asked for.
func afdEvents(i Interest) (events uint32) {
	if i&Readable != 0 {
		events |= afdReceive | afdAccept | afdDisconnect
	}
	if i&Writable != 0 {
		events |= afdSend
	}
	if i&Priority != 0 {
		events |= afdReceiveExpedited
	}
	if i != 0 {
		// Those that come with a hang-up.
		events |= afdAbort | afdConnectFail | afdLocalClose
	}
	return events
}

// wanted gives the readiness that the events asked for tell, but for hang-ups.
func wanted(events uint32) (r Ready) {
	return afdReady(events&(afdReceive|afdSend), 0)
}

// afdReady translates what AFD reports.
func afdReady(events uint32, interest Interest) (r Ready) {
	if events&(afdReceive|afdAccept) != 0 {
		r |= ReadyReadable
	}
	if events&afdSend != 0 {
		r |= ReadyWritable
	}
	if events&afdReceiveExpedited != 0 {
		r |= ReadyPriority
	}
	if events&(afdDisconnect|afdAbort|afdConnectFail) == 0 {
		return r
	}
	r |= ReadyReadClosed
	if events&(afdAbort|afdConnectFail) != 0 {
		r |= ReadyWriteClosed | ReadyError
	}
	if interest&Readable != 0 {
		r |= ReadyReadable
	}
	if interest&Writable != 0 && r&ReadyWriteClosed != 0 {
		r |= ReadyWritable
	}
	return r
}
