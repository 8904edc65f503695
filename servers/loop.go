package servers

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/goreactor/reactor"
)

const (
	// wakeToken is out of the way of the clients' tokens, which count up from the listeners', which count
	// up from 0.
	wakeToken = ^reactor.Token(0)
	// eventsPerWait bounds what one turn does before the loop looks at its listeners and at the clients
	// whose turn was cut short.
	eventsPerWait = 1024
)

// A loop is one reactor with its connections. Everything in it belongs to the goroutine in run, save the
// mailbox, the waker and the stop mark.
type loop struct {
	poll    *reactor.Poll
	waker   *reactor.Waker
	log     *slog.Logger
	events  []reactor.Event
	buf     []byte // what was read and not yet written, for the length of one call
	clients clientTable
	again   []*client // clients whose turn ended before their input did
	limit   int       // bytes of output that a client may be slow to take

	acceptor
	quota      *quota
	inbox      mailbox
	recipients []*loop // the loops that accepted connections are handed out to in turn; none: to this one
	next       int     // the recipient of the next connection

	stopping atomic.Bool
}

func newLoop(o streamOptions, share *quota) (*loop, error) {
	poll, err := reactor.NewPoll()
	if err != nil {
		return nil, err
	}
	waker, err := reactor.NewWaker(poll, wakeToken)
	if err != nil {
		_ = poll.Close() // the failure to be told is the first
		return nil, err
	}
	return &loop{
		poll:   poll,
		waker:  waker,
		log:    o.log,
		events: make([]reactor.Event, eventsPerWait),
		buf:    make([]byte, o.pendingLimit),
		limit:  o.pendingLimit,
		quota:  share,
	}, nil
}

// close gives back what newLoop took, and ends the clients. It comes after run, when nobody is left who could do
// something about an error.
func (l *loop) close() {
	for _, given := range l.inbox.close() {
		_ = given.conn.Close()
	}
	for c := range l.clients.all {
		l.end(c, nil)
	}
	_ = l.waker.Close()
	_ = l.poll.Close()
}

// stop makes run return. Any goroutine may call it.
func (l *loop) stop() {
	l.stopping.Store(true)
	l.wake()
}

// wake makes the loop look at its inbox, the quota and the stop mark. Any goroutine may call it.
func (l *loop) wake() {
	if err := l.waker.Wake(); err != nil && err != reactor.ErrClosed {
		l.log.Error("cannot wake a loop", "err", err)
	}
}

// run serves until ctx is done.
func (l *loop) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, l.stop)()
	l.clients.first = reactor.Token(len(l.listeners))
	for {
		n, err := l.poll.Wait(l.events, l.timeout())
		if err != nil {
			return err
		}
		// The clients that wait for another turn get it after those whose event came, and before those
		// whose turn is cut short now.
		waiting := len(l.again)
		for i := range l.events[:n] {
			ev := &l.events[i]
			if c := l.clients.find(ev.Token); c != nil {
				l.ready(c, ev.Ready)
			} else if ev.Token == wakeToken {
				if l.stopping.Load() {
					return nil
				}
				l.quotaFreed()
				l.receive()
			} else if int(ev.Token) < len(l.listeners) {
				l.listeners[ev.Token].ready = true
			}
		}
		if waiting > 0 {
			l.resume(waiting)
		}
		if err := l.accept(); err != nil {
			return err
		}
	}
}

// timeout says how long the next Wait may take: no time at all while somebody waits for another turn.
func (l *loop) timeout() time.Duration {
	if len(l.again) > 0 {
		return 0
	}
	return l.acceptTimeout()
}

// resume gives the first n clients in the list another turn.
func (l *loop) resume(n int) {
	for _, c := range l.again[:n] {
		c.state &^= waitsForTurn
		if c.conn != nil {
			l.echo(c)
		}
	}
	rest := copy(l.again, l.again[n:])
	clear(l.again[rest:])
	l.again = l.again[:rest]
}

// receive takes the connections that other loops handed over.
func (l *loop) receive() {
	for _, given := range l.inbox.take() {
		l.admit(given.conn, given.from)
	}
}
