package reactor

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A NamedPipe is one end of a named pipe, without blocking: an instance that a server made, or a client's. It exists on
// Windows alone.
//
// It works by overlapped operations at the completion port of its Poll, and so only once it was registered: before that Connect
// looks whether a client is there, and Read and Write give [ErrWouldBlock]. The system binds it to the port of the first
// Poll for good: Register in another gives [ErrRegistered], even after that Poll was closed, and with that Poll closed its
// operations give [ErrClosed].
//
// It reads ahead by up to 32 KiB, and copies what is written, up to 64 KiB; both go on while Wait is called on the Poll. A
// failure of a write shows with the next one. All methods may be called from any goroutine. It must be closed by its owner;
// there is no finalizer.
type NamedPipe struct{ descriptor }

var (
	_ Source             = (*NamedPipe)(nil)
	_ io.ReadWriteCloser = (*NamedPipe)(nil)
	_ syscall.Conn       = (*NamedPipe)(nil)
)

// ListenNamedPipe makes a server's instance of a pipe, with a name such as \\.\pipe\echo: bytes, not messages, in both
// directions, for clients of this computer. Each client takes an instance: make another for the next one, or [NamedPipe.Disconnect].
// See CreateNamedPipe.
func ListenNamedPipe(name string) (*NamedPipe, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "CreateNamedPipe", Path: name, Err: os.ErrInvalid}
	}
	const buffer = 64 << 10
	handle, err := windows.CreateNamedPipe(path, windows.PIPE_ACCESS_DUPLEX|windows.FILE_FLAG_OVERLAPPED,
		windows.PIPE_TYPE_BYTE|windows.PIPE_READMODE_BYTE|windows.PIPE_WAIT|windows.PIPE_REJECT_REMOTE_CLIENTS,
		windows.PIPE_UNLIMITED_INSTANCES, buffer, buffer, 0, nil)
	if err != nil {
		return nil, &os.PathError{Op: "CreateNamedPipe", Path: name, Err: err}
	}
	return newNamedPipe(handle, &pipeState{server: true}), nil
}

// DialNamedPipe connects to a server's instance. It gives nil, [ErrWouldBlock] when all are taken: nothing is connecting, try
// later. The server may learn who the client is but not act in its name. See CreateFile.
func DialNamedPipe(name string) (*NamedPipe, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return nil, &os.PathError{Op: "CreateFile", Path: name, Err: os.ErrInvalid}
	}
	handle, err := windows.CreateFile(path, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING,
		windows.FILE_FLAG_OVERLAPPED|windows.SECURITY_SQOS_PRESENT|windows.SECURITY_IDENTIFICATION, 0)
	switch {
	case err == windows.ERROR_PIPE_BUSY:
		return nil, ErrWouldBlock
	case err != nil:
		return nil, &os.PathError{Op: "CreateFile", Path: name, Err: err}
	}
	return newNamedPipe(handle, &pipeState{connected: true}), nil
}

// NewNamedPipe takes over a handle of a named pipe that was opened with FILE_FLAG_OVERLAPPED for both directions. On success it
// belongs to the NamedPipe and is not inherited; on failure it stays the caller's. A server's end is to be connected by
// [NamedPipe.Connect], even if a client is there. What a pipe of messages carries is read as bytes; each Write is one message.
func NewNamedPipe(handle uintptr) (*NamedPipe, error) {
	h := windows.Handle(handle)
	kind, err := windows.GetFileType(h)
	if err != nil {
		return nil, os.NewSyscallError("GetFileType", err)
	}
	if kind != windows.FILE_TYPE_PIPE {
		return nil, invalid("handle is not a named pipe's")
	}
	var flags uint32
	if err := windows.GetNamedPipeInfo(h, &flags, nil, nil, nil); err != nil {
		return nil, os.NewSyscallError("GetNamedPipeInfo", err)
	}
	var mode uint32
	var status windows.IO_STATUS_BLOCK
	err = windows.NtQueryInformationFile(h, &status, (*byte)(unsafe.Pointer(&mode)), uint32(unsafe.Sizeof(mode)), fileModeInformation)
	if err != nil {
		return nil, ntError("NtQueryInformationFile", err)
	}
	if mode&(windows.FILE_SYNCHRONOUS_IO_ALERT|windows.FILE_SYNCHRONOUS_IO_NONALERT) != 0 {
		return nil, invalid("named pipe was opened without FILE_FLAG_OVERLAPPED")
	}
	if err := windows.SetHandleInformation(h, windows.HANDLE_FLAG_INHERIT, 0); err != nil {
		return nil, os.NewSyscallError("SetHandleInformation", err)
	}
	server := flags&windows.PIPE_SERVER_END != 0
	return newNamedPipe(h, &pipeState{server: server, connected: !server, whole: flags&windows.PIPE_TYPE_MESSAGE != 0}), nil
}

