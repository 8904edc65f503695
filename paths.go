package reactor

import "sync"

// pathCache holds the paths of Unix peers, so that a datagram of one that is known costs no allocation.
type pathCache struct {
	mu    sync.Mutex
	known map[string]string
}

// maxPaths bounds a cache: who has more peers than that pays for a new start.
const maxPaths = 1024

// intern gives path as a string: the same one as last time.
func (c *pathCache) intern(path []byte) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.known[string(path)]; ok {
		return s
	}
	if c.known == nil || len(c.known) == maxPaths {
		c.known = make(map[string]string)
	}
	s := string(path)
	c.known[s] = s
	return s
}
