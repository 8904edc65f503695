package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/goreactor/reactor"
)

// A stream is one TCP connection. Its bytes, in both directions, are the pattern's from base on.
type stream struct {
	conn            *reactor.Conn
	base            int
	want, sent, got int64 // bytes to have been sent by now; sent; come back and found right
	due             int64 // got at which the oldest message is complete
	starts          []int64
	oldest          int // of starts
	connected       bool
	blocked         bool // Writable is of interest
}

// streams is a closed loop over TCP: on each connection a message goes out for each that came back.
type streams struct {
	*load
	all     []*stream
	buf     []byte
	greet   func(i int) bool // whether the new connection echoes a message at once
	rolling bool             // a message that came back makes room for the next; else it is one less pending
	pending int              // connections that are being made, and messages that must come back
}

func runStreams(l *load) (result, error) {
	s := &streams{load: l, buf: make([]byte, 256<<10)}
	defer s.close()
	if l.idle {
		return s.holdIdle()
	}
	s.greet = func(int) bool { return true }
	if err := s.open(l.conns); err != nil {
		return result{}, err
	}
	s.rolling = true
	for i, st := range s.all {
		st.want += int64(l.size) * int64(l.inFlight)
		st.starts = make([]int64, l.inFlight)
		for j := range st.starts {
			st.starts[j] = l.now()
		}
		if err := s.push(i, st); err != nil {
			return result{}, err
		}
	}
	r, err := l.measure(s.handle, func(int64) error { return nil })
	if err != nil {
		return r, err
	}
	// All that is still under way must come back too.
	s.rolling = false
	s.pending = l.conns * l.inFlight
	return r, s.settle()
}

// close resets the connections: closed in the orderly way, ten thousands of them would stay in TIME_WAIT.
func (s *streams) close() {
	for _, st := range s.all {
		// Either fails only on a connection that is broken, which was reported, or when the sockets end with the process.
		_ = st.conn.SetLinger(0)
		_ = st.conn.Close()
	}
}

// openBatch is how many connections are made at once: few enough for any listener's backlog.
const openBatch = 100

func (s *streams) open(n int) error {
	for len(s.all) < n {
		for range min(openBatch, n-len(s.all)) {
			conn, err := reactor.Dial("tcp", s.addr)
			if err != nil {
				return fmt.Errorf("connection %d: %w", len(s.all), err)
			}
			i := len(s.all)
			s.all = append(s.all, &stream{conn: conn, base: i * 104729 % patternLen, due: int64(s.size)})
			s.pending++
			if err := s.poll.Register(conn, reactor.Token(i), reactor.Readable|reactor.Writable, reactor.Level); err != nil {
				return err
			}
		}
		if err := s.settle(); err != nil {
			return err
		}
	}
	return nil
}

// settle runs the loop until nothing is pending.
func (s *streams) settle() error {
	if s.pending == 0 {
		return nil
	}
	return s.loop(s.handle, func(int, int64) (bool, error) { return s.pending == 0, nil })
}

func (s *streams) handle(e reactor.Event) error {
	i := int(e.Token)
	st := s.all[i]
	if !st.connected {
		return s.connect(i, st)
	}
	if e.Readable() {
		if err := s.receive(i, st); err != nil {
			return err
		}
	}
	if e.Writable() && st.blocked {
		return s.push(i, st)
	}
	return nil
}

func (s *streams) connect(i int, st *stream) error {
	switch err := st.conn.FinishConnect(); {
	case err == reactor.ErrWouldBlock:
		return nil
	case err != nil:
		return fmt.Errorf("connection %d: %w", i, err)
	}
	s.moved++
	st.connected, st.blocked = true, true
	if s.greet(i) {
		st.want = int64(s.size)
	} else {
		s.pending--
	}
	return s.push(i, st)
}

