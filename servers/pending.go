package servers

// pending is output that a client is slow to take.
type pending struct {
	buf []byte
	off int // how much of buf the client has
}

const minPending = 4 << 10

func (p *pending) len() int      { return len(p.buf) - p.off }
func (p *pending) bytes() []byte { return p.buf[p.off:] }

// add puts b behind what is there. The sum must not exceed limit, and the memory for it does not.
func (p *pending) add(b []byte, limit int) {
	if len(p.buf)+len(b) > cap(p.buf) {
		p.makeRoom(len(b), limit)
	}
	p.buf = append(p.buf, b...)
}

// makeRoom moves what is there to the front, of a larger buffer if need be.
func (p *pending) makeRoom(n, limit int) {
	need := p.len() + n
	to := p.buf
	if need > cap(p.buf) {
		to = make([]byte, 0, min(limit, max(minPending, need, 2*cap(p.buf))))
	}
	p.buf, p.off = append(to[:0], p.buf[p.off:]...), 0
}

// drop takes away the first n bytes.
func (p *pending) drop(n int) { p.off += n }
