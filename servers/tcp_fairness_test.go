package servers_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

func TestTCPFloodOnOneConnectionDoesNotStarveOthers(t *testing.T) {
	// One client sends and reads as fast as it can; the others' requests are answered meanwhile.
	p := startTCP(t)
	flood := dial(t, "tcp", p.addr)
	var flooding sync.WaitGroup
	stop := make(chan struct{})
	flooding.Go(func() {
		block := make([]byte, 1<<20)
		for {
			select {
			case <-stop:
				flood.(*net.TCPConn).CloseWrite()
				return
			default:
			}
			if _, err := flood.Write(block); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var taken int64
	flooding.Go(func() { taken, _ = io.Copy(io.Discard, flood) })
	other := dial(t, "tcp", p.addr)
	for range 500 {
		if err := roundTrip(other, []byte("a small request")); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	flooding.Wait()
	if taken == 0 {
		t.Error("there was no flood")
	}
}

func TestTCPFloodOfConnectionsDoesNotStarveOthers(t *testing.T) {
	p := startTCP(t)
	other := dial(t, "tcp", p.addr)
	stop := make(chan struct{})
	var flooding sync.WaitGroup
	for range 4 {
		flooding.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", p.addr)
				if err != nil {
					t.Error(err)
					return
				}
				c.(*net.TCPConn).SetLinger(0) // leaves no port in TIME_WAIT
				c.Close()
			}
		})
	}
	for range 500 {
		if err := roundTrip(other, []byte("a small request")); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	flooding.Wait()
}
