package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/goreactor/reactor"
)

const (
	datagramHeader = 8     // the socket's number and the datagram's, 4 bytes each
	maxDatagram    = 65507 // of UDP over IPv4
	datagramBatch  = 64    // moved by one call at most
	lostAfter      = 200 * time.Millisecond
	sweepEvery     = lostAfter / 4
)

type datagramState uint8

const (
	unsent datagramState = iota
	awaited
	answered
	givenUp
)

// A datagram is one that was sent not long ago.
type datagram struct {
	at    int64
	seq   uint32
	state datagramState
}

// A datagramSocket keeps a window of datagrams in flight.
type datagramSocket struct {
	conn     *reactor.PacketConn
	next     uint32 // number of the next one
	inFlight int
	sent     []datagram // by number; a power of two, and many windows long, so that late and double answers are known
}

// datagrams is a closed loop over UDP.
type datagrams struct {
	*load
	all     []*datagramSocket
	out, in []reactor.Message
	sweepAt int64
}

func runDatagrams(l *load) (result, error) {
	d := &datagrams{load: l, out: make([]reactor.Message, datagramBatch), in: make([]reactor.Message, datagramBatch)}
	for i := range d.out {
		d.out[i] = reactor.Message{Buf: make([]byte, l.size), N: l.size}
		d.in[i].Buf = make([]byte, l.size+1) // so that one that is too long shows
	}
	recent := 1
	for recent < 16*l.inFlight {
		recent *= 2
	}
	defer d.close()
	for i := range l.conns {
		conn, err := reactor.DialPacket("udp", l.addr)
		if err != nil {
			return result{}, fmt.Errorf("socket %d: %w", i, err)
		}
		s := &datagramSocket{conn: conn, sent: make([]datagram, recent)}
		d.all = append(d.all, s)
		if err := l.poll.Register(conn, reactor.Token(i), reactor.Readable, reactor.Level); err != nil {
			return result{}, err
		}
		if err := d.push(i, s); err != nil {
			return result{}, err
		}
	}
	return l.measure(d.handle, d.sweep)
}

func (d *datagrams) close() {
	for _, s := range d.all {
		// The socket is not used again, whatever close says.
		_ = s.conn.Close()
	}
}

func (d *datagrams) body(i int, seq uint32) []byte {
	from := (i*104729 + int(seq)*61) & (patternLen - 1)
	return pattern[from : from+d.size-datagramHeader]
}

// push fills the window, as far as the socket takes it.
func (d *datagrams) push(i int, s *datagramSocket) error {
	for s.inFlight < d.inFlight {
		batch := d.out[:min(datagramBatch, d.inFlight-s.inFlight)]
		for k := range batch {
			seq := s.next + uint32(k)
			binary.LittleEndian.PutUint32(batch[k].Buf, uint32(i))
			binary.LittleEndian.PutUint32(batch[k].Buf[4:], seq)
			copy(batch[k].Buf[datagramHeader:], d.body(i, seq))
		}
		now := d.now()
		n, err := s.conn.WriteBatch(batch)
		for range n {
			g := &s.sent[s.next&uint32(len(s.sent)-1)]
			if g.state == awaited { // many later ones have come back
				d.giveUp(s, g)
			}
			*g = datagram{now, s.next, awaited}
			s.next++
			s.inFlight++
		}
		if err == reactor.ErrWouldBlock {
			return nil // the sweep goes on
		}
		if err != nil {
			return fmt.Errorf("socket %d: %w", i, err)
		}
	}
	return nil
}

func (d *datagrams) handle(e reactor.Event) error {
	i := int(e.Token)
	s := d.all[i]
	n, err := s.conn.ReadBatch(d.in[:max(1, min(datagramBatch, s.inFlight))])
	now := d.now()
	for _, m := range d.in[:n] {
		if err := d.receive(i, s, m.Buf[:m.N], now); err != nil {
			return err
		}
	}
	if err != nil && err != reactor.ErrWouldBlock {
		return fmt.Errorf("socket %d: %w", i, err)
	}
	return d.push(i, s)
}

// receive checks one datagram and counts it.
func (d *datagrams) receive(i int, s *datagramSocket, p []byte, now int64) error {
	if len(p) != d.size {
		return fmt.Errorf("socket %d: a datagram of %d bytes came back as one of %d or more", i, d.size, len(p))
	}
	from, seq := binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])
	if from != uint32(i) || int32(s.next-seq) <= 0 || !bytes.Equal(p[datagramHeader:], d.body(i, seq)) {
		return fmt.Errorf("socket %d: a datagram came back wrong", i)
	}
	d.moved++
	g := &s.sent[seq&uint32(len(s.sent)-1)]
	switch {
	case g.seq != seq: // it was given up long ago
	case g.state == answered:
		return fmt.Errorf("socket %d: datagram %d came back twice", i, seq)
	case g.state == givenUp:
		g.state = answered
	default:
		g.state = answered
		s.inFlight--
		d.latency.add(now - g.at)
	}
	return nil
}

func (d *datagrams) giveUp(s *datagramSocket, g *datagram) {
	g.state = givenUp
	s.inFlight--
	d.lost++
}

// sweep gives up what is too old, and sends others in its place.
func (d *datagrams) sweep(now int64) error {
	if now < d.sweepAt {
		return nil
	}
	d.sweepAt = now + int64(sweepEvery)
	for i, s := range d.all {
		for k := range s.sent {
			if g := &s.sent[k]; g.state == awaited && now-g.at > int64(lostAfter) {
				d.giveUp(s, g)
			}
		}
		if err := d.push(i, s); err != nil {
			return err
		}
	}
	return nil
}
