package servers

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/goreactor/reactor"
)

const (
	// batchLen is the most datagrams that a loop reads at a time.
	batchLen = 64
	// minBatch is the fewest: asking for two, and getting one, tells that there is no other.
	minBatch = 2
	// datagramLen is more than IP carries without jumbograms.
	datagramLen = 65535
	// bufferStride keeps the buffers' first bytes apart in the processor's caches, which a power of two would
	// not: most datagrams are small. Memory that no datagram was ever in is not touched.
	bufferStride = 64<<10 + 64
	// batchesPerTurn bounds what a flood of datagrams takes from what else a loop has to look at.
	batchesPerTurn = 16
	// dropReportEvery is the least time between two reports of dropped datagrams.
	dropReportEvery = time.Second

	socketToken reactor.Token = 0
)

// udpCounts counts datagrams.
type udpCounts struct{ received, sent, dropped uint64 }

func (c *udpCounts) add(d udpCounts) {
	c.received += d.received
	c.sent += d.sent
	c.dropped += d.dropped
}

// A udpLoop is one reactor with one socket. Everything in it belongs to the goroutine in run, save the waker and
// the stop mark.
type udpLoop struct {
	udpCounts

	poll   *reactor.Poll
	waker  *reactor.Waker
	sock   *reactor.PacketConn
	log    *slog.Logger
	events []reactor.Event

	batch   []reactor.Message
	want    int // how much of batch the next read fills
	ready   bool
	queue   datagramQueue
	writing bool // registered for Writable

	retryAt    time.Time // not to be read from before
	reported   uint64    // dropped, at the last report
	reportedAt time.Time
	lastDrop   error

	stopping atomic.Bool
}

var errQueueFull = errors.New("the queue of what waits to be sent is full")

func newUDPLoop(sock *reactor.PacketConn, queueLimit int, log *slog.Logger) (*udpLoop, error) {
	poll, err := reactor.NewPoll()
	if err != nil {
		return nil, err
	}
	waker, err := reactor.NewWaker(poll, wakeToken)
	if err != nil {
		_ = poll.Close() // the failure to be told is the first
		return nil, err
	}
	l := &udpLoop{
		poll:   poll,
		waker:  waker,
		sock:   sock,
		log:    log,
		events: make([]reactor.Event, 2),
		batch:  make([]reactor.Message, batchLen),
		want:   minBatch,
		queue:  datagramQueue{limit: queueLimit},
	}
	mem := make([]byte, batchLen*bufferStride)
	for i := range l.batch {
		l.batch[i].Buf = mem[i*bufferStride:][:datagramLen:datagramLen]
	}
	if err := poll.Register(sock, socketToken, reactor.Readable, reactor.Edge); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// close gives back what newUDPLoop took. It comes after run, when nobody is left who could do something about an error.
func (l *udpLoop) close() {
	_ = l.waker.Close()
	_ = l.poll.Close()
}

// stop makes run return. Any goroutine may call it.
func (l *udpLoop) stop() {
	l.stopping.Store(true)
	if err := l.waker.Wake(); err != nil && err != reactor.ErrClosed {
		l.log.Error("cannot wake a loop", "err", err)
	}
}

// run serves until ctx is done.
func (l *udpLoop) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.stop)()
	defer l.report()
	for {
		n, err := l.poll.Wait(l.events, l.timeout())
		if err != nil {
			return err
		}
		for _, ev := range l.events[:n] {
			switch ev.Token {
			case wakeToken:
				if l.stopping.Load() {
					l.drop(l.queue.len(), errors.New("the server stops"))
					return nil
				}
			case socketToken:
				if ev.Readable() || ev.Error() {
					l.ready = true
				}
				if ev.Writable() {
					if err := l.flush(); err != nil {
						return err
					}
				}
			}
		}
		if l.ready && (l.retryAt.IsZero() || time.Now().After(l.retryAt)) {
			l.retryAt = time.Time{}
			if err := l.echo(); err != nil {
				return err
			}
		}
		if l.dropped != l.reported && time.Since(l.reportedAt) >= dropReportEvery {
			l.report()
		}
	}
}

// timeout says how long there is nothing to do unless an event comes.
func (l *udpLoop) timeout() time.Duration {
	timeout := time.Duration(-1)
	if l.dropped != l.reported {
		timeout = max(0, dropReportEvery-time.Since(l.reportedAt))
	}
	if l.ready {
		untilRetry := time.Duration(0)
		if !l.retryAt.IsZero() {
			untilRetry = max(0, time.Until(l.retryAt))
		}
		if timeout < 0 || untilRetry < timeout {
			timeout = untilRetry
		}
	}
	return timeout
}

// echo reads what came and sends it back, until nothing is left or the turn is over.
func (l *udpLoop) echo() error {
	for range batchesPerTurn {
		batch := l.batch[:l.want]
		n, err := l.sock.ReadBatch(batch)
		l.received += uint64(n)
		if sendErr := l.send(batch[:n]); sendErr != nil {
			return sendErr
		}
		switch {
		case err == nil && n == len(batch):
			l.want = min(2*l.want, batchLen)
		case err == nil, err == reactor.ErrWouldBlock:
			// As much as came now may come next time, and a bit more.
			l.want = min(max(2*n, l.want/2, minBatch), batchLen)
			l.ready = false
			return nil
		case isExhausted(err):
			// The datagrams stay where they are, and no edge tells of them again.
			l.log.Warn("cannot read for now", "err", err)
			l.retryAt = time.Now().Add(lastBackoff)
			return nil
		case !isLate(err):
			return err
		}
	}
	return nil
}

// send sends a batch, behind what waits in the queue.
func (l *udpLoop) send(batch []reactor.Message) error {
	for len(batch) > 0 && l.queue.len() == 0 {
		n, err := l.sock.WriteBatch(batch)
		l.sent += uint64(n)
		batch = batch[n:]
		if err == reactor.ErrWouldBlock {
			break
		}
		if err != nil {
			l.drop(1, err)
			batch = batch[1:]
		}
	}
	for i := range batch {
		if !l.queue.push(&batch[i]) {
			l.drop(1, errQueueFull)
		}
	}
	return l.await(l.queue.len() > 0)
}

// flush sends what waits in the queue.
func (l *udpLoop) flush() error {
	for l.queue.len() > 0 {
		n, err := l.sock.WriteBatch(l.queue.front(batchLen))
		l.sent += uint64(n)
		l.queue.pop(n)
		if err == reactor.ErrWouldBlock {
			return nil
		}
		if err != nil {
			l.drop(1, err)
			l.queue.pop(1)
		}
	}
	return l.await(false)
}

// await registers for Writable, or no longer.
func (l *udpLoop) await(writable bool) error {
	if writable == l.writing {
		return nil
	}
	interest := reactor.Readable
	if writable {
		interest |= reactor.Writable
	}
	l.writing = writable
	return l.poll.Reregister(l.sock, socketToken, interest, reactor.Edge)
}

func (l *udpLoop) drop(n int, why error) {
	if n > 0 {
		l.dropped += uint64(n)
		l.lastDrop = why
	}
}

// report logs what was dropped since the last report.
func (l *udpLoop) report() {
	if l.dropped == l.reported {
		return
	}
	l.log.Warn("datagrams dropped", "count", l.dropped-l.reported, "total", l.dropped, "err", l.lastDrop)
	l.reported, l.reportedAt = l.dropped, time.Now()
}
