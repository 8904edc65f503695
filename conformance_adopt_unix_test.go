//go:build unix

package reactor_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goreactor/reactor"
)

// detach gives a duplicate of a file's descriptor, blocking and inheritable, and closes the file.
func detach(f *os.File) (uintptr, error) {
	fd, err := unix.Dup(int(f.Fd()))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	return uintptr(fd), err
}

// rawSocket gives a new blocking, inheritable socket that nobody owns yet.
func rawSocket(t testing.TB, family, kind int) int {
	t.Helper()
	fd, err := unix.Socket(family, kind, 0)
	check(t, "socket", err)
	return fd
}

// wantFlags checks that a descriptor is non-blocking and close-on-exec, or neither.
func wantFlags(t testing.TB, what string, fd uintptr, want bool) {
	t.Helper()
	status, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
	check(t, what+": F_GETFL", err)
	flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
	check(t, what+": F_GETFD", err)
	if nonblock := status&unix.O_NONBLOCK != 0; nonblock != want {
		t.Errorf("%s: non-blocking is %v, want %v", what, nonblock, want)
	}
	if cloexec := flags&unix.FD_CLOEXEC != 0; cloexec != want {
		t.Errorf("%s: close-on-exec is %v, want %v", what, cloexec, want)
	}
}

func TestDescriptorsAreNonBlockingAndCloseOnExec(t *testing.T) {
	flags := func(t *testing.T, what string, c syscall.Conn) {
		t.Helper()
		wantFlags(t, what, fdOf(t, c), true)
	}
	for _, kind := range connKinds {
		t.Run("conn "+kind, func(t *testing.T) {
			a, b := connPair(t, kind)
			flags(t, "first end", a)
			flags(t, "second end", b)
		})
	}
	eachListener(t, func(t *testing.T, network string, l *reactor.Listener) {
		flags(t, "listener", l)
		dialled := dialNow(t, network, l.Addr().String())
		flags(t, "dialled", dialled)
		accepted, _ := acceptNow(t, l)
		flags(t, "accepted", accepted)
	})
	for _, kind := range packetKinds {
		t.Run("packet "+kind, func(t *testing.T) {
			a, b := packetPair(t, kind)
			flags(t, "first socket", a)
			flags(t, "second socket", b)
		})
	}
	r, w := newPipe(t)
	flags(t, "pipe reader", r)
	flags(t, "pipe writer", w)
	p := newPoll(t)
	if fd := p.Fd(); fd != ^uintptr(0) {
		if got, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || got&unix.FD_CLOEXEC == 0 {
			t.Errorf("the Poll's descriptor: flags %#x, %v; want close-on-exec", got, err)
		}
	}
	a, _ := netPair(t, "tcp4")
	dup, err := reactor.FromNetConn(a)
	check(t, "FromNetConn", err)
	closeLater(t, dup)
	flags(t, "duplicate", dup)
}

