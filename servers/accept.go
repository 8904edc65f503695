package servers

import (
	"time"

	"github.com/goreactor/reactor"
)

const (
	// acceptsPerTurn bounds what a flood of connections takes from the clients that are there.
	acceptsPerTurn = 64

	firstBackoff = 10 * time.Millisecond
	lastBackoff  = 640 * time.Millisecond
)

// A listenerState is a listening socket and what is known of it. Its place in the loop is its token.
type listenerState struct {
	*reactor.Listener
	ready bool // there may be connections that nobody has accepted
}

// An acceptor is the part of a loop that takes new connections.
type acceptor struct {
	listeners []listenerState
	full      bool          // the quota is used up: the loop is woken when somebody leaves
	backoff   time.Duration // how long to wait for the system to have room again; 0: it has
	retryAt   time.Time     // when that is over
}

// listen adds a listener, which stays its owner's. It comes before run.
func (l *loop) listen(ln *reactor.Listener) error {
	token := reactor.Token(len(l.listeners))
	if err := l.poll.Register(ln, token, reactor.Readable, reactor.Edge); err != nil {
		return err
	}
	l.listeners = append(l.listeners, listenerState{Listener: ln})
	return nil
}

// acceptTimeout says how long accept has nothing to do unless an event comes.
func (l *loop) acceptTimeout() time.Duration {
	if l.full {
		return -1
	}
	for i := range l.listeners {
		if !l.listeners[i].ready {
			continue
		}
		if l.backoff == 0 {
			return 0
		}
		return max(0, time.Until(l.retryAt))
	}
	return -1
}

// quotaFreed says that it is worth trying again.
func (l *loop) quotaFreed() { l.full = false }

// accept takes what waits on the listeners that are ready, up to a bound for each.
func (l *loop) accept() error {
	for i := range l.listeners {
		ln := &l.listeners[i]
		if !ln.ready || l.full || l.backoff != 0 && time.Now().Before(l.retryAt) {
			continue
		}
		if err := l.acceptFrom(ln); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) acceptFrom(ln *listenerState) error {
	for range acceptsPerTurn {
		if !l.quota.take(l) {
			l.full = true
			return nil
		}
		conn, from, err := ln.Accept()
		if err == nil {
			if l.backoff != 0 {
				l.log.Info("accepting again")
				l.backoff = 0
			}
			l.handOut(conn, from)
			continue
		}
		l.quota.leave()
		switch {
		case err == reactor.ErrWouldBlock:
			ln.ready = false
			return nil
		case isAborted(err):
			l.log.Debug("connection aborted before it was accepted", "err", err)
		case isExhausted(err):
			// An edge comes for new connections only: those that wait already are asked for by the clock.
			if l.backoff == 0 {
				l.log.Warn("cannot accept for now", "err", err)
			}
			l.backoff = min(max(firstBackoff, 2*l.backoff), lastBackoff)
			l.retryAt = time.Now().Add(l.backoff)
			return nil
		default:
			return err
		}
	}
	return nil
}

// handOut gives a connection to the loop whose turn it is.
func (l *loop) handOut(conn *reactor.Conn, from reactor.Addr) {
	to := l
	if len(l.recipients) > 0 {
		to = l.recipients[l.next]
		l.next = (l.next + 1) % len(l.recipients)
	}
	if to == l {
		l.admit(conn, from)
		return
	}
	if !to.inbox.put(givenConn{conn, from}) {
		_ = conn.Close() // the server is stopping
		l.quota.leave()
		return
	}
	to.wake()
}