// push sends what is wanted, as far as the socket takes it.
func (s *streams) push(i int, st *stream) error {
	for st.sent < st.want {
		from := (int64(st.base) + st.sent) % patternLen
		n, err := st.conn.Write(pattern[from : from+min(st.want-st.sent, patternLen)])
		st.sent += int64(n)
		if err == reactor.ErrWouldBlock {
			return s.block(i, st, true)
		}
		if err != nil {
			return fmt.Errorf("connection %d, after %d bytes: %w", i, st.sent, err)
		}
	}
	return s.block(i, st, false)
}

// block says whether the connection waits for room to write.
func (s *streams) block(i int, st *stream, blocked bool) error {
	if st.blocked == blocked {
		return nil
	}
	st.blocked = blocked
	interest := reactor.Readable
	if blocked {
		interest |= reactor.Writable
	}
	return s.poll.Reregister(st.conn, reactor.Token(i), interest, reactor.Level)
}

// receive reads once, which is enough for a level registration, checks each byte, and sends the next messages.
func (s *streams) receive(i int, st *stream) error {
	n, err := st.conn.Read(s.buf)
	if err == reactor.ErrWouldBlock {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("connection %d: the server closed it after %d of %d bytes", i, st.got, st.sent)
	}
	if err != nil {
		return fmt.Errorf("connection %d, after %d bytes: %w", i, st.got, err)
	}
	if st.got+int64(n) > st.sent {
		return fmt.Errorf("connection %d: %d bytes were sent and %d came back", i, st.sent, st.got+int64(n))
	}
	from := (int64(st.base) + st.got) % patternLen
	if expected := pattern[from : from+int64(n)]; !bytes.Equal(s.buf[:n], expected) {
		at := 0
		for s.buf[at] == expected[at] {
			at++
		}
		return fmt.Errorf("connection %d: byte %d came back wrong", i, st.got+int64(at))
	}
	st.got += int64(n)
	s.moved++
	if st.got < st.due {
		return nil
	}
	now := s.now()
	for ; st.got >= st.due; st.due += int64(s.size) {
		if !s.rolling {
			s.pending--
			continue
		}
		s.latency.add(now - st.starts[st.oldest])
		st.starts[st.oldest] = now
		if st.oldest++; st.oldest == len(st.starts) {
			st.oldest = 0
		}
		st.want += int64(s.size)
	}
	return s.push(i, st)
}

// holdIdle opens the connections and takes the server's memory before, when they are open, and when each has echoed.
func (s *streams) holdIdle() (result, error) {
	var r result
	before, err := restingRSS(s.pid)
	if errors.Is(err, errors.ErrUnsupported) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	// One in openBatch echoes at once, the last one of each batch: by then the server has accepted all before it.
	s.greet = func(i int) bool { return (i+1)%openBatch == 0 || i == s.conns-1 }
	if err := s.open(s.conns); err != nil {
		return r, err
	}
	opened, err := restingRSS(s.pid)
	if err != nil {
		return r, err
	}
	for i, st := range s.all {
		st.want += int64(s.size)
		s.pending++
		if err := s.push(i, st); err != nil {
			return r, err
		}
		if s.pending == openBatch || i == len(s.all)-1 {
			if err := s.settle(); err != nil {
				return r, err
			}
		}
	}
	used, err := restingRSS(s.pid)
	if err != nil {
		return r, err
	}
	r.HaveRSS = true
	r.IdleBytes = (float64(opened) - float64(before)) / float64(s.conns)
	r.UsedBytes = (float64(used) - float64(before)) / float64(s.conns)
	return r, nil
}

// restingRSS gives the resident memory of a process once it has stopped changing, or after five seconds: a garbage
// collector may go on giving memory back for long.
func restingRSS(pid int) (uint64, error) {
	const (
		pause  = 100 * time.Millisecond
		same   = 3
		pauses = 50
	)
	last, err := readRSS(pid)
	for i, unchanged := 0, 0; err == nil && unchanged < same && i < pauses; i++ {
		time.Sleep(pause)
		var rss uint64
		if rss, err = readRSS(pid); rss == last {
			unchanged++
		} else {
			last, unchanged = rss, 0
		}
	}
	return last, err
}