func TestNewTakesOverADescriptor(t *testing.T) {
	t.Run("NewConn", func(t *testing.T) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		check(t, "socketpair", err)
		a, err := reactor.NewConn(uintptr(fds[0]))
		check(t, "NewConn", err)
		b, err := reactor.NewConn(uintptr(fds[1]))
		check(t, "NewConn", err)
		closeLater(t, b)
		wantFlags(t, "NewConn", uintptr(fds[0]), true)
		if fdOf(t, a) != uintptr(fds[0]) {
			t.Error("NewConn uses another descriptor")
		}
		check(t, "FinishConnect", a.FinishConnect())
		writeFull(t, nil, a, []byte("taken"))
		check(t, "Close", a.Close())
		if got := readAll(t, nil, b); string(got) != "taken" {
			t.Errorf("read %q", got)
		}
	})
	t.Run("NewListener", func(t *testing.T) {
		fd := rawSocket(t, unix.AF_INET, unix.SOCK_STREAM)
		check(t, "bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		check(t, "listen", unix.Listen(fd, 8))
		l, err := reactor.NewListener(uintptr(fd))
		check(t, "NewListener", err)
		closeLater(t, l)
		wantFlags(t, "NewListener", uintptr(fd), true)
		noneWaits(t, l)
		dialNow(t, "tcp4", l.Addr().String())
		c, _ := acceptNow(t, l)
		wantBool(t, "NoDelay", c.NoDelay, true)
	})
	t.Run("NewListener of a Unix socket leaves its path", func(t *testing.T) {
		fd := rawSocket(t, unix.AF_UNIX, unix.SOCK_STREAM)
		path := filepath.Join(t.TempDir(), "s")
		check(t, "bind", unix.Bind(fd, &unix.SockaddrUnix{Name: path}))
		check(t, "listen", unix.Listen(fd, 8))
		l, err := reactor.NewListener(uintptr(fd))
		check(t, "NewListener", err)
		if l.Addr().Path() != path {
			t.Errorf("Addr = %v", l.Addr())
		}
		dialNow(t, "unix", path)
		acceptNow(t, l)
		check(t, "Close", l.Close())
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the path, which this package did not make, after Close: %v", err)
		}
	})
	t.Run("NewPacketConn", func(t *testing.T) {
		fd := rawSocket(t, unix.AF_INET, unix.SOCK_DGRAM)
		check(t, "bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
		c, err := reactor.NewPacketConn(uintptr(fd))
		check(t, "NewPacketConn", err)
		closeLater(t, c)
		wantFlags(t, "NewPacketConn", uintptr(fd), true)
		drained(t, c)
		peer := listenUDP(t, "udp4")
		sendTo(t, c, []byte("x"), peer.LocalAddr())
		if _, from := recv(t, peer, make([]byte, 4)); from != c.LocalAddr() {
			t.Errorf("sender %v, want %v", from, c.LocalAddr())
		}
	})
	t.Run("pipes", func(t *testing.T) {
		var fds [2]int
		check(t, "pipe", unix.Pipe(fds[:]))
		r, err := reactor.NewPipeReader(uintptr(fds[0]))
		check(t, "NewPipeReader", err)
		closeLater(t, r)
		w, err := reactor.NewPipeWriter(uintptr(fds[1]))
		check(t, "NewPipeWriter", err)
		wantFlags(t, "NewPipeReader", uintptr(fds[0]), true)
		wantFlags(t, "NewPipeWriter", uintptr(fds[1]), true)
		n, err := r.Read(make([]byte, 1))
		wantResult(t, "Read", n, err, 0, reactor.ErrWouldBlock)
		writeFull(t, nil, w, []byte("taken"))
		check(t, "Close", w.Close())
		if got := readAll(t, nil, r); string(got) != "taken" {
			t.Errorf("read %q", got)
		}
	})
	t.Run("a FIFO", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fifo")
		check(t, "mkfifo", unix.Mkfifo(path, 0o600))
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		check(t, "open", err)
		r, err := reactor.NewPipeReader(uintptr(fd))
		check(t, "NewPipeReader", err)
		closeLater(t, r)
		fd, err = unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK, 0)
		check(t, "open", err)
		w, err := reactor.NewPipeWriter(uintptr(fd))
		check(t, "NewPipeWriter", err)
		writeFull(t, nil, w, []byte("fifo"))
		check(t, "Close", w.Close())
		if got := readAll(t, nil, r); string(got) != "fifo" {
			t.Errorf("read %q", got)
		}
	})
}

