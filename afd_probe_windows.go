package reactor

import (
	"os"

	"golang.org/x/sys/windows"
)

// A probe tells which events hold now, by a poll that does not wait. Its helper is at no port: an event object says that a poll is
// done, if the system has not done it at once.
type probe struct {
	helper, event windows.Handle
	poll          *probePoll
}

// A probePoll is what the system writes to.
type probePoll struct {
	status ioStatusBlock
	info   afdPollInfo
}

func openProbe() (*probe, error) {
	helper, err := openAFD()
	if err != nil {
		return nil, err
	}
	event, err := windows.CreateEvent(nil, 0, 0, nil)
	if err != nil {
		_ = windows.CloseHandle(helper)
		return nil, os.NewSyscallError("CreateEvent", err)
	}
	return &probe{helper, event, new(probePoll)}, nil
}

// look gives those of the events that hold now: none if the socket is gone.
func (p *probe) look(socket windows.Handle, events uint32) uint32 {
	q := p.poll
	q.status = ioStatusBlock{status: uintptr(windows.STATUS_PENDING)}
	q.info = afdPollInfo{count: 1, socket: socket, events: events}
	status := afdPoll(p.helper, p.event, 0, &q.status, &q.info)
	if status == windows.STATUS_PENDING {
		// It has only to be delivered.
		if _, err := windows.WaitForSingleObject(p.event, windows.INFINITE); err != nil {
			return 0
		}
		status = q.status.ntStatus()
	}
	if status != 0 || q.info.count == 0 {
		return 0
	}
	return q.info.events
}

func (p *probe) close() error {
	err := os.NewSyscallError("CloseHandle", windows.CloseHandle(p.helper))
	if cerr := windows.CloseHandle(p.event); err == nil {
		err = os.NewSyscallError("CloseHandle", cerr)
	}
	return err
}
