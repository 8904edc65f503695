package reactor

import (
	"os"

	"golang.org/x/sys/windows"
)

// A helper is a handle of AFD, to which polls are given. The driver keeps a list of each handle's polls, which it walks to cancel
// one: a handle serves only a few.
type helper struct {
	handle windows.Handle
	used   int // watches
	place  int // in the pool's list of those with room, from 1 on; 0: not there
}

const helperRoom = 32

// A helperPool opens helpers as they are needed, and closes those that are not used any more, save one.
type helperPool struct {
	all   map[*helper]bool
	roomy []*helper
}

// take gives a helper for one watch.
func (p *helperPool) take(port windows.Handle) (*helper, error) {
	if len(p.roomy) == 0 {
		h, err := openHelper(port)
		if err != nil {
			return nil, err
		}
		if p.all == nil {
			p.all = make(map[*helper]bool)
		}
		p.all[h] = true
		p.list(h)
	}
	h := p.roomy[len(p.roomy)-1]
	h.used++
	if h.used == helperRoom {
		p.unlist(h)
	}
	return h, nil
}

func openHelper(port windows.Handle) (*helper, error) {
	handle, err := openAFD()
	if err != nil {
		return nil, err
	}
	if _, err = windows.CreateIoCompletionPort(handle, port, keyPoll, 0); err != nil {
		err = os.NewSyscallError("CreateIoCompletionPort", err)
	} else if err = windows.SetFileCompletionNotificationModes(handle, windows.FILE_SKIP_SET_EVENT_ON_HANDLE); err != nil {
		err = os.NewSyscallError("SetFileCompletionNotificationModes", err)
	}
	if err != nil {
		_ = windows.CloseHandle(handle)
		return nil, err
	}
	return &helper{handle: handle}, nil
}

// give takes a helper back from a watch that has no poll in flight.
func (p *helperPool) give(h *helper) {
	h.used--
	if h.place == 0 {
		p.list(h)
	}
	if h.used == 0 && len(p.roomy) > 1 {
		p.unlist(h)
		delete(p.all, h)
		// The handle holds nothing, and nobody is there to be told of an error.
		_ = windows.CloseHandle(h.handle)
	}
}

func (p *helperPool) list(h *helper) {
	p.roomy = append(p.roomy, h)
	h.place = len(p.roomy)
}

func (p *helperPool) unlist(h *helper) {
	last := len(p.roomy) - 1
	moved := p.roomy[last]
	p.roomy[h.place-1] = moved
	moved.place = h.place
	p.roomy = p.roomy[:last]
	h.place = 0
}

// cancel ends all polls. Their packets follow.
func (p *helperPool) cancel() {
	for h := range p.all {
		// What cannot be cancelled ends when the handle is closed.
		_ = cancelIO(h.handle, nil)
	}
}

func (p *helperPool) close() {
	for h := range p.all {
		_ = windows.CloseHandle(h.handle)
	}
	*p = helperPool{}
}