// What is of the wrong kind is refused with a clear error, stays the caller's, and stays as it was.
func TestNewRefusesTheWrongKindAndLeavesItToTheCaller(t *testing.T) {
	bound := func(kind int, listen bool) func(t *testing.T) int {
		return func(t *testing.T) int {
			fd := rawSocket(t, unix.AF_INET, kind)
			check(t, "bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
			if listen {
				check(t, "listen", unix.Listen(fd, 1))
			}
			return fd
		}
	}
	opened := func(flags int) func(t *testing.T) int {
		return func(t *testing.T) int {
			fd, err := unix.Open(filepath.Join(t.TempDir(), "file"), flags|unix.O_CREAT, 0o600)
			check(t, "open", err)
			return fd
		}
	}
	pipeEnd := func(end int) func(t *testing.T) int {
		return func(t *testing.T) int {
			var fds [2]int
			check(t, "pipe", unix.Pipe(fds[:]))
			t.Cleanup(func() { unix.Close(fds[1-end]) })
			return fds[end]
		}
	}
	things := map[string]func(t *testing.T) int{
		"a TCP listener":  bound(unix.SOCK_STREAM, true),
		"a TCP socket":    bound(unix.SOCK_STREAM, false),
		"a UDP socket":    bound(unix.SOCK_DGRAM, false),
		"a file":          opened(unix.O_RDWR),
		"a pipe to read":  pipeEnd(0),
		"a pipe to write": pipeEnd(1),
		"a Unix stream":   func(t *testing.T) int { return socketPairEnd(t, unix.SOCK_STREAM) },
		"a Unix datagram": func(t *testing.T) int { return socketPairEnd(t, unix.SOCK_DGRAM) },
		"a directory": func(t *testing.T) int {
			fd, err := unix.Open(t.TempDir(), unix.O_RDONLY, 0)
			check(t, "open", err)
			return fd
		},
		"the null device": func(t *testing.T) int {
			fd, err := unix.Open(os.DevNull, unix.O_RDWR, 0)
			check(t, "open", err)
			return fd
		},
		"a seqpacket pair": func(t *testing.T) int { return socketPairEnd(t, unix.SOCK_SEQPACKET) },
	}
	for _, tc := range []struct {
		name  string
		adopt func(uintptr) (io.Closer, error)
		wrong []string
	}{
		{"NewConn", adopter(reactor.NewConn), []string{
			"a TCP listener", "a UDP socket", "a file", "a pipe to read", "a Unix datagram", "a directory", "the null device", "a seqpacket pair"}},
		{"NewListener", adopter(reactor.NewListener), []string{
			"a TCP socket", "a UDP socket", "a file", "a pipe to read", "a Unix stream", "a Unix datagram", "a directory", "a seqpacket pair"}},
		{"NewPacketConn", adopter(reactor.NewPacketConn), []string{
			"a TCP listener", "a TCP socket", "a file", "a pipe to write", "a Unix stream", "a directory", "a seqpacket pair"}},
		{"NewPipeReader", adopter(reactor.NewPipeReader), []string{
			"a TCP socket", "a UDP socket", "a file", "a pipe to write", "a Unix stream", "a directory"}},
		{"NewPipeWriter", adopter(reactor.NewPipeWriter), []string{
			"a TCP socket", "a UDP socket", "a file", "a pipe to read", "a Unix stream", "a directory"}},
	} {
		for _, what := range tc.wrong {
			t.Run(tc.name+" of "+what, func(t *testing.T) {
				fd := things[what](t)
				c, err := tc.adopt(uintptr(fd))
				if err == nil {
					c.Close()
					t.Fatal("no error")
				}
				if len(err.Error()) < 12 {
					t.Errorf("error %q says little", err)
				}
				wantFlags(t, "the descriptor after the refusal", uintptr(fd), false)
				check(t, "close of the caller's descriptor", unix.Close(fd))
			})
		}
	}
}

func socketPairEnd(t *testing.T, kind int) int {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
	if err != nil {
		t.Skipf("no such socket pair here: %v", err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	return fds[0]
}

func adopter[T io.Closer](adopt func(uintptr) (T, error)) func(uintptr) (io.Closer, error) {
	return func(fd uintptr) (io.Closer, error) { return adopt(fd) }
}

func TestNewOfAClosedNumberIsAnError(t *testing.T) {
	// A number far from those that the process hands out next.
	fd, err := unix.FcntlInt(uintptr(rawSocket(t, unix.AF_INET, unix.SOCK_STREAM)), unix.F_DUPFD, 200)
	check(t, "F_DUPFD", err)
	check(t, "close", unix.Close(fd))
	for what, err := range map[string]error{
		"NewConn":       second(reactor.NewConn(uintptr(fd))),
		"NewListener":   second(reactor.NewListener(uintptr(fd))),
		"NewPacketConn": second(reactor.NewPacketConn(uintptr(fd))),
		"NewPipeReader": second(reactor.NewPipeReader(uintptr(fd))),
		"NewPipeWriter": second(reactor.NewPipeWriter(uintptr(fd))),
	} {
		wantErr(t, what, err, unix.EBADF)
		wantOpError(t, err)
	}
}

// Control runs on a socket without a name, for it is called before bind.
func TestListenControlSeesAnUnboundSocket(t *testing.T) {
	lc := reactor.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var name unix.Sockaddr
		var err error
		if cerr := c.Control(func(fd uintptr) { name, err = unix.Getsockname(int(fd)) }); cerr != nil {
			return cerr
		}
		if in, ok := name.(*unix.SockaddrInet4); err == nil && (!ok || in.Port != 0) {
			t.Errorf("the socket's name before bind is %+v", name)
		}
		return err
	}}
	l, err := lc.Listen("tcp4", "127.0.0.1:0")
	check(t, "Listen", err)
	closeLater(t, l)
	c, err := lc.ListenPacket("udp4", "127.0.0.1:0")
	check(t, "ListenPacket", err)
	closeLater(t, c)
}

func TestSetKeepAliveConfigTurnsProbesOnAndOff(t *testing.T) {
	a, _ := connPair(t, "tcp4")
	get := func() (int, error) {
		return unix.GetsockoptInt(int(fdOf(t, a)), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	}
	wantOn := func(want bool) {
		t.Helper()
		on, err := get()
		check(t, "SO_KEEPALIVE", err)
		if (on != 0) != want {
			t.Errorf("SO_KEEPALIVE = %d, want %v", on, want)
		}
	}
	wantOn(false)
	check(t, "SetKeepAliveConfig", a.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}))
	wantOn(true)
	check(t, "SetKeepAliveConfig", a.SetKeepAliveConfig(net.KeepAliveConfig{}))
	wantOn(false)
}

func TestControlErrorLeavesNoDescriptorOpen(t *testing.T) {
	before := openDescriptors(t)
	lc := reactor.ListenConfig{Control: func(string, string, syscall.RawConn) error { return os.ErrPermission }}
	for range 20 {
		_, err := lc.Listen("tcp4", "127.0.0.1:0")
		wantErr(t, "Listen", err, os.ErrPermission)
		_, err = lc.ListenPacket("udp4", "127.0.0.1:0")
		wantErr(t, "ListenPacket", err, os.ErrPermission)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, before there were %d", after, before)
	}
}
