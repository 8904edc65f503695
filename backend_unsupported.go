//go:build !unix && !windows && !wasip1

package reactor

import "time"

// The backend of systems that have none yet: everything builds, and NewPoll says so.

type osBackend = noBackend

const emulatedEdges = false

type noBackend struct{}

func (*noBackend) open(*slotTable) error                           { return unsupported("NewPoll") }
func (*noBackend) register(slotID, target, Interest, Mode) error   { return unsupported("Register") }
func (*noBackend) reregister(slotID, target, Interest, Mode) error { return unsupported("Reregister") }
func (*noBackend) deregister(slotID, target) error                 { return unsupported("Deregister") }
func (*noBackend) rearm(slotID, Interest)                          {}
func (*noBackend) wait([]Event, time.Duration) (int, error)        { return 0, unsupported("Wait") }
func (*noBackend) wake() error                                     { return unsupported("Wake") }
func (*noBackend) close() error                                    { return nil }
func (*noBackend) name() string                                    { return "none" }
func (*noBackend) fd() uintptr                                     { return ^uintptr(0) }
