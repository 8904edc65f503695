//go:build !unix && !windows && !wasip1

package reactor

import (
	"net"
	"net/netip"
	"runtime"
)

// The sockets of systems that have no backend yet: every way to one says that there is none.

type sysFD int

//lint:ignore U1000 every descriptor embeds it, and Windows keeps something in it.
type sysDescriptor struct{}

const (
	systemName      = runtime.GOOS
	maxUnixPath     = 103
	reuseAddr       = false
	inheritsNoDelay = false
)

func isWouldBlock(error) bool              { return false }
func errnoOf(error) (uint32, bool)         { return 0, false }
func isNotConnected(uint32) bool           { return false }
func connectError(uint32) error            { return unsupported("connect") }
func pendingError(uint32) error            { return unsupported("getsockopt") }
func lacksFamily(error) bool               { return false }
func unlinkPath(string) error              { return unsupported("unlink") }
func duplicateFD(uintptr) (uintptr, error) { return 0, unsupported("dup") }
func closeFD(uintptr) error                { return unsupported("close") }

func openPair(_, _ *descriptor, _ descriptorKind) error { return unsupported("socket pairs") }
func openPipe(_, _ *descriptor) error                   { return unsupported("pipes") }

func (d *descriptor) open(addrFamily, protocol, descriptorKind) error { return unsupported("sockets") }
func (d *descriptor) adopt(uintptr, descriptorKind) error             { return unsupported("sockets") }
func (d *descriptor) adoptPipe(uintptr, Interest) error               { return unsupported("pipes") }
func (d *descriptor) sysClose() error                                 { return unsupported("close") }
func (d *descriptor) connect(Addr) error                              { return unsupported("connect") }
func (d *descriptor) disconnect() error                               { return unsupported("connect") }
func (d *descriptor) bind(Addr) error                                 { return unsupported("bind") }
func (d *descriptor) listen(int) error                                { return unsupported("listen") }
func (d *descriptor) accept() (sysFD, Addr, error)                    { return 0, Addr{}, unsupported("accept") }
func (d *descriptor) hasPeer() (bool, error)                          { return false, unsupported("getpeername") }
func (d *descriptor) pendingError() (uint32, error)                   { return 0, unsupported("getsockopt") }
func (d *descriptor) shutdown(Interest) error                         { return unsupported("shutdown") }
func (d *descriptor) localName() Addr                                 { return Addr{} }
func (d *descriptor) peerName() Addr                                  { return Addr{} }
func (d *descriptor) getOption(option) (int, error)                   { return 0, unsupported("getsockopt") }
func (d *descriptor) setOption(option, int) error                     { return unsupported("setsockopt") }
func (d *descriptor) linger(int) error                                { return unsupported("setsockopt") }
func (d *descriptor) keepAlive(net.KeepAliveConfig) error             { return unsupported("setsockopt") }
func (d *descriptor) membership(bool, int, netip.Addr) error          { return unsupported("setsockopt") }

func (d *descriptor) recv([]byte) (int, error)       { return 0, unsupported("recv") }
func (d *descriptor) peek([]byte) (int, error)       { return 0, unsupported("recv") }
func (d *descriptor) recvv([][]byte) (int, error)    { return 0, unsupported("readv") }
func (d *descriptor) send([]byte) (int, error)       { return 0, unsupported("send") }
func (d *descriptor) sendv([][]byte) (int, error)    { return 0, unsupported("writev") }
func (d *descriptor) read([]byte) (int, error)       { return 0, unsupported("read") }
func (d *descriptor) write([]byte) (int, error)      { return 0, unsupported("write") }
func (d *descriptor) recvPacket([]byte) (int, error) { return 0, unsupported("recv") }
func (d *descriptor) sendTo([]byte, *Addr) (int, error) {
	return 0, unsupported("sendto")
}
func (d *descriptor) recvFrom([]byte, bool, *pathCache) (int, Addr, error) {
	return 0, Addr{}, unsupported("recvfrom")
}
func (d *descriptor) recvBatch([]Message, bool, *pathCache) (int, error) {
	return 0, unsupported("recvmmsg")
}
func (d *descriptor) sendBatch([]Message, *Addr) (int, error) {
	return 0, unsupported("sendmmsg")
}
