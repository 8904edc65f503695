package reactor

import (
	"io"
	"syscall"
)

// A PipeReader is the reading end of a pipe, without blocking. All methods may be called from any goroutine. It must
// be closed by its owner; there is no finalizer.
type PipeReader struct{ descriptor }

// A PipeWriter is the writing end of a pipe, without blocking. All methods may be called from any goroutine. It
// must be closed by its owner; there is no finalizer.
type PipeWriter struct{ descriptor }

var (
	_ Source       = (*PipeReader)(nil)
	_ Source       = (*PipeWriter)(nil)
	_ io.Reader    = (*PipeReader)(nil)
	_ io.Writer    = (*PipeWriter)(nil)
	_ syscall.Conn = (*PipeReader)(nil)
	_ syscall.Conn = (*PipeWriter)(nil)
)

// Pipe makes a pipe, as pipe(2). The error is [errors.ErrUnsupported] where there are none (Windows, WASI).
func Pipe() (*PipeReader, *PipeWriter, error) {
	r, w := new(PipeReader), new(PipeWriter)
	if err := openPipe(&r.descriptor, &w.descriptor); err != nil {
		return nil, nil, err
	}
	return r, w, nil
}

// NewPipeReader takes over the descriptor of a pipe or FIFO that is open for reading, such as a child's standard
// output. On success it belongs to the PipeReader, is non-blocking and close-on-exec; on failure it stays the
// caller's, as it was.
func NewPipeReader(fd uintptr) (*PipeReader, error) {
	r := new(PipeReader)
	if err := r.adoptPipe(fd, Readable); err != nil {
		return nil, err
	}
	return r, nil
}

// NewPipeWriter takes over the descriptor of a pipe or FIFO that is open for writing, as [NewPipeReader].
func NewPipeWriter(fd uintptr) (*PipeWriter, error) {
	w := new(PipeWriter)
	if err := w.adoptPipe(fd, Writable); err != nil {
		return nil, err
	}
	return w, nil
}

// Read reads into p. It gives 0, [io.EOF] when all writers are gone and nothing is left, and 0, [ErrWouldBlock] when
// nothing is there. A short read drains the pipe, as [Conn.Read]. See pipe(7).
func (r *PipeReader) Read(p []byte) (int, error) {
	if !r.acquire() {
		return 0, ErrClosed
	}
	defer r.release()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.read(p)
	switch {
	case n == 0 && err == nil:
		return 0, io.EOF
	case n < len(p) && (err == nil || err == ErrWouldBlock):
		r.rearm(Readable)
	}
	return n, err
}

// Close deregisters and closes the descriptor. Operations under way in other goroutines end first.
func (r *PipeReader) Close() error { return r.close() }

// SyscallConn gives access to the descriptor, as [Conn.SyscallConn].
func (r *PipeReader) SyscallConn() (syscall.RawConn, error) { return r.syscallConn() }

// Write writes p. If the pipe takes only a part it gives n, [ErrWouldBlock]. When all readers are gone the error is EPIPE. See
// pipe(7).
func (w *PipeWriter) Write(p []byte) (int, error) {
	if !w.acquire() {
		return 0, ErrClosed
	}
	defer w.release()
	if len(p) == 0 {
		return 0, nil
	}
	n, err := w.write(p)
	if err == ErrWouldBlock {
		w.rearm(Writable)
	}
	return n, err
}

// Close deregisters and closes the descriptor. Operations under way in other goroutines end first.
func (w *PipeWriter) Close() error { return w.close() }

// SyscallConn gives access to the descriptor, as [Conn.SyscallConn].
func (w *PipeWriter) SyscallConn() (syscall.RawConn, error) { return w.syscallConn() }
