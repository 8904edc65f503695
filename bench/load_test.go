package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// serveTCP runs a server on each connection in a goroutine and gives its address.
func serveTCP(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// serveUDP answers the nth datagram with what answer gives.
func serveUDP(t *testing.T, answer func(n int, p []byte) [][]byte) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 65535)
		for i := 0; ; i++ {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, p := range answer(i, buf[:n]) {
				if _, err := c.WriteTo(p, from); err != nil {
					return
				}
			}
		}
	}()
	return c.LocalAddr().String()
}

func echoTCP(c net.Conn) {
	buf := make([]byte, 10_000)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func echoUDP(_ int, p []byte) [][]byte { return [][]byte{p} }

// forMinutes is a time that a test does not wait for: the load ends sooner, by its error.
const forMinutes = 10 * time.Minute

func TestLoadMeasuresAnEcho(t *testing.T) {
	for _, c := range []struct {
		name string
		o    loadOptions
	}{
		{"tcp", loadOptions{network: "tcp", conns: 1, size: 64, inFlight: 1}},
		{"tcp of one byte", loadOptions{network: "tcp", conns: 3, size: 1, inFlight: 5}},
		{"tcp of many connections", loadOptions{network: "tcp", conns: 2*openBatch + 1, size: 100, inFlight: 3, spin: true}},
		{"tcp beyond the buffers", loadOptions{network: "tcp", conns: 2, size: 8 << 20, inFlight: 1}},
		{"udp", loadOptions{network: "udp", conns: 1, size: 64, inFlight: 1}},
		{"udp of many sockets", loadOptions{network: "udp", conns: 10, size: datagramHeader, inFlight: 3, spin: true}},
		{"udp of great datagrams", loadOptions{network: "udp", conns: 1, size: maxDatagram, inFlight: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.network == "udp" {
				c.o.addr = serveUDP(t, echoUDP)
			} else {
				c.o.addr = serveTCP(t, echoTCP)
			}
			c.o.duration = 20 * time.Millisecond
			if err := c.o.check(); err != nil {
				t.Fatal(err)
			}
			r, err := c.o.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if r.Requests == 0 || r.Seconds < c.o.duration.Seconds() || r.P50 <= 0 || r.P99 < r.P50 {
				t.Errorf("the result is %+v", r)
			}
		})
	}
}

func TestLoadDetectsAWrongTCPEcho(t *testing.T) {
	const right = 12_345 // bytes that come back as they should
	relay := func(then func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) {
			if _, err := io.CopyN(struct{ io.Writer }{c}, c, right); err == nil {
				then(c)
			}
		}
	}
	for _, c := range []struct {
		name, want string
		serve      func(net.Conn)
	}{
		{"wrong byte", "byte 12345 came back wrong", relay(func(c net.Conn) {
			buf := make([]byte, 1)
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			buf[0] ^= 1
			c.Write(buf)
			echoTCP(c)
		})},
		{"missing byte", "came back wrong", relay(func(c net.Conn) {
			if _, err := io.ReadFull(c, make([]byte, 1)); err == nil {
				echoTCP(c)
			}
		})},
		{"byte nobody sent", "bytes were sent and", func(c net.Conn) {
			buf := make([]byte, 100)
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			c.Write(append(buf, buf...))
			io.Copy(io.Discard, c)
		}},
		{"close", "closed it after 12345 of", relay(func(c net.Conn) {
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
		})},
		{"reset", "connection 0", relay(func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := loadOptions{network: "tcp", addr: serveTCP(t, c.serve), conns: 1, size: 100, inFlight: 2, duration: forMinutes}
			if _, err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestLoadDetectsAWrongUDPEcho(t *testing.T) {
	const right = 100 // datagrams that come back as they should
	for _, c := range []struct {
		name, want string
		answer     func([]byte) [][]byte
	}{
		{"wrong byte", "came back wrong", func(p []byte) [][]byte { p[len(p)-1] ^= 1; return [][]byte{p} }},
		{"number not sent yet", "came back wrong", func(p []byte) [][]byte { p[7] ^= 1; return [][]byte{p} }},
		{"too short", "as one of 63", func(p []byte) [][]byte { return [][]byte{p[:63]} }},
		{"too long", "as one of 65", func(p []byte) [][]byte { return [][]byte{append(p, 1, 2)} }},
		{"twice", "twice", func(p []byte) [][]byte { return [][]byte{p, p} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := serveUDP(t, func(n int, p []byte) [][]byte {
				if n < right {
					return [][]byte{p}
				}
				return c.answer(p)
			})
			o := loadOptions{network: "udp", addr: addr, conns: 1, size: 64, inFlight: 4, duration: forMinutes}
			if _, err := o.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestLoadGivesUpDatagramsThatDoNotComeBack(t *testing.T) {
	poll, err := reactor.NewPoll()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	conn, err := reactor.DialPacket("udp", serveUDP(t, func(int, []byte) [][]byte { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	s := &datagramSocket{conn: conn, sent: make([]datagram, 64)}
	l := &load{loadOptions: loadOptions{size: 64, inFlight: 4}, poll: poll, began: time.Now()}
	d := &datagrams{load: l, all: []*datagramSocket{s}}
	defer d.close()
	for range datagramBatch {
		d.out = append(d.out, reactor.Message{Buf: make([]byte, 64), N: 64})
	}
	if err := d.sweep(0); err != nil { // sends the first four
		t.Fatal(err)
	}
	if s.inFlight != 4 || s.next != 4 || d.lost != 0 {
		t.Fatalf("%d in flight, %d sent, %d lost; want 4, 4, 0", s.inFlight, s.next, d.lost)
	}
	late := s.sent[0].at + int64(forMinutes)
	if err := d.sweep(late); err != nil {
		t.Fatal(err)
	}
	if s.inFlight != 4 || s.next != 8 || d.lost != 4 {
		t.Fatalf("%d in flight, %d sent, %d lost; want 4, 8, 4", s.inFlight, s.next, d.lost)
	}
	answer := append([]byte{0, 0, 0, 0, 2, 0, 0, 0}, d.body(0, 2)...)
	if err := d.receive(0, s, answer, late); err != nil {
		t.Fatalf("a late answer: %v", err)
	}
	if l.latency.total != 0 || s.inFlight != 4 {
		t.Error("a late answer has counted")
	}
	if err := d.receive(0, s, answer, late); err == nil {
		t.Error("a late answer that came twice was not noticed")
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr := serveTCP(t, func(c net.Conn) {
		io.CopyN(struct{ io.Writer }{c}, c, 10_000)
		cancel()
		echoTCP(c)
	})
	o := loadOptions{network: "tcp", addr: addr, conns: 1, size: 100, inFlight: 1, duration: forMinutes}
	if _, err := o.run(ctx); err != context.Canceled {
		t.Errorf("the error is %v, want %v", err, context.Canceled)
	}
}

func TestLoadRefusesBadOptions(t *testing.T) {
	good := loadOptions{network: "tcp", conns: 1, size: 64, inFlight: 1, duration: time.Second}
	if err := good.check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*loadOptions){
		"network":       func(o *loadOptions) { o.network = "unix" },
		"no connection": func(o *loadOptions) { o.conns = 0 },
		"no message":    func(o *loadOptions) { o.inFlight = 0 },
		"no byte":       func(o *loadOptions) { o.size = 0 },
		"no time":       func(o *loadOptions) { o.duration = 0 },
		"warm-up":       func(o *loadOptions) { o.warmUp = -1 },
		"no header":     func(o *loadOptions) { o.network, o.size = "udp", datagramHeader-1 },
		"no datagram":   func(o *loadOptions) { o.network, o.size = "udp", maxDatagram+1 },
		"idle datagram": func(o *loadOptions) { o.network, o.idle, o.pid = "udp", true, 1 },
		"idle, no pid":  func(o *loadOptions) { o.idle = true },
	} {
		o := good
		spoil(&o)
		if o.check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
