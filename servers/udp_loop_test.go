package servers

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/goreactor/reactor"
)

// pairLoop gives a loop on one end of a connected pair of datagram sockets, which, unlike UDP on one host, makes
// a sender wait for a slow receiver; and the other end.
func pairLoop(t *testing.T, queueLimit int, log *slog.Logger) (*udpLoop, *reactor.PacketConn) {
	t.Helper()
	served, peer, err := reactor.PacketPair()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("not on this system: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { served.Close(); peer.Close() })
	l, err := newUDPLoop(served, queueLimit, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l, peer
}

// A pairRun is a loop in a goroutine of its own.
type pairRun struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
}

func runLoop(t *testing.T, l *udpLoop) *pairRun {
	ctx, cancel := context.WithCancel(t.Context())
	r := &pairRun{t: t, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- l.run(ctx) }()
	return r
}

func (r *pairRun) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Error(err)
		}
	case <-time.After(30 * time.Second):
		r.t.Fatal("the loop does not stop")
	}
}

// waitFor waits until the one source that p has is ready.
func waitFor(t *testing.T, p *reactor.Poll) {
	t.Helper()
	n, err := p.Wait(make([]reactor.Event, 1), 30*time.Second)
	if err != nil || n == 0 {
		t.Fatalf("no event: %v", err)
	}
}

func TestUDPQueueKeepsWhatCannotBeSentNow(t *testing.T) {
	l, peer := pairLoop(t, 1<<20, slog.New(slog.DiscardHandler))
	poll, err := reactor.NewPoll()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	if err := poll.Register(peer, 1, reactor.Readable|reactor.Writable, reactor.Edge); err != nil {
		t.Fatal(err)
	}
	running := runLoop(t, l)
	// More than the sockets hold: the loop has to keep them.
	const n = 2000
	msg := make([]byte, 100)
	for i := range n {
		binary.BigEndian.PutUint32(msg, uint32(i))
		for {
			_, err := peer.Write(msg)
			if err == nil {
				break
			}
			if err != reactor.ErrWouldBlock {
				t.Fatal(err)
			}
			waitFor(t, poll)
		}
	}
	for i := range n {
		for {
			_, err := peer.Read(msg)
			if err == nil {
				break
			}
			if err != reactor.ErrWouldBlock {
				t.Fatal(err)
			}
			waitFor(t, poll)
		}
		if got := binary.BigEndian.Uint32(msg); got != uint32(i) {
			t.Fatalf("datagram %d comes back where %d is due", got, i)
		}
	}
	running.stop()
	if l.received != n || l.sent != n || l.dropped != 0 {
		t.Errorf("it counts %+v", l.udpCounts)
	}
}

func TestUDPFullQueueDropsCountsAndLogs(t *testing.T) {
	var said bytes.Buffer
	l, peer := pairLoop(t, 10*(100+datagramCost), slog.New(slog.NewTextHandler(&said, nil)))
	poll, err := reactor.NewPoll()
	if err != nil {
		t.Fatal(err)
	}
	defer poll.Close()
	if err := poll.Register(peer, 1, reactor.Writable, reactor.Edge); err != nil {
		t.Fatal(err)
	}
	running := runLoop(t, l)
	const n = 2000
	for range n {
		for {
			_, err := peer.Write(make([]byte, 100))
			if err == nil {
				break
			}
			if err != reactor.ErrWouldBlock {
				t.Fatal(err)
			}
			waitFor(t, poll)
		}
	}
	running.stop()
	if l.received == 0 || l.received > n || l.sent+l.dropped != l.received || l.dropped == 0 {
		t.Errorf("it counts %+v of %d", l.udpCounts, n)
	}
	logged := uint64(0)
	for _, m := range regexp.MustCompile(`msg="datagrams dropped" count=(\d+)`).FindAllStringSubmatch(said.String(), -1) {
		count, _ := strconv.ParseUint(m[1], 10, 64)
		logged += count
	}
	if logged != l.dropped || !bytes.Contains(said.Bytes(), []byte(fmt.Sprintf("total=%d", l.dropped))) {
		t.Errorf("%d were dropped, and the log tells of %d: %s", l.dropped, logged, &said)
	}
}
