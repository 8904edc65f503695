package servers

import (
	"context"
	"io"
	"log/slog"

	"github.com/goreactor/reactor"
)

// readsPerTurn bounds what one client gets before the others have their turn: as many reads of at most a
// buffer each.
const readsPerTurn = 4

// A client is one connection. There are very many, most of them idle, so it holds as little as it can.
type client struct {
	conn    *reactor.Conn // nil once the client has left
	pending *pending      // output that it is slow to take; nil if none
	token   reactor.Token
	state   clientState
}

type clientState uint8

const (
	// readOn: a short read does not mean that nothing is left, for the end of the stream or an urgent mark
	// may follow.
	readOn clientState = 1 << iota
	// atEOF: the client sends no more, and leaves once it has taken what is pending.
	atEOF
	// waitsForTurn: the client is in the loop's list of those who had more to read than a turn allows.
	waitsForTurn
)

// admit makes a client of an accepted connection.
func (l *loop) admit(conn *reactor.Conn, from reactor.Addr) {
	c := l.clients.add(conn)
	if err := l.poll.Register(conn, c.token, reactor.Readable, reactor.Edge); err != nil {
		l.log.Warn("connection refused", "token", uint64(c.token), "peer", from.String(), "err", err)
		l.end(c, nil)
		return
	}
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("accepted", "token", uint64(c.token), "peer", from.String())
	}
}

// ready serves a client's event.
func (l *loop) ready(c *client, what reactor.Ready) {
	if what&(reactor.ReadyReadClosed|reactor.ReadyPriority) != 0 {
		c.state |= readOn
	}
	if c.pending != nil {
		if what&(reactor.ReadyWritable|reactor.ReadyError) != 0 && l.flush(c) {
			// It left, or its registration was made anew, which tells what there is to read.
			return
		}
		if c.state&atEOF != 0 {
			return
		}
	}
	if c.state&waitsForTurn == 0 {
		l.echo(c)
	}
}

// echo reads what the client sent and sends it back, until nothing is left, or the client's output is stuck,
// or its turn is over.
func (l *loop) echo(c *client) {
	for range readsPerTurn {
		buf := l.buf
		if c.pending != nil {
			if buf = buf[:l.limit-c.pending.len()]; len(buf) == 0 {
				// Not another byte before it drains. Then the registration is made anew, and
				// tells what there is to read.
				return
			}
		}
		n, err := c.conn.Read(buf)
		if err != nil {
			if err == reactor.ErrWouldBlock {
				c.state &^= readOn
			} else if err == io.EOF && c.pending != nil {
				c.state |= atEOF
			} else {
				l.end(c, err)
			}
			return
		}
		if c.pending != nil {
			c.pending.add(buf[:n], l.limit)
		} else if sent, err := c.conn.Write(buf[:n]); err != nil {
			if err != reactor.ErrWouldBlock {
				l.end(c, err)
				return
			}
			c.pending = new(pending)
			c.pending.add(buf[sent:n], l.limit)
			if !l.await(c, reactor.Readable|reactor.Writable) {
				return
			}
		}
		if n < len(buf) && c.state&readOn == 0 {
			return
		}
	}
	c.state |= waitsForTurn
	l.again = append(l.again, c)
}

// flush sends what is pending. It reports whether nothing is left to be done for this event: the client left,
// or it took everything and its registration was made anew.
func (l *loop) flush(c *client) (done bool) {
	sent, err := c.conn.Write(c.pending.bytes())
	if err != nil && err != reactor.ErrWouldBlock {
		l.end(c, err)
		return true
	}
	c.pending.drop(sent)
	if c.pending.len() > 0 {
		return false
	}
	c.pending = nil
	if c.state&atEOF != 0 {
		l.end(c, io.EOF)
		return true
	}
	l.await(c, reactor.Readable)
	return true
}

// await changes what a client is registered for. It reports whether the client is still there.
func (l *loop) await(c *client, interest reactor.Interest) bool {
	if err := l.poll.Reregister(c.conn, c.token, interest, reactor.Edge); err != nil {
		l.end(c, err)
		return false
	}
	return true
}

// end closes a client's connection. The reason is io.EOF if the client has what it sent, nil if the server
// has its own reason, and otherwise what went wrong.
func (l *loop) end(c *client, reason error) {
	l.clients.remove(c)
	if err := c.conn.Close(); err != nil && (reason == nil || reason == io.EOF) {
		reason = err
	}
	c.conn, c.pending = nil, nil
	l.quota.leave()
	if !l.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	if reason == nil || reason == io.EOF {
		l.log.Debug("closed", "token", uint64(c.token))
	} else {
		l.log.Debug("closed", "token", uint64(c.token), "err", reason)
	}
}
