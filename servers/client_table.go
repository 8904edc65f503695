package servers

import "github.com/goreactor/reactor"

// A clientTable finds clients by their tokens. Tokens count up, and none comes again before the count has
// gone round all numbers, so that an event of a client that left finds nobody.
//
// A client's place is its token modulo the size of the table, which is a power of two; a token whose place is
// taken is passed over. Doubling the table keeps clients apart that were apart.
type clientTable struct {
	places []*client
	count  int
	last   reactor.Token // the token given last
	first  reactor.Token // the lowest that clients may have; those below are the listeners'
}

const minPlaces = 64

// find gives the client that has the token, or nil.
func (t *clientTable) find(token reactor.Token) *client {
	if len(t.places) == 0 {
		return nil
	}
	c := t.places[token&reactor.Token(len(t.places)-1)]
	if c == nil || c.token != token {
		return nil
	}
	return c
}

// add makes a client of a connection.
func (t *clientTable) add(conn *reactor.Conn) *client {
	if t.count >= len(t.places)*3/4 {
		t.grow()
	}
	mask := reactor.Token(len(t.places) - 1)
	for {
		t.last++
		if t.last < t.first || t.last == wakeToken {
			continue
		}
		if t.places[t.last&mask] == nil {
			break
		}
	}
	c := &client{conn: conn, token: t.last}
	t.places[c.token&mask] = c
	t.count++
	return c
}

func (t *clientTable) remove(c *client) {
	t.places[c.token&reactor.Token(len(t.places)-1)] = nil
	t.count--
}

// all yields each client; the client that it yields may be removed.
func (t *clientTable) all(yield func(*client) bool) {
	for _, c := range t.places {
		if c != nil && !yield(c) {
			return
		}
	}
}

func (t *clientTable) grow() {
	places := make([]*client, max(minPlaces, 2*len(t.places)))
	mask := reactor.Token(len(places) - 1)
	for c := range t.all {
		places[c.token&mask] = c
	}
	t.places = places
}
