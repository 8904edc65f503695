//go:build !wasip1 && !js && !plan9

package reactor_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"sync"

	"github.com/goreactor/reactor"
)

// An echo server in one loop: accept to the end, read to a short count, close when the peer has.
func Example_echo() {
	p, err := reactor.NewPoll()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	l, err := reactor.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	const listener reactor.Token = 0
	if err := p.Register(l, listener, reactor.Readable, reactor.Edge); err != nil {
		log.Fatal(err)
	}

	answer := make(chan string, 1)
	go client(l.Addr().String(), answer)

	conns := make(map[reactor.Token]*reactor.Conn)
	next := listener + 1
	events := make([]reactor.Event, 128)
	buf := make([]byte, 16<<10)
	for served := 0; served < 1; {
		n, err := p.Wait(events, -1)
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range events[:n] {
			if e.Token == listener {
				for {
					c, _, err := l.Accept()
					if err == reactor.ErrWouldBlock {
						break // until the next event
					}
					if err != nil {
						log.Fatal(err)
					}
					if err := p.Register(c, next, reactor.Readable, reactor.Edge); err != nil {
						log.Fatal(err)
					}
					conns[next] = c
					next++
				}
				continue
			}
			c := conns[e.Token]
			for {
				n, err := c.Read(buf)
				if err == reactor.ErrWouldBlock {
					break
				}
				if err == nil {
					// A server keeps what the connection does not take now, and waits for Writable as well.
					_, err = c.Write(buf[:n])
				}
				if err != nil { // io.EOF, or the connection failed
					c.Close() // deregisters, too
					delete(conns, e.Token)
					served++
					break
				}
				if n < len(buf) && !e.ReadClosed() && !e.Priority() {
					break // a short read has drained the connection
				}
			}
		}
	}
	fmt.Println("served", <-answer)
	// Output: served hello
}

// client is a peer that knows nothing of reactors.
func client(address string, answer chan<- string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		log.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		log.Fatal(err)
	}
	echoed, err := io.ReadAll(c)
	if err != nil {
		log.Fatal(err)
	}
	c.Close()
	answer <- string(echoed)
}

// Other goroutines hand work to the loop by a queue of the program's own, and a Waker to tell of it.
func ExampleWaker() {
	p, err := reactor.NewPoll()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	const jobs reactor.Token = 1
	w, err := reactor.NewWaker(p, jobs)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()

	var mu sync.Mutex
	var queue []string
	go func() {
		for _, job := range []string{"first", "second", "last"} {
			mu.Lock()
			queue = append(queue, job)
			mu.Unlock()
			if err := w.Wake(); err != nil {
				log.Fatal(err)
			}
		}
	}()

	events := make([]reactor.Event, 16)
	for done := false; !done; {
		n, err := p.Wait(events, -1)
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range events[:n] {
			if e.Token != jobs {
				continue
			}
			// One event may stand for several wakes: take all there is.
			mu.Lock()
			work := queue
			queue = nil
			mu.Unlock()
			for _, job := range work {
				fmt.Println(job)
				done = job == "last"
			}
		}
	}
	// Output:
	// first
	// second
	// last
}

// A batch is written back as it was read: N and Addr are where WriteBatch wants them.
func ExamplePacketConn_ReadBatch() {
	server, err := reactor.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	p, err := reactor.NewPoll()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	if err := p.Register(server, 1, reactor.Readable, reactor.Edge); err != nil {
		log.Fatal(err)
	}

	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, text := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(client, text); err != nil {
			log.Fatal(err)
		}
	}

	batch := make([]reactor.Message, 8)
	for i := range batch {
		batch[i].Buf = make([]byte, 1500)
	}
	events := make([]reactor.Event, 16)
	for echoed := 0; echoed < 3; {
		if _, err := p.Wait(events, -1); err != nil {
			log.Fatal(err)
		}
		for {
			n, err := server.ReadBatch(batch)
			if err == reactor.ErrWouldBlock {
				break
			}
			if err != nil {
				log.Fatal(err)
			}
			// A server keeps what the socket does not take now: batch[sent:n].
			sent, err := server.WriteBatch(batch[:n])
			if err != nil {
				log.Fatal(err)
			}
			echoed += sent
			if n < len(batch) {
				break // a short batch has drained the socket
			}
		}
	}

	buf := make([]byte, 1500)
	for range 3 {
		n, err := client.Read(buf)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", buf[:n])
	}
	// Output:
	// one
	// two
	// three
}

// A connection of package net is watched beside everything else, and read by package net.
func ExampleFromSyscallConn() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	defer peer.Close()
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	p, err := reactor.NewPoll()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	src, err := reactor.FromSyscallConn(conn.(*net.TCPConn))
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Register(src, 7, reactor.Readable, reactor.Level); err != nil {
		log.Fatal(err)
	}
	defer p.Deregister(src) // before conn is closed

	if _, err := io.WriteString(peer, "readable"); err != nil {
		log.Fatal(err)
	}
	events := make([]reactor.Event, 1)
	n, err := p.Wait(events, -1)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range events[:n] {
		buf := make([]byte, 64)
		m, err := conn.Read(buf) // does not block: there is something
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("token %d: %s\n", e.Token, buf[:m])
	}
	// Output: token 7: readable
}

// A Wait that ends when its context does.
func ExamplePoll_WaitContext() {
	p, err := reactor.NewPoll()
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx, cancel := context.WithCancel(context.Background())
	go cancel() // a signal handler, say

	events := make([]reactor.Event, 16)
	n, err := p.WaitContext(ctx, events, -1)
	fmt.Println(n, err)
	// Output: 0 context canceled
}
