//go:build unix && !linux && !netbsd

package reactor

// Batches on systems without recvmmsg(2) and sendmmsg(2), or with ones that are such loops themselves.

func (d *descriptor) recvBatch(ms []Message, _ bool, paths *pathCache) (int, error) {
	for n := range ms {
		m := &ms[n]
		got, from, err := d.recvFrom(m.Buf, false, paths)
		if err != nil {
			if err == ErrWouldBlock && n > 0 {
				return n, nil
			}
			return n, err
		}
		m.N, m.Addr = got, from
	}
	return len(ms), nil
}

func (d *descriptor) sendBatch(ms []Message, peer *Addr) (int, error) {
	for n := range ms {
		m := &ms[n]
		if err := checkMessage(m); err != nil {
			return n, err
		}
		to, err := sendTarget(d, &m.Addr, peer)
		if err == nil {
			_, err = d.sendTo(m.Buf[:m.N], to)
		}
		if err != nil {
			return n, err
		}
	}
	return len(ms), nil
}
