//go:build unix

package main

import "syscall"

// raiseDescriptorLimit makes the soft limit the hard one, for this process and its children, and gives it. The Go
// runtime does so for itself, but hands the old limit on to children unless it is set here.
func raiseDescriptorLimit() (uint64, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	soft := uint64(r.Cur)
	r.Cur = r.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return soft, nil // macOS refuses more than kern.maxfilesperproc
	}
	return uint64(r.Cur), nil
}
