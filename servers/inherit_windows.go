package servers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/goreactor/reactor"
)

// Windows has no descriptors to inherit by number. systemfd (github.com/mitsuhiko/systemfd), and whoever else speaks its
// protocol, hands sockets over by TCP: the program connects to SYSTEMFD_SOCKET_SERVER, says SYSTEMFD_SOCKET_SECRET, a bar and its
// process id, and shuts its side; it gets one WSAPROTOCOL_INFOW for each socket, duplicated for its process, until the end.

const howToPassListeners = "start the server as in: systemfd --no-pid -s tcp::127.0.0.1:9000 -- tcp_listenfd_server"

const (
	socketServer = "SYSTEMFD_SOCKET_SERVER"
	socketSecret = "SYSTEMFD_SOCKET_SECRET"

	// handOverTimeout bounds what the server of the sockets may take. It runs on this host.
	handOverTimeout = 10 * time.Second
	// maxHandedOver bounds the sockets that are taken.
	maxHandedOver = 1024
)

const sizeofProtocolInfo = unsafe.Sizeof(windows.WSAProtocolInfo{})

// What goes over the wire has this size: a constant that is negative does not compile.
const (
	_ = sizeofProtocolInfo - 628
	_ = 628 - sizeofProtocolInfo
)

// inheritListeners takes over the listeners that the environment's server has for this process.
func inheritListeners() ([]namedListener, error) {
	address, set := os.LookupEnv(socketServer)
	secret := os.Getenv(socketSecret)
	for _, name := range [...]string{socketServer, socketSecret} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if !set {
		return nil, errors.New("no listening sockets were passed: " + socketServer + " is not set; " + howToPassListeners)
	}
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("%s=%q is not an address and port", socketServer, address)
	}
	if secret == "" {
		return nil, fmt.Errorf("%s is set but %s is not", socketServer, socketSecret)
	}
	infos, err := fetchSockets(address, secret)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", socketServer, address, err)
	}
	var taken []namedListener
	for i := range infos {
		ln, err := takeSocket(&infos[i])
		if err != nil {
			closeAll(taken)
			return nil, fmt.Errorf("socket %d of %d from %s=%s is no listening stream socket: %w", i+1, len(infos), socketServer, address, err)
		}
		taken = append(taken, namedListener{Listener: ln})
	}
	return taken, nil
}

// fetchSockets asks the server for what it has for this process: at least one socket.
func fetchSockets(address, secret string) ([]windows.WSAProtocolInfo, error) {
	c, err := net.DialTimeout("tcp", address, handOverTimeout)
	if err != nil {
		return nil, err
	}
	// All is read by then.
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(handOverTimeout)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, secret+"|"+strconv.Itoa(os.Getpid())); err != nil {
		return nil, err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(c, int64(maxHandedOver*sizeofProtocolInfo)+1))
	if err != nil {
		return nil, err
	}
	n := len(data) / int(sizeofProtocolInfo)
	switch {
	case len(data) == 0:
		return nil, errors.New("it has no sockets for this process")
	case n > maxHandedOver || len(data)%int(sizeofProtocolInfo) != 0:
		return nil, fmt.Errorf("it sent %d bytes, which are not the descriptions of sockets", len(data))
	}
	infos := make([]windows.WSAProtocolInfo, n)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&infos[0])), len(data)), data)
	return infos, nil
}

// takeSocket opens a socket by its description. One that is no listener is closed: it was made for this process alone.
func takeSocket(info *windows.WSAProtocolInfo) (*reactor.Listener, error) {
	const fromProtocolInfo = -1 // FROM_PROTOCOL_INFO
	s, err := windows.WSASocket(fromProtocolInfo, fromProtocolInfo, fromProtocolInfo, info, 0, windows.WSA_FLAG_OVERLAPPED|windows.WSA_FLAG_NO_HANDLE_INHERIT)
	if err != nil {
		return nil, os.NewSyscallError("WSASocket", err)
	}
	ln, err := reactor.NewListener(uintptr(s))
	if err != nil {
		// The failure to be told is the first.
		_ = windows.Closesocket(s)
		return nil, err
	}
	return ln, nil
}