// fileModeInformation is FileModeInformation of FILE_INFORMATION_CLASS.
const fileModeInformation = 16

func newNamedPipe(handle windows.Handle, s *pipeState) *NamedPipe {
	s.handle = handle
	p := new(NamedPipe)
	p.fd, p.kind, p.pipe = sysFD(handle), kindPipe, s
	return p
}

// Connect waits, without blocking, for a client of a server's instance: nil when one is connected, [ErrWouldBlock] until then. The
// event that tells is [Writable]. A client that came and went is an error: Disconnect, and Connect again. On a client's end it
// does nothing. See ConnectNamedPipe.
func (p *NamedPipe) Connect() error {
	if !p.acquire() {
		return ErrClosed
	}
	defer p.release()
	err := p.pipe.accept()
	if err == ErrWouldBlock {
		p.rearm(Writable)
	} else if err == nil {
		p.announce()
	}
	return err
}

// Disconnect ends the connection of a server's instance, which may be connected anew. What the client has not read is lost. See
// DisconnectNamedPipe.
func (p *NamedPipe) Disconnect() error {
	if !p.acquire() {
		return ErrClosed
	}
	defer p.release()
	return p.pipe.disconnect()
}

// Read reads into b. It gives 0, [io.EOF] when the peer has closed its end and nothing is left, and 0, [ErrWouldBlock] when
// nothing is there. A short read drains the pipe, as [Conn.Read]. See ReadFile.
func (p *NamedPipe) Read(b []byte) (int, error) {
	if !p.acquire() {
		return 0, ErrClosed
	}
	defer p.release()
	if len(b) == 0 {
		return 0, nil
	}
	n, err := p.pipe.take(b)
	switch {
	case err == ErrWouldBlock || err == nil && n < len(b):
		p.rearm(Readable)
	case err != nil:
		p.announce()
	}
	return n, err
}

// Write writes b, or as much of it as is taken now: n, [ErrWouldBlock]. It gives 0, ErrWouldBlock while an earlier write is
// under way, and while no client is connected. See WriteFile.
func (p *NamedPipe) Write(b []byte) (int, error) {
	if !p.acquire() {
		return 0, ErrClosed
	}
	defer p.release()
	if len(b) == 0 {
		return 0, nil
	}
	n, err := p.pipe.put(b)
	switch {
	case err == ErrWouldBlock:
		p.rearm(Writable)
	case err != nil:
		p.announce()
	}
	return n, err
}

// announce makes a Poll look at readiness that no packet tells of.
func (p *NamedPipe) announce() {
	if q := p.poll.Load(); q != nil {
		q.be.announce(p.pipe)
	}
}

// Close deregisters and closes the handle. What was written and is under way may be lost; what the system took is not.
func (p *NamedPipe) Close() error { return p.close() }

// SyscallConn gives access to the handle, as [Conn.SyscallConn].
func (p *NamedPipe) SyscallConn() (syscall.RawConn, error) { return p.syscallConn() }
