package reactor

// rearm passes on to an emulating backend that d's own Read, Write, Accept … met would-block or came up short.
// The caller holds d by acquire.
func (p *Poll) rearm(d *descriptor, direction Interest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.poll.Load() == p && !p.closed() {
		p.be.rearm(p.slots.id(d.slot), direction)
	}
}
