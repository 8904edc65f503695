package servers

import (
	"sync"

	"github.com/goreactor/reactor"
)

// A mailbox takes connections from the loop that accepts to the loop that serves them.
type mailbox struct {
	mu     sync.Mutex
	given  []givenConn
	closed bool
}

type givenConn struct {
	conn *reactor.Conn
	from reactor.Addr
}

// put reports whether there is somebody to serve the connection.
func (m *mailbox) put(g givenConn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.given = append(m.given, g)
	return true
}

// take empties the mailbox.
func (m *mailbox) take() []givenConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	given := m.given
	m.given = nil
	return given
}

// close empties the mailbox for good.
func (m *mailbox) close() []givenConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	given := m.given
	m.given = nil
	return given
}
